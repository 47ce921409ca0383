//! One judgement: golden batches through one version, what they leave behind, the verdict. Nothing remains.

use crate::batches::{self, Names};
use crate::deployment::Target;
use crate::golden::{Before, Golden};
use crate::observed;
use crate::verdict::{Verdict, differences, is_like};
use serde_json::Value;
use serde_json::value::to_raw_value;
use std::future::Future;
use weir_envelope::scratch;
use weir_exact::layout::Layout;
use weir_exact::ports::StoreError;
use weir_exact::scratch::{Left, Scratch};

/// Outcome of an invocation.
#[derive(Clone, Debug, PartialEq)]
pub enum Invoked {
    /// The function's response.
    Answer(Value),
    /// It failed, crashed or ran out of time: Lambda's message.
    Failed(String),
}

/// Invokes versions.
pub trait Invoke {
    /// Invokes a version and waits for the outcome.
    ///
    /// # Errors
    /// If Lambda did not run it.
    fn invoke(&self, target: &Target, payload: Vec<u8>) -> impl Future<Output = Result<Invoked, String>> + Send;
}

/// Manages one scratch generation.
pub trait Generation {
    /// Puts what a golden needs; returns the values for its batches.
    ///
    /// # Errors
    /// If a store fails.
    fn prepare(&self, before: &Before, names: &mut Names) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Everything in it.
    ///
    /// # Errors
    /// If a store fails, or something cannot be read.
    fn left(&self) -> impl Future<Output = Result<Left, StoreError>> + Send;

    /// Deletes all of it.
    ///
    /// # Errors
    /// If a store fails; what is left is then deleted by its TTL.
    fn empty(&self) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// The subject of one judgement.
#[derive(Debug)]
pub struct Case<'a> {
    /// The version.
    pub target: &'a Target,
    /// What it is judged by.
    pub golden: &'a Golden,
    /// Where it may write.
    pub scratch: &'a Scratch,
    /// Where its writes are stored.
    pub layout: &'a Layout,
    /// The fleet's names.
    pub names: Names,
}

/// Judges a version. The generation is empty when this returns, unless emptying it failed, which is then in the log: a
/// failed cleanup does not change the verdict.
///
/// `out_of_time` resolves when there is only time left to clean up and vote; a version that has not passed by then is
/// refused.
pub async fn judge(
    case: Case<'_>,
    versions: &impl Invoke,
    generation: &impl Generation,
    out_of_time: impl Future<Output = ()> + Send,
) -> Verdict {
    let (target, scratch) = (case.target, case.scratch);
    let verdict = tokio::select! {
        biased;
        verdict = run(case, versions, generation) => verdict,
        () = out_of_time => Verdict::refused("the gate ran out of time before the golden was through"),
    };
    if let Err(error) = generation.empty().await {
        tracing::error!(%target, generation = scratch.name(), %error, "not emptied: left to its TTL");
    }
    verdict
}

async fn run(case: Case<'_>, versions: &impl Invoke, generation: &impl Generation) -> Verdict {
    let Case { target, golden, scratch, layout, mut names } = case;
    // Leftovers of an attempt that was killed: Lambda repeats an asynchronous invocation under the same request id.
    let begun = async {
        generation.empty().await?;
        generation.prepare(&golden.before, &mut names).await
    };
    if let Err(error) = begun.await {
        return Verdict::refused(format_args!("the scratch generation cannot be prepared: {error}"));
    }
    for (place, batch) in golden.batches.iter().enumerate() {
        let inputs = match batches::inputs(batch, &names) {
            Ok(inputs) => inputs,
            Err(error) => return Verdict::refused(error),
        };
        for (cut, input) in inputs.iter().enumerate() {
            let at = format!("batch {place}, invocation {cut}");
            let payload = match (batch.plain, to_raw_value(input)) {
                (false, Ok(raw)) => scratch::wrapped(scratch, &raw),
                // A value that was parsed: serialising cannot fail.
                (_, raw) => raw.map(|raw| raw.get().as_bytes().to_vec()).unwrap_or_default(),
            };
            match versions.invoke(target, payload).await {
                Ok(Invoked::Answer(answer)) if is_like(&batch.answer, &answer) => {}
                Ok(Invoked::Answer(answer)) => {
                    return Verdict::refused(format_args!("{at}: expected {}, answered {answer}", batch.answer));
                }
                Ok(Invoked::Failed(why)) => return Verdict::refused(format_args!("{at}: the function failed: {why}")),
                Err(why) => return Verdict::refused(format_args!("{at}: it could not be invoked: {why}")),
            }
        }
    }
    let left = generation.left().await;
    match left.and_then(|left| observed::lines(layout, &left, golden.arrives_now)) {
        Ok(lines) => Verdict::of(differences(&golden.leaves, &lines)),
        Err(error) => Verdict::refused(format_args!("what it has written cannot be read: {error}")),
    }
}

#[cfg(test)]
mod tests;
