//! What a template allows itself, with a reason: in a resource's `Metadata`, or in the template's for its parameters and
//! everything else.
//!
//! ```yaml
//! Metadata:
//!   weir-check:
//!     ignore:
//!       - { rule: W020, reason: "nobody reads it: messages are there to be looked at" }
//!       - { rule: W015, at: Parameters.VisibilitySeconds, reason: "tests shorten it" }
//! ```

use weir_local_template::{Resolved, Resource, Value};

use crate::catalogue::{IGNORE, rule};
use crate::finding::{Finding, Place};

/// The key in `Metadata`.
const KEY: &str = "weir-check";

/// Everything that the template allows.
pub(crate) struct Allowances {
    all: Vec<Allowance>,
    /// Those that are none.
    faults: Vec<Finding>,
}

struct Allowance {
    rule: String,
    /// A resource, or a place at or below it; empty for the whole template.
    within: String,
    reason: String,
    place: Place,
    /// Whether it allowed something.
    used: bool,
}

impl Allowances {
    pub(crate) fn read(resolved: &Resolved) -> Self {
        let mut this = Self { all: Vec::new(), faults: Vec::new() };
        this.section(&resolved.metadata, "Metadata", "");
        for Resource { id, metadata, .. } in &resolved.resources {
            this.section(metadata, id, id);
        }
        this
    }

    fn section(&mut self, metadata: &Value, resource: &str, within: &str) {
        for item in metadata.at(&[KEY, "ignore"]).items() {
            let property = if resource == "Metadata" { KEY.to_owned() } else { format!("Metadata.{KEY}") };
            let place = Place { line: item.line, resource: resource.to_owned(), property };
            let id = item.get("rule").text().unwrap_or_default();
            let reason = item.get("reason").text().unwrap_or_default().trim();
            let within = match item.get("at").text() {
                Some(at) if within.is_empty() => at.to_owned(),
                Some(at) => format!("{within}.{at}"),
                None => within.to_owned(),
            };
            if rule(id).is_none() {
                self.fault(place, format!("`{id}` is no rule"), "name one that `weir check --list` prints");
            } else if reason.is_empty() {
                self.fault(place, format!("{id} is ignored without a reason"), "add `reason:` with a sentence");
            } else {
                self.all.push(Allowance { rule: id.to_owned(), within, reason: reason.to_owned(), place, used: false });
            }
        }
    }

    fn fault(&mut self, place: Place, message: String, fix: &str) {
        let severity = IGNORE.severity;
        self.faults.push(Finding { rule: IGNORE.id, severity, place, message, fix: fix.to_owned() });
    }

    /// Why a finding of the rule may stay at one of the places, if it may.
    pub(crate) fn reason(&mut self, rule: &str, places: &[&Place]) -> Option<String> {
        let covers = |allowance: &&mut Allowance| {
            allowance.rule == rule && places.iter().any(|place| allowance.is_around(place))
        };
        let allowance = self.all.iter_mut().find(covers)?;
        allowance.used = true;
        Some(allowance.reason.clone())
    }

    /// What is wrong with the entries themselves; with `ask_unused`, also that one allowed nothing. `unasked` rules found
    /// nothing, so nothing is said of theirs.
    pub(crate) fn faults(mut self, unasked: &[String], ask_unused: bool) -> Vec<Finding> {
        let is_unasked = |id: &str| unasked.iter().any(|unasked| unasked == id);
        if is_unasked(IGNORE.id) {
            return Vec::new();
        }
        for allowance in std::mem::take(&mut self.all) {
            if ask_unused && !allowance.used && !is_unasked(&allowance.rule) {
                let message = format!("{} is ignored, and finds nothing", allowance.rule);
                self.fault(allowance.place, message, "remove the entry");
            }
        }
        self.faults
    }
}

impl Allowance {
    fn is_around(&self, place: &Place) -> bool {
        let place = place.to_string();
        place
            .strip_prefix(&self.within)
            .is_some_and(|rest| self.within.is_empty() || rest.is_empty() || rest.starts_with('.'))
    }
}
