//! Every rule's example breaks that rule and no other; put right, it breaks none.

use std::collections::BTreeSet;
use std::path::Path;

use weir_check::{Finding, RULES, Report, Request, Severity, check};
use weir_local_template::Document;

const SOUND: &str = include_str!("sound.yaml");

fn report(text: &str) -> Report {
    let document = Document::parse(text, "t.yaml").unwrap_or_else(|error| panic!("{error}"));
    check(&document, &Request::default()).unwrap_or_else(|error| panic!("{error}"))
}

/// The sound template with the first `right` replaced; it must be there.
fn edited(right: &str, wrong: &str) -> String {
    assert!(SOUND.contains(right), "`{right}` is not in sound.yaml");
    SOUND.replacen(right, wrong, 1)
}

fn line(finding: &Finding) -> String {
    format!("{} {}:{} {} | {}", finding.rule, finding.place.line, finding.place, finding.message, finding.fix)
}

#[test]
fn the_sound_template_is_clean() {
    let report = report(SOUND);
    assert_eq!(report.findings.iter().map(line).collect::<Vec<_>>(), Vec::<String>::new());
    assert_eq!(report.allowed.len(), 1, "what it ignores is found");
}

#[test]
fn the_fleet_s_own_template_is_clean() {
    let document = Document::read(Path::new("../../template.yaml")).unwrap_or_else(|error| panic!("{error}"));
    let report = check(&document, &Request::default()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(report.findings.iter().map(line).collect::<Vec<_>>(), Vec::<String>::new());
    assert_eq!(report.unknown, Vec::new(), "values that were not judged");
}

#[test]
fn every_example_breaks_its_own_rule_alone() {
    for rule in RULES {
        let found = report(&edited(rule.example.right, rule.example.wrong)).findings;
        let lines: Vec<String> = found.iter().map(line).collect();
        // An ignored rule without a reason is not ignored either.
        let rules: BTreeSet<&str> =
            found.iter().map(|finding| finding.rule).filter(|id| rule.id != "W000" || *id != "W020").collect();
        assert_eq!(rules, BTreeSet::from([rule.id]), "{}: {lines:?}", rule.id);
        assert!(found.iter().all(|finding| finding.place.line > 0), "{lines:?}");
    }
}

/// Edits of the sound template beyond the examples: the other ways to break a rule.
const MORE: &[(&str, &str, &str)] = &[
    ("W002", "MaximumRetryAttempts: -1", "MaximumRecordAgeInSeconds: 3600"),
    ("W004", "MaximumBatchingWindowInSeconds: 5", "MaximumBatchingWindowInSeconds: 30"),
    (
        "W005",
        "Properties: { VisibilityTimeout: 181,",
        "Properties: { VisibilityTimeout: 181, MessageRetentionPeriod: 604800,",
    ),
    ("W010", "            FunctionResponseTypes: [ReportBatchItemFailures]\n", ""),
    ("W011", "ScalingConfig: {", "TumblingWindowInSeconds: 30, ScalingConfig: {"),
    ("W013", "KmsMasterKeyId: x", "FifoQueue: true"),
    ("W020", "Transform:", "Metadata: {}\nTransform:"),
    ("W021", "      MessageRetentionPeriod: 1209600\n", "      DelaySeconds: 0\n"),
    ("W032", "        Alarms: [!Ref SqsErrors]\n", ""),
    ("W032", "        - { Name: ExecutedVersion, Value: !GetAtt SqsRollup.Version.Version }\n", ""),
    ("W032", "{ Name: FunctionName, Value: !Ref SqsRollup }", "{ Name: FunctionName, Value: !Ref RollupFinalize }"),
    ("W032", "      Period: 60\n", "      Period: 10\n"),
    ("W033", "FunctionName: !Ref AuditAlias", "FunctionName: !GetAtt Audit.Arn"),
    ("W035", "WEIR_RELEASE: \"1\"", "WEIR_RELEASE: !Ref LogLevel"),
    ("W041", "Resource: !GetAtt Contributions.Arn", "Resource: '*'"),
    ("W041", "ManagedPolicyArns: [", "ManagedPolicyArns: [arn:aws:iam::aws:policy/AdministratorAccess, "),
    ("W042", "        RestrictPublicBuckets: true\n", ""),
    (
        "W043",
        "      PointInTimeRecoverySpecification:\n        PointInTimeRecoveryEnabled: true # rollups\n",
        "      BillingMode: x\n",
    ),
    (
        "W044",
        "  AuditVersion:\n",
        "  Url: { Type: AWS::Lambda::Url, Properties: { AuthType: NONE } }\n  AuditVersion:\n",
    ),
];

#[test]
fn the_other_ways_to_break_a_rule() {
    for (id, right, wrong) in MORE {
        let mut text = edited(right, wrong);
        if *id == "W020" {
            // Ignoring it no more.
            text = text
                .replace("          - { rule: W020, reason: \"messages only pass through it\" }\n", "          []\n");
        }
        let found = report(&text).findings;
        let rules: BTreeSet<&str> = found.iter().map(|finding| finding.rule).collect();
        assert_eq!(rules, BTreeSet::from([*id]), "{right} → {wrong}: {:?}", found.iter().map(line).collect::<Vec<_>>());
    }
}

/// What a rule says, whole: each message and fix is read here.
#[test]
fn what_is_said() {
    let mut lines = Vec::new();
    for rule in RULES {
        lines.extend(report(&edited(rule.example.right, rule.example.wrong)).findings.iter().map(line));
    }
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn rules_have_ids_in_order_and_words() {
    let ids: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
    assert!(ids.is_sorted() && ids.iter().collect::<BTreeSet<_>>().len() == ids.len(), "{ids:?}");
    for rule in RULES {
        assert!(rule.id.len() == 4 && rule.id.starts_with('W'), "{}", rule.id);
        for words in [rule.title, rule.reason] {
            assert!(words.ends_with('.') && !words.contains("  "), "{}: {words}", rule.id);
        }
        assert!(!rule.source.is_empty(), "{}", rule.id);
    }
    assert!(RULES.iter().any(|rule| rule.severity == Severity::Warning));
}
