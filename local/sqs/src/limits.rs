//! Every limit by name, units last, with the page of the SQS developer guide or API reference it comes from.
//! Those marked *ours* have no AWS counterpart: AWS stores without bound, one machine does not.

/// Longest queue name, `.fifo` included (quotas-queues).
pub const QUEUE_NAME_CHARS_MAX: usize = 80;
/// Queues one engine holds. *Ours*; AWS limits only the 1,000 of one listing.
pub const QUEUES_MAX: usize = 10_000;
/// Results of one `ListQueues` or `ListDeadLetterSourceQueues` (quotas-queues).
pub const LIST_RESULTS_MAX: usize = 1_000;
/// Tags on a queue (quotas-queues recommends no more; the API then refuses).
pub const TAGS_MAX: usize = 50;
/// Characters of a tag key (quotas-queues).
pub const TAG_KEY_CHARS_MAX: usize = 128;
/// Characters of a tag value (quotas-queues).
pub const TAG_VALUE_CHARS_MAX: usize = 256;
/// Wait before a deleted queue's name is free again (API_CreateQueue).
pub const QUEUE_NAME_REST_MS: u64 = 60_000;
/// Wait between two purges of one queue (API_PurgeQueue).
pub const PURGE_INTERVAL_MS: u64 = 60_000;

/// Largest message, attributes included, and largest sum of one batch (quotas-messages: 1 MiB).
pub const MESSAGE_BYTES_MAX: usize = 1_048_576;
/// Smallest value `MaximumMessageSize` takes (API_SetQueueAttributes).
pub const MESSAGE_BYTES_SETTING_MIN: u64 = 1_024;
/// Entries of a batch, and messages of one receive (quotas-messages).
pub const BATCH_ENTRIES_MAX: usize = 10;
/// Characters of a batch entry's id (quotas-messages).
pub const BATCH_ID_CHARS_MAX: usize = 80;
/// User attributes of a message (quotas-messages).
pub const MESSAGE_ATTRIBUTES_MAX: usize = 10;
/// Characters of a message attribute's name or type (sqs-message-metadata).
pub const ATTRIBUTE_NAME_CHARS_MAX: usize = 256;
/// Characters of a message group, deduplication or receive attempt id (quotas-messages).
pub const FIFO_ID_CHARS_MAX: usize = 128;
/// Longest delay of a queue or message (quotas-messages: 15 minutes).
pub const DELAY_S_MAX: u64 = 900;
/// Shortest retention (quotas-messages).
pub const RETENTION_S_MIN: u64 = 60;
/// Longest retention (quotas-messages: 14 days).
pub const RETENTION_S_MAX: u64 = 1_209_600;
/// Retention where none is set (quotas-messages: 4 days).
pub const RETENTION_S_DEFAULT: u64 = 345_600;
/// Longest time in flight, counted from the receive (quotas-messages: 12 hours).
pub const VISIBILITY_S_MAX: u64 = 43_200;
/// Time in flight where none is set (quotas-messages).
pub const VISIBILITY_S_DEFAULT: u64 = 30;
/// Longest long poll (quotas-queues).
pub const WAIT_S_MAX: u64 = 20;
/// Messages of one queue in flight, standard and FIFO alike (API_ReceiveMessage).
pub const IN_FLIGHT_MESSAGES_MAX: usize = 120_000;
/// How long a deduplication id or a receive attempt id is remembered (FIFO-queues-exactly-once-processing).
pub const DEDUPLICATION_MS: u64 = 300_000;
/// Highest `maxReceiveCount` (API_SetQueueAttributes).
pub const RECEIVE_COUNT_SETTING_MAX: u64 = 1_000;
/// Source queues a `RedriveAllowPolicy` may name (API_SetQueueAttributes).
pub const REDRIVE_SOURCES_MAX: usize = 10;
/// Highest `MaxNumberOfMessagesPerSecond` of a move task (API_StartMessageMoveTask).
pub const MOVES_PER_SECOND_MAX: u64 = 500;
/// Move tasks remembered and listed per source (API_ListMessageMoveTasks).
pub const MOVE_TASKS_MAX: usize = 10;

/// Bytes of all stored messages together; beyond it a send is throttled, which SDKs retry. *Ours.*
pub const STORED_BYTES_MAX: u64 = 2 << 30;
/// What a stored message costs beside its own bytes (indexes, ids), towards `STORED_BYTES_MAX`. *Ours.*
pub const MESSAGE_OVERHEAD_BYTES: u64 = 512;
/// Deduplication ids one queue remembers at a time; beyond it a send is throttled. *Ours.*
pub const DEDUPLICATION_IDS_MAX: usize = 1_000_000;
/// Receive attempt ids one queue remembers at a time; the oldest goes first. *Ours.*
pub const RECEIVE_ATTEMPTS_MAX: usize = 10_000;
/// Bytes of one HTTP request: a full batch with every byte escaped as `\u00XX`, and room for names. *Ours.*
pub const REQUEST_BYTES_MAX: usize = 8 << 20;
/// The journal is rewritten once it has grown by this much, or by its compact size if that is more. *Ours.*
pub const JOURNAL_GROWTH_BYTES: u64 = 64 << 20;
