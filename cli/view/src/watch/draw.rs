//! What is drawn: a head, the list of series, the chosen series over time, and the keys.

use super::figures::{Figures, Now};
use super::sparkline::sparkline;
use super::{Quarantine, Watch};
use crate::number;
use crate::text::shown;
use crate::timeline::Point;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Row, Table, TableState};
use weir_exact::row::SUMMARY;
use weir_telemetry::Millis;

/// Lines of the chosen series, its frame included.
const CHOSEN_LINES: u16 = 8;
const HEAD_LINES: u16 = 3;
/// Columns that a name has at least.
const NAME_COLUMNS: u16 = 12;
/// Columns of a label before a line over time, and of the figure after it.
const LABEL_COLUMNS: usize = 10;
const FIGURE_COLUMNS: usize = 22;
const QUIET: Style = Style::new().add_modifier(Modifier::DIM);
const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);

impl Watch {
    /// Draws it all, as of `now`.
    pub fn draw(&self, frame: &mut Frame, now: Millis) {
        let known = self.now(now);
        let chosen = known.series.iter().position(|figures| {
            self.chosen
                .as_ref()
                .is_some_and(|(service, endpoint)| *service == figures.service && *endpoint == figures.endpoint)
        });
        let lines = [
            Constraint::Length(HEAD_LINES),
            Constraint::Min(4),
            Constraint::Length(CHOSEN_LINES),
            Constraint::Length(1),
        ];
        let [head, list, detail, keys] = Layout::vertical(lines).areas(frame.area());
        frame.render_widget(Paragraph::new(self.head(&known)), head);
        self.draw_list(frame, list, &known, chosen);
        if let Some(figures) = chosen.and_then(|at| known.series.get(at)) {
            draw_chosen(frame, detail, figures);
        }
        frame.render_widget(Paragraph::new(self.keys()), keys);
    }

    fn head(&self, known: &Now) -> Vec<Line<'static>> {
        let mut first = vec![Span::styled(format!("weir watch  stack {}", shown(&self.stack)), STRONG)];
        first.push(Span::raw(format!("  {} UTC", &known.at[11..19])));
        if self.paused {
            first.push(Span::styled("  paused (p resumes)", STRONG));
        }
        let second = match &self.failure {
            Some(why) => Line::styled(format!("read failed: {}", shown(why)), Style::new().fg(Color::Red)),
            None => Line::raw(lag(known)),
        };
        vec![Line::from(first), second, Line::raw(quarantine(known.quarantine.as_ref()))]
    }

    fn draw_list(&self, frame: &mut Frame, area: Rect, known: &Now, chosen: Option<usize>) {
        let title = match &self.service {
            None => " services, last 5 minutes ".to_owned(),
            Some(service) => format!(" endpoints of {}, last 5 minutes ", shown(service)),
        };
        let block = Block::bordered().title(title);
        if known.series.is_empty() {
            let words = if self.looked_at.is_some() { "no rows in this time" } else { "reading" };
            frame.render_widget(Paragraph::new(words).block(block), area);
            return;
        }
        let columns = columns(area.width);
        let name = |figures: &Figures| Line::raw(self.name(figures));
        let row = |figures: &Figures| {
            Row::new(std::iter::once(name(figures)).chain(columns.iter().map(|column| (column.cell)(figures))))
        };
        let head = Row::new(std::iter::once(Line::raw("")).chain(columns.iter().map(|column| right(column.head))));
        let widths = columns.iter().map(|column| Constraint::Length(column.width));
        let table =
            Table::new(known.series.iter().map(row), std::iter::once(Constraint::Min(NAME_COLUMNS)).chain(widths))
                .header(head.style(STRONG))
                .block(block)
                .highlight_symbol("> ")
                .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
        frame.render_stateful_widget(table, area, &mut TableState::new().with_selected(chosen));
    }

    fn name(&self, figures: &Figures) -> String {
        match (&self.service, figures.endpoint.as_str()) {
            (None, _) => shown(&figures.service),
            (Some(_), SUMMARY) => "* (all)".to_owned(),
            (Some(_), endpoint) => shown(endpoint),
        }
    }

    fn keys(&self) -> Line<'static> {
        let other = if self.service.is_some() { "Esc services" } else { "Enter endpoints" };
        Line::styled(
            format!("↑ ↓ choose   {other}   p {}   q quit", if self.paused { "resume" } else { "pause" }),
            QUIET,
        )
    }
}

/// A column of the list after the name.
struct Column {
    head: &'static str,
    width: u16,
    cell: fn(&Figures) -> Line<'static>,
}

/// The columns that a width has room for: half a number would be another number.
fn columns(width: u16) -> Vec<&'static Column> {
    const COLUMNS: [Column; 6] = [
        Column { head: "events/s", width: 9, cell: |figures| right(&number::short(figures.events_per_second)) },
        Column { head: "errors", width: 7, cell: errors },
        Column { head: "p50", width: 8, cell: |figures| milliseconds(figures.p50_ms) },
        Column { head: "p95", width: 8, cell: |figures| milliseconds(figures.p95_ms) },
        Column { head: "p99", width: 8, cell: |figures| milliseconds(figures.p99_ms) },
        Column { head: "users", width: 8, cell: |figures| right(&number::whole(figures.unique_users)) },
    ];
    /// Those that go last, as their places.
    const FIRST_KEPT: [usize; 6] = [0, 1, 4, 3, 2, 5];
    // Frame and mark of what is chosen; a column has a blank before it.
    let mut room = usize::from(width).saturating_sub(4 + usize::from(NAME_COLUMNS));
    let kept = FIRST_KEPT.iter().take_while(|at| {
        let needed = usize::from(COLUMNS[**at].width) + 1;
        let fits = needed <= room;
        room = room.saturating_sub(needed);
        fits
    });
    let mut kept: Vec<usize> = kept.copied().collect();
    kept.sort_unstable();
    kept.into_iter().map(|at| &COLUMNS[at]).collect()
}

fn errors(figures: &Figures) -> Line<'static> {
    let style = if figures.errors > 0 { Style::new().fg(Color::Red) } else { Style::new() };
    right(&number::share(figures.errors, figures.events)).style(style)
}

fn milliseconds(ms: Option<f64>) -> Line<'static> {
    right(&ms.map_or("–".to_owned(), number::duration))
}

fn right(text: &str) -> Line<'static> {
    Line::raw(text.to_owned()).right_aligned()
}

/// How old the newest is of what was computed and of what was settled.
fn lag(known: &Now) -> String {
    let seconds = |seconds: f64| match seconds {
        s if s < 90.0 => format!("{s:.0} s"),
        s if s < 5_400.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.0} h", s / 3_600.0),
    };
    let rows =
        known.newest_row_age_seconds.map_or("no rows yet".to_owned(), |age| format!("newest row {} old", seconds(age)));
    match (known.settled_age_seconds, known.settled_age_seconds_max) {
        (Some(newest), Some(oldest)) => {
            format!(
                "{rows}   last settled record arrived {} ago, slowest shard {} ago",
                seconds(newest),
                seconds(oldest)
            )
        }
        _ => rows,
    }
}

fn quarantine(known: Option<&Quarantine>) -> String {
    let Some(known) = known else { return "quarantine not read yet".to_owned() };
    let total: u64 = known.by_reason.values().sum();
    let more = if known.and_more { " or more" } else { "" };
    let mut reasons: Vec<(&String, &u64)> = known.by_reason.iter().filter(|(_, count)| **count > 0).collect();
    reasons.sort_by_key(|(reason, count)| (std::cmp::Reverse(**count), *reason));
    let reasons: Vec<String> =
        reasons.into_iter().map(|(reason, count)| format!("{} {count}", shown(reason))).collect();
    match total {
        0 => "quarantine: nothing today".to_owned(),
        _ => format!("quarantine today: {total}{more}   {}", reasons.join("  ")),
    }
}

/// The chosen series over time, a line for each thing.
fn draw_chosen(frame: &mut Frame, area: Rect, figures: &Figures) {
    let name = match figures.endpoint.as_str() {
        SUMMARY => shown(&figures.service),
        endpoint => format!("{} {}", shown(&figures.service), shown(endpoint)),
    };
    let block = Block::bordered().title(format!(" {name}, by minute "));
    let width = usize::from(block.inner(area).width).saturating_sub(LABEL_COLUMNS + FIGURE_COLUMNS);
    let line = |label: &str, color: Color, value: fn(&Point) -> Option<f64>, unit: fn(f64) -> String| {
        let values: Vec<Option<f64>> = figures.points.iter().map(value).collect();
        let shown = &values[values.len().saturating_sub(width)..];
        let largest = shown.iter().flatten().copied().reduce(f64::max);
        let largest = largest.map_or(String::new(), |largest| format!("  max {}", unit(largest)));
        Line::from(vec![
            Span::raw(format!("{label:<LABEL_COLUMNS$}")),
            Span::styled(format!("{:>width$}", sparkline(&values, width)), Style::new().fg(color)),
            Span::raw(largest),
        ])
    };
    let lines = vec![
        line("events/s", Color::Cyan, |point| Some(point.rate()), number::short),
        line(
            "errors",
            Color::Red,
            |point| point.error_share().map(|share| share * 100.0),
            |share| format!("{} %", number::short(share)),
        ),
        line("p50", Color::Green, |point| point.quantile_ms(0.5), number::duration),
        line("p95", Color::Yellow, |point| point.quantile_ms(0.95), number::duration),
        line("p99", Color::Magenta, |point| point.quantile_ms(0.99), number::duration),
        line("users", Color::Blue, |point| Some(point.users() as f64), number::short),
    ];
    frame.render_widget(Paragraph::new(lines).block(block), area);
}
