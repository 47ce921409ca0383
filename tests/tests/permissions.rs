//! What each processor calls against what its role grants: nothing is missing, nothing is granted that nobody calls.
//!
//! The local plane asks for no permission, so nothing else here would notice before a deployment does.

use std::collections::BTreeSet;
use weir_exact::layout::{FencedKey, Layout};
use weir_exact::row::{Resolution, RowWindow};
use weir_exact::scratch::Scratch;
use weir_exact::sequence::Shard;
use weir_local_template::{Document, Resolved, Resource, Settings, Value};
use weir_rollup::SeriesKey;
use weir_telemetry::{Generation, Millis, Window};
use weir_tests::root;

/// The ports of `shared/exact/src/ports.rs`, and the actions behind them in `shared/aws`.
const PORTS: &[(&str, &[&str])] = &[
    ("ContributionGet", &["dynamodb:GetItem"]),
    ("ContributionPut", &["dynamodb:PutItem"]),
    ("ContributionQuery", &["dynamodb:Query"]),
    ("RowPut", &["dynamodb:PutItem"]),
    ("RowVersions", &["dynamodb:BatchGetItem"]),
    ("RowQuery", &["dynamodb:Query"]),
    ("RowAudit", &["dynamodb:BatchGetItem"]),
    ("QuarantinePut", &["s3:PutObject"]),
    ("QuarantineGet", &["s3:GetObject"]),
    ("QuarantineList", &["s3:ListBucket"]),
];

const CONTRIBUTIONS: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/weir-contributions";
const ROLLUPS: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/weir-rollups";
const QUARANTINE: &str = "arn:aws:s3:::weir-quarantine-000000000000/*";
const QUARANTINE_BUCKET: &str = "arn:aws:s3:::weir-quarantine-000000000000";
const QUARANTINE_SCRATCH: &str = "arn:aws:s3:::weir-quarantine-000000000000/scratch/*";
const LANDING: &str = "arn:aws:s3:::weir-landing-000000000000/*";
const LANDING_BUCKET: &str = "arn:aws:s3:::weir-landing-000000000000";
const LANDING_SCRATCH: &str = "arn:aws:s3:::weir-landing-000000000000/scratch/*";
const STREAM: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/weir-telemetry";
const DEPLOYMENTS: &str = "codedeploy:us-east-1:000000000000";

/// A function, the ports that it stands on and where, and its calls beyond them.
struct Processor {
    function: &'static str,
    ports: &'static [(&'static str, &'static str)],
    calls: &'static [(&'static str, &'static str)],
}

const INTAKE: &[(&str, &str)] =
    &[("ContributionGet", CONTRIBUTIONS), ("ContributionPut", CONTRIBUTIONS), ("QuarantinePut", QUARANTINE)];

const PROCESSORS: &[Processor] = &[
    Processor {
        function: "KinesisRollup",
        ports: INTAKE,
        // When the stream was created: shared/aws/src/streams.rs.
        calls: &[("kinesis:DescribeStreamSummary", STREAM)],
    },
    Processor {
        function: "SqsRollup",
        ports: INTAKE,
        // Pointers: shared/objects/src/body.rs. Without ListBucket an object that is not there is a 403.
        calls: &[("s3:GetObject", LANDING), ("s3:ListBucket", LANDING_BUCKET)],
    },
    Processor {
        function: "S3Rollup",
        ports: INTAKE,
        calls: &[("s3:GetObject", LANDING), ("s3:GetObjectVersion", LANDING), ("s3:ListBucket", LANDING_BUCKET)],
    },
    Processor {
        function: "QuarantineReplay",
        ports: &[
            ("ContributionGet", CONTRIBUTIONS),
            ("ContributionPut", CONTRIBUTIONS),
            ("QuarantineGet", QUARANTINE),
            ("QuarantinePut", QUARANTINE),
        ],
        calls: &[("s3:ListBucket", QUARANTINE_BUCKET)],
    },
    Processor {
        function: "RollupFinalize",
        ports: &[
            ("ContributionGet", CONTRIBUTIONS),
            ("ContributionPut", CONTRIBUTIONS),
            ("ContributionQuery", CONTRIBUTIONS),
            ("RowPut", ROLLUPS),
            ("RowVersions", ROLLUPS),
        ],
        calls: &[],
    },
    Processor {
        function: "RollupCompact",
        ports: &[
            ("ContributionGet", CONTRIBUTIONS),
            ("ContributionPut", CONTRIBUTIONS),
            ("ContributionQuery", CONTRIBUTIONS),
            ("RowPut", ROLLUPS),
            ("RowQuery", ROLLUPS),
            ("RowVersions", ROLLUPS),
            // A scratch generation's rows lie beside its contributions.
            ("RowVersions", CONTRIBUTIONS),
        ],
        calls: &[],
    },
    Processor {
        function: "RollupReconcile",
        ports: &[
            ("ContributionGet", CONTRIBUTIONS),
            ("ContributionQuery", CONTRIBUTIONS),
            ("RowAudit", ROLLUPS),
            ("RowQuery", ROLLUPS),
            // Keys alone: it reads no object.
            ("QuarantineList", QUARANTINE_BUCKET),
        ],
        calls: &[],
    },
    Processor { function: "BurstSummary", ports: &[], calls: &[] },
    Processor {
        function: "CanaryGate",
        ports: &[
            ("ContributionGet", CONTRIBUTIONS),
            ("ContributionPut", CONTRIBUTIONS),
            ("ContributionQuery", CONTRIBUTIONS),
            ("QuarantineGet", QUARANTINE_SCRATCH),
        ],
        // shared/aws/src/scratch/stores.rs and processors/canary-gate/src/services.rs.
        calls: &[
            ("dynamodb:DeleteItem", CONTRIBUTIONS),
            ("s3:PutObject", QUARANTINE_SCRATCH),
            ("s3:DeleteObject", QUARANTINE_SCRATCH),
            ("s3:ListBucket", QUARANTINE_BUCKET),
            ("s3:PutObject", LANDING_SCRATCH),
            ("s3:DeleteObject", LANDING_SCRATCH),
            ("s3:DeleteObjectVersion", LANDING_SCRATCH),
            ("codedeploy:GetDeployment", "deploymentgroup:weir-ServerlessDeploymentApplication-*/*"),
            (
                "codedeploy:PutLifecycleEventHookExecutionStatus",
                "deploymentgroup:weir-ServerlessDeploymentApplication-*/*",
            ),
            ("codedeploy:GetApplicationRevision", "application:weir-ServerlessDeploymentApplication-*"),
        ],
    },
];

/// What Lambda does in the function's name, by the kind of event source (AWS Lambda Developer Guide: "Process Amazon Kinesis
/// Data Streams records with Lambda", "Using AWS Lambda with Amazon SQS", "Process DynamoDB records with Lambda").
fn poller(event: &Value) -> Vec<(String, String)> {
    let of = |actions: &[&str], resource: &str| -> Vec<(String, String)> {
        actions.iter().map(|action| ((*action).to_owned(), resource.to_owned())).collect()
    };
    let source = |name| event.at(&["Properties", name]).text().expect("an ARN");
    match event.get("Type").text() {
        Some("Kinesis") => {
            let calls = ["DescribeStream", "DescribeStreamSummary", "GetRecords", "GetShardIterator", "ListShards"];
            of(&calls.map(|call| format!("kinesis:{call}")).each_ref().map(String::as_str), source("Stream"))
        }
        Some("SQS") => of(&["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], source("Queue")),
        Some("DynamoDB") => {
            let calls = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"];
            [of(&calls, source("Stream")), of(&["dynamodb:ListStreams"], "*")].concat()
        }
        _ => vec![],
    }
}

fn template() -> Resolved {
    let document = Document::read(&root().join("template.yaml")).expect("the template");
    document.resolve(&Settings::local("weir")).expect("the template resolves")
}

fn resource<'a>(resolved: &'a Resolved, id: &str) -> &'a Resource {
    resolved.resources.iter().find(|resource| resource.id == id).unwrap_or_else(|| panic!("no {id}"))
}

/// The statements of a function's role.
fn statements<'a>(resolved: &'a Resolved, function: &str) -> Vec<&'a Value> {
    let role = resource(resolved, &format!("{function}Role"));
    let policies = role.properties.get("Policies").items();
    policies.iter().flat_map(|policy| policy.at(&["PolicyDocument", "Statement"]).items()).collect()
}

fn is(statement: &Value, effect: &str) -> bool {
    statement.get("Effect").text() == Some(effect)
}

/// Action and resource, one by one.
fn granted(statements: &[&Value], effect: &str) -> BTreeSet<(String, String)> {
    let texts = |value: &Value| value.items().iter().filter_map(Value::text).map(str::to_owned).collect::<Vec<_>>();
    let mut granted = BTreeSet::new();
    for statement in statements.iter().filter(|statement| is(statement, effect)) {
        for action in texts(statement.get("Action")) {
            granted.extend(texts(statement.get("Resource")).into_iter().map(|resource| (action.clone(), resource)));
        }
    }
    granted
}

#[test]
fn every_port_is_in_the_table() {
    let source = std::fs::read_to_string(root().join("shared/exact/src/ports.rs")).expect("the ports");
    let traits = source.lines().filter_map(|line| line.strip_prefix("pub trait ")?.split([':', ' ', '<']).next());
    let named: BTreeSet<&str> = PORTS.iter().map(|(name, _)| *name).collect();
    assert_eq!(traits.collect::<BTreeSet<_>>(), named);
}

#[test]
fn a_role_grants_what_its_processor_calls_and_nothing_else() {
    let resolved = template();
    let functions: Vec<&Resource> =
        resolved.resources.iter().filter(|resource| resource.kind == "AWS::Serverless::Function").collect();
    assert_eq!(functions.len(), PROCESSORS.len());
    for Processor { function, ports, calls } in PROCESSORS {
        let properties = &resource(&resolved, function).properties;
        let role = resource(&resolved, &format!("{function}Role"));
        // With `Policies` and no role SAM makes one that has AWS's managed policies, on everything.
        assert_eq!(properties.get("Role").text(), role.arn.as_deref(), "{function}");
        assert!(properties.get("Policies").is_absent(), "{function}");
        assert!(role.properties.get("ManagedPolicyArns").is_absent(), "{function}");

        let action = |(port, store): &(&str, &'static str)| {
            let (_, actions) = PORTS.iter().find(|(name, _)| name == port).unwrap_or_else(|| panic!("no port {port}"));
            actions.iter().map(|action| ((*action).to_owned(), (*store).to_owned())).collect::<Vec<_>>()
        };
        let mut needed: BTreeSet<(String, String)> = ports.iter().flat_map(action).collect();
        needed.extend(calls.iter().map(|(action, on)| {
            let is_arn = on.starts_with("arn:");
            ((*action).to_owned(), if is_arn { (*on).to_owned() } else { format!("arn:aws:{DEPLOYMENTS}:{on}") })
        }));
        needed.extend(properties.get("Events").entries().iter().flat_map(|(_, _, event)| poller(event)));
        let logs = resource(&resolved, &format!("{function}Logs")).arn.clone().expect("its ARN");
        needed.extend(["logs:CreateLogStream", "logs:PutLogEvents"].map(|action| (action.to_owned(), logs.clone())));
        needed.extend(
            ["xray:PutTraceSegments", "xray:PutTelemetryRecords"].map(|action| (action.to_owned(), "*".to_owned())),
        );

        let mut granted = granted(&statements(&resolved, function), "Allow");
        // What the gate may invoke has a test of its own.
        granted.retain(|(action, _)| action != "lambda:InvokeFunction");
        assert_eq!(granted, needed, "{function}");
    }
}

/// Where a pattern of IAM's `StringLike` has `*`, anything stands.
fn is_like(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => {
            let Some(rest) = text.strip_prefix(before) else { return false };
            (0..=rest.len()).filter(|at| rest.is_char_boundary(*at)).any(|at| is_like(after, &rest[at..]))
        }
    }
}

/// The partition keys that a role's statements with this action are held to; none where one of them holds to nothing.
fn leading_keys(statements: &[&Value], action: &str) -> Option<Vec<String>> {
    let mut keys = vec![];
    for statement in statements {
        let on_table = statement.get("Resource").text() == Some(CONTRIBUTIONS);
        if on_table && statement.get("Action").items().iter().any(|found| found.text() == Some(action)) {
            let held = statement.at(&["Condition", "ForAllValues:StringLike", "dynamodb:LeadingKeys"]);
            if held.is_absent() {
                return None;
            }
            keys.extend(held.items().iter().filter_map(Value::text).map(str::to_owned));
        }
    }
    Some(keys)
}

#[test]
fn writes_are_held_to_the_items_that_are_the_processor_s_own() {
    let layout = Layout::new("live", Generation { lanes: 16, partitions: 4 });
    let window = Window::containing(Millis(1_795_224_605_000));
    let hour = RowWindow::containing(Resolution::Hour, Millis(1_795_224_605_000));
    let shard = Shard { stream: "s".into(), created_at: Millis(5), id: "shardId-000000000000".into() };
    let series = SeriesKey { service: "checkout".into(), endpoint: "/w".into() };
    let scratch = Scratch::parse("gate-1").expect("a name").partition();
    let fenced = FencedKey { window, shard: shard.clone(), epoch: 1, split: 0 };
    let keys = [
        ("fenced", layout.fenced(&fenced, 0).pk),
        ("ledger", layout.ledger(window, 3, "ab").pk),
        ("progress", layout.progress(&shard).pk),
        ("claim", layout.claim("sqs:q/1").pk),
        ("catalog", layout.catalog(window).pk),
        ("directory", layout.listed(hour, &series).pk),
        ("epochs", Layout::epochs().pk),
        ("skips", Layout::skips().pk),
        ("scratch", scratch),
    ];
    let all = BTreeSet::from(keys.each_ref().map(|(name, _)| *name));
    let resolved = template();
    let may = |function: &str, action: &str| -> BTreeSet<&str> {
        match leading_keys(&statements(&resolved, function), action) {
            None => all.clone(),
            Some(held) => keys
                .iter()
                .filter(|(_, pk)| held.iter().any(|pattern| is_like(pattern, pk)))
                .map(|(name, _)| *name)
                .collect(),
        }
    };
    let put = "dynamodb:PutItem";
    // Items of windows have one form of partition key, whichever lane they are of.
    assert_eq!(may("KinesisRollup", put), BTreeSet::from(["fenced", "ledger", "progress", "scratch"]));
    for function in ["SqsRollup", "S3Rollup", "QuarantineReplay"] {
        assert_eq!(may(function, put), BTreeSet::from(["fenced", "ledger", "claim", "scratch"]), "{function}");
    }
    for function in ["RollupFinalize", "RollupCompact"] {
        assert_eq!(may(function, put), BTreeSet::from(["catalog", "directory", "scratch"]), "{function}");
    }
    assert_eq!(may("RollupReconcile", put), BTreeSet::new());
    for action in [put, "dynamodb:GetItem", "dynamodb:Query", "dynamodb:DeleteItem"] {
        assert_eq!(may("CanaryGate", action), BTreeSet::from(["scratch"]), "{action}");
    }
    assert_eq!(may("RollupCompact", "dynamodb:GetItem"), BTreeSet::from(["catalog", "directory", "epochs", "scratch"]));
}

#[test]
fn the_gate_invokes_versions_of_what_it_judges_and_nothing_else() {
    let resolved = template();
    let statements = statements(&resolved, "CanaryGate");
    let on_lambda = |effect| {
        let of = |(action, resource): (String, String)| (action == "lambda:InvokeFunction").then_some(resource);
        granted(&statements, effect).into_iter().filter_map(of).collect::<BTreeSet<_>>()
    };
    let (allowed, denied) = (on_lambda("Allow"), on_lambda("Deny"));
    let may = |arn: &str| {
        allowed.iter().any(|pattern| is_like(pattern, arn)) && !denied.iter().any(|pattern| is_like(pattern, arn))
    };
    let judged: Vec<&Resource> = resolved
        .resources
        .iter()
        .filter(|resource| !resource.properties.at(&["DeploymentPreference", "Hooks", "PreTraffic"]).is_absent())
        .collect();
    assert_eq!(judged.len() + 1, PROCESSORS.len());
    for function in judged {
        let arn = function.arn.as_deref().expect("its ARN");
        assert!(may(&format!("{arn}:7")) && may(&format!("{arn}:1234")), "{arn}");
        for qualified in [arn.to_owned(), format!("{arn}:live"), format!("{arn}:$LATEST")] {
            assert!(!may(&qualified), "{qualified}");
        }
    }
    // A stack whose name goes on where this one's ends.
    for other in ["weir-dev-kinesis-rollup:7", "weir-other:7"] {
        assert!(!may(&format!("arn:aws:lambda:us-east-1:000000000000:function:{other}")), "{other}");
    }
}
