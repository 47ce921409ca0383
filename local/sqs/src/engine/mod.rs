//! The engine: queues and messages as a function of operations and the time passed in. No clock, no randomness, no
//! I/O, no waiting.

mod attributes;
mod change;
mod deliver;
mod groups;
#[cfg(test)]
mod laws;
mod queue;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub(crate) use self::attributes::ATTRIBUTE_NAMES;
use self::attributes::{QueueAttributes, RedriveAllow};
pub(crate) use self::change::Change;
pub(crate) use self::deliver::{ReceiveOptions, check_batch_bytes};
pub(crate) use self::queue::Millis;
use self::queue::Queue;
use crate::error::{ErrorKind, SqsError};
use crate::limits::{
    PURGE_INTERVAL_MS, QUEUE_NAME_CHARS_MAX, QUEUE_NAME_REST_MS, QUEUES_MAX, TAG_KEY_CHARS_MAX, TAG_VALUE_CHARS_MAX,
    TAGS_MAX,
};

#[derive(Debug)]
pub(crate) struct Engine {
    /// `arn:aws:sqs:<region>:<account>:`
    arn_prefix: String,
    /// The id of a root principal is its account's (API_ReceiveMessage, `SenderId`).
    sender_id: String,
    queues: BTreeMap<String, Queue>,
    /// Names not free yet, and since when.
    deleted_ms: BTreeMap<String, Millis>,
    stored_bytes: u64,
    changes: Vec<Change>,
}

impl Engine {
    pub(crate) fn new(region: &str, account: &str) -> Self {
        Self {
            arn_prefix: format!("arn:aws:sqs:{region}:{account}:"),
            sender_id: account.to_owned(),
            queues: BTreeMap::new(),
            deleted_ms: BTreeMap::new(),
            stored_bytes: 0,
            changes: Vec::new(),
        }
    }

    pub(crate) fn arn(&self, queue: &str) -> String {
        format!("{}{queue}", self.arn_prefix)
    }

    /// The queue an ARN names, if it is one of ours and exists.
    pub(crate) fn name_of_arn<'a>(&self, arn: &'a str) -> Option<&'a str> {
        arn.strip_prefix(&self.arn_prefix).filter(|name| self.queues.contains_key(*name))
    }

    pub(crate) fn expect_queue(&self, name: &str) -> Result<(), SqsError> {
        self.queue(name).map(|_| ())
    }

    fn queue(&self, name: &str) -> Result<&Queue, SqsError> {
        self.queues.get(name).ok_or_else(SqsError::no_such_queue)
    }

    /// A queue as it stands now.
    fn settled(&mut self, name: &str, now_ms: Millis) -> Result<&Queue, SqsError> {
        self.change(name, |queue| queue.settle(now_ms));
        self.queue(name)
    }

    /// Creates a queue. With an existing name and the same values it does nothing; with another value it fails.
    pub(crate) fn create_queue(
        &mut self,
        now_ms: Millis,
        name: &str,
        settings: &BTreeMap<String, String>,
        tags: BTreeMap<String, String>,
    ) -> Result<(), SqsError> {
        let fifo = settings.get("FifoQueue").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        check_name(name, fifo)?;
        if let Some(existing) = self.queues.get(name) {
            return same_settings(&existing.attributes, settings);
        }
        self.deleted_ms.retain(|_, at_ms| *at_ms + QUEUE_NAME_REST_MS > now_ms);
        if self.deleted_ms.contains_key(name) {
            let message =
                "You must wait 60 seconds after deleting a queue before you can create another with the same name.";
            return Err(SqsError::new(ErrorKind::QueueDeletedRecently, message));
        }
        if self.queues.len() >= QUEUES_MAX {
            return Err(SqsError::new(ErrorKind::OverLimit, format!("This engine holds at most {QUEUES_MAX} queues.")));
        }
        let attributes = QueueAttributes::defaults(fifo).with(settings)?;
        self.check_redrive(name, &attributes, settings)?;
        check_tags(&tags)?;
        let queue = name.to_owned();
        let created =
            Change::QueueCreated { queue, attributes, tags, created_ms: now_ms, modified_ms: now_ms, next_seq: 0 };
        self.commit(created);
        Ok(())
    }

    pub(crate) fn delete_queue(&mut self, now_ms: Millis, name: &str) -> Result<(), SqsError> {
        self.queue(name)?;
        self.commit(Change::QueueDeleted { queue: name.to_owned(), at_ms: now_ms });
        Ok(())
    }

    pub(crate) fn configure(
        &mut self,
        now_ms: Millis,
        name: &str,
        settings: &BTreeMap<String, String>,
    ) -> Result<(), SqsError> {
        let attributes = self.queue(name)?.attributes.with(settings)?;
        self.check_redrive(name, &attributes, settings)?;
        self.commit(Change::QueueConfigured { queue: name.to_owned(), attributes, at_ms: now_ms });
        Ok(())
    }

    pub(crate) fn purge(&mut self, now_ms: Millis, name: &str) -> Result<(), SqsError> {
        if self.queue(name)?.purged_ms.is_some_and(|at_ms| at_ms + PURGE_INTERVAL_MS > now_ms) {
            let message = format!("Only one PurgeQueue operation on {name} is allowed every 60 seconds.");
            return Err(SqsError::new(ErrorKind::PurgeQueueInProgress, message));
        }
        self.commit(Change::QueuePurged { queue: name.to_owned(), at_ms: now_ms });
        Ok(())
    }

    /// All attributes of a queue by their AWS names.
    pub(crate) fn attributes(
        &mut self,
        now_ms: Millis,
        name: &str,
    ) -> Result<BTreeMap<&'static str, String>, SqsError> {
        let arn = self.arn(name);
        let queue = self.settled(name, now_ms)?;
        let mut all = queue.attributes.listed();
        all.insert("QueueArn", arn);
        all.insert("ApproximateNumberOfMessages", queue.ready().to_string());
        all.insert("ApproximateNumberOfMessagesDelayed", queue.delayed().to_string());
        all.insert("ApproximateNumberOfMessagesNotVisible", queue.in_flight().to_string());
        all.insert("CreatedTimestamp", (queue.created_ms / 1_000).to_string());
        all.insert("LastModifiedTimestamp", (queue.modified_ms / 1_000).to_string());
        Ok(all)
    }

    /// `ReceiveMessageWaitTimeSeconds` of a queue.
    pub(crate) fn wait_s(&self, name: &str) -> Result<u64, SqsError> {
        Ok(self.queue(name)?.attributes.wait_s)
    }

    /// Messages visible now.
    pub(crate) fn ready(&mut self, now_ms: Millis, name: &str) -> Result<u64, SqsError> {
        Ok(self.settled(name, now_ms)?.ready() as u64)
    }

    pub(crate) fn tags(&self, name: &str) -> Result<BTreeMap<String, String>, SqsError> {
        Ok(self.queue(name)?.tags.clone())
    }

    pub(crate) fn set_tags(&mut self, name: &str, tags: BTreeMap<String, String>) -> Result<(), SqsError> {
        self.queue(name)?;
        check_tags(&tags)?;
        self.commit(Change::QueueTagged { queue: name.to_owned(), tags });
        Ok(())
    }

    /// Names in order, those that begin with `prefix` and come after `after`.
    pub(crate) fn names<'a>(&'a self, prefix: &'a str, after: Option<&'a str>) -> impl Iterator<Item = &'a str> {
        let all = self.queues.keys().map(String::as_str);
        all.filter(move |name| name.starts_with(prefix) && after.is_none_or(|after| *name > after))
    }

    /// Names in order of the queues whose dead-letter queue is `name`.
    pub(crate) fn dead_letter_sources(&self, name: &str) -> Vec<String> {
        let arn = self.arn(name);
        let is_source = |queue: &Queue| queue.attributes.redrive.as_ref().is_some_and(|r| r.dead_letter_arn == arn);
        self.queues.iter().filter(|(_, queue)| is_source(queue)).map(|(source, _)| source.clone()).collect()
    }

    /// A redrive policy just set must name a queue of the same kind that allows it.
    fn check_redrive(
        &self,
        name: &str,
        attributes: &QueueAttributes,
        settings: &BTreeMap<String, String>,
    ) -> Result<(), SqsError> {
        let (Some(text), Some(redrive)) = (settings.get("RedrivePolicy"), &attributes.redrive) else {
            return Ok(());
        };
        let invalid = |reason: &str| SqsError::invalid_value(text, "RedrivePolicy", reason);
        let target = self
            .name_of_arn(&redrive.dead_letter_arn)
            .and_then(|target| self.queues.get(target))
            .ok_or_else(|| invalid("Dead letter target does not exist."))?;
        if target.attributes.fifo != attributes.fifo {
            return Err(invalid("Dead-letter queue must be same type of queue as the source."));
        }
        let is_allowed = match &target.attributes.redrive_allow {
            None | Some(RedriveAllow::All) => true,
            Some(RedriveAllow::None) => false,
            Some(RedriveAllow::Sources(arns)) => arns.contains(&self.arn(name)),
        };
        if is_allowed { Ok(()) } else { Err(invalid("The dead-letter queue's RedriveAllowPolicy denies this source.")) }
    }
}

fn check_name(name: &str, fifo: bool) -> Result<(), SqsError> {
    let stem = if fifo { name.strip_suffix(".fifo") } else { Some(name) };
    let is_word = |stem: &str| stem.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if stem.is_some_and(|stem| !stem.is_empty() && is_word(stem)) && name.len() <= QUEUE_NAME_CHARS_MAX {
        return Ok(());
    }
    Err(SqsError::invalid(if fifo {
        "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length."
    } else {
        "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length."
    }))
}

/// Only what the request names is compared: "the exact same names and values" of API_CreateQueue includes none.
fn same_settings(existing: &QueueAttributes, settings: &BTreeMap<String, String>) -> Result<(), SqsError> {
    let before = existing.listed();
    let after = existing.with(settings)?.listed();
    let differs = settings.keys().find(|name| before.get(name.as_str()) != after.get(name.as_str()));
    match differs {
        None => Ok(()),
        Some(name) => Err(SqsError::new(
            ErrorKind::QueueNameExists,
            format!("A queue already exists with the same name and a different value for attribute {name}"),
        )),
    }
}

fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), SqsError> {
    if tags.len() > TAGS_MAX {
        return Err(SqsError::invalid(format!("Too many tags: a queue takes {TAGS_MAX}.")));
    }
    for (key, value) in tags {
        let is_long = key.chars().count() > TAG_KEY_CHARS_MAX || value.chars().count() > TAG_VALUE_CHARS_MAX;
        if key.is_empty() || is_long || key.to_ascii_lowercase().starts_with("aws:") {
            let reason = "Keys take 1 to 128 characters and no aws: prefix, values up to 256.";
            return Err(SqsError::invalid_value(key, "Tags", reason));
        }
    }
    Ok(())
}
