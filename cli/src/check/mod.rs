//! `weir check`: the rules of `weir-check` for a template, as lines to read or as JSON.

mod show;

use crate::args::parameter;
use crate::failure::Failure;
use crate::terminal::written;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use weir_check::{RULES, Report, Request, rule};
use weir_local_template::Document;

/// What `weir check --help` ends with.
pub(crate) const AFTER_HELP: &str = "Examples:
  weir check
  weir check --template ../theirs/template.yaml --parameter Stage=prod
  weir check --explain W015
Parameters that are not given keep their defaults and are also tried, one at a time, at both ends of their ranges and at each allowed value. Rules about exact counting apply to functions recognised by a weir processor's binary (BuildProperties.Binary), by the variable WEIR_CONTRIBUTIONS_TABLE, or by Metadata: { weir-check: { fenced: true } }.
A template can ignore a rule, with a reason, in a resource's Metadata or, for parameters, in its own:
  Metadata:
    weir-check:
      ignore:
        - { rule: W020, reason: \"messages only pass through it\" }
        - { rule: W015, at: Parameters.VisibilitySeconds, reason: \"tests shorten it\" }
Exit status: 0 nothing found, 1 findings, 2 bad usage or no template.";

/// Arguments of `weir check`.
#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// SAM or CloudFormation template.
    #[arg(long, default_value = "template.yaml")]
    template: PathBuf,
    /// Check a template parameter at this value only, NAME=VALUE; repeatable.
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = parameter)]
    parameters: Vec<(String, String)>,
    /// Ignore this rule; repeatable.
    #[arg(long, value_name = "RULE", value_parser = known_rule)]
    ignore: Vec<String>,
    /// Explain a rule and how to satisfy it.
    #[arg(long, value_name = "RULE", value_parser = known_rule, conflicts_with_all = ["list", "ignore", "parameters"])]
    explain: Option<String>,
    /// List all rules.
    #[arg(long, conflicts_with_all = ["ignore", "parameters"])]
    list: bool,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

fn known_rule(text: &str) -> Result<String, String> {
    let id = text.to_uppercase();
    rule(&id).map(|rule| rule.id.to_owned()).ok_or_else(|| "no such rule; see `weir check --list`".to_owned())
}

pub(crate) fn run(check: Check) -> Result<ExitCode, Failure> {
    if let Some(rule) = check.explain.as_deref().and_then(rule) {
        return put(&if check.json { json(rule)? } else { show::explanation(rule) }).map(|()| ExitCode::SUCCESS);
    }
    if check.list {
        return put(&if check.json { json(RULES)? } else { show::list() }).map(|()| ExitCode::SUCCESS);
    }
    let usage = |error: weir_local_template::TemplateError| Failure::Usage(error.to_string());
    let document = Document::read(&check.template).map_err(usage)?;
    let parameters: BTreeMap<String, String> = check.parameters.into_iter().collect();
    let report = weir_check::check(&document, &Request { parameters, ignored: check.ignore }).map_err(usage)?;
    put(&if check.json { json(&of_file(&document, &report))? } else { show::report(&document, &report) })?;
    Ok(ExitCode::from(u8::from(!report.findings.is_empty())))
}

/// The report as JSON, with the file that its lines count in.
fn of_file<'a>(document: &'a Document, report: &'a Report) -> impl serde::Serialize + 'a {
    #[derive(serde::Serialize)]
    struct OfFile<'a> {
        file: &'a str,
        #[serde(flatten)]
        report: &'a Report,
    }
    OfFile { file: document.file(), report }
}

fn json(value: &(impl serde::Serialize + ?Sized)) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(value)?;
    Ok(text + "\n")
}

/// Writes to standard output, coloured on a terminal alone.
fn put(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}
