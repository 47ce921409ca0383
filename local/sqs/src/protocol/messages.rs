//! Operations on messages, one by one and in batches.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Call;
use crate::engine::{ATTRIBUTE_NAMES, check_batch_bytes};
use crate::error::{ErrorKind, SqsError};
use crate::limits::{BATCH_ENTRIES_MAX, BATCH_ID_CHARS_MAX};
use crate::md5::md5_of_attributes;
use crate::message::{AttributeData, AttributeValue, Outgoing, Received, Sent, WireAttribute};
use crate::service::{Receive, new_id};

/// The message system attributes `ReceiveMessage` takes (API_ReceiveMessage), beside `All`.
const SYSTEM_ATTRIBUTE_NAMES: &[&str] = &[
    "AWSTraceHeader",
    "ApproximateFirstReceiveTimestamp",
    "ApproximateReceiveCount",
    "DeadLetterQueueSourceArn",
    "MessageDeduplicationId",
    "MessageGroupId",
    "SenderId",
    "SentTimestamp",
    "SequenceNumber",
];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SendEntry {
    queue_url: Option<String>,
    message_body: Option<String>,
    delay_seconds: Option<i64>,
    message_attributes: Option<BTreeMap<String, WireAttribute>>,
    message_system_attributes: Option<BTreeMap<String, WireAttribute>>,
    message_deduplication_id: Option<String>,
    message_group_id: Option<String>,
}

impl SendEntry {
    fn into_outgoing(self) -> Result<Outgoing, SqsError> {
        let mut trace_header = None;
        for (name, wire) in self.message_system_attributes.unwrap_or_default() {
            let value = attribute("system", &name, wire)?;
            match (name.as_str(), value.value) {
                ("AWSTraceHeader", AttributeData::Text(text)) if value.data_type == "String" => {
                    trace_header = Some(text);
                }
                _ => {
                    let reason = "The only one there is is AWSTraceHeader, of type String.";
                    return Err(SqsError::invalid_value(name, "MessageSystemAttributes", reason));
                }
            }
        }
        let attributes = self.message_attributes.unwrap_or_default().into_iter();
        let attributes = attributes.map(|(name, wire)| Ok((name.clone(), attribute("user", &name, wire)?)));
        Ok(Outgoing {
            body: self.message_body.unwrap_or_default(),
            attributes: attributes.collect::<Result<_, SqsError>>()?,
            trace_header,
            // Below zero is out of range like above 900, and refused in the same place.
            delay_s: self.delay_seconds.map(|delay_s| u64::try_from(delay_s).unwrap_or(u64::MAX)),
            group_id: self.message_group_id,
            deduplication_id: self.message_deduplication_id,
        })
    }
}

fn attribute(owner: &str, name: &str, wire: WireAttribute) -> Result<AttributeValue, SqsError> {
    AttributeValue::try_from(wire)
        .map_err(|fault| SqsError::invalid(format!("Message ({owner}) attribute '{name}' {fault}")))
}

fn sent(sent: Sent) -> Map<String, Value> {
    let fields = [
        ("MessageId", Some(sent.message_id)),
        ("MD5OfMessageBody", Some(sent.md5_of_body)),
        ("MD5OfMessageAttributes", sent.md5_of_attributes),
        ("MD5OfMessageSystemAttributes", sent.md5_of_system_attributes),
        ("SequenceNumber", sent.sequence_number),
    ];
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Value::from(value?)))).collect()
}

pub(super) fn send(call: &Call) -> Result<Value, SqsError> {
    let entry: SendEntry = call.parse()?;
    let queue = call.queue(entry.queue_url.as_deref())?;
    Ok(Value::Object(sent(call.sqs.send(&queue, entry.into_outgoing()?)?)))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Batch<E> {
    queue_url: Option<String>,
    entries: Option<Vec<Entry<E>>>,
}

#[derive(Debug, Deserialize)]
struct Entry<E> {
    #[serde(rename = "Id")]
    id: Option<String>,
    #[serde(flatten)]
    entry: E,
}

impl<E> Batch<E> {
    /// The entries under their ids, once the batch as a whole is one.
    fn checked(self, kind: &str) -> Result<Vec<(String, E)>, SqsError> {
        let entries = self.entries.unwrap_or_default();
        if entries.is_empty() {
            let message = format!("There should be at least one {kind} in the request.");
            return Err(SqsError::new(ErrorKind::EmptyBatchRequest, message));
        }
        if entries.len() > BATCH_ENTRIES_MAX {
            return Err(SqsError::too_many_entries(entries.len()));
        }
        let mut ids = BTreeSet::new();
        let mut checked = Vec::with_capacity(entries.len());
        for Entry { id, entry } in entries {
            let id = id.unwrap_or_default();
            let is_word = id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
            if id.is_empty() || id.len() > BATCH_ID_CHARS_MAX || !is_word {
                return Err(SqsError::invalid_batch_id());
            }
            if !ids.insert(id.clone()) {
                return Err(SqsError::new(ErrorKind::BatchEntryIdsNotDistinct, format!("Id {id} repeated.")));
            }
            checked.push((id, entry));
        }
        Ok(checked)
    }
}

/// Every entry has its own outcome, under its own id.
fn outcomes(outcomes: impl IntoIterator<Item = (String, Result<Map<String, Value>, SqsError>)>) -> Value {
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for (id, outcome) in outcomes {
        match outcome {
            Ok(mut fields) => {
                fields.insert("Id".to_owned(), id.into());
                successful.push(Value::Object(fields));
            }
            Err(error) => failed.push(json!({
                "Id": id,
                "Code": error.kind().query_code(),
                "Message": error.message(),
                "SenderFault": error.kind().is_sender_fault(),
            })),
        }
    }
    json!({ "Successful": successful, "Failed": failed })
}

pub(super) fn send_batch(call: &Call) -> Result<Value, SqsError> {
    let batch: Batch<SendEntry> = call.parse()?;
    let queue = call.queue(batch.queue_url.as_deref())?;
    call.sqs.run(|engine, _| engine.expect_queue(&queue))?;
    let entries = batch.checked("SendMessageBatchRequestEntry")?;
    let entries: Vec<_> = entries.into_iter().map(|(id, entry)| (id, entry.into_outgoing())).collect();
    let whole: Vec<_> = entries.iter().filter_map(|(_, outgoing)| outgoing.as_ref().ok()).cloned().collect();
    check_batch_bytes(&whole)?;
    call.sqs.run(|engine, _| {
        // AWS refuses the whole batch for these, and as an invalid value even what SendMessage calls missing.
        let first = whole.iter().find_map(|outgoing| engine.check_fifo(&queue, outgoing).err());
        first.map_or(Ok(()), |error| Err(SqsError::invalid(error.message())))
    })?;
    Ok(outcomes(call.sqs.run(|engine, now_ms| {
        let mut send =
            |outgoing: Result<Outgoing, SqsError>| engine.send(now_ms, &queue, outgoing?, new_id()).map(sent);
        Ok(entries.into_iter().map(|(id, outgoing)| (id, send(outgoing))).collect::<Vec<_>>())
    })?))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HandleEntry {
    queue_url: Option<String>,
    receipt_handle: Option<String>,
    visibility_timeout: Option<i64>,
}

impl HandleEntry {
    fn handle(&self) -> Result<&str, SqsError> {
        self.receipt_handle.as_deref().ok_or_else(|| SqsError::missing("ReceiptHandle"))
    }

    fn visibility_s(&self) -> Result<u64, SqsError> {
        let value = self.visibility_timeout.ok_or_else(|| SqsError::missing("VisibilityTimeout"))?;
        Ok(u64::try_from(value).unwrap_or(u64::MAX))
    }
}

pub(super) fn delete(call: &Call) -> Result<Value, SqsError> {
    let entry: HandleEntry = call.parse()?;
    let queue = call.queue(entry.queue_url.as_deref())?;
    call.sqs.delete(&queue, entry.handle()?)?;
    Ok(Value::Null)
}

pub(super) fn delete_batch(call: &Call) -> Result<Value, SqsError> {
    let batch: Batch<HandleEntry> = call.parse()?;
    let queue = call.queue(batch.queue_url.as_deref())?;
    let entries = batch.checked("DeleteMessageBatchRequestEntry")?;
    each(call, &queue, entries, |entry| call.sqs.delete(&queue, entry.handle()?))
}

pub(super) fn change_visibility(call: &Call) -> Result<Value, SqsError> {
    let entry: HandleEntry = call.parse()?;
    let queue = call.queue(entry.queue_url.as_deref())?;
    call.sqs.change_visibility(&queue, entry.handle()?, entry.visibility_s()?)?;
    Ok(Value::Null)
}

pub(super) fn change_visibility_batch(call: &Call) -> Result<Value, SqsError> {
    let batch: Batch<HandleEntry> = call.parse()?;
    let queue = call.queue(batch.queue_url.as_deref())?;
    let entries = batch.checked("ChangeMessageVisibilityBatchRequestEntry")?;
    each(call, &queue, entries, |entry| call.sqs.change_visibility(&queue, entry.handle()?, entry.visibility_s()?))
}

fn each(
    call: &Call,
    queue: &str,
    entries: Vec<(String, HandleEntry)>,
    operation: impl Fn(&HandleEntry) -> Result<(), SqsError>,
) -> Result<Value, SqsError> {
    call.sqs.run(|engine, _| engine.expect_queue(queue))?;
    Ok(outcomes(entries.into_iter().map(|(id, entry)| (id, operation(&entry).map(|()| Map::new())))))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReceiveRequest {
    queue_url: Option<String>,
    attribute_names: Option<Vec<String>>,
    message_system_attribute_names: Option<Vec<String>>,
    message_attribute_names: Option<Vec<String>>,
    max_number_of_messages: Option<i64>,
    visibility_timeout: Option<i64>,
    wait_time_seconds: Option<i64>,
    receive_request_attempt_id: Option<String>,
}

pub(super) async fn receive(call: &Call) -> Result<Value, SqsError> {
    let request: ReceiveRequest = call.parse()?;
    let queue = call.queue(request.queue_url.as_deref())?;
    // The older parameter first, which takes the names of queue attributes as well, and to no effect.
    let older = request.attribute_names.unwrap_or_default();
    let newer = request.message_system_attribute_names.unwrap_or_default();
    for name in older.iter().chain(&newer).map(String::as_str) {
        if name != "All" && !SYSTEM_ATTRIBUTE_NAMES.contains(&name) && !ATTRIBUTE_NAMES.contains(&name) {
            return Err(SqsError::unknown_attribute(name));
        }
    }
    let system = Selection { names: older.into_iter().chain(newer).collect() };
    let user = Selection { names: request.message_attribute_names.unwrap_or_default() };
    // What is below zero is out of range as well, and the checks of the range say so.
    let unsigned = |value: i64| u64::try_from(value).unwrap_or(u64::MAX);
    let receive = Receive {
        messages_max: usize::try_from(request.max_number_of_messages.unwrap_or(1)).unwrap_or(0),
        wait_s: request.wait_time_seconds.map(unsigned),
        visibility_s: request.visibility_timeout.map(unsigned),
        attempt_id: request.receive_request_attempt_id,
    };
    let received = call.sqs.receive(&queue, receive).await?;
    if received.is_empty() {
        // "The call does not return a message list" (API_ReceiveMessage): clients test for the key.
        return Ok(json!({}));
    }
    let messages: Vec<_> = received.into_iter().map(|message| selected(message, &system, &user)).collect();
    Ok(json!({ "Messages": messages }))
}

/// Attribute names asked for: `All`, `.*`, `prefix.*` or a name.
struct Selection {
    names: Vec<String>,
}

impl Selection {
    fn takes(&self, name: &str) -> bool {
        self.names.iter().any(|wanted| match wanted.strip_suffix(".*") {
            Some(prefix) => name.starts_with(prefix),
            None => wanted == "All" || wanted == name,
        })
    }
}

fn selected(message: Received, system: &Selection, user: &Selection) -> Value {
    let mut selected = json!({
        "MessageId": message.message_id,
        "ReceiptHandle": message.receipt_handle,
        "MD5OfBody": message.md5_of_body,
        "Body": &*message.body,
    });
    let system: BTreeMap<_, _> = message.system_attributes.into_iter().filter(|(name, _)| system.takes(name)).collect();
    if !system.is_empty() {
        selected["Attributes"] = json!(system);
    }
    let user: BTreeMap<_, _> = message.attributes.into_iter().filter(|(name, _)| user.takes(name)).collect();
    // The digest is over what is returned, which is what a client can verify.
    if let Some(digest) = md5_of_attributes(user.iter().map(|(name, value)| (name.as_str(), value))) {
        selected["MD5OfMessageAttributes"] = digest.into();
        selected["MessageAttributes"] = json!(user);
    }
    selected
}
