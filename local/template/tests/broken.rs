//! What is wrong with a template → the one line its author reads.

use weir_local_template::{Settings, plan};

const HEAD: &str = "Transform: AWS::Serverless-2016-10-31\n";

fn message(text: &str) -> String {
    match plan(text, "t.yaml", &Settings::local("weir")) {
        Ok(_) => "accepted".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// A function with the given extra properties, each on its own line.
fn function(extra: &str) -> String {
    let extra: String = extra.lines().map(|line| format!("      {line}\n")).collect();
    format!(
        "{HEAD}Resources:\n  Q:\n    Type: AWS::SQS::Queue\n    Properties: {{ VisibilityTimeout: 20 }}\n  S:\n    Type: \
         AWS::Kinesis::Stream\n    Properties: {{ ShardCount: 1 }}\n  F:\n    Type: AWS::Serverless::Function\n    \
         Metadata: {{ BuildMethod: rust-cargolambda, BuildProperties: {{ Binary: f }} }}\n    Properties:\n      \
         Runtime: provided.al2023\n      Timeout: 20\n{extra}"
    )
}

fn event(kind: &str, properties: &str) -> String {
    function(&format!("Events:\n  E:\n    Type: {kind}\n    Properties: {{ {properties} }}"))
}

fn queue(properties: &str) -> String {
    format!("Resources:\n  Q:\n    Type: AWS::SQS::Queue\n    Properties:\n      {properties}\n")
}

#[test]
fn every_mistake_gets_one_clear_line() {
    let stream = "Stream: !GetAtt S.Arn, StartingPosition: LATEST";
    let cases: &[(&str, String)] = &[
        ("empty", String::new()),
        ("a list", "- a".into()),
        ("bad YAML", "Resources: {\n  A: [1, 2\n".into()),
        ("tab indentation", "Resources:\n\tA: 1".into()),
        ("two documents", "Resources: {}\n---\nResources: {}\n".into()),
        ("no resources", "Description: x".into()),
        ("misspelt section", "Resource: {}\nResources: {}".into()),
        ("key twice", "Resources:\n  A: {Type: X}\n  A: {Type: Y}\n".into()),
        ("merge key", "Resources:\n  <<: {A: 1}\n".into()),
        ("unknown tag", "Resources:\n  A: !Frob x\n".into()),
        ("unknown macro", "Transform: Mine\nResources: {}".into()),
        ("no type", "Resources:\n  A: {Properties: {}}".into()),
        ("misspelt attribute", "Resources:\n  A: {Type: AWS::SQS::Queue, Property: {}}".into()),
        ("properties no map", "Resources:\n  A: {Type: AWS::SQS::Queue, Properties: 7}".into()),
        ("number expected", queue("DelaySeconds: soon")),
        ("number out of range", queue("VisibilityTimeout: 90000")),
        ("boolean expected", queue("FifoQueue: yes")),
        ("list for text", queue("QueueName: [a, b]")),
        ("fifo name", queue("FifoQueue: true")),
        ("unknown reference", queue("QueueName: !Ref Nowhere")),
        ("unknown reference unused", queue("KmsMasterKeyId: !Ref Nowhere")),
        ("name of a resource in a name", queue("QueueName: !Sub '${Q}-x'")),
        ("unknown attribute", queue("DelaySeconds: !GetAtt Q.Size")),
        ("sub of nothing", queue("QueueName: !Sub '${Stage}-x'")),
        ("unresolved import", queue("QueueName: !ImportValue x")),
        ("select past the end", queue("QueueName: !Select [2, [a, b]]")),
        ("condition unknown", queue("DelaySeconds: !If [Prod, 1, 2]")),
        ("condition of itself", format!("Conditions: {{ A: !Not [Condition: A] }}\n{}", queue("DelaySeconds: 1"))),
        ("condition of itself by If", format!("Conditions: {{ A: !Equals [!If [A, x, y], x] }}\n{}", queue("DelaySeconds: 1"))),
        ("condition of itself by a name", format!("Conditions: {{ A: !Equals [!Ref Q, x] }}\n{}", queue("QueueName: !If [A, x, y]"))),
        ("redrive to itself", queue("RedrivePolicy: { deadLetterTargetArn: !GetAtt Q.Arn, maxReceiveCount: 3 }")),
        ("redrive without count", queue("RedrivePolicy: { deadLetterTargetArn: 'arn:x' }")),
        ("parameter without default", format!("Parameters: {{ P: {{ Type: String }} }}\n{}", queue("DelaySeconds: 1"))),
        ("parameter not allowed", format!("Parameters: {{ P: {{ Type: String, Default: c, AllowedValues: [a, b] }} }}\n{}", queue("DelaySeconds: 1"))),
        ("parameter out of range", format!("Parameters: {{ P: {{ Type: Number, Default: 9, MaxValue: 5 }} }}\n{}", queue("DelaySeconds: 1"))),
        ("parameter no number", format!("Parameters: {{ P: {{ Type: Number, Default: x }} }}\n{}", queue("DelaySeconds: 1"))),
        ("stream without shards", "Resources:\n  S: {Type: AWS::Kinesis::Stream}".into()),
        ("table key undefined", "Resources:\n  T: {Type: AWS::DynamoDB::Table, Properties: {AttributeDefinitions: [], KeySchema: [{AttributeName: a, KeyType: HASH}]}}".into()),
        ("table attribute unused", "Resources:\n  T: {Type: AWS::DynamoDB::Table, Properties: {AttributeDefinitions: [{AttributeName: a, AttributeType: S}, {AttributeName: b, AttributeType: S}], KeySchema: [{AttributeName: a, KeyType: HASH}]}}".into()),
        ("bucket tells a topic", "Resources:\n  B: {Type: AWS::S3::Bucket, Properties: {NotificationConfiguration: {TopicConfigurations: []}}}".into()),
        ("plain mapping", "Resources:\n  M: {Type: AWS::Lambda::EventSourceMapping}".into()),
        ("runtime", function("").replace("provided.al2023", "python3.13")),
        ("no binary", function("").replace("BuildProperties: { Binary: f }", "X: 1")),
        ("binary with a path", function("").replace("Binary: f", "Binary: ../f")),
        ("memory", function("MemorySize: 64")),
        ("variable is a list", function("Environment: { Variables: { A: [1] } }")),
        ("event type", event("S3", "Bucket: b")),
        ("no stream", event("Kinesis", "StartingPosition: LATEST")),
        ("stream of another stack", event("Kinesis", "Stream: 'arn:aws:kinesis:us-east-1:000000000000:stream/x', StartingPosition: LATEST")),
        ("position", event("Kinesis", "Stream: !GetAtt S.Arn, StartingPosition: NOW")),
        ("batch size", event("Kinesis", &format!("{stream}, BatchSize: 50000"))),
        ("tumbling window", event("Kinesis", &format!("{stream}, TumblingWindowInSeconds: 901"))),
        ("filter", event("Kinesis", &format!("{stream}, FilterCriteria: {{ Filters: [{{ data: x }}] }}"))),
        (
            "destination",
            event("Kinesis", &format!("{stream}, DestinationConfig: {{ OnFailure: {{ Destination: x }} }}")),
        ),
        ("response type", event("Kinesis", &format!("{stream}, FunctionResponseTypes: [All]"))),
        ("record age", event("Kinesis", &format!("{stream}, MaximumRecordAgeInSeconds: 30"))),
        ("large batch without window", event("SQS", "Queue: !GetAtt Q.Arn, BatchSize: 1000")),
        ("visibility", event("SQS", "Queue: !GetAtt Q.Arn").replace("VisibilityTimeout: 20", "VisibilityTimeout: 10")),
        ("schedule", event("Schedule", "Schedule: every minute")),
        ("plural", event("Schedule", "Schedule: rate(1 minutes)")),
        ("two of one name", "Resources:\n  A: {Type: AWS::SQS::Queue, Properties: {QueueName: q}}\n  B: {Type: AWS::SQS::Queue, Properties: {QueueName: q}}".into()),
    ];
    let lines: Vec<String> = cases.iter().map(|(name, text)| format!("{name}: {}", message(text))).collect();
    insta::assert_snapshot!(lines.join("\n"));
    for line in &lines {
        assert!(!line.ends_with(": accepted"), "{line}");
    }
}

#[test]
fn limits_stop_bombs_and_say_which() {
    let deep = |levels: usize| format!("Resources: {}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(message(&deep(100)).contains("deeper than the limit of 64"), "{}", message(&deep(100)));
    // The parser has a limit of its own beyond ours.
    assert!(message(&deep(5_000)).contains("recursion limit exceeded"), "{}", message(&deep(5_000)));

    let mut bomb = String::from("Metadata:\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..10 {
        let alias = format!("*a{}", level - 1);
        let row = vec![alias; 10].join(", ");
        bomb.push_str(&format!("  a{level}: &a{level} [{row}]\n"));
    }
    assert!(message(&bomb).contains("beyond the limit of 500000 nodes"), "{}", message(&bomb));

    let large = format!("Description: {}", "x".repeat(1_000_001));
    assert!(message(&large).contains("more than the limit of 1000000"), "{}", message(&large));
}

/// Few lines that stand for much: each took minutes, gigabytes or the stack before it had a limit.
#[test]
fn what_repeats_itself_is_bounded() {
    let condition = |n: usize, then: &str| format!("  C{n}: {then}\n");
    let doubling = (1..31).map(|n| condition(n, &format!("!And [Condition: C{0}, Condition: C{0}]", n - 1)));
    let doubling =
        format!("Conditions:\n  C0: !Equals [a, a]\n{}{}", doubling.collect::<String>(), queue("DelaySeconds: 1"));
    assert_eq!(message(&doubling), "accepted");

    let chain = (1..20_000).map(|n| condition(n, &format!("!Not [Condition: C{}]", n - 1)));
    let chain = format!("Conditions:\n  C0: !Equals [a, a]\n{}{}", chain.collect::<String>(), queue("DelaySeconds: 1"));
    assert!(message(&chain).contains("deeper than the limit of 32"), "{}", message(&chain));

    let long = "x".repeat(100_000);
    let aliases = "*a, ".repeat(1_000);
    let aliases = format!("Metadata:\n  a: &a {long}\n  b: [{aliases}]\n{}", queue("DelaySeconds: 1"));
    assert!(message(&aliases).contains("aliases repeat more text than the limit of 16000000"), "{}", message(&aliases));

    let references = "!Ref P, ".repeat(1_000);
    let parameter = format!("Parameters: {{ P: {{ Type: String, Default: {long} }} }}\n");
    let references = format!("{parameter}{}", queue(&format!("FifoQueue: [{references}]")));
    assert!(message(&references).contains("produce more text than the limit of 16000000"), "{}", message(&references));

    let keys: String = (0..70_000).map(|n| format!("  k{n}: 1\n")).collect();
    assert_eq!(message(&format!("Metadata:\n{keys}{}", queue("DelaySeconds: 1"))), "accepted");
}

#[test]
fn a_missing_file_is_one_line() {
    let error = weir_local_template::read(std::path::Path::new("no/such.yaml"), &Settings::local("weir")).unwrap_err();
    assert_eq!(error.to_string(), "no/such.yaml: cannot be read: No such file or directory (os error 2)");
}
