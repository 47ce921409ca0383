//! How rules and findings are shown, in the style of rustc. Styled text; the writer strips the styling where it is not for
//! a terminal.

use anstyle::{AnsiColor, Style};
use std::fmt::Write;
use weir_check::{Finding, RULES, Report, Rule, Severity};
use weir_local_template::Document;

const BOLD: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();
const BLUE: Style = AnsiColor::Blue.on_default().bold();

fn style(severity: Severity) -> Style {
    match severity {
        Severity::Error => AnsiColor::Red.on_default().bold(),
        Severity::Warning => AnsiColor::Yellow.on_default().bold(),
    }
}

pub(super) fn report(document: &Document, report: &Report) -> String {
    let mut out = String::new();
    for found in &report.findings {
        finding(&mut out, document, found);
    }
    for allowed in &report.allowed {
        let Finding { rule, place, .. } = &allowed.finding;
        let _ = writeln!(out, "{FAINT}ignored[{rule}]: {place}: {}{FAINT:#}", allowed.reason);
    }
    if !report.unknown.is_empty() {
        let _ = writeln!(out, "{FAINT}not decided by the template, not checked:{FAINT:#}");
        for (place, message) in &report.unknown {
            let _ = writeln!(out, "{FAINT}  {place}: {message}{FAINT:#}");
        }
    }
    let _ = writeln!(out, "{}", summary(document, report));
    out
}

fn finding(out: &mut String, document: &Document, finding: &Finding) {
    let Finding { rule, severity, place, message, fix } = finding;
    let style = style(*severity);
    let _ = writeln!(out, "{style}{severity}[{rule}]{style:#}{BOLD}: {message}{BOLD:#}");
    let margin = place.line.to_string().len();
    let _ = writeln!(out, "{:margin$}{BLUE}-->{BLUE:#} {}:{} {place}", "", document.file(), place.line);
    if let Some(line) = document.line(place.line) {
        let _ = writeln!(out, "{BLUE}{} |{BLUE:#} {line}", place.line);
    }
    let _ = writeln!(out, "{:margin$} {BLUE}={BLUE:#} fix: {fix}\n", "");
}

fn summary(document: &Document, report: &Report) -> String {
    let count = |severity| report.findings.iter().filter(|finding| finding.severity == severity).count();
    let file = document.file();
    let tried = format!("{} rules, {} settings of its parameters", RULES.len(), report.settings_tried);
    match report.findings.first() {
        None => format!("{file}: nothing found ({tried})"),
        Some(first) => {
            let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
            let (errors, warnings) = (numbered(errors, "error"), numbered(warnings, "warning"));
            format!("{file}: {errors}, {warnings} ({tried}); `weir check --explain {}` says why", first.rule)
        }
    }
}

fn numbered(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

pub(super) fn list() -> String {
    let mut out = String::new();
    for Rule { id, severity, title, .. } in RULES {
        let style = style(*severity);
        let _ = writeln!(out, "{BOLD}{id}{BOLD:#}  {style}{severity:<7}{style:#}  {title}");
    }
    out
}

pub(super) fn explanation(rule: &Rule) -> String {
    let Rule { id, severity, title, reason, source, example, .. } = rule;
    let style = style(*severity);
    let shown = |lines: &str| match lines.trim_end_matches(',') {
        "" => "(nothing)".to_owned(),
        lines => lines.to_owned(),
    };
    let (wrong, right) = (shown(example.wrong), shown(example.right));
    format!(
        "{BOLD}{id}{BOLD:#} ({style}{severity}{style:#}): {title}\n\n{reason}\n\n  wrong  {wrong}\n  right  {right}\n\n\
         Source: {source}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_check::{Request, check};

    #[test]
    fn what_is_shown() {
        let text = "Parameters:\n  Days: { Type: Number, Default: 7, MinValue: 1 }\nResources:\n  Q:\n    Type: \
                    AWS::SQS::Queue\n    Properties:\n      MessageRetentionPeriod: !ImportValue x\n  B:\n    Type: \
                    AWS::S3::Bucket\n  T:\n    Type: AWS::DynamoDB::Table\n    Metadata: { weir-check: { ignore: [{ rule: W043, \
                    reason: rebuilt from S3 }] } }\n";
        let document = Document::parse(text, "t.yaml").expect("a template");
        let report = check(&document, &Request::default()).expect("a report");
        insta::assert_snapshot!(anstream::adapter::strip_str(&super::report(&document, &report)));
    }

    #[test]
    fn every_rule_is_listed_and_explained() {
        assert_eq!(list().lines().count(), RULES.len());
        for rule in RULES {
            let text = explanation(rule);
            assert!([rule.id, rule.title, rule.reason, rule.source].iter().all(|part| text.contains(part)), "{text}");
        }
    }
}
