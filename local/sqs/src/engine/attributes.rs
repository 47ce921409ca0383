//! Queue attributes: parsed once, so that no setting is wrong afterwards.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{ErrorKind, SqsError};
use crate::limits::{
    DELAY_S_MAX, MESSAGE_BYTES_MAX, MESSAGE_BYTES_SETTING_MIN, RECEIVE_COUNT_SETTING_MAX, REDRIVE_SOURCES_MAX,
    RETENTION_S_DEFAULT, RETENTION_S_MAX, RETENTION_S_MIN, VISIBILITY_S_DEFAULT, VISIBILITY_S_MAX, WAIT_S_MAX,
};

/// Names `GetQueueAttributes` takes (API_GetQueueAttributes), beside `All`.
pub(crate) const ATTRIBUTE_NAMES: &[&str] = &[
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "ContentBasedDeduplication",
    "CreatedTimestamp",
    "DeduplicationScope",
    "DelaySeconds",
    "FifoQueue",
    "FifoThroughputLimit",
    "KmsDataKeyReusePeriodSeconds",
    "KmsMasterKeyId",
    "LastModifiedTimestamp",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "Policy",
    "QueueArn",
    "ReceiveMessageWaitTimeSeconds",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "SqsManagedSseEnabled",
    "VisibilityTimeout",
];

/// Where messages go that were received too often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RedrivePolicy {
    pub(crate) dead_letter_arn: String,
    /// 1–1,000.
    pub(crate) max_receive_count: u32,
}

/// Which queues may name this one as their dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum RedriveAllow {
    All,
    None,
    Sources(Vec<String>),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct QueueAttributes {
    pub(crate) delay_s: u64,
    pub(crate) message_bytes_max: u64,
    pub(crate) retention_s: u64,
    pub(crate) wait_s: u64,
    pub(crate) visibility_s: u64,
    pub(crate) redrive: Option<RedrivePolicy>,
    pub(crate) redrive_allow: Option<RedriveAllow>,
    /// Kept and returned. Nothing is authorised here, as there are no principals.
    pub(crate) policy: Option<String>,
    /// Kept and returned. Nothing is encrypted on this machine.
    pub(crate) managed_sse: bool,
    pub(crate) fifo: bool,
    pub(crate) content_deduplication: bool,
    pub(crate) deduplication_per_group: bool,
    pub(crate) throughput_per_group: bool,
}

impl QueueAttributes {
    pub(crate) fn defaults(fifo: bool) -> Self {
        Self {
            delay_s: 0,
            message_bytes_max: MESSAGE_BYTES_MAX as u64,
            retention_s: RETENTION_S_DEFAULT,
            wait_s: 0,
            visibility_s: VISIBILITY_S_DEFAULT,
            redrive: None,
            redrive_allow: None,
            policy: None,
            managed_sse: true,
            fifo,
            content_deduplication: false,
            deduplication_per_group: false,
            throughput_per_group: false,
        }
    }

    /// These with `changes` made, or the first reason why not.
    pub(crate) fn with(&self, changes: &BTreeMap<String, String>) -> Result<Self, SqsError> {
        let mut next = self.clone();
        for (name, value) in changes {
            next.set(name, value)?;
        }
        if next.throughput_per_group && !next.deduplication_per_group {
            return Err(invalid_value("FifoThroughputLimit"));
        }
        Ok(next)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), SqsError> {
        match name {
            "DelaySeconds" => self.delay_s = integer(name, value, 0, DELAY_S_MAX)?,
            "MaximumMessageSize" => {
                self.message_bytes_max = integer(name, value, MESSAGE_BYTES_SETTING_MIN, MESSAGE_BYTES_MAX as u64)?;
            }
            "MessageRetentionPeriod" => self.retention_s = integer(name, value, RETENTION_S_MIN, RETENTION_S_MAX)?,
            "ReceiveMessageWaitTimeSeconds" => self.wait_s = integer(name, value, 0, WAIT_S_MAX)?,
            "VisibilityTimeout" => self.visibility_s = integer(name, value, 0, VISIBILITY_S_MAX)?,
            "SqsManagedSseEnabled" => self.managed_sse = boolean(name, value)?,
            // An empty value removes a policy (API_SetQueueAttributes).
            "RedrivePolicy" | "RedriveAllowPolicy" | "Policy" if value.is_empty() => match name {
                "RedrivePolicy" => self.redrive = None,
                "RedriveAllowPolicy" => self.redrive_allow = None,
                _ => self.policy = None,
            },
            "RedrivePolicy" => self.redrive = Some(redrive_policy(value)?),
            "RedriveAllowPolicy" => self.redrive_allow = Some(redrive_allow(value)?),
            "Policy" => {
                let is_object = serde_json::from_str::<Value>(value).is_ok_and(|v| v.is_object());
                if !is_object {
                    return Err(invalid_value(name));
                }
                self.policy = Some(value.to_owned());
            }
            "FifoQueue" if self.fifo => {
                if !boolean(name, value)? {
                    let message =
                        "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.";
                    return Err(SqsError::new(ErrorKind::InvalidAttributeValue, message));
                }
            }
            "ContentBasedDeduplication" if self.fifo => self.content_deduplication = boolean(name, value)?,
            "DeduplicationScope" if self.fifo => {
                self.deduplication_per_group = one_of(name, value, "queue", "messageGroup")?;
            }
            "FifoThroughputLimit" if self.fifo => {
                self.throughput_per_group = one_of(name, value, "perQueue", "perMessageGroupId")?;
            }
            "KmsMasterKeyId" | "KmsDataKeyReusePeriodSeconds" => {
                let message =
                    format!("{name}: this engine has no KMS keys; leave it out, or set SqsManagedSseEnabled.");
                return Err(SqsError::new(ErrorKind::UnsupportedOperation, message));
            }
            _ => return Err(SqsError::unknown_attribute(name)),
        }
        Ok(())
    }

    /// The settings by their AWS names, those that are set.
    pub(crate) fn listed(&self) -> BTreeMap<&'static str, String> {
        let mut all = BTreeMap::from([
            ("DelaySeconds", self.delay_s.to_string()),
            ("MaximumMessageSize", self.message_bytes_max.to_string()),
            ("MessageRetentionPeriod", self.retention_s.to_string()),
            ("ReceiveMessageWaitTimeSeconds", self.wait_s.to_string()),
            ("VisibilityTimeout", self.visibility_s.to_string()),
            ("SqsManagedSseEnabled", self.managed_sse.to_string()),
        ]);
        if let Some(RedrivePolicy { dead_letter_arn, max_receive_count }) = &self.redrive {
            let arn = Value::from(dead_letter_arn.as_str());
            let text = format!(r#"{{"deadLetterTargetArn":{arn},"maxReceiveCount":{max_receive_count}}}"#);
            all.insert("RedrivePolicy", text);
        }
        if let Some(allow) = &self.redrive_allow {
            let text = match allow {
                RedriveAllow::All => r#"{"redrivePermission":"allowAll"}"#.to_owned(),
                RedriveAllow::None => r#"{"redrivePermission":"denyAll"}"#.to_owned(),
                RedriveAllow::Sources(arns) => {
                    let arns = Value::from(arns.clone());
                    format!(r#"{{"redrivePermission":"byQueue","sourceQueueArns":{arns}}}"#)
                }
            };
            all.insert("RedriveAllowPolicy", text);
        }
        if let Some(policy) = &self.policy {
            all.insert("Policy", policy.clone());
        }
        if self.fifo {
            let pick = |second: bool, names: [&str; 2]| names[usize::from(second)].to_owned();
            all.insert("FifoQueue", "true".to_owned());
            all.insert("ContentBasedDeduplication", self.content_deduplication.to_string());
            all.insert("DeduplicationScope", pick(self.deduplication_per_group, ["queue", "messageGroup"]));
            all.insert("FifoThroughputLimit", pick(self.throughput_per_group, ["perQueue", "perMessageGroupId"]));
        }
        all
    }
}

fn invalid_value(name: &str) -> SqsError {
    SqsError::new(ErrorKind::InvalidAttributeValue, format!("Invalid value for the parameter {name}."))
}

fn integer(name: &str, value: &str, min: u64, max: u64) -> Result<u64, SqsError> {
    value.parse().ok().filter(|n| (min..=max).contains(n)).ok_or_else(|| invalid_value(name))
}

fn boolean(name: &str, value: &str) -> Result<bool, SqsError> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(invalid_value(name)),
    }
}

/// Whether it is the second of the two values.
fn one_of(name: &str, value: &str, first: &str, second: &str) -> Result<bool, SqsError> {
    if value == first || value == second { Ok(value == second) } else { Err(invalid_value(name)) }
}

fn redrive_policy(text: &str) -> Result<RedrivePolicy, SqsError> {
    let invalid = |reason: &str| SqsError::invalid_value(text, "RedrivePolicy", reason);
    let Ok(Value::Object(policy)) = serde_json::from_str(text) else {
        return Err(invalid("Redrive policy is not a valid JSON map."));
    };
    let Some(arn) = policy.get("deadLetterTargetArn") else {
        return Err(invalid("Redrive policy does not contain mandatory attribute: deadLetterTargetArn."));
    };
    let Some(count) = policy.get("maxReceiveCount") else {
        return Err(invalid("Redrive policy does not contain mandatory attribute: maxReceiveCount."));
    };
    // AWS takes the count as a number or as text.
    let count_text = count.as_str().map_or_else(|| count.to_string(), str::to_owned);
    let max_receive_count = count_text
        .parse::<u32>()
        .ok()
        .filter(|n| (1..=RECEIVE_COUNT_SETTING_MAX).contains(&u64::from(*n)))
        .ok_or_else(|| {
            invalid(&format!(
                "Invalid value for maxReceiveCount: {count_text}, valid values are from 1 to {RECEIVE_COUNT_SETTING_MAX} both inclusive."
            ))
        })?;
    let dead_letter_arn = arn
        .as_str()
        .filter(|arn| arn.starts_with("arn:") && arn.split(':').count() == 6)
        .ok_or_else(|| invalid("Invalid value for deadLetterTargetArn."))?;
    Ok(RedrivePolicy { dead_letter_arn: dead_letter_arn.to_owned(), max_receive_count })
}

fn redrive_allow(text: &str) -> Result<RedriveAllow, SqsError> {
    let invalid = |reason: &str| SqsError::invalid_value(text, "RedriveAllowPolicy", reason);
    let Ok(Value::Object(policy)) = serde_json::from_str(text) else {
        return Err(invalid("Redrive allow policy is not a valid JSON map."));
    };
    let sources = policy.get("sourceQueueArns").and_then(Value::as_array);
    match (policy.get("redrivePermission").and_then(Value::as_str), sources) {
        (Some("allowAll"), None) => Ok(RedriveAllow::All),
        (Some("denyAll"), None) => Ok(RedriveAllow::None),
        (Some("byQueue"), Some(arns)) if (1..=REDRIVE_SOURCES_MAX).contains(&arns.len()) => {
            let arns: Option<Vec<_>> = arns.iter().map(|arn| arn.as_str().map(str::to_owned)).collect();
            Ok(RedriveAllow::Sources(arns.ok_or_else(|| invalid("sourceQueueArns holds something else than text."))?))
        }
        (Some("byQueue"), _) => Err(invalid("byQueue takes 1 to 10 sourceQueueArns.")),
        (Some("allowAll" | "denyAll"), Some(_)) => Err(invalid("sourceQueueArns is allowed with byQueue only.")),
        _ => Err(invalid("redrivePermission takes allowAll, denyAll or byQueue.")),
    }
}
