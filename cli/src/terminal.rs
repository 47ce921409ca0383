//! What a terminal is shown and asked.

use crate::failure::{Failure, failed, say};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{BufRead, IsTerminal, Write};
pub(crate) use weir_view::shown;

/// Whether to go on with what was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Told so, or asked and agreed.
    Yes,
    /// Asked, and not agreed.
    No,
    /// There is nobody to ask: only show.
    NobodyThere,
}

/// Asks on a terminal, unless `yes` was said or the answer is for a program.
///
/// # Errors
/// When the terminal cannot be read.
pub(crate) fn go_on(yes: bool, json: bool, question: &str) -> Result<Answer, Failure> {
    if yes {
        return Ok(Answer::Yes);
    }
    if json || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Ok(Answer::NobodyThere);
    }
    eprint!("{question} [y/N] ");
    let mut line = String::new();
    let read = std::io::stderr().flush().and_then(|()| std::io::stdin().lock().read_line(&mut line));
    read.map_err(|error| Failure::Failed(format!("the terminal: {error}")))?;
    Ok(if matches!(line.trim(), "y" | "Y" | "yes") { Answer::Yes } else { Answer::No })
}

/// A bar towards `length`; hidden where standard error is not a terminal.
pub(crate) fn bar(words: &str, length: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len}, {eta} left");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style).with_message(words.to_owned())
}

/// Writes a result to standard output. Where nobody reads it any more (`weir query | head -1`) the command ends, quietly and
/// well: whoever asked has seen enough. Where it cannot be written it fails.
pub(crate) fn print(text: std::fmt::Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    let result = out.write_fmt(text);
    if result.is_ok() {
        return;
    }
    let status = written(result).map_or_else(
        |failure| {
            say(&failure.to_string());
            failure.status()
        },
        |()| 0,
    );
    std::process::exit(i32::from(status));
}

/// The end of a command that wrote its result itself: well, also where nobody reads it any more.
///
/// # Errors
/// When it could not be written.
pub(crate) fn written(result: std::io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(failed("standard output", &error)),
        _ => Ok(()),
    }
}

/// The result of a command as JSON on standard output.
///
/// # Errors
/// When it cannot be written as JSON.
pub(crate) fn print_json(result: &impl serde::Serialize) -> Result<(), Failure> {
    let json = serde_json::to_string_pretty(result)?;
    println!("{json}");
    Ok(())
}
