//! Which faults a run throws, and how often: protocol.md §8 as numbers.
//!
//! Each run draws its own mix ("swarm testing", Groce et al. 2012): with all faults always on, the rare ones drown in
//! the common ones, and schedules that need some fault to be absent are never tried.

use crate::choices::Choices;

/// Probabilities in thousandths, 0 for never.
#[derive(Clone, Debug, Default)]
pub(crate) struct Weather {
    /// A request does not arrive, and its sender learns that it failed.
    pub(crate) refused: u32,
    /// A request takes effect and its answer is lost.
    pub(crate) answer_lost: u32,
    /// The SDK sends a request a second time.
    pub(crate) sent_twice: u32,
    /// A request is up to a minute under way, whatever became of its sender.
    pub(crate) late: u32,
    /// A process dies at some moment of an invocation.
    pub(crate) crash: u32,
    /// The next batch after a failure is half of it (bisect), or ends elsewhere.
    pub(crate) cut: u32,
    /// A delivery is made again although it succeeded: a checkpoint was lost.
    pub(crate) redelivered: u32,
    /// A queue hands a message out while another invocation works on it.
    pub(crate) handed_out_twice: u32,
    /// The second version of a function takes an invocation.
    pub(crate) second_version: u32,
    /// A fresh environment takes an invocation although an idle one is there.
    pub(crate) fresh_environment: u32,
    /// A trigger of the finalizer is lost.
    pub(crate) trigger_lost: u32,
    /// A tick of the sweep is lost.
    pub(crate) tick_lost: u32,
    /// The finalizer's first version miscounts, and its second corrects what it finds: 0 or 1.
    pub(crate) old_algorithm: u32,
    /// A query reads its items one by one, each at its own time.
    pub(crate) small_pages: u32,
}

impl Weather {
    /// No fault, and the second version everywhere.
    pub(crate) fn calm() -> Self {
        Self { second_version: 1_000, ..Self::default() }
    }

    /// Each fault is off in half of all runs, else rare or frequent.
    pub(crate) fn drawn(choices: &mut Choices) -> Self {
        let mut rate = |rates: &[u32]| choices.one_of(rates);
        let rare = [0, 0, 0, 20, 60, 150];
        let often = [0, 0, 100, 300, 500];
        Self {
            refused: rate(&rare),
            answer_lost: rate(&rare),
            sent_twice: rate(&rare),
            late: rate(&rare),
            crash: rate(&[0, 0, 50, 150, 300]),
            cut: rate(&often),
            redelivered: rate(&rare),
            handed_out_twice: rate(&rare),
            second_version: rate(&[0, 0, 100, 500]),
            fresh_environment: rate(&often),
            trigger_lost: rate(&[0, 0, 100, 500, 1_000]),
            tick_lost: rate(&[0, 0, 300]),
            old_algorithm: rate(&[0, 0, 0, 1]),
            small_pages: rate(&[0, 500, 1_000]),
        }
    }
}
