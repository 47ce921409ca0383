//! Parameters at their ends, what a template allows itself, and what it does not decide.

use std::collections::BTreeMap;

use proptest::prelude::*;
use weir_check::{Report, Request, check};
use weir_local_template::Document;

/// A queue and its reader; `head` before Resources, `queue` within the queue.
fn template(head: &str, queue: &str) -> String {
    format!(
        "Transform: AWS::Serverless-2016-10-31
{head}
Resources:
  Queue:
    Type: AWS::SQS::Queue
{queue}
  Dead: {{ Type: AWS::SQS::Queue, Properties: {{ MessageRetentionPeriod: 1209600 }} }}
  F:
    Type: AWS::Serverless::Function
    Properties:
      Timeout: 10
      LoggingConfig: {{ LogGroup: f }}
      Events:
        E: {{ Type: SQS, Properties: {{ Queue: !GetAtt Queue.Arn, FunctionResponseTypes: [ReportBatchItemFailures] }} }}
  Logs: {{ Type: AWS::Logs::LogGroup, Properties: {{ LogGroupName: f, RetentionInDays: 1 }} }}
"
    )
}

const REDRIVE: &str = "RedrivePolicy: { deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 5 }";
const PARAMETER: &str = "Parameters:\n  Seconds: { Type: Number, Default: 60, MinValue: 12, MaxValue: 90 }";

fn with(visibility: &str) -> String {
    format!("    Properties: {{ VisibilityTimeout: {visibility}, {REDRIVE} }}")
}

fn checked(text: &str, request: &Request) -> Report {
    let document = Document::parse(text, "t.yaml").unwrap_or_else(|error| panic!("{error}"));
    check(&document, request).unwrap_or_else(|error| panic!("{error}"))
}

fn lines(report: &Report) -> Vec<String> {
    report.findings.iter().map(|found| format!("{} {}: {}", found.rule, found.place, found.message)).collect()
}

#[test]
fn a_parameter_s_range_is_judged_at_the_parameter() {
    let text = template(PARAMETER, &with("!Ref Seconds"));
    let report = checked(&text, &Request::default());
    let expected = "W015 Parameters.Seconds: at its MinValue 12: Queue.VisibilityTimeout: 12 s is below 6 × the Timeout of \
                    F (10 s) + its window (0 s)";
    assert_eq!(lines(&report), [expected]);
    assert_eq!((report.settings_tried, report.findings[0].place.line), (3, 3));
}

#[test]
fn a_given_value_is_judged_alone() {
    let text = template(PARAMETER, &with("!Ref Seconds"));
    let given = |value: &str| {
        let parameters = BTreeMap::from([("Seconds".to_owned(), value.to_owned())]);
        checked(&text, &Request { parameters, ..Request::default() })
    };
    assert_eq!(lines(&given("60")), Vec::<String>::new());
    assert_eq!(given("59").findings[0].place.to_string(), "Queue.VisibilityTimeout");
}

#[test]
fn allowed_values_are_each_tried() {
    let parameter = "Parameters:\n  Seconds: { Type: String, Default: '60', AllowedValues: ['60', '61', '59'] }";
    let report = checked(&template(parameter, &with("!Ref Seconds")), &Request::default());
    assert!(lines(&report)[0].contains("at its allowed value 59"), "{:?}", lines(&report));
}

#[test]
fn an_entry_at_a_parameter_leaves_the_resource_judged() {
    let allowed = "Metadata:\n  weir-check:\n    ignore: [{ rule: W015, at: Parameters.Seconds, reason: tests }]\n";
    let sound = template(&format!("{allowed}{PARAMETER}"), &with("!Ref Seconds"));
    let report = checked(&sound, &Request::default());
    assert_eq!((lines(&report), report.allowed.len()), (Vec::new(), 1));
    assert_eq!(report.allowed[0].reason, "tests");
    let parameters = BTreeMap::from([("Seconds".to_owned(), "60".to_owned())]);
    let given = checked(&sound, &Request { parameters, ..Request::default() });
    assert_eq!((lines(&given), given.allowed.len()), (Vec::new(), 0));
    let broken = sound.replace("Default: 60", "Default: 50");
    let found = lines(&checked(&broken, &Request::default()));
    assert!(found[0].starts_with("W015 Queue.VisibilityTimeout: 50 s"), "{found:?}");
}

#[test]
fn an_entry_that_finds_nothing_is_a_finding() {
    let metadata = |entry: &str| {
        let queue = format!("    Metadata: {{ weir-check: {{ ignore: [{entry}] }} }}\n{}", with("60"));
        lines(&checked(&template("", &queue), &Request::default()))
    };
    assert_eq!(
        metadata("{ rule: W015, reason: tests }"),
        ["W000 Queue.Metadata.weir-check: W015 is ignored, and finds nothing"]
    );
    assert_eq!(metadata("{ rule: W999, reason: tests }"), ["W000 Queue.Metadata.weir-check: `W999` is no rule"]);
}

#[test]
fn a_rule_that_is_not_asked_finds_nothing() {
    let text = template("", &with("20"));
    let ignored = |id: &str| checked(&text, &Request { ignored: vec![id.to_owned()], ..Request::default() });
    assert_eq!(lines(&ignored("W015")), Vec::<String>::new());
    assert_eq!(ignored("W020").findings.len(), 1);
}

#[test]
fn what_the_template_does_not_decide_is_counted_and_not_judged() {
    let head =
        "Parameters:\n  Secret: { Type: 'AWS::SSM::Parameter::Value<String>', Default: /x }\n  Open: { Type: Number }";
    for value in ["!ImportValue x", "!Ref Secret", "!Ref Open", "!If [Nowhere, 1, 2]"] {
        let report = checked(&template(head, &with(value)), &Request::default());
        assert_eq!(lines(&report), Vec::<String>::new(), "{value}");
        assert_eq!(report.unknown.len(), 1, "{value}");
        assert_eq!(report.unknown[0].0, "Queue.VisibilityTimeout (line 8)", "{value}");
    }
}

#[test]
fn a_wrong_parameter_is_an_error() {
    let document = Document::parse(&template(PARAMETER, &with("60")), "t.yaml").unwrap();
    let request = |name: &str, value: &str| Request {
        parameters: BTreeMap::from([(name.to_owned(), value.to_owned())]),
        ..Request::default()
    };
    let said = |request: Request| check(&document, &request).map(|_| ()).unwrap_err().to_string();
    assert_eq!(
        said(request("Sekonds", "60")),
        "t.yaml: Parameters.Sekonds: no such parameter; the template has Seconds"
    );
    assert_eq!(said(request("Seconds", "11")), "t.yaml:3: Parameters.Seconds: found 11, expected 12 to 90");
}

/// Numbers that no service takes are judged like others.
#[test]
fn the_largest_number_overflows_nothing() {
    let sound = include_str!("sound.yaml");
    for (right, id) in [
        ("Timeout: 30", "W014"),
        ("MaximumConcurrency: 8", "W017"),
        ("RetentionPeriodHours: 24", "W005"),
        ("MaximumBatchingWindowInSeconds: 5", "W004"),
        ("MaximumBatchingWindowInSeconds: 1,", "W015"),
    ] {
        assert!(sound.contains(right), "{right}");
        let key = right.split(' ').next().unwrap_or_default();
        let comma = if right.ends_with(',') { "," } else { "" };
        let text = sound.replace(right, &format!("{key} {}{comma}", i64::MAX));
        let found = lines(&checked(&text, &Request::default()));
        assert!(found.iter().any(|line| line.starts_with(id)), "{right}: {found:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// A template with a piece cut out, doubled or replaced is judged or refused, and every finding still has a place in it.
    #[test]
    fn no_damage_panics(at in 0.0..1.0_f64, length in 0_usize..80, put in "[-\\[\\]{}:,!&*|>'\"#%@ \\na-zA-Z0-9$.]{0,12}") {
        let text = include_str!("sound.yaml");
        let floor = |mut index: usize| { while !text.is_char_boundary(index) { index -= 1; } index };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a position")]
        let start = floor((at * text.len() as f64) as usize);
        let end = floor((start + length).min(text.len()));
        let damaged = format!("{}{put}{}", &text[..start], &text[end.max(start)..]);
        if let Ok(document) = Document::parse(&damaged, "t.yaml")
            && let Ok(report) = check(&document, &Request::default())
        {
            for finding in report.findings {
                prop_assert!(document.line(finding.place.line).is_some(), "{finding:?}");
            }
        }
    }
}
