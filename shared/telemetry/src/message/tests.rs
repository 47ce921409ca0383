use super::*;
use crate::ObjectRef;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::json;
use std::io::Write as _;

const TEST_EVENT: &str = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}"#;

fn check(body: &str, expect: &str) {
    let got = match MessageBody::of(body) {
        MessageBody::Payload(payload) => String::from_utf8_lossy(&payload.bytes()).into_owned(),
        MessageBody::Pointer { bucket, key } => format!("pointer to {key} in {bucket}"),
        MessageBody::Notice(notice) => {
            let objects: Vec<String> = notice.objects.iter().map(|object| object.key.clone()).collect();
            format!("notice of {objects:?}, not of {:?}", notice.ignored)
        }
        MessageBody::TestEvent => "test event".to_owned(),
        MessageBody::Malformed { reason, detail } => format!("{reason}: {detail}"),
        MessageBody::Unsupported(what) => what.to_owned(),
    };
    assert_eq!(got, expect, "{body}");
    check_quoted(body);
}

/// Where it stands in an invocation a body is the same: whether it stays there.
fn check_quoted(body: &str) -> bool {
    let string = serde_json::to_string(body).unwrap();
    let Some(quoted) = weir_json::Scanner::new(string.as_bytes()).quoted() else { return false };
    let held = MessageBody::of_quoted(quoted);
    let stays = matches!(held, MessageBody::Payload(Payload::Quoted(_)));
    assert_eq!(held.into_owned(), MessageBody::of(body).into_owned(), "{body}");
    stays
}

#[test]
fn usual_payloads_are_told_where_they_stand() {
    for (body, expect) in [
        (r#"{"endpoint":"/login","status":200}"#, true),
        (r#"[{"status":200},{"Records":[]}]"#, true),
        (r#"{"note":"Service"}"#, false),
        (r#"{"Records":[]}"#, false),
        (r#"["software.amazon.payloadoffloading.PayloadS3Pointer",{}]"#, false),
        ("{}\n{}", false),
        ("17", false),
        ("", false),
    ] {
        assert_eq!(check_quoted(body), expect, "{body}");
    }
}

/// As S3 sends it, for one object.
fn record(event: &str, key: &str) -> Value {
    json!({
        "eventVersion": "2.1", "eventSource": "aws:s3", "eventName": event, "eventTime": "2026-11-21T01:30:00.000Z",
        "s3": {
            "s3SchemaVersion": "1.0",
            "bucket": {"name": "b", "arn": "arn:aws:s3:::b"},
            "object": {"key": key, "size": 17, "eTag": "9f86", "versionId": "v1", "sequencer": "0055AED6"},
        },
    })
}

fn sns(message: &str) -> String {
    json!({"Type": "Notification", "TopicArn": "arn:aws:sns:x", "MessageId": "m", "Message": message}).to_string()
}

#[test]
fn bodies_are_told_apart() {
    check("{}", "{}");
    check("H4sI is no base64", "H4sI is no base64");
    check("[\"a\",{}]", "[\"a\",{}]");
    check(r#"{"Records":[{"status":200}]}"#, r#"{"Records":[{"status":200}]}"#);
    check(TEST_EVENT, "test event");
    check(&sns(TEST_EVENT), "test event");
    check(&sns("{}"), "an SNS notification of something else than S3 objects");
    check(&sns(&sns(TEST_EVENT)), "an SNS notification of something else than S3 objects");
    check("SGVsbG8gd29ybGQ=", "SGVsbG8gd29ybGQ=");
}

/// As `base64 file`, `base64 -w0`, and most languages' libraries write it.
#[test]
fn base64_of_compressed_payloads_as_tools_write_it() {
    let mut gzip = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    // Enough for several lines, and for characters in which the two alphabets differ.
    (0..200).for_each(|n| writeln!(gzip, r#"{{"endpoint":"/{:x}"}}"#, n * n * 7919).unwrap());
    let skippable = [&[0x5f, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 7][..], &zstd::encode_all(&b"{}"[..], 1).unwrap()].concat();
    for payload in [gzip.finish().unwrap(), zstd::encode_all(&b"{}"[..], 1).unwrap(), skippable] {
        let standard = STANDARD.encode(&payload);
        let lines: Vec<&str> = standard.as_bytes().chunks(76).map(|line| str::from_utf8(line).unwrap()).collect();
        for body in [
            standard.clone(),
            format!("{standard}\n"),
            lines.join("\n"),
            lines.join("\r\n") + "\r\n",
            standard.trim_end_matches('=').to_owned(),
            URL_SAFE.encode(&payload),
            URL_SAFE_NO_PAD.encode(&payload),
        ] {
            assert_eq!(MessageBody::of(&body), MessageBody::Payload(payload.clone().into()), "{body}");
        }
        let broken = format!("{}!{}", &standard[..8], &standard[8..]);
        check(&broken, &broken);
    }
}

#[test]
fn pointers_of_both_libraries() {
    let place = r#"{"s3BucketName":"b","s3Key":"k é"}"#;
    check(&format!(r#"["software.amazon.payloadoffloading.PayloadS3Pointer",{place}]"#), "pointer to k é in b");
    check(&format!("\n[ \"com.amazon.sqs.javamessaging.MessageS3Pointer\" , {place} ] "), "pointer to k é in b");
    let bad = |object: &str, expect: &str| {
        check(&format!(r#"["software.amazon.payloadoffloading.PayloadS3Pointer"{object}"#), expect);
    };
    bad(r#",{"s3Key":"k"}]"#, "bad_pointer: pointer.s3BucketName: expected a string, found nothing");
    bad(r#",{"s3BucketName":"b","s3Key":""}]"#, "bad_pointer: pointer.s3Key: expected a string, found an empty string");
    bad(r#",{"s3BucketName":7}]"#, "bad_pointer: pointer.s3BucketName: expected a string, found another number");
    let array = "bad_pointer: the pointer: expected a JSON array of its class and an object";
    bad("]", array);
    bad(",{},{}]", array);
    bad(",{", array);
}

#[test]
fn notices_plain_and_wrapped() {
    let one = json!({"Records": [record("ObjectCreated:Put", "in/a+%C3%BC")]}).to_string();
    let object = ObjectRef {
        bucket: "b".into(),
        key: "in/a ü".into(),
        version: Some("v1".into()),
        etag: Some("9f86".into()),
        size: Some(17),
        sequencer: Some("0055AED6".into()),
    };
    let notice = MessageBody::Notice(Notice { objects: vec![object], ignored: vec![] });
    assert_eq!(MessageBody::of(&one), notice);
    assert_eq!(MessageBody::of(&sns(&one)), notice);

    let several = json!({"Records": [
        record("ObjectCreated:CompleteMultipartUpload", "1"),
        record("ObjectRemoved:DeleteMarkerCreated", "2"),
        record("s3:ObjectCreated:Copy", "3"),
        {"eventSource": "aws:s3", "eventName": "s3:ReducedRedundancyLostObject"},
    ]});
    check(
        &several.to_string(),
        r#"notice of ["1", "3"], not of ["ObjectRemoved:DeleteMarkerCreated", "s3:ReducedRedundancyLostObject"]"#,
    );
    let bare = json!({"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": "b"}, "object": {"key": "k"}}}]});
    let MessageBody::Notice(notice) = MessageBody::of(&bare.to_string()) else { panic!("{bare}") };
    let object = &notice.objects[0];
    assert_eq!((&object.version, &object.etag, object.size, &object.sequencer), (&None, &None, None, &None));
}

#[test]
fn a_bad_notice_names_its_field() {
    let check_without = |path: &str, put: Value, expect: &str| {
        let mut bad = record("ObjectCreated:Put", "in/x");
        *bad.pointer_mut(path).unwrap() = put;
        let notice = json!({"Records": [record("ObjectCreated:Put", "in/1"), bad]}).to_string();
        check(&notice, &format!("bad_notice: Records[1].{expect}"));
        check(&sns(&notice), &format!("bad_notice: Message.Records[1].{expect}"));
    };
    check_without("/s3/object/key", json!(7), "s3.object.key: expected a string, found another number");
    check_without("/s3/object/key", json!(""), "s3.object.key: expected a string, found an empty string");
    check_without(
        "/s3/object/key",
        json!("%FF"),
        "s3.object.key: expected a URL-encoded UTF-8 key, found another string",
    );
    check_without("/s3/object", json!({}), "s3.object.key: expected a string, found nothing");
    check_without("/s3/bucket/name", json!(null), "s3.bucket.name: expected a string, found null");
    check_without("/s3", json!([]), "s3.bucket.name: expected a string, found nothing");
    check_without("/s3/object/size", json!(-1), "s3.object.size: expected a number of bytes, found another number");
    check_without("/s3/object/versionId", json!({}), "s3.object.versionId: expected a string, found an object");
    check_without("/s3/object/eTag", json!(true), "s3.object.eTag: expected a string, found a boolean");
    check_without("/s3/object/sequencer", json!([]), "s3.object.sequencer: expected a string, found an array");
    check_without("/eventName", json!(null), "eventName: expected a string, found null");
    check_without("/eventVersion", json!("3.0"), "eventVersion: expected 2 and a minor version, found another string");
    check_without(
        "/eventSource",
        json!("aws:sqs"),
        r#"eventSource: expected "aws:s3" as in its other records, found another string"#,
    );
    let wrapped = r#"{"Type":"Notification","TopicArn":"arn:aws:sns:x","Message":{}}"#;
    check(wrapped, "bad_notice: Message: expected a string, found an object");
}

proptest! {
    #[test]
    fn any_key_survives_s3_s_encoding(key in "\\PC{1,60}") {
        let mut encoded = String::new();
        for byte in key.bytes() {
            match byte {
                b' ' => encoded.push('+'),
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' | b'/' => encoded.push(byte.into()),
                _ => encoded.push_str(&format!("%{byte:02X}")),
            }
        }
        let body = json!({"Records": [record("ObjectCreated:Put", &encoded)]}).to_string();
        let MessageBody::Notice(notice) = MessageBody::of(&body) else { panic!("{body}") };
        prop_assert_eq!(&notice.objects[0].key, &key);
    }

    #[test]
    fn any_body_is_safe(body in "(\\[\"com.amazon.sqs.javamessaging.MessageS3Pointer\"|\\{\"Records\":\\[)?[\\[\\]{}\",:a-z0-9]{0,60}") {
        check_quoted(&body);
        let _ = MessageBody::of(&body);
    }
}
