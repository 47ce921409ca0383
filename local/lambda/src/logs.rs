//! Where the lines of the functions and of the platform go.

use std::collections::{HashMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Mutex;

/// Longest line handed to a sink, in bytes; the rest of a longer one follows as further lines. CloudWatch Logs takes
/// events of at most 256 KiB ("CloudWatch Logs quotas").
pub(crate) const LINE_BYTES_MAX: usize = 256 * 1024;

/// Who wrote a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStream {
    /// The function's standard output.
    Stdout,
    /// The function's standard error.
    Stderr,
    /// The host: INIT_START, START, END, REPORT and the reasons of failures, worded as Lambda words them.
    Platform,
}

/// The instance of the lines that say why an invocation failed, where the host answers for it: there may be no sandbox.
pub(crate) const FAILURES: &str = "platform";

/// One line, borrowed.
#[derive(Debug, Clone, Copy)]
pub struct LogLine<'a> {
    /// Name of the function.
    pub function: &'a str,
    /// `$LATEST`, or the number of the version that runs.
    pub version: &'a str,
    /// Name of the sandbox: the log stream Lambda would write to.
    pub instance: &'a str,
    /// The invocation running while the line was read; `None` during initialisation and between invocations.
    pub request_id: Option<&'a str>,
    /// Who wrote it.
    pub stream: LogStream,
    /// The line without its newline; invalid UTF-8 replaced.
    pub text: &'a str,
}

impl LogLine<'_> {
    /// Whether it says why an invocation failed that no sandbox answered: it could not start, crashed, or took too long.
    pub fn is_failure(&self) -> bool {
        self.stream == LogStream::Platform && self.instance == FAILURES
    }
}

/// Receives every line. Called from the tasks that serve invocations: be quick, and do not block for long.
pub trait LogSink: Send + Sync + 'static {
    /// Takes one line.
    fn line(&self, line: &LogLine<'_>);
}

/// Appends to `<dir>/<function>.log`, each line led by the version and the sandbox's last eight characters:
/// `[1]89abcdef`.
#[derive(Debug)]
pub struct DirectorySink {
    dir: PathBuf,
    files: Mutex<HashMap<String, File>>,
}

impl DirectorySink {
    /// Creates the directory if need be.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn new(dir: impl Into<PathBuf>) -> io::Result<DirectorySink> {
        let dir = dir.into();
        std::fs::create_dir_all(&dir)?;
        Ok(DirectorySink { dir, files: Mutex::default() })
    }

    fn write(&self, line: &LogLine<'_>) -> io::Result<()> {
        let mut files = self.files.lock().expect("no panic while the lock is held");
        let file = match files.get_mut(line.function) {
            Some(file) => file,
            None => {
                // A function's name reaches a path here: only the characters Lambda allows in names pass.
                let name: String = line
                    .function
                    .chars()
                    .map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '_' })
                    .collect();
                let file = OpenOptions::new().create(true).append(true).open(self.dir.join(format!("{name}.log")))?;
                files.entry(line.function.to_owned()).or_insert(file)
            }
        };
        let sandbox = line.instance.get(line.instance.len().saturating_sub(8)..).unwrap_or(line.instance);
        // One write call per line: lines of several functions never interleave within a line.
        file.write_all(format!("[{}]{sandbox} {}\n", line.version, line.text).as_bytes())
    }
}

impl LogSink for DirectorySink {
    fn line(&self, line: &LogLine<'_>) {
        if let Err(error) = self.write(line) {
            tracing::warn!(function = line.function, %error, "a log line could not be written");
        }
    }
}

/// One line, owned; see [`LogLine`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct OwnedLogLine {
    pub function: String,
    pub version: String,
    pub instance: String,
    pub request_id: Option<String>,
    pub stream: LogStream,
    pub text: String,
}

/// Keeps the latest lines in memory.
#[derive(Debug)]
pub struct MemorySink {
    lines_max: usize,
    lines: Mutex<VecDeque<OwnedLogLine>>,
}

impl MemorySink {
    /// Keeps at most `lines_max` lines, dropping the oldest.
    pub fn new(lines_max: usize) -> MemorySink {
        MemorySink { lines_max, lines: Mutex::default() }
    }

    /// The lines kept, oldest first.
    pub fn lines(&self) -> Vec<OwnedLogLine> {
        self.lines.lock().expect("no panic while the lock is held").iter().cloned().collect()
    }
}

impl LogSink for MemorySink {
    fn line(&self, line: &LogLine<'_>) {
        let mut lines = self.lines.lock().expect("no panic while the lock is held");
        if lines.len() >= self.lines_max {
            lines.pop_front();
        }
        lines.push_back(OwnedLogLine {
            function: line.function.to_owned(),
            version: line.version.to_owned(),
            instance: line.instance.to_owned(),
            request_id: line.request_id.map(str::to_owned),
            stream: line.stream,
            text: line.text.to_owned(),
        });
    }
}
