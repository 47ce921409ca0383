//! One error for everything a template can get wrong, worded for the person who wrote the template.

use std::fmt;

/// Why a template is not runnable: where, what was found, what is expected. Displays as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    file: String,
    problem: Problem,
}

impl TemplateError {
    pub(crate) fn new(file: &str, problem: Problem) -> Self {
        Self { file: file.to_owned(), problem }
    }

    /// Line in the file, counted from 1, where one is known.
    pub fn line(&self) -> Option<usize> {
        self.problem.line
    }

    /// Resource and property, dotted (`KinesisRollup.Events.Telemetry.BatchSize`); empty for the file as a whole.
    pub fn place(&self) -> &str {
        &self.problem.place
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file)?;
        if let Some(line) = self.problem.line {
            write!(f, "{line}:")?;
        }
        if !self.problem.place.is_empty() {
            write!(f, " {}:", self.problem.place)?;
        }
        write!(f, " {}", self.problem.message)
    }
}

impl std::error::Error for TemplateError {}

/// A [`TemplateError`] before it knows its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) line: Option<usize>,
    pub(crate) place: String,
    pub(crate) message: String,
}

impl Problem {
    pub(crate) fn new(line: usize, place: impl Into<String>, message: impl Into<String>) -> Self {
        // Text of the template ends up in messages; one line stays one line.
        let message = message.into().replace(['\n', '\r'], " ");
        Self { line: (line > 0).then_some(line), place: place.into(), message }
    }
}

pub(crate) type Outcome<T> = Result<T, Problem>;
