use super::*;
use crate::merge::tests::row;
use weir_exact::row::RowKey;

const BEGIN: Millis = Millis(1_795_219_200_000);
/// What a producer may call its endpoint, and no browser may run.
const HOSTILE: &str = "/<script>document.title='taken'</script>\"onload='x'&amp;\u{1b}[2J\u{202e}gpj";

/// An hour of three services, made by arithmetic: quiet, busy with an incident, and one that begins late and has names that
/// are no names.
fn sample() -> Report {
    let mut rows = vec![];
    let mut endpoints = vec![];
    for minute in 0..60_i64 {
        let incident = (20..27).contains(&minute);
        let wave = |period: i64, most: i64| (minute % period - period / 2).abs() * most / period;
        let services = [
            ("checkout", "/pay", 40 + wave(30, 60), if incident { 4 } else { 60 }, if incident { 40 } else { 1 }),
            ("web", "/users/{id}", 90 - wave(20, 80), 45, 1),
            (HOSTILE, HOSTILE, if minute < 35 { 0 } else { 12 + minute % 5 }, 9, 6),
        ];
        for (service, endpoint, events, error_every, slow) in services {
            let users: Vec<String> = (0..events).map(|n| format!("u{}", n * minute % 997)).collect();
            let event = |n: i64| {
                let status = if n % error_every == 3 { 503 } else { [200, 200, 201, 302, 404][(n % 5) as usize] };
                let ms = (3 + n * n % 29 + if n % 17 == 0 { 120 } else { 0 }) * slow;
                (status, ms as u64, users[n as usize].as_str())
            };
            let events: Vec<_> = (0..events).map(event).collect();
            // Nothing for some minutes: a gap is not a zero.
            let gap = service == "web" && (44..47).contains(&minute);
            if !events.is_empty() && !gap {
                rows.push(row(service, "*", minute, &events));
                endpoints.push(row(service, endpoint, minute, &events[..events.len() / 2]));
                endpoints.push(row(service, "/health", minute, &events[events.len() / 2..]));
            }
        }
    }
    let to = BEGIN.plus(3_600_000);
    Report {
        stack: "weir".to_owned(),
        from: BEGIN,
        to,
        resolution: Resolution::Minute,
        made_at: to.plus(-20_000),
        rows,
        endpoints,
    }
}

/// The text of a page as a reader of HTML sees it in order: tags, and what is between them.
fn tags(page: &str) -> Vec<&str> {
    page.split('<').skip(1).filter_map(|part| part.split(['>', ' ', '\n']).next()).collect()
}

#[test]
fn the_page() {
    insta::assert_binary_snapshot!(".html", sample().html().into_bytes());
}

#[test]
fn every_element_is_closed_in_order() {
    let page = sample().html();
    let mut open: Vec<&str> = vec![];
    for element in page.split('<').skip(1) {
        let tag = element.split(['>', ' ', '\n']).next().unwrap_or_default();
        let closes_itself = element.split('>').next().is_some_and(|tag| tag.ends_with('/'));
        match tag.strip_prefix('/') {
            _ if closes_itself || ["!DOCTYPE", "meta"].contains(&tag) => {}
            Some(closed) => assert_eq!(open.pop(), Some(closed), "before {element}"),
            None => open.push(tag),
        }
    }
    assert_eq!(open, Vec::<&str>::new());
}

#[test]
fn names_are_text_whatever_they_are() {
    let page = sample().html();
    assert!(!tags(&page).contains(&"script"), "{:?}", tags(&page));
    assert!(page.contains("&lt;script&gt;document.title=&#39;taken&#39;&lt;/script&gt;"));
    assert!(page.contains(r"\u{1b}[2J\u{202e}gpj"));
    assert!(!page.contains(['\u{1b}', '\u{202e}']));
}

#[test]
fn a_report_of_nothing_says_so() {
    let report = Report { rows: vec![], endpoints: vec![], ..sample() };
    let page = report.html();
    assert!(page.contains("No events were counted in this range."), "{page}");
    let ahead = Report { from: BEGIN.plus(86_400_000), to: BEGIN.plus(90_000_000), ..report };
    assert!(ahead.html().contains("No events in this range."));
}

#[test]
fn the_smallest_series_are_one_line() {
    let mut report = sample();
    let many = (0..9).map(|n| row(&format!("s{n}"), "*", 1, &vec![(200, 1, "u"); 10 - n]));
    report.rows = many.collect();
    let lines = report.lines();
    let names: Vec<&str> = lines.iter().map(|line| line.name.as_str()).collect();
    assert_eq!(names, ["s0", "s1", "s2", "s3", "s4", "4 others"]);
    assert_eq!(lines[5].points[1].rollup.events(), 5 + 4 + 3 + 2);
    assert_eq!(lines.iter().map(|line| line.points[1].rollup.events()).sum::<u64>(), 54);
}

#[test]
fn endpoints_are_named_with_their_service_where_there_are_several() {
    let mut report = sample();
    assert!(report.html().contains("<th scope=\"row\">web /users/{id}<"));
    report.endpoints.retain(|row| row.key.service == "web");
    report.rows.retain(|row| row.key.service == "web");
    let page = report.html();
    assert!(page.contains("<th scope=\"row\">/users/{id}<") && page.contains("<h1>web</h1>"), "{page}");
    report.endpoints.clear();
    report.rows =
        vec![Row { key: RowKey { endpoint: "/a".to_owned(), ..report.rows[0].key.clone() }, ..report.rows[0].clone() }];
    let page = report.html();
    assert!(page.contains("<h1>web /a</h1>") && !page.contains("Top endpoints"));
}
