//! The one thing the mappings need of a function: invoke it and learn what came of it.

use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;

/// What a function made of one invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The function's response, at most [`crate::PAYLOAD_BYTES_MAX`] bytes.
    Success(Bytes),
    /// The function failed: it answered with an error, ended, ran out of time, or never initialised.
    FunctionError {
        /// The `X-Amz-Function-Error` header; Lambda says `Unhandled` for every runtime of today.
        kind: String,
        /// JSON with `errorType` and `errorMessage`, from the function or, where it could not, from the host.
        payload: Bytes,
    },
}

/// One invocation that reached the function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// What came back.
    pub outcome: Outcome,
    /// The id the function saw, and its log lines carry.
    pub request_id: String,
    /// From the handing over of the event to the answer; without initialisation.
    pub duration: Duration,
    /// Whether a sandbox was started for it.
    pub cold_start: bool,
    /// How long that sandbox took from its start to asking for work; `None` on a warm one.
    pub init: Option<Duration>,
    /// Most memory the sandbox's process ever had resident, bytes; `None` where the system does not say.
    pub peak_bytes: Option<u64>,
    /// The version that ran: what an alias came to.
    pub executed_version: String,
}

/// Why an invocation did not reach the function.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// Every sandbox the function may have is busy (`TooManyRequestsException`, HTTP 429).
    #[error(
        "TooManyRequestsException: Rate Exceeded. {function} already runs its {concurrency_max} concurrent invocations"
    )]
    Throttled {
        /// Name of the function.
        function: String,
        /// Its limit.
        concurrency_max: u32,
    },
    /// No function of that name, or no version or alias (`ResourceNotFoundException`).
    #[error("ResourceNotFoundException: Function not found: {0}")]
    UnknownFunction(String),
    /// The event is larger than a synchronous invocation may carry (`RequestTooLargeException`).
    #[error("RequestTooLargeException: Request must be smaller than {bytes_max} bytes, got {bytes}")]
    PayloadTooLarge {
        /// Size of the event.
        bytes: usize,
        /// The limit, [`crate::PAYLOAD_BYTES_MAX`].
        bytes_max: usize,
    },
    /// The host has been shut down.
    #[error("the Lambda host has stopped")]
    HostStopped,
}

/// Invokes functions by name, or by `name:qualifier`, the qualifier being a version or an alias. Implemented by
/// [`crate::Host`]; implement it to test a mapping without processes, or to deliver to functions that run elsewhere.
pub trait Invoker: Send + Sync + 'static {
    /// Invokes synchronously (`RequestResponse`). A function's own failure is an `Ok` with
    /// [`Outcome::FunctionError`]; an `Err` never reached the function.
    fn invoke<'a>(&'a self, function: &'a str, payload: Bytes) -> BoxFuture<'a, Result<Invocation, InvokeError>>;

    /// How many invocations of the function may run at once, where known. Queue mappings do not scale beyond it.
    fn concurrency_max(&self, function: &str) -> Option<u32>;
}

impl<I: Invoker + ?Sized> Invoker for std::sync::Arc<I> {
    fn invoke<'a>(&'a self, function: &'a str, payload: Bytes) -> BoxFuture<'a, Result<Invocation, InvokeError>> {
        (**self).invoke(function, payload)
    }

    fn concurrency_max(&self, function: &str) -> Option<u32> {
        (**self).concurrency_max(function)
    }
}
