//! Contenders in turns, so that whatever else the machine does meets all of them; ratios are of one turn.

use super::contender::{Contender, Expected, Taken};
use super::work::Work;
use crate::failure::Failure;
use weir_bench::Workload;
use weir_local_lambda::Host;

/// Warm invocations before those that count: heaps grow, caches fill, connections open.
const WARM_UP: usize = 3;

/// How often each contender is invoked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Runs {
    pub(crate) cold: usize,
    pub(crate) warm: usize,
}

/// A contender's invocations, in the order of the turns.
#[derive(Clone, Debug, Default)]
pub(crate) struct Taking {
    /// From the call to the answer.
    pub(crate) cold: Vec<f64>,
    /// From the event's handing over to the answer.
    pub(crate) warm: Vec<f64>,
    pub(crate) peak_bytes: u64,
}

/// All contenders, cold and then warm.
///
/// # Errors
/// When one does not do its work.
pub(crate) async fn run(
    host: &Host,
    contenders: &[Contender],
    workload: &mut Workload,
    (work, events): (Work, usize),
    runs: Runs,
) -> Result<Vec<Taking>, Failure> {
    let expected = Expected::Events(work, events);
    let mut all = vec![Taking::default(); contenders.len()];
    for _ in 0..runs.cold {
        let payload = work.payload(workload, events);
        for (contender, taking) in contenders.iter().zip(&mut all) {
            let Taken { total, peak_bytes, .. } = contender.cold(host, &payload, expected).await?;
            taking.cold.push(total);
            taking.peak_bytes = taking.peak_bytes.max(peak_bytes);
        }
    }
    for turn in 0..WARM_UP + runs.warm {
        let payload = work.payload(workload, events);
        for (contender, taking) in contenders.iter().zip(&mut all) {
            let Taken { duration, peak_bytes, .. } = contender.invoke(host, &payload, expected).await?;
            taking.peak_bytes = taking.peak_bytes.max(peak_bytes);
            if turn >= WARM_UP {
                taking.warm.push(duration);
            }
        }
    }
    Ok(all)
}

/// Median of the turns' ratios.
pub(crate) fn ratio(of: &[f64], to: &[f64]) -> f64 {
    let mut ratios: Vec<f64> = of.iter().zip(to).map(|(a, b)| a / b.max(f64::MIN_POSITIVE)).collect();
    ratios.sort_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_that_was_slow_for_both_changes_no_ratio() {
        assert_eq!(ratio(&[2.0, 20.0, 2.0], &[1.0, 10.0, 1.0]), 2.0);
        assert_eq!(ratio(&[], &[]), 0.0);
    }
}
