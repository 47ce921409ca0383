//! Lambda's invocation of a processor, from its raw bytes to records: no tree, no copy of the envelope, which is larger
//! than the events in it.
//!
//! Each source is read twice over. The complete reader takes the JSON apart with serde and decides what an invocation
//! is; the fast one ([`kinesis::read`], [`sqs::read`]) scans bytes, takes what Lambda writes, and leaves anything else
//! to the complete one. So what is read, and what is refused, is always the complete reader's; `tests/agree.rs` and the
//! fuzz target `agree` hold it.
//!
//! Most of an envelope is the same in every record, byte for byte. So a record is first held against the text of the one
//! before, which is known to be sound (`pattern.rs`): the values in between are all that is looked at.
//!
//! Not here: what a payload holds (`weir-telemetry`), I/O.

use std::sync::{Mutex, PoisonError};

pub mod kinesis;
pub mod scratch;
pub mod sqs;
pub mod triggers;
pub mod url;

mod members;
mod pattern;

/// Room for payloads, kept from one invocation to the next: a batch's would else be new pages every time.
#[derive(Debug, Default)]
pub struct Arenas(Mutex<Vec<Vec<u8>>>);

impl Arenas {
    /// One for an invocation.
    pub fn take(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Keeps it for the next.
    pub fn give_back(&self, arena: Vec<u8>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(arena);
    }
}

/// Why an invocation's input cannot be read. Nothing of it can be identified, so nothing is settled.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// No JSON, or not of the shape that Lambda sends.
    #[error("the invocation's input: {0}")]
    Shape(#[from] serde_json::Error),
    /// A record that lacks what identifies it, and what that is.
    #[error("{0}")]
    Record(&'static str),
    /// A record whose sequence number is none.
    #[error(transparent)]
    Sequence(#[from] weir_exact::sequence::SequenceError),
    /// A record whose data is no base64.
    #[error("a record whose data is no base64: {0}")]
    Data(#[from] base64::DecodeError),
    /// A scratch generation whose name is none.
    #[error(transparent)]
    Scratch(#[from] weir_exact::scratch::ScratchNameError),
}
