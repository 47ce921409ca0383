//! Lambda's event shape for queues ("Using Lambda with Amazon SQS: example standard queue message event").

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value;

use super::source::{MessageAttribute, QueueMessage};
use crate::mapping::filter::Filters;
use crate::stream::event::string;

/// One message as an element of `Records`.
pub(crate) fn encode(message: &QueueMessage, arn: &str) -> Bytes {
    let mut out = Vec::with_capacity(message.body.len() + 1024);
    let field = |out: &mut Vec<u8>, name: &str, value: &str| {
        out.extend_from_slice(if out.is_empty() { b"{" } else { b"," });
        string(out, name);
        out.push(b':');
        string(out, value);
    };
    field(&mut out, "messageId", &message.message_id);
    field(&mut out, "receiptHandle", &message.receipt_handle);
    field(&mut out, "body", &message.body);
    out.extend_from_slice(br#","attributes":{"#);
    for (index, (name, value)) in message.attributes.iter().enumerate() {
        separate(&mut out, index);
        string(&mut out, name);
        out.push(b':');
        string(&mut out, value);
    }
    out.extend_from_slice(br#"},"messageAttributes":{"#);
    for (index, (name, attribute)) in message.message_attributes.iter().enumerate() {
        separate(&mut out, index);
        string(&mut out, name);
        out.push(b':');
        write_attribute(&mut out, attribute);
    }
    out.push(b'}');
    field(&mut out, "md5OfBody", &message.md5_of_body);
    if let Some(md5) = &message.md5_of_message_attributes {
        field(&mut out, "md5OfMessageAttributes", md5);
    }
    field(&mut out, "eventSource", "aws:sqs");
    field(&mut out, "eventSourceARN", arn);
    field(&mut out, "awsRegion", arn.split(':').nth(3).unwrap_or_default());
    out.push(b'}');
    out.into()
}

fn separate(out: &mut Vec<u8>, index: usize) {
    if index > 0 {
        out.push(b',');
    }
}

/// The lists are always there and always empty: SQS has reserved and never implemented them.
fn write_attribute(out: &mut Vec<u8>, attribute: &MessageAttribute) {
    out.push(b'{');
    if let Some(text) = &attribute.string_value {
        out.extend_from_slice(br#""stringValue":"#);
        string(out, text);
        out.push(b',');
    }
    if let Some(bytes) = &attribute.binary_value {
        out.extend_from_slice(br#""binaryValue":"#);
        string(out, &STANDARD.encode(bytes));
        out.push(b',');
    }
    out.extend_from_slice(br#""stringListValues":[],"binaryListValues":[],"dataType":"#);
    string(out, &attribute.data_type);
    out.push(b'}');
}

/// The message as filters see it: its body decoded where a pattern looks into it ("Using event filtering with an Amazon
/// SQS event source"). A body that is then not JSON is not there.
pub(crate) fn filter_view(event: &[u8], filters: &Filters) -> Value {
    let mut view: Value = serde_json::from_slice(event).unwrap_or_default();
    if filters.look_into("body")
        && let Some(fields) = view.as_object_mut()
    {
        let body = fields.remove("body");
        if let Some(Ok(body)) = body.as_ref().and_then(Value::as_str).map(serde_json::from_str) {
            fields.insert("body".to_owned(), body);
        }
    }
    view
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The example event of the documentation, with an attribute of each kind.
    #[test]
    fn as_documented() {
        let attribute = |data_type: &str, text: Option<&str>, bytes: Option<&'static [u8]>| MessageAttribute {
            data_type: data_type.into(),
            string_value: text.map(str::to_owned),
            binary_value: bytes.map(Bytes::from_static),
        };
        let message = QueueMessage {
            message_id: "059f36b4-87a3-44ab-83d2-661975830a7d".into(),
            receipt_handle: "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a...".into(),
            body: "Test \"message\".\n".into(),
            md5_of_body: "e4e68fb7bd0e697a0ae8f1bb342846b3".into(),
            md5_of_message_attributes: Some("00484c68".into()),
            attributes: [("ApproximateReceiveCount", "1"), ("SentTimestamp", "1545082649183")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            message_attributes: [
                ("myAttribute".to_owned(), attribute("String", Some("myValue"), None)),
                ("bytes".to_owned(), attribute("Binary.png", None, Some(&[0, 255]))),
            ]
            .into(),
        };
        let expected = json!({
            "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
            "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a...",
            "body": "Test \"message\".\n",
            "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1545082649183"},
            "messageAttributes": {
                "bytes": {"binaryValue": "AP8=", "stringListValues": [], "binaryListValues": [], "dataType": "Binary.png"},
                "myAttribute": {"stringValue": "myValue", "stringListValues": [], "binaryListValues": [], "dataType": "String"}
            },
            "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
            "md5OfMessageAttributes": "00484c68",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-2:123456789012:my-queue",
            "awsRegion": "us-east-2"
        });
        let encoded = encode(&message, "arn:aws:sqs:us-east-2:123456789012:my-queue");
        assert_eq!(serde_json::from_slice::<Value>(&encoded).expect("JSON"), expected);
    }
}
