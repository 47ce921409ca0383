//! One line, as it is shown.

use crate::terminal::shown;
use std::io::{self, Write};
use weir_telemetry::Millis;

/// A log event.
pub(super) struct Line {
    pub(super) at_ms: i64,
    pub(super) function: String,
    pub(super) stream: String,
    pub(super) text: String,
}

impl Line {
    /// As text, or as a JSON object.
    pub(super) fn write(&self, out: &mut impl Write, json: bool) -> io::Result<()> {
        if json {
            let (time, text) = (self.time(), self.text.trim_end());
            let line =
                serde_json::json!({"time": time, "function": self.function, "stream": self.stream, "message": text});
            writeln!(out, "{line}")
        } else {
            writeln!(out, "{}", self.text())
        }
    }

    fn time(&self) -> String {
        Millis(self.at_ms).to_string()
    }

    /// The sandbox by the last characters of its stream, as the lines of several stand among each other.
    fn text(&self) -> String {
        let sandbox: String = self.stream.chars().rev().take(8).collect::<Vec<_>>().into_iter().rev().collect();
        // Tabs are layout that Lambda's own lines are made with.
        let text: Vec<String> = self.text.trim_end().split('\t').map(shown).collect();
        format!("{} {} {} {}", self.time(), self.function, shown(&sandbox), text.join("\t").trim_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_spelled_and_tabs_kept() {
        let line = Line {
            at_ms: 1_763_688_600_007,
            function: "weir-f".to_owned(),
            stream: "2025/11/21/[1]0123456789abcdef".to_owned(),
            text: "REPORT\tDuration\u{1b}[31m\n".to_owned(),
        };
        assert_eq!(line.text(), "2025-11-21T01:30:00.007Z weir-f 89abcdef REPORT\tDuration\\u{1b}[31m");
    }
}
