//! S3 event notifications: which objects were created, plain or wrapped by SNS.
//!
//! After "Event message structure" of the S3 user guide. Of S3's many events, only `ObjectCreated` ones are telemetry;
//! the others are named, so that the log shows what the bucket is configured to send.

use percent_encoding::percent_decode_str;
use serde_json::Value;

/// An object named by a notification or a pointer, with what it says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRef {
    /// The bucket's name.
    pub bucket: String,
    /// The key, decoded: as S3's API takes it.
    pub key: String,
    /// Its version; `None` on a bucket without versions.
    pub version: Option<String>,
    /// Its ETag, without quotes.
    pub etag: Option<String>,
    /// Its length, bytes.
    pub size: Option<u64>,
    /// Orders the events of one key: compare as hexadecimal text, the shorter padded with zeros on its left.
    pub sequencer: Option<String>,
}

/// The content of a notification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notice {
    /// Objects created, in the notification's order.
    pub objects: Vec<ObjectRef>,
    /// Names of the other events, which are ignored.
    pub ignored: Vec<String>,
}

/// An invalid field of a notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) String);

impl Malformed {
    fn new(at: &str, name: &str, expected: &str, found: Option<&Value>) -> Self {
        Self(format!("{at}.{name}: expected {expected}, found {}", kind(found)))
    }
}

/// The type of a value, without its content.
pub(crate) fn kind(value: Option<&Value>) -> &'static str {
    match value {
        None => "nothing",
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "a boolean",
        Some(Value::Number(_)) => "another number",
        Some(Value::String(text)) if text.is_empty() => "an empty string",
        Some(Value::String(_)) => "another string",
        Some(Value::Array(_)) => "an array",
        Some(Value::Object(_)) => "an object",
    }
}

impl Notice {
    /// Reads `Records`, if any of them is S3's. `at` is the path to them.
    pub(crate) fn read(records: &Value, at: &str) -> Option<Result<Self, Malformed>> {
        let records = records.as_array()?;
        let is_s3 = |record: &Value| record["eventSource"] == "aws:s3";
        records.iter().any(is_s3).then(|| {
            let mut notice = Self::default();
            for (place, record) in records.iter().enumerate() {
                notice.add(record, &format!("{at}[{place}]"))?;
            }
            Ok(notice)
        })
    }

    fn add(&mut self, record: &Value, at: &str) -> Result<(), Malformed> {
        if record["eventSource"] != "aws:s3" {
            return Err(Malformed::new(
                at,
                "eventSource",
                r#""aws:s3" as in its other records"#,
                record.get("eventSource"),
            ));
        }
        // A new major version may mean anything; minor ones only add fields.
        let version = record.get("eventVersion");
        if version.is_some_and(|version| !version.as_str().is_some_and(|version| version.starts_with("2."))) {
            return Err(Malformed::new(at, "eventVersion", "2 and a minor version", version));
        }
        let event = text(record, at, "eventName")?;
        if !event.trim_start_matches("s3:").starts_with("ObjectCreated:") {
            self.ignored.push(event.to_owned());
            return Ok(());
        }
        let bucket = text(&record["s3"]["bucket"], &format!("{at}.s3.bucket"), "name")?;
        let (object, at) = (&record["s3"]["object"], format!("{at}.s3.object"));
        let size = object.get("size");
        if size.is_some_and(|size| !size.is_u64()) {
            return Err(Malformed::new(&at, "size", "a number of bytes", size));
        }
        self.objects.push(ObjectRef {
            bucket: bucket.to_owned(),
            key: decoded(text(object, &at, "key")?)
                .ok_or_else(|| Malformed::new(&at, "key", "a URL-encoded UTF-8 key", object.get("key")))?,
            version: optional_text(object, &at, "versionId")?,
            etag: optional_text(object, &at, "eTag")?.map(|etag| etag.trim_matches('"').to_owned()),
            size: size.and_then(Value::as_u64),
            sequencer: optional_text(object, &at, "sequencer")?,
        });
        Ok(())
    }
}

/// The text of a mandatory field.
pub(crate) fn text<'v>(value: &'v Value, at: &str, name: &str) -> Result<&'v str, Malformed> {
    let field = value.get(name);
    let text = field.and_then(Value::as_str).filter(|text| !text.is_empty());
    text.ok_or_else(|| Malformed::new(at, name, "a string", field))
}

fn optional_text(value: &Value, at: &str, name: &str) -> Result<Option<String>, Malformed> {
    value.get(name).map(|_| text(value, at, name).map(str::to_owned)).transpose()
}

/// A key as S3 writes it in a notification: a space as `+`, other bytes of its UTF-8 as `%XX`.
fn decoded(key: &str) -> Option<String> {
    let is_hex = |hex: &str| hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    let sound = key.match_indices('%').all(|(at, _)| key.get(at + 1..at + 3).is_some_and(is_hex));
    let spaced = key.replace('+', " ");
    let key = percent_decode_str(&spaced).decode_utf8().ok()?;
    sound.then(|| key.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_decoded_as_s3_encoded_them() {
        let check = |key: &str, expect: Option<&str>| assert_eq!(decoded(key).as_deref(), expect, "{key}");
        check("in/a+b.gz", Some("in/a b.gz"));
        check("in/a%2Bb%20c", Some("in/a+b c"));
        check("in/100%25", Some("in/100%"));
        check("in/%C3%BCber/%E6%97%A5%E6%9C%AC%F0%9F%9A%80", Some("in/über/日本🚀"));
        check("in/u\u{308}", Some("in/u\u{308}"));
        check("in/%", None);
        check("in/%zz", None);
        check("in/%2", None);
        check("in/%+1", None);
        check("in/%FF", None);
        check("in/%é", None);
    }
}
