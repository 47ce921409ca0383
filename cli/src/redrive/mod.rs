//! `weir redrive`: from a dead-letter queue back into its source queue, never deleting a message before it is there.
//!
//! A message is deleted only after its sending was acknowledged. What dies in between leaves it in both queues, under
//! one identity: it counts once.

mod account;
mod message;

use crate::args::{DeadQueue, Redrive};
use crate::aws::Aws;
use crate::failure::{Failure, failed, say};
use crate::terminal::{self, Answer};
use account::{Account, Shown, messages};
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName,
    QueueAttributeName, SendMessageBatchRequestEntry,
};
use futures::stream::{self, StreamExt};
use indicatif::ProgressBar;
use message::{Verdict, judge, message_bytes, sent_at};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use weir_telemetry::Millis;

/// Messages in one request (AWS: "Actions", Amazon SQS API Reference).
const BATCH_MAX: i32 = 10;
/// Conversations with the queues at a time.
const LANES: usize = 8;
/// How long a message that was looked at hides from others, seconds; released at the end.
const HIDDEN_SECONDS: i32 = 300;
/// How long an empty queue is waited for, seconds.
const WAIT_SECONDS: i32 = 2;
/// Messages that are looked at to say what would be done.
const LOOKED_AT_MAX: usize = 1_000;

/// Both queues and how far it is.
struct Mover {
    sqs: aws_sdk_sqs::Client,
    dead: String,
    target: String,
    /// Whether messages count under their own ids.
    identified: bool,
    begun: Millis,
    account: Mutex<Account>,
    /// Receipts of messages that are left, to be shown to others again.
    held: Mutex<Vec<String>>,
}

pub(crate) async fn run(redrive: Redrive, stack: &str) -> Result<ExitCode, Failure> {
    let aws = Aws::from_environment(stack).await?;
    let name = match redrive.queue {
        DeadQueue::Telemetry => "telemetry",
        DeadQueue::Landing => "landing",
        DeadQueue::Replay => "replay",
    };
    let dead_name = format!("{name}-dlq");
    let mut mover = Mover {
        sqs: aws.sqs(),
        dead: aws.queue_url(&dead_name).await?,
        target: aws.queue_url(name).await?,
        identified: redrive.queue == DeadQueue::Telemetry,
        begun: weir_aws::clock::now(),
        account: Mutex::default(),
        held: Mutex::default(),
    };
    let dead = mover.waiting().await?;
    let shown = Shown { json: redrive.json, queue: format!("{stack}-{dead_name}"), dead };
    if !redrive.yes {
        let looked_at = mover.work(false, &ProgressBar::hidden()).await?;
        let sendable = looked_at.sent;
        let question = format!("send {} to {stack}-{name}?", messages(sendable.max(dead)));
        let answer = match sendable {
            0 => Answer::NobodyThere,
            _ => terminal::go_on(false, redrive.json, &question)?,
        };
        if answer != Answer::Yes {
            shown.report(&looked_at, true)?;
            return Ok(ExitCode::from(u8::from(answer == Answer::No)));
        }
        mover.begun = weir_aws::clock::now();
    }
    let bar = terminal::bar("sending", dead);
    let account = mover.work(true, &bar).await?;
    bar.finish_and_clear();
    shown.report(&account, false)?;
    let left = account.too_old.len() + account.later.len() + account.refused.len();
    Ok(ExitCode::from(u8::from(left > 0)))
}

impl Mover {
    /// Messages in the dead-letter queue, about.
    async fn waiting(&self) -> Result<u64, Failure> {
        let name = QueueAttributeName::ApproximateNumberOfMessages;
        let answer = self.sqs.get_queue_attributes().queue_url(&self.dead).attribute_names(name.clone()).send().await;
        let answer = answer.map_err(|error| failed(&format!("GetQueueAttributes of {}", self.dead), &error))?;
        Ok(answer.attributes().and_then(|attributes| attributes.get(&name)?.parse().ok()).unwrap_or(0))
    }

    /// Takes every message, in several conversations, and sends it where `send`; else only looks at some.
    async fn work(&self, send: bool, bar: &ProgressBar) -> Result<Account, Failure> {
        let lanes = stream::iter((0..LANES).map(|_| self.lane(send, bar))).buffer_unordered(LANES);
        let ended: Vec<Result<(), Failure>> = lanes.collect().await;
        // Whatever happened, what is left is shown to others again.
        let released = self.release().await;
        ended.into_iter().collect::<Result<(), _>>()?;
        released?;
        Ok(std::mem::take(&mut *lock(&self.account)))
    }

    async fn lane(&self, send: bool, bar: &ProgressBar) -> Result<(), Failure> {
        loop {
            if !send && lock(&self.held).len() >= LOOKED_AT_MAX {
                return Ok(());
            }
            let messages = self.receive().await?;
            if messages.is_empty() {
                return Ok(());
            }
            let now = weir_aws::clock::now();
            let mut sending = vec![];
            for message in messages {
                // Without it the message's identity is unknown.
                let sent_at = sent_at(&message)
                    .ok_or_else(|| Failure::Failed(format!("{}: a message without SentTimestamp", self.dead)))?;
                let verdict = judge(&message, sent_at, self.identified, self.begun, now);
                match verdict {
                    Verdict::Send { attributes, left_out } if send => sending.push((message, attributes, left_out)),
                    verdict => self.leave(&message, &verdict),
                }
            }
            if !sending.is_empty() {
                let count = sending.len() as u64;
                self.send(sending).await?;
                bar.inc(count);
            }
        }
    }

    async fn receive(&self) -> Result<Vec<Message>, Failure> {
        let receive = self
            .sqs
            .receive_message()
            .queue_url(&self.dead)
            .max_number_of_messages(BATCH_MAX)
            .visibility_timeout(HIDDEN_SECONDS)
            .wait_time_seconds(WAIT_SECONDS)
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp);
        let answer = receive.send().await;
        let answer = answer.map_err(|error| failed(&format!("ReceiveMessage from {}", self.dead), &error))?;
        Ok(answer.messages.unwrap_or_default())
    }

    /// Counts a message that stays where it is.
    fn leave(&self, message: &Message, verdict: &Verdict) {
        let id = message.message_id().unwrap_or_default().to_owned();
        lock(&self.held).extend(message.receipt_handle().map(str::to_owned));
        let mut account = lock(&self.account);
        match verdict {
            Verdict::Send { left_out, .. } => {
                account.sent += 1;
                account.attributes_left_out += *left_out as u64;
            }
            Verdict::TooOld => drop(account.too_old.insert(id)),
            Verdict::Later => drop(account.later.insert(id)),
        }
    }

    /// Sends up to ten messages, and deletes those that the queue took.
    async fn send(&self, sending: Vec<Sending>) -> Result<(), Failure> {
        let tried = format!("SendMessageBatch to {}", self.target);
        let entry = |(at, (message, attributes, _)): (usize, &Sending)| {
            SendMessageBatchRequestEntry::builder()
                .id(at.to_string())
                .message_body(message.body().unwrap_or_default())
                .set_message_attributes((!attributes.is_empty()).then(|| attributes.clone().into_iter().collect()))
                .build()
        };
        // One by one where ten together are too long.
        let bytes: usize = sending.iter().map(|(message, attributes, _)| message_bytes(message, attributes)).sum();
        let at_once = if bytes > SEND_BYTES_MAX { 1 } else { sending.len() };
        for chunk in sending.chunks(at_once) {
            let entries = chunk.iter().enumerate().map(entry).collect::<Result<Vec<_>, _>>();
            let entries = entries.map_err(|error| failed(&tried, &error))?;
            let answer = self.sqs.send_message_batch().queue_url(&self.target).set_entries(Some(entries)).send().await;
            let answer = answer.map_err(|error| failed(&tried, &error))?;
            let refused: BTreeMap<usize, String> = answer
                .failed()
                .iter()
                .filter_map(|entry| {
                    Some((entry.id().parse().ok()?, entry.message().unwrap_or(entry.code()).to_owned()))
                })
                .collect();
            self.delete(chunk, &refused).await?;
        }
        Ok(())
    }

    async fn delete(&self, sent: &[Sending], refused: &BTreeMap<usize, String>) -> Result<(), Failure> {
        let mut entries = vec![];
        for (at, (message, _, left_out)) in sent.iter().enumerate() {
            if let Some(why) = refused.get(&at) {
                let id = message.message_id().unwrap_or_default().to_owned();
                lock(&self.held).extend(message.receipt_handle().map(str::to_owned));
                lock(&self.account).refused.insert(id, why.clone());
                continue;
            }
            {
                let mut account = lock(&self.account);
                account.sent += 1;
                account.attributes_left_out += *left_out as u64;
            }
            let handle = message.receipt_handle().unwrap_or_default();
            let entry = DeleteMessageBatchRequestEntry::builder().id(at.to_string()).receipt_handle(handle).build();
            entries.push(entry.map_err(|error| failed("DeleteMessageBatch", &error))?);
        }
        if entries.is_empty() {
            return Ok(());
        }
        let answer = self.sqs.delete_message_batch().queue_url(&self.dead).set_entries(Some(entries)).send().await;
        let answer = answer.map_err(|error| failed(&format!("DeleteMessageBatch of {}", self.dead), &error))?;
        if !answer.failed().is_empty() {
            say(&format!(
                "{} were sent but could not be deleted; the next redrive sends them again, and they count once",
                messages(answer.failed().len() as u64)
            ));
        }
        Ok(())
    }

    /// Shows what is left to others again, at once instead of after [`HIDDEN_SECONDS`].
    async fn release(&self) -> Result<(), Failure> {
        let held = std::mem::take(&mut *lock(&self.held));
        for chunk in held.chunks(BATCH_MAX as usize) {
            let entry = |(at, handle): (usize, &String)| {
                ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(at.to_string())
                    .receipt_handle(handle)
                    .visibility_timeout(0)
                    .build()
            };
            let entries = chunk.iter().enumerate().map(entry).collect::<Result<Vec<_>, _>>();
            let entries = entries.map_err(|error| failed("ChangeMessageVisibilityBatch", &error))?;
            let change = self.sqs.change_message_visibility_batch().queue_url(&self.dead).set_entries(Some(entries));
            change.send().await.map_err(|error| failed("ChangeMessageVisibilityBatch", &error))?;
        }
        Ok(())
    }
}

/// A message, the attributes that it is sent with, and how many had no room.
type Sending = (Message, BTreeMap<String, aws_sdk_sqs::types::MessageAttributeValue>, usize);

/// Bytes of bodies and attributes in one request (AWS: "SendMessageBatch", Amazon SQS API Reference: 1 MiB in all).
const SEND_BYTES_MAX: usize = 1 << 20;

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
