use crate::limits::{BATCH_ENTRIES_MAX, BATCH_ID_CHARS_MAX};

/// What went wrong, in SQS's own terms. Name, legacy code and HTTP status are those of the service model
/// (`aws.protocols#awsQueryError`), because SDKs map either one to their typed exceptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs)] // the names are AWS's and say what they are
pub enum ErrorKind {
    BatchEntryIdsNotDistinct,
    BatchRequestTooLong,
    EmptyBatchRequest,
    InvalidAttributeName,
    InvalidAttributeValue,
    InvalidBatchEntryId,
    InvalidMessageContents,
    InvalidParameterValue,
    MessageNotInflight,
    MissingParameter,
    OverLimit,
    PurgeQueueInProgress,
    QueueDeletedRecently,
    QueueDoesNotExist,
    QueueNameExists,
    ReceiptHandleIsInvalid,
    RequestThrottled,
    ResourceNotFound,
    Serialization,
    TooManyEntriesInBatchRequest,
    UnknownOperation,
    UnsupportedOperation,
    /// The journal could not be written. Not the caller's fault, and nothing more is accepted.
    InternalFailure,
}

impl ErrorKind {
    /// The `__type` of the JSON protocol.
    #[must_use]
    pub fn shape(self) -> &'static str {
        match self {
            Self::BatchEntryIdsNotDistinct => "com.amazonaws.sqs#BatchEntryIdsNotDistinct",
            Self::BatchRequestTooLong => "com.amazonaws.sqs#BatchRequestTooLong",
            Self::EmptyBatchRequest => "com.amazonaws.sqs#EmptyBatchRequest",
            Self::InvalidAttributeName => "com.amazonaws.sqs#InvalidAttributeName",
            Self::InvalidAttributeValue => "com.amazonaws.sqs#InvalidAttributeValue",
            Self::InvalidBatchEntryId => "com.amazonaws.sqs#InvalidBatchEntryId",
            Self::InvalidMessageContents => "com.amazonaws.sqs#InvalidMessageContents",
            Self::InvalidParameterValue => "com.amazon.coral.service#InvalidParameterValueException",
            Self::MessageNotInflight => "com.amazonaws.sqs#MessageNotInflight",
            Self::MissingParameter => "com.amazon.coral.service#MissingRequiredParameterException",
            Self::OverLimit => "com.amazonaws.sqs#OverLimit",
            Self::PurgeQueueInProgress => "com.amazonaws.sqs#PurgeQueueInProgress",
            Self::QueueDeletedRecently => "com.amazonaws.sqs#QueueDeletedRecently",
            Self::QueueDoesNotExist => "com.amazonaws.sqs#QueueDoesNotExist",
            Self::QueueNameExists => "com.amazonaws.sqs#QueueNameExists",
            Self::ReceiptHandleIsInvalid => "com.amazonaws.sqs#ReceiptHandleIsInvalid",
            Self::RequestThrottled => "com.amazonaws.sqs#RequestThrottled",
            Self::ResourceNotFound => "com.amazonaws.sqs#ResourceNotFoundException",
            Self::Serialization => "com.amazon.coral.service#SerializationException",
            Self::TooManyEntriesInBatchRequest => "com.amazonaws.sqs#TooManyEntriesInBatchRequest",
            Self::UnknownOperation => "com.amazon.coral.service#UnknownOperationException",
            Self::UnsupportedOperation => "com.amazonaws.sqs#UnsupportedOperation",
            Self::InternalFailure => "com.amazon.coral.service#InternalFailure",
        }
    }

    /// The code of the older query protocol, which `x-amzn-query-error` carries and boto3 shows.
    #[must_use]
    pub fn query_code(self) -> &'static str {
        match self {
            Self::BatchEntryIdsNotDistinct => "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
            Self::BatchRequestTooLong => "AWS.SimpleQueueService.BatchRequestTooLong",
            Self::EmptyBatchRequest => "AWS.SimpleQueueService.EmptyBatchRequest",
            Self::InvalidAttributeName => "InvalidAttributeName",
            Self::InvalidAttributeValue => "InvalidAttributeValue",
            Self::InvalidBatchEntryId => "AWS.SimpleQueueService.InvalidBatchEntryId",
            Self::InvalidMessageContents => "InvalidMessageContents",
            Self::InvalidParameterValue => "InvalidParameterValue",
            Self::MessageNotInflight => "AWS.SimpleQueueService.MessageNotInflight",
            Self::MissingParameter => "MissingParameter",
            Self::OverLimit => "OverLimit",
            Self::PurgeQueueInProgress => "AWS.SimpleQueueService.PurgeQueueInProgress",
            Self::QueueDeletedRecently => "AWS.SimpleQueueService.QueueDeletedRecently",
            Self::QueueDoesNotExist => "AWS.SimpleQueueService.NonExistentQueue",
            Self::QueueNameExists => "QueueAlreadyExists",
            Self::ReceiptHandleIsInvalid => "ReceiptHandleIsInvalid",
            Self::RequestThrottled => "RequestThrottled",
            Self::ResourceNotFound => "ResourceNotFoundException",
            Self::Serialization => "MalformedInput",
            Self::TooManyEntriesInBatchRequest => "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
            Self::UnknownOperation => "InvalidAction",
            Self::UnsupportedOperation => "AWS.SimpleQueueService.UnsupportedOperation",
            Self::InternalFailure => "InternalFailure",
        }
    }

    /// HTTP status, 400–500.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::OverLimit | Self::PurgeQueueInProgress | Self::RequestThrottled => 403,
            Self::ReceiptHandleIsInvalid | Self::ResourceNotFound => 404,
            Self::InternalFailure => 500,
            _ => 400,
        }
    }

    /// Whether the caller is at fault (`Sender`) rather than this engine (`Receiver`).
    #[must_use]
    pub fn is_sender_fault(self) -> bool {
        self != Self::InternalFailure
    }
}

/// An answer SQS gives instead of a result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", kind.query_code())]
pub struct SqsError {
    kind: ErrorKind,
    message: String,
}

impl SqsError {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// Which answer it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// AWS's words for it, without the code.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether the queue named is not there.
    #[must_use]
    pub fn is_no_such_queue(&self) -> bool {
        self.kind == ErrorKind::QueueDoesNotExist
    }

    pub(crate) fn no_such_queue() -> Self {
        Self::new(ErrorKind::QueueDoesNotExist, "The specified queue does not exist.")
    }

    pub(crate) fn missing(parameter: &str) -> Self {
        Self::new(ErrorKind::MissingParameter, format!("The request must contain the parameter {parameter}."))
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidParameterValue, message)
    }

    pub(crate) fn invalid_value(value: impl std::fmt::Display, parameter: &str, reason: &str) -> Self {
        Self::invalid(format!("Value {value} for parameter {parameter} is invalid. Reason: {reason}"))
    }

    pub(crate) fn unknown_attribute(name: &str) -> Self {
        Self::new(ErrorKind::InvalidAttributeName, format!("Unknown Attribute {name}."))
    }

    pub(crate) fn too_many_entries(sent: usize) -> Self {
        let message = format!("Maximum number of entries per request are {BATCH_ENTRIES_MAX}. You have sent {sent}.");
        Self::new(ErrorKind::TooManyEntriesInBatchRequest, message)
    }

    pub(crate) fn invalid_batch_id() -> Self {
        let message = format!(
            "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most {BATCH_ID_CHARS_MAX} letters long."
        );
        Self::new(ErrorKind::InvalidBatchEntryId, message)
    }
}

/// Why an engine could not be opened on its data directory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Reading or writing the journal failed.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another process has this directory open.
    #[error("{0} is in use by another process")]
    InUse(std::path::PathBuf),
    /// A line other than a torn last one cannot be read; nothing was changed.
    #[error("{path}, line {line}: {reason}")]
    Corrupt {
        /// The journal.
        path: std::path::PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}
