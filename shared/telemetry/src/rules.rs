//! How an endpoint is normalised: data of the epoch, so that all versions of the code name a series alike.
//!
//! Templates name endpoints exactly (`/users/{id}/orders/{order}`, `/files/{path...}`); what no template matches goes
//! through the built-in patterns, if enabled. Rules are parsed, checked and compiled once, and cannot be invalid
//! afterwards: matching costs one walk down a tree, whatever the number of templates.

mod patterns;
mod tree;

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::Arc;
use tree::Templates;

/// The rules by which endpoints become series. By default only the built-in patterns.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Text", into = "Text")]
pub struct Rules {
    text: Text,
    /// `None` if there are no templates: the usual case costs one check.
    templates: Option<Arc<Templates>>,
}

/// Rules as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    #[serde(default = "on")]
    patterns: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    templates: Vec<Template>,
}

fn on() -> bool {
    true
}

/// An endpoint by name. `{name}` matches one non-empty segment, `{name...}`, at the end, everything that follows, at
/// least one character. Anything else matches literally.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// The template, which is also the name of the endpoint that it matches.
    pub path: String,
    /// The service it applies to, as events name it; all services if `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
}

/// Why rules cannot be in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// More templates than [`Rules::TEMPLATES_MAX`].
    #[error("{found} endpoint templates; at most {} (templates_max)", Rules::TEMPLATES_MAX)]
    TooMany {
        /// How many there are.
        found: usize,
    },
    /// A template that no endpoint could match.
    #[error("endpoint template {path:?}: {problem}")]
    Template {
        /// The template's path, or its beginning if too long.
        path: String,
        /// What is wrong with it, and what it should be.
        problem: &'static str,
    },
    /// Two templates for the same endpoints: which one names the series would depend on their order.
    #[error("endpoint templates {path:?} and {other:?} match the same endpoints; keep one")]
    Ambiguous {
        /// The later one.
        path: String,
        /// The earlier one.
        other: String,
    },
}

impl Rules {
    /// Most templates of an epoch: the whole table of epochs is one item of at most 400 KB.
    pub const TEMPLATES_MAX: usize = 256;
    /// Longest template, bytes: an endpoint is no longer.
    pub const TEMPLATE_BYTES_MAX: usize = crate::ENDPOINT_BYTES_MAX;

    /// Checks and compiles rules: whether the built-in patterns apply, and templates in any order.
    ///
    /// A service's own templates take precedence over those for all services. If several match an endpoint, the one
    /// wins that is more specific in the first segment in which they differ: text before `{name}` before `{name...}`.
    ///
    /// # Errors
    /// [`RulesError`] naming the template that is malformed, ambiguous with another, too long, or one too many.
    pub fn new(patterns: bool, templates: Vec<Template>) -> Result<Self, RulesError> {
        if templates.len() > Self::TEMPLATES_MAX {
            return Err(RulesError::TooMany { found: templates.len() });
        }
        let compiled = if templates.is_empty() { None } else { Some(Arc::new(Templates::compile(&templates)?)) };
        Ok(Self { text: Text { patterns, templates }, templates: compiled })
    }

    /// Whether numbers, UUIDs and long hexadecimal digits become `{id}` where no template matches.
    pub fn patterns(&self) -> bool {
        self.text.patterns
    }

    /// The templates, in the order given.
    pub fn templates(&self) -> &[Template] {
        &self.text.templates
    }

    /// Whether these are the rules of a stored epoch that names none.
    pub(crate) fn are_built_in(&self) -> bool {
        self.patterns() && self.templates().is_empty()
    }

    /// `/users/17?page=2` → `/users/{id}`. Only paths are changed: an endpoint that does not start with `/` (an RPC
    /// method, a queue) stays as it is. A lone `*` (as in `OPTIONS *`) is escaped to keep it distinct from the summary
    /// row's name, and what already has that form (`%2A`) is escaped once more.
    pub(crate) fn endpoint<'a>(&'a self, service: &str, endpoint: &'a str) -> Cow<'a, str> {
        if endpoint == "*" {
            return Cow::Borrowed("%2A");
        }
        let Some(path) = endpoint.strip_prefix('/') else {
            return match endpoint.strip_suffix("2A").and_then(|rest| rest.strip_prefix('%')) {
                Some(escapes) if escapes.trim_start_matches("25").is_empty() => Cow::Owned(format!("%25{escapes}2A")),
                _ => Cow::Borrowed(endpoint),
            };
        };
        let path = path.split(['?', '#']).next().unwrap_or(path);
        if let Some(template) = self.templates.as_ref().and_then(|templates| templates.find(service, path)) {
            return Cow::Borrowed(template);
        }
        if self.text.patterns {
            return Cow::Owned(patterns::normal(path));
        }
        // The slash and what follows it, without the query.
        Cow::Borrowed(&endpoint[..=path.len()])
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self { text: Text { patterns: true, templates: vec![] }, templates: None }
    }
}

/// Compiled templates follow from the text.
impl PartialEq for Rules {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Rules {}

impl TryFrom<Text> for Rules {
    type Error = RulesError;

    fn try_from(text: Text) -> Result<Self, RulesError> {
        Self::new(text.patterns, text.templates)
    }
}

impl From<Rules> for Text {
    fn from(rules: Rules) -> Self {
        rules.text
    }
}

#[cfg(test)]
mod tests;
