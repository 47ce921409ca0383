//! What a rule is.

use crate::finding::Findings;
use crate::fleet::Fleet;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Records are lost, counted twice or open to everybody, or AWS refuses the template.
    Error,
    /// It works until something else fails, and then nobody is told or nothing can be undone.
    Warning,
}

impl std::fmt::Display for Severity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// A rule.
#[derive(Debug, serde::Serialize)]
pub struct Rule {
    /// `W` and three digits; never given to another rule.
    pub id: &'static str,
    /// Of all its findings.
    pub severity: Severity,
    /// What is wanted, one sentence.
    pub title: &'static str,
    /// What happens otherwise, one sentence or two.
    pub reason: &'static str,
    /// Where that is said: the page of AWS's documentation, or a section of weir's protocol.
    pub source: &'static str,
    /// What it takes to break it, and to put it right; lines of YAML.
    pub example: Example,
    #[serde(skip)]
    pub(crate) judge: fn(&Fleet<'_>, &mut Findings),
}

/// The same lines before and after.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Example {
    /// Breaks the rule.
    pub wrong: &'static str,
    /// Does not.
    pub right: &'static str,
}
