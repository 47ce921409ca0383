//! Faults on purpose: everything an event source mapping may do to a function without breaking its promises.

/// The batch about to be delivered.
#[derive(Debug, Clone, Copy)]
pub struct BatchInfo<'a> {
    /// [`crate::MappingSpec::id`].
    pub mapping: &'a str,
    /// [`crate::MappingSpec::function`].
    pub function: &'a str,
    /// The shard; `None` for a queue.
    pub shard: Option<&'a str>,
    /// How many records or messages.
    pub records: usize,
    /// Failed deliveries of this very batch before; always 0 for a queue, which does not know.
    pub attempt: u32,
    /// Sequence number or message id of the first.
    pub first: &'a str,
    /// Sequence number or message id of the last.
    pub last: &'a str,
}

/// What to do to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    /// Deliver as it is.
    #[default]
    None,
    /// As if the function had answered with an error, without invoking it.
    FailBeforeInvoke,
    /// Invoke it, then lose the answer: as if it had failed, though all of its writes are done.
    FailAfterInvoke,
    /// Deliver only the first so many (at least 1); the rest follows as another batch.
    Truncate(usize),
    /// Invoke it twice with the same batch; the second answer counts.
    DuplicateDelivery,
}

/// Decides over every delivery. Called once per batch cut, so a fault may hit each retry anew.
pub trait Faults: Send + Sync + 'static {
    /// The fault for this delivery.
    fn before_invoke(&self, batch: &BatchInfo<'_>) -> Fault;
}

impl<F: Fn(&BatchInfo<'_>) -> Fault + Send + Sync + 'static> Faults for F {
    fn before_invoke(&self, batch: &BatchInfo<'_>) -> Fault {
        self(batch)
    }
}
