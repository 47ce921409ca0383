//! Rules for templates of stream fleets on Lambda that no linter knows: settings that AWS takes, and that lose records,
//! count them twice, or leave nobody told.
//!
//! [`check`] is a function of the template and the [`Request`]. Each rule of [`RULES`] has a stable id, a reason with its
//! source, and says in every [`Finding`] where and what to do. Rules read the template as it resolves under the given
//! parameters, and again with each other parameter at each end of its range, one at a time: what a parameter allows must
//! not break a rule either.
//!
//! Most rules hold for any template. Some hold only where records are counted under weir's protocol; a function is known
//! for that by `Metadata.BuildProperties.Binary` being one of weir's processors, by the environment variable
//! `WEIR_CONTRIBUTIONS_TABLE`, or because its `Metadata` says `weir-check: { fenced: true }`.
//!
//! What it does not do: what `sam validate` and cfn-lint do (types, required properties, unknown ones), or judge a value
//! that the template does not decide; those are counted in [`Report::unknown`].

mod allow;
mod catalogue;
mod finding;
mod fleet;
mod policy;
mod ranges;
mod rule;
mod rules;

use std::collections::{BTreeMap, BTreeSet};

use weir_local_template::{Document, Resolved, Settings, TemplateError, Unknown};

pub use catalogue::{RULES, rule};
pub use finding::{Finding, Place};
pub use rule::{Rule, Severity};

use allow::Allowances;
use finding::Findings;
use fleet::Fleet;
use ranges::Trial;

/// What to check a template for.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Parameter values; the others are at their defaults, and tried at the ends of their ranges.
    pub parameters: BTreeMap<String, String>,
    /// Ids of rules not to ask.
    pub ignored: Vec<String>,
}

/// What was found.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Report {
    /// By line, then rule.
    pub findings: Vec<Finding>,
    /// What the template itself allows, with its reasons.
    pub allowed: Vec<Allowed>,
    /// Values that the template does not decide, and that were not judged: place and why.
    pub unknown: Vec<(String, String)>,
    /// Sets of parameter values that were tried.
    pub settings_tried: usize,
}

/// A finding that the template allows.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Allowed {
    /// What was found.
    pub finding: Finding,
    /// Why it may stay.
    pub reason: String,
}

/// Checks the template.
///
/// # Errors
/// [`TemplateError`]: it has no resources, or a given parameter is not one that it takes.
pub fn check(document: &Document, request: &Request) -> Result<Report, TemplateError> {
    let mut settings = Settings::local("weir");
    settings.parameters.clone_from(&request.parameters);
    let resolved = document.resolve(&settings)?;
    let trials = ranges::trials(document, &request.parameters);
    let mut sorter = Sorter {
        allowances: Allowances::read(&resolved),
        seen: BTreeSet::new(),
        findings: Vec::new(),
        allowed: Vec::new(),
    };
    for finding in judged(&resolved, &request.ignored) {
        sorter.add(finding);
    }
    for trial in &trials {
        settings.parameters.clone_from(&trial.parameters);
        // A value that its own declaration refuses cannot be deployed.
        let Ok(resolved) = document.resolve(&settings) else { continue };
        for finding in judged(&resolved, &request.ignored) {
            sorter.add_of_trial(trial, finding);
        }
    }
    let Sorter { allowances, mut findings, allowed, .. } = sorter;
    // An entry for a range's end finds nothing where the parameter is given.
    let ask_unused = request.parameters.is_empty();
    findings.extend(allowances.faults(&request.ignored, ask_unused));
    findings.sort_by(|a, b| (a.place.line, a.rule).cmp(&(b.place.line, b.rule)));
    Ok(Report { findings, allowed, unknown: unknown(&resolved), settings_tried: trials.len() + 1 })
}

/// Findings, apart from what the template allows.
struct Sorter {
    allowances: Allowances,
    /// Rules and the places that they found something at.
    seen: BTreeSet<(&'static str, String)>,
    findings: Vec<Finding>,
    allowed: Vec<Allowed>,
}

impl Sorter {
    fn add(&mut self, finding: Finding) {
        let reason = self.allowances.reason(finding.rule, &[&finding.place]);
        self.seen.insert((finding.rule, finding.place.to_string()));
        self.keep(finding, reason);
    }

    /// Tells it at the parameter, unless the rule minds its place under the default too, or the parameter already. An
    /// entry that allows it is used in any case.
    fn add_of_trial(&mut self, trial: &Trial, finding: Finding) {
        let reason = self.allowances.reason(finding.rule, &[&trial.place(), &finding.place]);
        let known = self.seen.contains(&(finding.rule, finding.place.to_string()));
        if !known && self.seen.insert((finding.rule, trial.place().to_string())) {
            self.keep(trial.told(finding), reason);
        }
    }

    fn keep(&mut self, finding: Finding, reason: Option<String>) {
        match reason {
            Some(reason) => self.allowed.push(Allowed { finding, reason }),
            None => self.findings.push(finding),
        }
    }
}

/// What every rule that is asked finds.
fn judged(resolved: &Resolved, ignored: &[String]) -> Vec<Finding> {
    let fleet = Fleet::read(resolved);
    let mut all = Vec::new();
    for rule in RULES.iter().filter(|rule| !ignored.iter().any(|id| id == rule.id)) {
        let mut findings = Findings::of(rule);
        (rule.judge)(&fleet, &mut findings);
        all.extend(findings.into_all());
    }
    all
}

fn unknown(resolved: &Resolved) -> Vec<(String, String)> {
    let told = |unknown: &Unknown| (format!("{} (line {})", unknown.place, unknown.line), unknown.message.clone());
    resolved.unknown.iter().map(told).collect()
}
