//! Functions, conditions, Globals and names: what AWS would put there.

use std::collections::BTreeMap;

use proptest::prelude::*;
use weir_local_template::{Plan, Settings, plan};

fn planned(text: &str) -> Plan {
    plan(text, "t.yaml", &Settings::local("weir")).unwrap_or_else(|error| panic!("{error}"))
}

fn outputs(text: &str) -> BTreeMap<String, String> {
    planned(text).outputs
}

const RESOURCES: &str = "
Parameters:
  Stage: { Type: String, Default: dev }
  Zones: { Type: CommaDelimitedList, Default: 'a, b,c' }
Mappings:
  Sizes: { dev: { shards: 1 }, prod: { shards: 8 } }
Conditions:
  IsProd: !Equals [!Ref Stage, prod]
  NotProd: !Not [!Condition IsProd]
  Either: !Or [!Condition IsProd, !And [!Condition NotProd, !Equals [a, a]]]
Resources:
  Q: { Type: AWS::SQS::Queue }
  B: { Type: AWS::S3::Bucket }
  S: { Type: AWS::Kinesis::Stream, Properties: { ShardCount: !FindInMap [Sizes, !Ref Stage, shards] } }
  OnlyProd: { Type: AWS::SQS::Queue, Condition: IsProd }
Outputs:
";

#[test]
fn functions_give_what_cloudformation_gives() {
    let cases = [
        ("!Ref Stage", "dev"),
        ("!Ref AWS::Region", "us-east-1"),
        ("!Ref Q", "https://sqs.us-east-1.amazonaws.com/000000000000/weir-Q"),
        ("!GetAtt Q.Arn", "arn:aws:sqs:us-east-1:000000000000:weir-Q"),
        ("{ Fn::GetAtt: [Q, QueueName] }", "weir-Q"),
        ("!Ref B", "weir-b"),
        ("!GetAtt S.Arn", "arn:aws:kinesis:us-east-1:000000000000:stream/weir-S"),
        (
            "!Sub 'x-${Stage}-${AWS::AccountId}-${Q.Arn}'",
            "x-dev-000000000000-arn:aws:sqs:us-east-1:000000000000:weir-Q",
        ),
        ("!Sub ['${a}${!b}', { a: !Ref Stage }]", "dev${b}"),
        ("!Join ['-', [a, !Ref Stage, !Ref AWS::NoValue]]", "a-dev"),
        ("!Join [':', !Ref Zones]", "a:b:c"),
        ("!Select [1, !Split ['/', 'a/b/c']]", "b"),
        ("!If [IsProd, yes, !If [Either, both, none]]", "both"),
        ("!Base64 weir!", "d2VpciE="),
        ("{ 'Fn::Base64': we }", "d2U="),
        ("!Select [0, !GetAZs '']", "us-east-1a"),
    ];
    for (expression, expected) in cases {
        let out = outputs(&format!("{RESOURCES}  X: {{ Value: {expression} }}\n"));
        assert_eq!(out["X"], expected, "{expression}");
    }
}

#[test]
fn a_resource_whose_condition_fails_is_absent_and_may_not_be_named() {
    let plan = planned(&format!("{RESOURCES}  X: {{ Value: x }}\n"));
    assert_eq!(plan.queues.len(), 1);
    assert_eq!(plan.streams[0].shards, 1);
    let plan = planned(&format!("{RESOURCES}  X: {{ Value: !Ref OnlyProd }}\n"));
    assert_eq!(plan.warnings[0].message, "refers to OnlyProd, whose condition does not hold");
}

#[test]
fn json_is_read_like_yaml() {
    let text = "{\n\t\"Resources\": {\n\t\t\"Q\": {\"Type\": \"AWS::SQS::Queue\", \"Properties\": {\"DelaySeconds\": 5}}},\n\t\"Outputs\": {\"X\": {\"Value\": {\"Fn::Sub\": \"${Q.Arn}\\u0041\"}}}}";
    let plan = planned(text);
    assert_eq!(plan.queues[0].attributes["DelaySeconds"], "5");
    assert_eq!(plan.outputs["X"], "arn:aws:sqs:us-east-1:000000000000:weir-QA");
}

#[test]
fn globals_lie_beneath_a_function() {
    let plan = planned(
        "
Transform: AWS::Serverless-2016-10-31
Globals:
  Function:
    Runtime: provided.al2023
    Timeout: 9
    Environment: { Variables: { A: '1', B: '2' } }
Resources:
  F:
    Type: AWS::Serverless::Function
    Metadata: { BuildMethod: rust-cargolambda, BuildProperties: { Binary: f } }
    Properties:
      Timeout: 12
      Environment: { Variables: { B: three } }
      Events:
        Nightly: { Type: Schedule, Properties: { Schedule: cron(0 1 * * ? *) } }
        Hourly: { Type: ScheduleV2, Properties: { ScheduleExpression: rate(2 hours) } }
",
    );
    let function = &plan.functions[0];
    assert_eq!(function.timeout_seconds, 12);
    assert_eq!(function.environment, BTreeMap::from([("A".into(), "1".into()), ("B".into(), "three".into())]));
    assert_eq!(plan.schedules[0].every_seconds, 7_200);
    assert_eq!(
        plan.warning_lines(),
        ["Events.Nightly.Schedule (F): `cron(0 1 * * ? *)` does not run locally: only rate(…) does"]
    );
}

#[test]
fn dead_letter_queues_come_first() {
    let plan = planned(
        "
Resources:
  A: { Type: AWS::SQS::Queue, Properties: { RedrivePolicy: { deadLetterTargetArn: !GetAtt B.Arn, maxReceiveCount: 2 } } }
  B: { Type: AWS::SQS::Queue }
",
    );
    let order: Vec<&str> = plan.queues.iter().map(|queue| queue.logical_id.as_str()).collect();
    assert_eq!(order, ["B", "A"]);
}

#[test]
fn what_is_not_honoured_is_named() {
    let plan = planned(
        "
Resources:
  T: { Type: AWS::SNS::Topic }
  L: { Type: AWS::Logs::LogGroup, Properties: { RetentionInDays: 3 } }
  Q: { Type: AWS::SQS::Queue, Properties: { SqsManagedSseEnabled: true, Colour: red } }
",
    );
    assert_eq!(
        plan.warning_lines(),
        [
            "Type (T): AWS::SNS::Topic is not created locally",
            "Colour (Q): not known to the local plane and not honoured"
        ]
    );
    assert_eq!(plan.no_local_effect_line().unwrap(), "no local effect: AWS::Logs::LogGroup, SqsManagedSseEnabled");
}

#[test]
fn a_switch_that_is_off_is_not_warned_about() {
    let table = |on: &str| {
        let text = format!(
            "Resources:\n  T: {{ Type: AWS::DynamoDB::Table, Properties: {{ DeletionProtectionEnabled: {on}, \
             AttributeDefinitions: [{{ AttributeName: a, AttributeType: S }}], KeySchema: [{{ AttributeName: a, KeyType: \
             HASH }}] }} }}\n"
        );
        planned(&text).warning_lines()
    };
    assert_eq!(table("false"), Vec::<String>::new());
    assert_eq!(table("true"), ["DeletionProtectionEnabled (T): the table can be deleted locally"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        let _ = plan(&text, "t", &Settings::local("weir"));
    }

    /// Templates that are nearly right reach further: the fleet's own with a piece cut out, doubled or replaced.
    #[test]
    fn no_damage_to_the_fleet_panics(at in 0.0..1.0_f64, length in 0_usize..80, put in "[-\\[\\]{}:,!&*|>'\"#%@ \\na-zA-Z0-9$.]{0,12}") {
        let text = include_str!("../../../template.yaml");
        let floor = |mut index: usize| { while !text.is_char_boundary(index) { index -= 1; } index };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a position")]
        let start = floor((at * text.len() as f64) as usize);
        let end = floor((start + length).min(text.len()));
        let damaged = format!("{}{put}{}", &text[..start], &text[end.max(start)..]);
        if let Err(error) = plan(&damaged, "t", &Settings::local("weir")) {
            prop_assert!(!error.to_string().contains('\n'));
        }
    }
}
