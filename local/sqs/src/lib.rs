//! SQS for the local plane: queues in this process, spoken to by any AWS SDK over the JSON protocol.
//!
//! What belongs here is what a user of SQS can observe: visibility, receive counts, delays, retention, FIFO groups and
//! deduplication, dead-letter queues and their redrive, attributes with their digests, AWS's limits and error codes.
//! Traps of AWS are kept on purpose, since code that passes here must pass there: an old receipt handle deletes
//! nothing, a native redrive gives a message a new id, a deleted queue's name rests for a minute.
//!
//! What does not belong here: who polls a queue and why (event source mappings), what a body means, who may do what
//! (there are no principals: policies are kept and returned, signatures not looked at), encryption, the XML protocol
//! of old SDKs, `AddPermission` and `RemovePermission`. A standard queue delivers in order of arrival; AWS promises
//! less, and fairness between groups of a standard queue is AWS's alone.
//!
//! The layers, each seeing only those before it: `engine` decides and changes state, as a function of operations and
//! the time passed in; `journal` keeps its changes on disk; [`Sqs`] adds clock, ids and waiting; `protocol` is JSON
//! over HTTP.
//!
//! ```
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use weir_local_sqs::{Outgoing, Receive, Sqs, SqsOptions};
//!
//! let sqs = Sqs::open(SqsOptions::in_memory("http://127.0.0.1:4566"))?;
//! sqs.create_queue("weir-telemetry", [("VisibilityTimeout", "60")])?;
//! sqs.send("weir-telemetry", Outgoing::text("{}"))?;
//! for message in sqs.receive("weir-telemetry", Receive::default()).await? {
//!     sqs.delete("weir-telemetry", &message.receipt_handle)?;
//! }
//! # Ok(())
//! # }
//! ```

mod engine;
mod error;
mod journal;
pub mod limits;
mod md5;
mod message;
mod moves;
mod protocol;
mod service;

pub use self::error::{ErrorKind, OpenError, SqsError};
pub use self::message::{AttributeData, AttributeValue, Outgoing, Received, Sent};
pub use self::service::{Receive, Sqs, SqsOptions};
