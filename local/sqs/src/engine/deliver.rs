//! Sending, receiving, deleting, and the moves between queues.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use sha2::{Digest, Sha256};

use super::Engine;
use super::change::Change;
use super::queue::{Millis, Queue, Remembered, Seq, State, Stored};
use crate::error::{ErrorKind, SqsError};
use crate::limits::{
    DEDUPLICATION_IDS_MAX, DEDUPLICATION_MS, DELAY_S_MAX, IN_FLIGHT_MESSAGES_MAX, MESSAGE_BYTES_MAX, STORED_BYTES_MAX,
    VISIBILITY_S_MAX,
};
use crate::md5::{hex, md5_hex, md5_of_attributes};
use crate::message::{AttributeValue, Message, Outgoing, Received, Sent};

/// A receive, its parameters within their ranges.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReceiveOptions {
    pub(crate) messages_max: usize,
    pub(crate) visibility_s: Option<u64>,
    pub(crate) is_short_poll: bool,
    pub(crate) attempt_id: Option<String>,
}

impl Engine {
    /// Stores a message under `id`, unless a FIFO queue has it already: then the answer is the first one's.
    pub(crate) fn send(
        &mut self,
        now_ms: Millis,
        name: &str,
        outgoing: Outgoing,
        id: String,
    ) -> Result<Sent, SqsError> {
        let stored_bytes = self.stored_bytes;
        let queue = self.settled(name, now_ms)?;
        outgoing.check()?;
        let size_bytes = outgoing.size_bytes();
        let limit_bytes = queue.attributes.message_bytes_max;
        if size_bytes as u64 > limit_bytes {
            return Err(SqsError::invalid(format!(
                "One or more parameters are invalid. Reason: Message must be shorter than {limit_bytes} bytes."
            )));
        }
        if stored_bytes > STORED_BYTES_MAX || queue.remembered_len() >= DEDUPLICATION_IDS_MAX {
            return Err(SqsError::new(ErrorKind::RequestThrottled, "The queues of this engine are full."));
        }
        let key = deduplication_key(queue, &outgoing)?;
        let delay_s = delay_s(queue, &outgoing)?;
        let mut sent = Sent {
            message_id: id,
            md5_of_body: md5_hex(outgoing.body.as_bytes()),
            md5_of_attributes: md5_of_attributes(outgoing.attributes.iter().map(|(n, v)| (n.as_str(), v))),
            md5_of_system_attributes: outgoing
                .trace_header
                .as_ref()
                .and_then(|header| md5_of_attributes([("AWSTraceHeader", &AttributeValue::text(header.as_str()))])),
            sequence_number: None,
        };
        if let Some(first) = key.as_ref().and_then(|(key, _)| queue.remembered(key)) {
            sent.message_id.clone_from(&first.message_id);
            sent.sequence_number = Some(sequence_number(first.seq));
            return Ok(sent);
        }
        let seq = queue.next_seq;
        sent.sequence_number = queue.attributes.fifo.then(|| sequence_number(seq));
        let (key, deduplication_id) = key.map_or((None, outgoing.deduplication_id), |(key, id)| (Some(key), Some(id)));
        let message = Message {
            id: sent.message_id.clone(),
            body: outgoing.body.into(),
            md5_of_body: sent.md5_of_body.clone(),
            attributes: outgoing.attributes,
            trace_header: outgoing.trace_header,
            group_id: outgoing.group_id.map(Into::into),
            deduplication_id,
            sent_ms: now_ms,
            enqueued_ms: now_ms,
            dead_letter_source: None,
            size_bytes,
        };
        let state = if delay_s == 0 { State::Ready } else { State::Delayed(now_ms + delay_s * 1_000) };
        self.commit(Change::Stored { queue: name.to_owned(), seq, stored: new_stored(message, state) });
        if let Some(key) = key {
            let message_id = sent.message_id.clone();
            let remembered = Remembered { seq, message_id, until_ms: now_ms + DEDUPLICATION_MS };
            self.commit(Change::Remembered { queue: name.to_owned(), key, remembered });
        }
        Ok(sent)
    }

    /// Refuses what a FIFO queue needs and a message lacks, before anything of a batch is sent.
    pub(crate) fn check_fifo(&self, name: &str, outgoing: &Outgoing) -> Result<(), SqsError> {
        deduplication_key(self.queue(name)?, outgoing).map(|_| ())
    }

    /// Hands out messages, oldest first. One that was received as often as the redrive policy allows goes to the
    /// dead-letter queue instead: on AWS, too, it is the next receive that moves it.
    pub(crate) fn receive(
        &mut self,
        now_ms: Millis,
        name: &str,
        options: &ReceiveOptions,
    ) -> Result<Vec<Received>, SqsError> {
        let queue = self.settled(name, now_ms)?;
        let fifo = queue.attributes.fifo;
        let until_ms = now_ms + options.visibility_s.unwrap_or(queue.attributes.visibility_s) * 1_000;
        let redrive = queue.attributes.redrive.clone();
        let attempt_id = options.attempt_id.as_deref().filter(|_| fifo);
        let mut taken = Vec::new();
        if let Some(again) = attempt_id.and_then(|id| queue.attempt(id)) {
            for &seq in &again {
                self.commit(Change::Visibility { queue: name.to_owned(), seq, until_ms: Some(until_ms) });
            }
            taken = again;
        }
        while taken.len() < options.messages_max {
            let queue = self.queue(name)?;
            let room = IN_FLIGHT_MESSAGES_MAX.saturating_sub(queue.in_flight());
            if room == 0 {
                // Said only to standard queues' short polls; the others just get nothing (API_ReceiveMessage).
                if taken.is_empty() && !fifo && options.is_short_poll {
                    let message = "Too many messages in flight. Delete some of them, or wait.";
                    return Err(SqsError::new(ErrorKind::OverLimit, message));
                }
                break;
            }
            let next = queue.next(room.min(options.messages_max - taken.len()));
            if next.is_empty() {
                break;
            }
            for seq in next {
                let count = self.queue(name)?.get(seq).map_or(0, |stored| stored.receive_count);
                let target = redrive
                    .as_ref()
                    .filter(|redrive| count >= redrive.max_receive_count)
                    // Without its target a message stays where it is: never lost.
                    .and_then(|redrive| self.name_of_arn(&redrive.dead_letter_arn));
                if let Some(target) = target.map(str::to_owned) {
                    self.move_to_dead_letters(now_ms, name, seq, &target);
                } else {
                    self.commit(Change::Received { queue: name.to_owned(), seq, at_ms: now_ms, until_ms });
                    taken.push(seq);
                }
            }
        }
        if let Some(id) = attempt_id.filter(|_| !taken.is_empty()) {
            self.change(name, |queue| queue.remember_attempt(id, &taken, now_ms));
        }
        let queue = self.queue(name)?;
        let received = taken.iter().filter_map(|&seq| Some((seq, queue.get(seq)?)));
        let received = received.map(|(seq, stored)| self.received(name, queue, seq, stored)).collect();
        self.change(name, |queue| queue.settle(now_ms)); // a visibility timeout of 0 is over at once
        Ok(received)
    }

    /// When a receive of this queue may find more than now, if nothing is sent.
    pub(crate) fn next_due_ms(&self, name: &str) -> Option<Millis> {
        self.queues.get(name).and_then(Queue::next_due_ms)
    }

    /// Deletes by receipt handle. An old handle succeeds and deletes nothing on a standard queue (API_DeleteMessage),
    /// and fails once it has expired on a FIFO queue.
    pub(crate) fn delete(&mut self, now_ms: Millis, name: &str, handle: &str) -> Result<(), SqsError> {
        let queue = self.settled(name, now_ms)?;
        let (seq, count) = open_handle(name, queue, handle)?;
        let Some(stored) = queue.get(seq) else { return Ok(()) };
        let is_latest = stored.receive_count == count;
        let is_in_flight = matches!(stored.state, State::InFlight(_));
        if queue.attributes.fifo && !(is_latest && is_in_flight) {
            return Err(SqsError::invalid_value(handle, "ReceiptHandle", "The receipt handle has expired."));
        }
        if is_latest {
            self.commit(Change::Removed { queue: name.to_owned(), seq });
        }
        Ok(())
    }

    /// Makes a message in flight visible `visibility_s` from now; 0 makes it visible at once.
    pub(crate) fn change_visibility(
        &mut self,
        now_ms: Millis,
        name: &str,
        handle: &str,
        visibility_s: u64,
    ) -> Result<(), SqsError> {
        let queue = self.settled(name, now_ms)?;
        let (seq, count) = open_handle(name, queue, handle)?;
        if visibility_s > VISIBILITY_S_MAX {
            let reason = format!("Must be between 0 and {VISIBILITY_S_MAX}.");
            return Err(SqsError::invalid_value(visibility_s, "VisibilityTimeout", &reason));
        }
        let Some(stored) = queue.get(seq).filter(|stored| stored.receive_count == count) else {
            let reason = "Message does not exist or is not available for visibility timeout change.";
            return Err(SqsError::invalid_value(handle, "ReceiptHandle", reason));
        };
        if !matches!(stored.state, State::InFlight(_)) {
            return Err(SqsError::new(ErrorKind::MessageNotInflight, "The specified message isn't in flight."));
        }
        // Twelve hours count from the receive, however often it is extended (API_ChangeMessageVisibility).
        if now_ms + visibility_s * 1_000 > stored.last_received_ms + VISIBILITY_S_MAX * 1_000 {
            let reason =
                format!("Total VisibilityTimeout for the message is beyond the limit [{VISIBILITY_S_MAX} seconds].");
            return Err(SqsError::invalid_value(visibility_s, "VisibilityTimeout", &reason));
        }
        let until_ms = (visibility_s > 0).then_some(now_ms + visibility_s * 1_000);
        self.commit(Change::Visibility { queue: name.to_owned(), seq, until_ms });
        Ok(())
    }

    /// The automatic move. Id, body, attributes, `SentTimestamp` and receive count stay.
    fn move_to_dead_letters(&mut self, now_ms: Millis, name: &str, seq: Seq, target: &str) {
        let source_arn = self.arn(name);
        let (Some(stored), Some(to)) = (self.queues.get(name).and_then(|q| q.get(seq)), self.queues.get(target)) else {
            return;
        };
        let mut message = (*stored.message).clone();
        message.dead_letter_source = Some(source_arn);
        if to.attributes.fifo {
            message.enqueued_ms = now_ms;
            // So that two messages that shared an id are both kept (sqs-configure-dead-letter-queue-redrive).
            message.deduplication_id = Some(message.id.clone());
        }
        let moved = Stored { message: Arc::new(message), state: State::Ready, ..stored.clone() };
        let to_seq = to.next_seq;
        self.commit(Change::Removed { queue: name.to_owned(), seq });
        self.commit(Change::Stored { queue: target.to_owned(), seq: to_seq, stored: moved });
    }

    /// One step of a move task: the oldest visible message of `name` goes to `target`, or to where it came from.
    /// Unlike the automatic move it becomes a new message, with a new id and a new `SentTimestamp`
    /// (sqs-configure-dead-letter-queue-redrive: "considered new messages with a new messageID and enqueueTime"), so
    /// whoever counts by message id counts it twice. `Ok(false)`: nothing is visible.
    pub(crate) fn redrive_one(
        &mut self,
        now_ms: Millis,
        name: &str,
        target: Option<&str>,
        new_id: String,
    ) -> Result<bool, SqsError> {
        let queue = self.settled(name, now_ms)?;
        let Some((seq, stored)) = queue.next(1).first().and_then(|&seq| Some((seq, queue.get(seq)?))) else {
            return Ok(false);
        };
        let mut message = (*stored.message).clone();
        let target = match (target, &message.dead_letter_source) {
            (Some(target), _) => target.to_owned(),
            (None, Some(arn)) => self.name_of_arn(arn).ok_or_else(SqsError::no_such_queue)?.to_owned(),
            (None, None) => return Err(SqsError::no_such_queue()),
        };
        let to_seq = self.settled(&target, now_ms)?.next_seq;
        message.id = new_id;
        message.sent_ms = now_ms;
        message.enqueued_ms = now_ms;
        message.dead_letter_source = None;
        self.commit(Change::Removed { queue: name.to_owned(), seq });
        self.commit(Change::Stored { queue: target, seq: to_seq, stored: new_stored(message, State::Ready) });
        Ok(true)
    }

    fn received(&self, name: &str, queue: &Queue, seq: Seq, stored: &Stored) -> Received {
        let message = &stored.message;
        let mut system_attributes = std::collections::BTreeMap::from([
            ("SenderId", self.sender_id.clone()),
            ("SentTimestamp", message.sent_ms.to_string()),
            ("ApproximateReceiveCount", stored.receive_count.to_string()),
            (
                "ApproximateFirstReceiveTimestamp",
                stored.first_received_ms.unwrap_or(stored.last_received_ms).to_string(),
            ),
        ]);
        let optional = [
            ("MessageGroupId", message.group_id.as_deref().map(str::to_owned)),
            ("MessageDeduplicationId", message.deduplication_id.clone()),
            ("SequenceNumber", queue.attributes.fifo.then(|| sequence_number(seq))),
            ("AWSTraceHeader", message.trace_header.clone()),
            ("DeadLetterQueueSourceArn", message.dead_letter_source.clone()),
        ];
        system_attributes.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
        Received {
            message_id: message.id.clone(),
            receipt_handle: seal_handle(name, queue, seq, stored.receive_count),
            body: Arc::clone(&message.body),
            md5_of_body: message.md5_of_body.clone(),
            attributes: message.attributes.clone(),
            system_attributes,
        }
    }
}

fn new_stored(message: Message, state: State) -> Stored {
    Stored { message: Arc::new(message), receive_count: 0, first_received_ms: None, last_received_ms: 0, state }
}

fn delay_s(queue: &Queue, outgoing: &Outgoing) -> Result<u64, SqsError> {
    match outgoing.delay_s {
        Some(delay_s) if delay_s > DELAY_S_MAX => {
            let reason = format!("DelaySeconds must be >= 0 and <= {DELAY_S_MAX}.");
            Err(SqsError::invalid_value(delay_s, "DelaySeconds", &reason))
        }
        Some(delay_s) if queue.attributes.fifo && delay_s > 0 => {
            let reason = "The request include parameter that is not valid for this queue type.";
            Err(SqsError::invalid_value(delay_s, "DelaySeconds", reason))
        }
        // A FIFO queue's zero is the same as none: there the queue decides.
        Some(0) if queue.attributes.fifo => Ok(queue.attributes.delay_s),
        delay_s => Ok(delay_s.unwrap_or(queue.attributes.delay_s)),
    }
}

/// (key to remember, deduplication id) of a FIFO queue's message; `None` on a standard queue.
fn deduplication_key(queue: &Queue, outgoing: &Outgoing) -> Result<Option<(String, String)>, SqsError> {
    if !queue.attributes.fifo {
        if outgoing.deduplication_id.is_some() {
            return Err(SqsError::invalid_value(
                outgoing.deduplication_id.as_deref().unwrap_or_default(),
                "MessageDeduplicationId",
                "The request include parameter that is not valid for this queue type.",
            ));
        }
        return Ok(None);
    }
    let Some(group_id) = &outgoing.group_id else { return Err(SqsError::missing("MessageGroupId")) };
    let id = match &outgoing.deduplication_id {
        Some(id) => id.clone(),
        // Of the body alone, not the attributes (API_SendMessage).
        None if queue.attributes.content_deduplication => hex(Sha256::digest(outgoing.body.as_bytes()).as_slice()),
        None => {
            return Err(SqsError::invalid(
                "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
            ));
        }
    };
    // A space is in neither id.
    let key = if queue.attributes.deduplication_per_group { format!("{group_id} {id}") } else { id.clone() };
    Ok(Some((key, id)))
}

/// 20 digits, like those of AWS ("large, non-consecutive"; 128 bits).
fn sequence_number(seq: Seq) -> String {
    (18_849_496_460_467_696_128_u128 + u128::from(seq) * 256).to_string()
}

/// A handle says which receive of which message of which queue: the queue's creation time tells a recreated queue
/// apart, the count an older receive.
fn seal_handle(name: &str, queue: &Queue, seq: Seq, receive_count: u32) -> String {
    BASE64.encode(format!("{name} {} {seq} {receive_count}", queue.created_ms))
}

fn open_handle(name: &str, queue: &Queue, handle: &str) -> Result<(Seq, u32), SqsError> {
    let invalid = || {
        let message = format!("The input receipt handle \"{handle}\" is not a valid receipt handle.");
        SqsError::new(ErrorKind::ReceiptHandleIsInvalid, message)
    };
    // The longest name, three numbers: anything longer is none of ours.
    if handle.len() > 256 {
        return Err(SqsError::new(ErrorKind::ReceiptHandleIsInvalid, "The input receipt handle is invalid."));
    }
    let text = BASE64.decode(handle).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(invalid)?;
    let mut parts = text.split(' ');
    let (Some(of), Some(created), Some(seq), Some(count), None) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(invalid());
    };
    if of != name || created.parse() != Ok(queue.created_ms) {
        return Err(invalid());
    }
    seq.parse().ok().zip(count.parse().ok()).ok_or_else(invalid)
}

/// Sum of a batch, which is held to the global limit whatever the queue's own (quotas-messages).
pub(crate) fn check_batch_bytes(batch: &[Outgoing]) -> Result<(), SqsError> {
    let sent_bytes: usize = batch.iter().map(Outgoing::size_bytes).sum();
    if sent_bytes <= MESSAGE_BYTES_MAX {
        return Ok(());
    }
    let message =
        format!("Batch requests cannot be longer than {MESSAGE_BYTES_MAX} bytes. You have sent {sent_bytes} bytes.");
    Err(SqsError::new(ErrorKind::BatchRequestTooLong, message))
}
