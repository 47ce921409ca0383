//! Every rule of the protocol is needed: left out, the simulation finds the schedule on which counts are wrong.
//!
//! A variant that is not caught means that the simulation is too weak, not that the rule is superfluous.
//! `WEIR_RULE=ClosingChangesFence cargo test -p weir-simulation-variants -- --nocapture` shows the shortest schedule.

#![expect(clippy::print_stdout, reason = "the result of the test, for whoever asks with --nocapture")]

use weir_simulation_variants::{Rule, run_leaving_out};

/// Most seeds that a variant may take to be caught.
const SEEDS_MAX: u64 = 3_000;

#[test]
fn each_rule_left_out_is_caught() {
    let shown = std::env::var("WEIR_RULE").ok();
    let mut not_caught = vec![];
    for rule in Rule::ALL {
        if shown.as_ref().is_some_and(|shown| *shown != format!("{rule:?}")) {
            continue;
        }
        let Some(violation) = (0..SEEDS_MAX).find_map(|seed| run_leaving_out(seed, rule).err()) else {
            not_caught.push(rule);
            continue;
        };
        println!("without {rule:?}: seed {}: {}", violation.seed, violation.what);
        if shown.is_some() {
            println!("{}", violation.shrink_leaving_out(rule));
        }
    }
    assert!(not_caught.is_empty(), "not caught within {SEEDS_MAX} seeds: {not_caught:?}");
}
