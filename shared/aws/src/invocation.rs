//! Invocations as raw bytes: a processor that reads its input itself, without serde's tree of the envelope.
//!
//! `lambda_runtime` passes a handler what it has deserialised. A layer sees the bytes, but whatever it does itself is
//! outside the runtime's panic catcher, and its `Err` ends the process. So this one does no work: it stores them under
//! the invocation's request id and passes `null` to the runtime; the handler, inside the catcher, picks them up. A
//! panic is then a structured error, a failure is the handler's own, and the sandbox stays warm.

use bytes::Bytes;
use lambda_runtime::{Diagnostic, Error, LambdaEvent, LambdaInvocation, Runtime, layers};
use serde::Serialize;
use serde::de::IgnoredAny;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tower::{BoxError, Layer, Service};
use weir_exact::ports::{StoreError, StoreErrorKind};

/// Serves invocations with a handler of raw bytes until the sandbox is shut down.
///
/// # Errors
/// If the Runtime API cannot be reached. A handler's error or panic is the invocation's error.
pub async fn run<H, F, R>(handler: H) -> Result<(), Error>
where
    H: Fn(LambdaEvent<Bytes>) -> F,
    F: Future<Output = Result<R, Error>>,
    R: Serialize,
{
    let bodies = Bodies::default();
    let handler = &handler;
    let service = lambda_runtime::service_fn(|event: LambdaEvent<IgnoredAny>| {
        let body = bodies.take(&event.context.request_id);
        async move {
            let body = body.ok_or_else(|| Failed(NoBody.into()))?;
            handler(LambdaEvent::new(body, event.context)).await.map_err(Failed)
        }
    });
    Runtime::new(service).layer(LayAside(bodies.clone())).layer(layers::TracingLayer::new()).run().await
}

/// Why an invocation failed, for its response and the runtime's log line: an `errorType` to sort by, and the error's
/// own text. `lambda_runtime` would name the box that the error came in.
pub struct Failed(pub Error);

impl fmt::Debug for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind(), self.0)
    }
}

impl Failed {
    fn kind(&self) -> &'static str {
        match self.0.downcast_ref().map(StoreError::kind) {
            Some(StoreErrorKind::Throttled) => "Store.Throttled",
            Some(StoreErrorKind::Unavailable) => "Store.Unavailable",
            Some(StoreErrorKind::Refused) => "Store.Refused",
            Some(StoreErrorKind::Unreadable) => "Store.Unreadable",
            None => "Function.Failed",
        }
    }
}

impl From<Failed> for Diagnostic {
    fn from(failed: Failed) -> Self {
        Self { error_type: failed.kind().to_owned(), error_message: failed.0.to_string() }
    }
}

/// An invocation whose body was not stored: none that the runtime delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the invocation's body was not stored: it did not come through the raw-bytes layer")]
pub struct NoBody;

/// Bodies by request id: one, unless a runtime serves several invocations at once.
#[derive(Clone, Debug, Default)]
struct Bodies(Arc<Mutex<HashMap<String, Bytes>>>);

impl Bodies {
    fn put(&self, request_id: &str, body: Bytes) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(request_id.to_owned(), body);
    }

    fn take(&self, request_id: &str) -> Option<Bytes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(request_id)
    }
}

/// The layer.
struct LayAside(Bodies);

impl<S> Layer<S> for LayAside {
    type Service = LaysAside<S>;

    fn layer(&self, inner: S) -> Self::Service {
        LaysAside { inner, bodies: self.0.clone() }
    }
}

struct LaysAside<S> {
    inner: S,
    bodies: Bodies,
}

impl<S: Service<LambdaInvocation, Response = (), Error = BoxError>> Service<LambdaInvocation> for LaysAside<S> {
    type Response = ();
    type Error = BoxError;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut invocation: LambdaInvocation) -> Self::Future {
        let body = std::mem::replace(&mut invocation.body, Bytes::from_static(b"null"));
        self.bodies.put(&invocation.context.request_id, body);
        self.inner.call(invocation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_kind_it_is_in_its_own_words() {
        let failed = Failed(StoreError::new(StoreErrorKind::Throttled, "PutItem: slow down").into());
        assert_eq!(format!("{failed:?}"), "Store.Throttled: PutItem: slow down");
        let Diagnostic { error_type, error_message } = failed.into();
        assert_eq!((&*error_type, &*error_message), ("Store.Throttled", "PutItem: slow down"));
        assert_eq!(Diagnostic::from(Failed(NoBody.into())).error_type, "Function.Failed");
    }
}
