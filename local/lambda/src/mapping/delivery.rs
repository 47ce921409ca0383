//! One delivery: the fault hook, the invocation, the counts.

use std::sync::Arc;

use bytes::Bytes;

use super::MappingSpec;
use super::faults::{BatchInfo, Fault, Faults};
use super::stats::{Counters, bump};
use crate::invoker::{InvokeError, Invoker, Outcome};

/// What came of handing a batch to the function.
#[derive(Debug)]
pub(crate) enum Delivered {
    /// The function answered; the answer may still report failures.
    Response(Answered),
    /// The function failed, or is made to look so. The payload is its error.
    Failed(Answered),
    /// It was not invoked, and nobody is to blame: try again, without counting a retry.
    NotReached(InvokeError),
}

/// What came back, and from which invocation.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answered {
    pub(crate) payload: Bytes,
    pub(crate) request_id: String,
    /// `None` where no version has run.
    pub(crate) executed_version: Option<String>,
}

impl Answered {
    /// An answer that no function has given.
    fn made_up(payload: Bytes) -> Answered {
        Answered { payload, request_id: uuid::Uuid::new_v4().to_string(), executed_version: None }
    }
}

pub(crate) struct Delivery {
    pub(crate) invoker: Arc<dyn Invoker>,
    pub(crate) mapping: MappingSpec,
    pub(crate) faults: Option<Arc<dyn Faults>>,
    pub(crate) counters: Arc<Counters>,
}

impl Delivery {
    /// Asks the hook. Call once per cut, before [`Delivery::deliver`].
    pub(crate) fn fault(&self, info: &BatchInfo<'_>) -> Fault {
        let fault = self.faults.as_ref().map_or(Fault::None, |faults| faults.before_invoke(info));
        if fault != Fault::None {
            bump(&self.counters.faults);
        }
        fault
    }

    pub(crate) async fn deliver(&self, payload: Bytes, fault: Fault) -> Delivered {
        let _flight = self.counters.flight();
        let injected = || Delivered::Failed(Answered::made_up(Bytes::from_static(br#"{"errorType":"InjectedFault"}"#)));
        let delivered = match fault {
            Fault::None | Fault::Truncate(_) => self.invoke(payload).await,
            Fault::FailBeforeInvoke => injected(),
            Fault::FailAfterInvoke => match self.invoke(payload).await {
                not_reached @ Delivered::NotReached(_) => not_reached,
                Delivered::Response(_) | Delivered::Failed(_) => injected(),
            },
            Fault::DuplicateDelivery => match self.invoke(payload.clone()).await {
                not_reached @ Delivered::NotReached(_) => not_reached,
                Delivered::Response(_) | Delivered::Failed(_) => self.invoke(payload).await,
            },
        };
        match &delivered {
            Delivered::NotReached(InvokeError::Throttled { .. }) => bump(&self.counters.throttles),
            Delivered::NotReached(error) => {
                tracing::warn!(mapping = self.mapping.id, %error, "the function cannot be invoked");
            }
            Delivered::Response(_) | Delivered::Failed(_) => bump(&self.counters.batches),
        }
        delivered
    }

    async fn invoke(&self, payload: Bytes) -> Delivered {
        match self.invoker.invoke(&self.mapping.function, payload).await {
            Ok(invocation) => {
                let (request_id, executed_version) = (invocation.request_id, Some(invocation.executed_version));
                let answered = |payload| Answered { payload, request_id, executed_version };
                match invocation.outcome {
                    Outcome::Success(body) => Delivered::Response(answered(body)),
                    Outcome::FunctionError { payload, .. } => Delivered::Failed(answered(payload)),
                }
            }
            // Trying again will not make it smaller, but bisect may.
            Err(error @ InvokeError::PayloadTooLarge { .. }) => {
                Delivered::Failed(Answered::made_up(error.to_string().into()))
            }
            Err(error) => Delivered::NotReached(error),
        }
    }
}
