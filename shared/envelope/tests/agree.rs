//! The fast reader is held against the complete one: on what Lambda sends, on the same damaged, and on noise.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use weir_envelope::{EnvelopeError, kinesis, sqs, url};

/// What is read or refused, as one text.
fn shown<T: std::fmt::Debug>(read: Result<T, EnvelopeError>) -> String {
    match read {
        Ok(read) => format!("{read:?}"),
        Err(error) => format!("refused: {error}"),
    }
}

fn check(input: &[u8]) {
    // The arena has been used before, and keeps what was in it.
    let mut arena = b"left over from the invocation before".to_vec();
    let text = || String::from_utf8_lossy(input).into_owned();
    assert_eq!(shown(kinesis::read(input, &mut arena)), shown(kinesis::read_completely(input)), "{}", text());
    assert_eq!(shown(sqs::read(input, &mut arena)), shown(sqs::read_completely(input)), "{}", text());
    assert_eq!(shown(url::read(input, &mut arena)), shown(url::read_completely(input)), "{}", text());
}

fn invocation(records: &[String]) -> String {
    format!(r#"{{"Records":[{}]}}"#, records.join(","))
}

/// What differs between records. Some values are drawn from a few, since what several records in a row have alike the
/// reader takes for constant until it is not.
#[derive(Clone, Debug)]
struct Values {
    key: String,
    sequence: String,
    data: String,
    arrival: String,
    shard: String,
}

fn kinesis_record(Values { key, sequence, data, arrival, shard }: &Values, order: bool) -> String {
    let place = format!(
        r#""eventID":"{shard}:{sequence}","eventName":"aws:kinesis:record","eventSourceARN":"arn:aws:kinesis:us-east-1:000000000000:stream/s""#
    );
    let kinesis = format!(
        r#""kinesis":{{"kinesisSchemaVersion":"1.0","partitionKey":"{key}","sequenceNumber":"{sequence}","data":"{data}","approximateArrivalTimestamp":{arrival}}}"#
    );
    if order { format!("{{{kinesis},{place}}}") } else { format!("{{ {place} , {kinesis} }}") }
}

fn values() -> impl Strategy<Value = Values> {
    let data = prop_oneof![
        9 => prop::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| STANDARD.encode(bytes)),
        9 => "(e30=|e31=)",
        1 => "[A-Za-z0-9+/=_-]{0,9}",
    ];
    let arrival = prop_oneof![
        4 => "179522[0-9]{4}\\.[0-9]{1,3}",
        4 => "1795224605\\.(1|10|12)",
        1 => "179522[0-9]{4}\\.[0-9]{4,9}",
        1 => "-?[0-9]{1,13}(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
    ];
    let sequence = prop_oneof![9 => "[0-9]{1,56}", 4 => "[12]", 1 => "[0-9a]{0,130}"];
    let shard = prop_oneof![9 => Just("shardId-000000000006".to_owned()), 1 => "[a-c:]{0,3}"];
    let key = prop_oneof!["([a-z0-9é]|\\\\n|\\\\u00e9){0,9}", "[ab]"];
    (key, sequence, data, arrival, shard).prop_map(|(key, sequence, data, arrival, shard)| Values {
        key,
        sequence,
        data,
        arrival,
        shard,
    })
}

fn kinesis_input() -> impl Strategy<Value = String> {
    prop::collection::vec((values(), prop::bool::weighted(0.9)), 0..9).prop_map(|records| {
        invocation(&records.iter().map(|(values, order)| kinesis_record(values, *order)).collect::<Vec<_>>())
    })
}

fn sqs_message() -> impl Strategy<Value = String> {
    let body = prop_oneof![
        4 => "(\\{\\\\\"status\\\\\":[0-9]{3}\\}){1,3}",
        4 => "(\\{\\}|\\[\\]|a\\\\n)",
        1 => "([ -!#-~é\u{1f600}]|\\\\[nrtbf\"\\\\/]|\\\\u[0-9a-f]{4}){0,20}",
    ];
    let attributes = prop_oneof![
        4 => Just(r#""messageAttributes":{}"#.to_owned()),
        2 => ("weir-(id|arrived-at|other)", "[a-z0-9]{0,5}").prop_map(|(name, value)| format!(
            r#""messageAttributes":{{"{name}":{{"stringValue":"{value}","stringListValues":[],"binaryListValues":[],"dataType":"String"}}}}"#
        )),
        1 => "\"messageAttributes\":\\{\"weir-id\":\\{(\"binaryValue\":\"AA==\",)?\"dataType\":\"Binary\"\\}\\}",
        1 => Just(r#""messageAttributes":null"#.to_owned()),
    ];
    let sent = prop_oneof![9 => "\"[0-9]{13}\"", 9 => "\"[12]\"", 1 => "([0-9]{1,3}|null|\"[a-z\\\\n]{0,3}\")"];
    let extra = prop_oneof![
        6 => Just(String::new()),
        1 => "(\"messageId\":\"twice\",|\"md5OfBody\":(null|7),|\"new\":\\{\"a\":\\[1\\]\\},)",
    ];
    let id = prop_oneof!["[0-9a-f-]{1,36}", "[ab]"];
    (id, body, attributes, sent, extra, "[12]").prop_map(|(id, body, attributes, sent, extra, receives)| {
        format!(
            r#"{{"messageId":"{id}",{extra}"receiptHandle":"Ab+/=","body":"{body}","attributes":{{"ApproximateReceiveCount":"{receives}","SentTimestamp":{sent}}},{attributes},"eventSource":"aws:sqs","eventSourceARN":"arn:aws:sqs:us-east-1:000000000000:q","awsRegion":"us-east-1"}}"#
        )
    })
}

fn sqs_input() -> impl Strategy<Value = String> {
    prop::collection::vec(sqs_message(), 0..9).prop_map(|messages| invocation(&messages))
}

/// One byte changed, left out or put in, or the end cut off.
fn damaged(text: String, at: prop::sample::Index, byte: u8, kind: u8) -> Vec<u8> {
    let mut bytes = text.into_bytes();
    let at = at.index(bytes.len());
    match kind {
        0 => bytes[at] = byte,
        1 => drop(bytes.remove(at)),
        2 => bytes.insert(at, byte),
        _ => bytes.truncate(at),
    }
    bytes
}

#[test]
fn on_what_is_known_to_be_awkward() {
    let values = |sequence: &str| Values {
        key: "k".into(),
        sequence: sequence.into(),
        data: "e30=".into(),
        arrival: "1795224605.123".into(),
        shard: "shardId-0".into(),
    };
    let record = |sequence| kinesis_record(&values(sequence), true);
    let with = |from: &str, to: &str| invocation(&[record("1"), record("2").replace(from, to), record("3")]);
    for input in [
        String::new(),
        "null".into(),
        "{}".into(),
        r#"{"Records":[]}"#.into(),
        r#"{"Records":null}"#.into(),
        r#"{"Records":[],"Records":[]}"#.into(),
        r#"{"Records":[],"other":1}"#.into(),
        r#"{"Records":[]} x"#.into(),
        invocation(&[record("1")]),
        invocation(&[record("1"), record("2")]),
        invocation(&[record("1"), kinesis_record(&values("2"), false)]),
        with("e30=", "e31="),
        with("e30=", "e30"),
        with("e30=", "e3 0="),
        with("e30=", ""),
        with("e30=", "\\u0065\\u0033\\u0030="),
        with("1795224605.123", "1795224605.1234567"),
        with("1795224605.123", "1795224605.2229998"),
        with("1795224605.123", "1795224605.0005"),
        with("1795224605.123", "99999999999.999"),
        with("1795224605.123", "1e400"),
        with("1795224605.123", "-1.5"),
        with("1795224605.123", "0123.5"),
        with("1795224605.123", "\"1\""),
        with("shardId-0:2", "shardId-0:17"),
        with("shardId-0:2", "shardId-1:2"),
        with("shardId-0:2", "shardId-0-2"),
        with("\"sequenceNumber\":\"2\"", "\"sequenceNumber\":\"two\""),
        with("\"k\"", "\"\\ud800\""),
        with("\"k\"", "7"),
        with("stream/s", "stream/t"),
        with("\"eventName\"", "\"eventID\":\"x:1\",\"eventName\""),
        with("\"kinesisSchemaVersion\"", "\"encryptionType\":\"KMS\",\"kinesisSchemaVersion\""),
        with("\"kinesisSchemaVersion\":\"1.0\"", "\"kinesisSchemaVersion\":[[{}]]"),
    ] {
        check(input.as_bytes());
    }
}

#[test]
fn on_the_sample_batches() {
    for name in ["kinesis-one-event-records", "kinesis-forms", "sqs-messages", "scheduled", "dynamodb-stream"] {
        let path = format!("{}/../../events/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let input = std::fs::read(&path).expect("a sample batch");
        check(&input);
        let compact: serde_json::Value = serde_json::from_slice(&input).expect("JSON");
        check(compact.to_string().as_bytes());
    }
}

fn request() -> impl Strategy<Value = String> {
    let body = prop_oneof![
        "\"([ -!#-~é\u{1f600}]|\\\\[nrtbf\"\\\\/]|\\\\u[0-9a-f]{4}){0,20}\"",
        prop::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| format!("\"{}\"", STANDARD.encode(bytes))),
        "(null|17)",
    ];
    (body, "(true|false|null|1)", any::<bool>()).prop_map(|(body, is_base64, twice)| {
        let again = if twice { "" } else { r#","isBase64Encoded":false"# };
        format!(r#"{{"version":"2.0","headers":{{"a":["b"]}},"body":{body},"isBase64Encoded":{is_base64}{again}}}"#)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn on_records(input in kinesis_input()) {
        check(input.as_bytes());
    }

    #[test]
    fn on_messages(input in sqs_input()) {
        check(input.as_bytes());
    }

    #[test]
    fn on_requests(input in request(), at in any::<prop::sample::Index>(), byte in any::<u8>(), kind in 0..4_u8) {
        check(input.as_bytes());
        check(&damaged(input, at, byte, kind));
    }

    #[test]
    fn on_damaged_records(input in kinesis_input(), at in any::<prop::sample::Index>(), byte in any::<u8>(), kind in 0..4_u8) {
        check(&damaged(input, at, byte, kind));
    }

    #[test]
    fn on_damaged_messages(input in sqs_input(), at in any::<prop::sample::Index>(), byte in any::<u8>(), kind in 0..4_u8) {
        check(&damaged(input, at, byte, kind));
    }

    #[test]
    fn on_noise(input in "\\{\"Records\":\\[[\\[\\]{}\",:\\\\a-d0-9.]{0,60}") {
        check(input.as_bytes());
    }
}
