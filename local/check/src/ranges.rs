//! Parameters at the ends of their ranges: a value that a parameter allows will be given one day.

use std::collections::BTreeMap;

use weir_local_template::{Document, Parameter};

use crate::finding::{Finding, Place};

/// Values of one parameter that are tried. Two for a number; lists of allowed values are seldom longer.
const VALUES_TRIED_MAX: usize = 24;

/// One parameter at another value than its default.
pub(crate) struct Trial {
    /// All values to resolve with.
    pub(crate) parameters: BTreeMap<String, String>,
    name: String,
    line: usize,
    /// `MinValue 1`, for messages.
    value: String,
}

/// Every parameter that was not given a value, at each end of its range and each of its allowed values.
pub(crate) fn trials(document: &Document, given: &BTreeMap<String, String>) -> Vec<Trial> {
    let free = document.parameters().into_iter().filter(|parameter| !given.contains_key(&parameter.name));
    let mut trials = Vec::new();
    for parameter in free {
        for (value, what) in values(&parameter) {
            let mut parameters = given.clone();
            parameters.insert(parameter.name.clone(), value.clone());
            let (name, line) = (parameter.name.clone(), parameter.line);
            trials.push(Trial { parameters, name, line, value: format!("{what} {value}") });
        }
    }
    trials
}

fn values(parameter: &Parameter) -> Vec<(String, &'static str)> {
    let named = |value: &Option<String>, what| value.iter().map(move |value| (value.clone(), what)).collect::<Vec<_>>();
    let mut values = named(&parameter.least, "its MinValue");
    values.extend(named(&parameter.most, "its MaxValue"));
    values.extend(parameter.allowed.iter().map(|value| (value.clone(), "its allowed value")));
    values.truncate(VALUES_TRIED_MAX);
    values
}

impl Trial {
    /// The parameter: where what the trial found can be put right.
    pub(crate) fn place(&self) -> Place {
        Place { line: self.line, resource: "Parameters".to_owned(), property: self.name.clone() }
    }

    /// What the trial found, told at the parameter.
    pub(crate) fn told(&self, finding: Finding) -> Finding {
        let message = format!("at {}: {}: {}", self.value, finding.place, finding.message);
        let fix = format!("narrow the parameter's range, or: {}", finding.fix);
        Finding { place: self.place(), message, fix, ..finding }
    }
}
