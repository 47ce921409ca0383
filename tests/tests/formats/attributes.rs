//! DynamoDB's attributes as its JSON has them (`{"S": …}`), which is how whole items are kept.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use weir_exact::ports::{Item, ItemKey};

pub(crate) type Attributes = HashMap<String, AttributeValue>;

/// Reads an item of DynamoDB's JSON.
pub(crate) fn from_json(bytes: &[u8]) -> Attributes {
    let item: Map<String, Value> = serde_json::from_slice(bytes).expect("an object");
    item.into_iter().map(|(name, value)| (name, value_from(value))).collect()
}

fn value_from(value: Value) -> AttributeValue {
    let Value::Object(value) = value else { panic!("expected one type and value, found {value}") };
    let (kind, value) = value.into_iter().next().expect("a type and a value");
    match (kind.as_str(), value) {
        ("S", Value::String(text)) => AttributeValue::S(text),
        ("N", Value::String(number)) => AttributeValue::N(number),
        ("B", Value::String(base64)) => AttributeValue::B(Blob::new(STANDARD.decode(base64).expect("base64"))),
        ("L", Value::Array(items)) => AttributeValue::L(items.into_iter().map(value_from).collect()),
        ("M", Value::Object(map)) => AttributeValue::M(map.into_iter().map(|(k, v)| (k, value_from(v))).collect()),
        (kind, value) => panic!("an attribute of type {kind}: {value}"),
    }
}

/// Names ascending, a name a line.
pub(crate) fn to_json(attributes: &Attributes) -> Vec<u8> {
    let mut item = serde_json::to_vec_pretty(&map(attributes)).expect("JSON");
    item.push(b'\n');
    item
}

fn map(attributes: &Attributes) -> Value {
    Value::Object(attributes.iter().map(|(name, value)| (name.clone(), value_of(value))).collect())
}

fn value_of(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::B(bytes) => json!({ "B": STANDARD.encode(bytes) }),
        AttributeValue::L(items) => json!({ "L": items.iter().map(value_of).collect::<Vec<_>>() }),
        AttributeValue::M(attributes) => json!({ "M": map(attributes) }),
        other => panic!("an attribute that no writer has: {other:?}"),
    }
}

pub(crate) fn text(attributes: &Attributes, name: &str) -> Option<String> {
    attributes.get(name)?.as_s().ok().cloned()
}

pub(crate) fn bytes(attributes: &Attributes, name: &str) -> Option<Vec<u8>> {
    attributes.get(name)?.as_b().ok().map(|blob| blob.as_ref().to_vec())
}

/// An item of the contributions table. That `weir-aws` reads the same attributes alike is `read::items`' to see.
pub(crate) fn item(attributes: &Attributes) -> Item {
    let key = |name| text(attributes, name).unwrap_or_else(|| panic!("no {name} in {attributes:?}"));
    Item {
        key: ItemKey { pk: key("pk"), sk: key("sk") },
        fence: text(attributes, "fence"),
        body: bytes(attributes, "body").expect("a body"),
        expires_at: attributes.get("expires_at").map(|at| at.as_n().expect("N").parse().expect("seconds")),
    }
}

pub(crate) fn of_item(item: &Item) -> Attributes {
    let text = |value: &str| AttributeValue::S(value.to_owned());
    let mut attributes = Attributes::from([
        ("pk".to_owned(), text(&item.key.pk)),
        ("sk".to_owned(), text(&item.key.sk)),
        ("body".to_owned(), AttributeValue::B(Blob::new(item.body.clone()))),
    ]);
    attributes.extend(item.fence.iter().map(|fence| ("fence".to_owned(), text(fence))));
    attributes.extend(item.expires_at.iter().map(|at| ("expires_at".to_owned(), AttributeValue::N(at.to_string()))));
    attributes
}
