//! The view for those who only look: every resource and property, with its line, and nothing that stops it.

use weir_local_template::{Document, Kind, Resolved, Settings};

fn resolved(text: &str) -> Resolved {
    let document = Document::parse(text, "t.yaml").unwrap_or_else(|error| panic!("{error}"));
    document.resolve(&Settings::local("weir")).unwrap_or_else(|error| panic!("{error}"))
}

const TEXT: &str = "Transform: [AWS::Serverless-2016-10-31, Theirs]
Parameters:
  Size: { Type: Number, Default: 5, MinValue: 1, MaxValue: 9 }
  Open: { Type: String, AllowedValues: [a, b] }
Conditions:
  Never: !Equals [a, b]
Globals:
  Function: { Timeout: 9, Environment: { Variables: { A: 1 } } }
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      Size: !Ref Size
      Name: !Sub '${Open}-x'
      Kept: !If [Never, !ImportValue x, { deep: [!Ref AWS::Region, !Ref AWS::NoValue] }]
      Environment: { Variables: { B: !GetAtt Api.Url } }
  Api: { Type: Theirs::Api::Thing, Properties: { Any: thing } }
  Gone: { Type: AWS::SQS::Queue, Condition: Never }
  Loop: { 'Fn::Nothing': 1 }
";

#[test]
fn whatever_is_there_is_seen() {
    let resolved = resolved(TEXT);
    let ids: Vec<&str> = resolved.resources.iter().map(|resource| resource.id.as_str()).collect();
    assert_eq!(ids, ["F", "Api"]);
    let function = &resolved.resources[0];
    assert_eq!((function.line, function.properties.get("Size").line), (10, 13));
    assert_eq!(function.properties.get("Size").integer(), Some(5));
    assert_eq!(function.properties.get("Timeout").integer(), Some(9), "Globals lie beneath");
    assert_eq!(function.properties.at(&["Environment", "Variables", "A"]).text(), Some("1"));
    let deep = function.properties.at(&["Kept", "deep"]).items();
    assert_eq!(deep.iter().map(|item| item.text()).collect::<Vec<_>>(), [Some("us-east-1")]);
    assert_eq!(function.arn.as_deref(), Some("arn:aws:lambda:us-east-1:000000000000:function:weir-F"));
}

#[test]
fn what_cannot_be_told_is_unknown_and_named() {
    let resolved = resolved(TEXT);
    let function = &resolved.resources[0];
    assert!(function.properties.get("Name").is_unknown());
    assert_eq!(function.properties.at(&["Environment", "Variables", "B"]).kind, Kind::Unknown);
    assert!(function.properties.get("Name").at(&["below", "it"]).is_unknown(), "and all below it");
    assert!(function.properties.get("Absent").is_absent());
    let places: Vec<&str> = resolved.unknown.iter().map(|unknown| unknown.place.as_str()).collect();
    assert_eq!(places, ["F.Name", "F.Environment.Variables.B", "Loop"]);
}

#[test]
fn a_condition_that_cannot_be_told_says_why_each_time() {
    let text = "Parameters: { Open: { Type: String } }
Conditions:
  Sure: !Equals [a, a]
  Unsure: !Or [!Condition Sure, !Equals [!Ref Open, x]]
Resources:
  A: { Type: AWS::SQS::Queue, Condition: Unsure }
  B: { Type: AWS::SQS::Queue, Properties: { DelaySeconds: !If [Unsure, 1, 2] } }
  C: { Type: AWS::SQS::Queue, Condition: Sure }
";
    let resolved = resolved(text);
    assert_eq!(resolved.resources.len(), 3, "what may exist is judged");
    let told: Vec<String> =
        resolved.unknown.iter().map(|unknown| format!("{}: {}", unknown.place, unknown.message)).collect();
    let why = "the parameter Open has no value here: give it one";
    assert_eq!(told, [format!("A: {why}"), format!("B.DelaySeconds: {why}")]);
}

#[test]
fn parameters_say_what_they_take() {
    let document = Document::parse(TEXT, "t.yaml").unwrap();
    let parameters = document.parameters();
    assert_eq!((parameters[0].least.as_deref(), parameters[0].most.as_deref()), (Some("1"), Some("9")));
    assert_eq!(
        (parameters[1].allowed.as_slice(), parameters[1].line),
        (["a".to_owned(), "b".to_owned()].as_slice(), 4)
    );
    assert_eq!(document.line(4), Some("  Open: { Type: String, AllowedValues: [a, b] }"));
    assert_eq!((document.line(0), document.line(99)), (None, None));
}
