//! What happened, in words, for whoever has to understand a failure.

use weir_telemetry::Millis;

/// Lines of a run, kept only when somebody will read them.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    begun: i64,
    lines: Option<Vec<String>>,
}

impl Schedule {
    /// Keeps nothing.
    pub(crate) fn silent() -> Self {
        Self::default()
    }

    /// Keeps every line, with the time since `begun`.
    pub(crate) fn written(begun: Millis) -> Self {
        Self { begun: begun.0, lines: Some(vec![]) }
    }

    pub(crate) fn say(&mut self, now: Millis, what: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{} {}", since(now.0 - self.begun), what()));
        }
    }

    /// A text that will be said, if somebody reads it.
    pub(crate) fn text(&self, what: impl FnOnce() -> String) -> String {
        if self.lines.is_some() { what() } else { String::new() }
    }

    pub(crate) fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }
}

/// `[3d ]00:16:02.125`
fn since(ms: i64) -> String {
    let (days, rest) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    let clock =
        format!("{:02}:{:02}:{:02}.{:03}", rest / 3_600_000, rest / 60_000 % 60, rest / 1_000 % 60, rest % 1_000);
    if days == 0 { clock } else { format!("{days}d {clock}") }
}
