use super::*;
use crate::merge::tests::row;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

/// Half past the minute that [`row`] counts as 40.
const NOW: Millis = Millis(1_795_219_200_000 + 40 * 60_000 + 30_000);

fn look() -> Look {
    let mut rows = vec![];
    for minute in 0..=40_i64 {
        let slow = if (20..25).contains(&minute) { 50 } else { 1 };
        let events: Vec<_> = (0..6 + minute % 7)
            .map(|n| {
                (
                    if n == 5 && slow > 1 { 503 } else { 200 },
                    ((4 + n * n) * slow) as u64,
                    ["u", "v", "w"][n as usize % 3],
                )
            })
            .collect();
        rows.push(row("checkout", "*", minute, &events));
        rows.push(row("checkout", "/pay", minute, &events[..3]));
        rows.push(row("checkout", "!before-the-star", minute, &events[3..]));
        if minute % 3 > 0 {
            rows.push(row("web\u{1b}[31m", "*", minute, &events[..2]));
        }
    }
    for row in rows.iter_mut().filter(|row| NOW < row.key.window.end()) {
        row.updated_at = NOW.plus(-4_000);
    }
    let by_reason = [("not_json", 3), ("too_late", 12)].map(|(reason, count)| (reason.to_owned(), count)).into();
    let shards = Some(vec![NOW.plus(-7_000), NOW.plus(-200_000)]);
    Look { rows, shards, quarantine: Some(Quarantine { by_reason, and_more: false }) }
}

fn watch() -> Watch {
    let mut watch = Watch::new("weir", 3_600_000);
    watch.found(look(), NOW);
    watch
}

/// The screen as text.
fn screen(watch: &Watch, columns: u16, lines: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(columns, lines)).unwrap();
    terminal.draw(|frame| watch.draw(frame, NOW)).unwrap();
    terminal.backend().to_string()
}

#[test]
fn services() {
    insta::assert_snapshot!(screen(&watch(), 100, 20));
}

#[test]
fn endpoints_of_one() {
    let mut watch = watch();
    assert_eq!(watch.key(Key::Open), Then::Look);
    assert_eq!(watch.service(), Some("checkout"));
    assert_eq!(watch.key(Key::Down), Then::Draw);
    insta::assert_snapshot!(screen(&watch, 100, 20));
    assert_eq!(watch.key(Key::Back), Then::Look);
    assert_eq!(watch.chosen, Some(("checkout".to_owned(), "*".to_owned())));
}

#[test]
fn a_small_terminal_and_a_failure_and_standing_still() {
    let mut watch = watch();
    watch.failed("table weir-rollups: no connection\u{1b}[2J".to_owned());
    watch.key(Key::Pause);
    insta::assert_snapshot!(screen(&watch, 60, 16));
}

#[test]
fn no_size_is_too_small_and_none_breaks_it() {
    for watch in [watch(), Watch::new("weir", 60_000)] {
        for (columns, lines) in [(1, 1), (3, 3), (10, 5), (20, 40), (300, 4)] {
            screen(&watch, columns, lines);
        }
    }
}

#[test]
fn keys_choose_a_series_by_name() {
    let mut watch = watch();
    let chosen = |watch: &Watch| watch.chosen.as_ref().unwrap().0.clone();
    assert_eq!(chosen(&watch), "checkout");
    watch.key(Key::Up);
    assert_eq!(chosen(&watch), "checkout");
    watch.key(Key::Last);
    watch.key(Key::Down);
    assert_eq!(chosen(&watch), "web\u{1b}[31m");
    watch.found(Look { rows: vec![row("a", "*", 40, &[(200, 1, "u")])], ..Look::default() }, NOW);
    assert_eq!(chosen(&watch), "web\u{1b}[31m", "others may come before it");
    watch.key(Key::First);
    assert_eq!(chosen(&watch), "a");
    assert_eq!(watch.key(Key::Quit), Then::Quit);
}

#[test]
fn what_is_older_than_the_range_goes_and_what_is_newer_replaces() {
    let mut watch = watch();
    let later = NOW.plus(30 * 60_000);
    let mut again = row("checkout", "*", 40, &[(200, 1, "u")]);
    again.version.revision = 9;
    watch.found(Look { rows: vec![again], ..Look::default() }, later);
    let minutes: Vec<i64> = watch.rows.keys().map(|key| (key.window.start().0 - 1_795_219_200_000) / 60_000).collect();
    assert_eq!((minutes.iter().min(), minutes.iter().max()), (Some(&10), Some(&40)));
    let row = watch
        .rows
        .values()
        .find(|row| row.key.endpoint == "*" && row.key.window.start().0 == 1_795_219_200_000 + 40 * 60_000);
    assert_eq!(row.unwrap().version.revision, 9);
    assert!(watch.quarantine.is_some() && watch.shards.len() == 2, "not looked at is not gone");
}

#[test]
fn figures_for_a_program() {
    let now = watch().now(NOW);
    insta::assert_snapshot!(serde_json::to_string_pretty(&now).unwrap());
    // Minutes 36 to 40; the last was computed 26 s in.
    let events: u64 = (36..=40).map(|minute| 6 + minute % 7).sum();
    assert_eq!(now.series[0].events, events);
    assert_eq!(now.series[0].events_per_second, (events as f64 / 266.0 * 1_000.0).round() / 1_000.0);
}
