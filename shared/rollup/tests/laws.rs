//! The laws of a rollup: it depends on the set of events alone, and answers within its bounds.

mod support;

use proptest::prelude::*;
use support::{Event, Seed, burst_us, rollup};
use weir_rollup::{COUPONS_MAX, Rollup, Status, UserSketch};

const DURATION_US_MAX: u64 = 86_400_000_000;

fn event(users: u32) -> impl Strategy<Value = Event> {
    let status = prop_oneof![
        1 => Just(Status::UNKNOWN),
        4 => prop::sample::select(vec![0, 200, 201, 404, 500, 503, 999]).prop_map(support::status),
    ];
    let us = prop_oneof![Just(0), 1..50u64, 1..5_000_000u64, 0..=DURATION_US_MAX, any::<u64>()];
    let user = (0..users).prop_map(|user| format!("user-{user}"));
    (status, prop::option::of(us), prop::option::of(user)).prop_map(|(status, us, user)| Event(status, us, user))
}

fn events(n_max: usize, users: u32) -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(event(users), 0..n_max)
}

fn merged(a: &Rollup, b: &Rollup) -> Rollup {
    let mut merged = a.clone();
    merged.merge(b);
    merged
}

/// Sets on both sides of the sketch's change from coupons to registers, and unions that cross it.
fn any_events() -> impl Strategy<Value = Vec<Event>> {
    prop_oneof![events(30, 20), events(700, 450), events(1_500, 5_000)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn merge_is_associative_and_commutative(a in any_events(), b in any_events(), c in any_events()) {
        let (a, b, c) = (rollup(&a), rollup(&b), rollup(&c));
        prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
        prop_assert_eq!(merged(&a, &b), merged(&b, &a));
    }

    #[test]
    fn default_is_the_identity(events in any_events()) {
        let some = rollup(&events);
        prop_assert_eq!(&merged(&some, &Rollup::default()), &some);
        prop_assert_eq!(&merged(&Rollup::default(), &some), &some);
    }

    #[test]
    fn order_and_partition_never_show(events in any_events(), parts in 1..6usize, seed: u64) {
        let whole = rollup(&events);
        let mut seed = Seed(seed);
        let mut shuffled = events;
        for i in (1..shuffled.len()).rev() {
            shuffled.swap(i, seed.below(i as u64 + 1) as usize);
        }
        prop_assert_eq!(&rollup(&shuffled), &whole);
        let mut groups = vec![Vec::new(); parts];
        for event in shuffled {
            groups[seed.below(parts as u64) as usize].push(event);
        }
        let of_parts = groups.iter().fold(Rollup::default(), |sum, group| merged(&sum, &rollup(group)));
        prop_assert_eq!(&of_parts, &whole);
        prop_assert_eq!(of_parts.users().to_datasketches_bytes(), whole.users().to_datasketches_bytes());
    }

    #[test]
    fn a_user_seen_again_changes_nothing(events in any_events()) {
        let once = rollup(&events);
        let twice = merged(&once, &once);
        prop_assert_eq!(twice.users(), once.users());
        prop_assert_eq!(twice.events(), 2 * once.events());
    }

    #[test]
    fn registers_begin_with_the_385th_user_of_the_union(only_a in 0..400usize, both in 0..400usize, only_b in 0..400usize) {
        let sketch = |range: std::ops::Range<usize>| {
            let mut sketch = UserSketch::default();
            range.for_each(|user| sketch.add(format!("user-{user}").as_bytes()));
            sketch
        };
        let n = only_a + both + only_b;
        let mut union = sketch(0..only_a + both);
        union.merge(&sketch(only_a..n));
        prop_assert_eq!(&union, &sketch(0..n));
        // 40 bytes of preamble are those of an image with registers.
        prop_assert_eq!(union.to_datasketches_bytes()[0] == 10, n > COUPONS_MAX);
    }

    #[test]
    fn one_event_is_that_event_added_to_none(Event(status, us, user) in event(5)) {
        let user = user.as_deref().map(str::as_bytes);
        let mut added = Rollup::default();
        added.add(status, us, user);
        prop_assert_eq!(Rollup::of(status, us, user), added);
    }

    #[test]
    fn counts_are_exact(events in any_events()) {
        let sum = rollup(&events);
        prop_assert_eq!(sum.events(), events.len() as u64);
        prop_assert_eq!(sum.errors(), events.iter().filter(|event| event.0.is_error()).count() as u64);
        prop_assert!(sum.statuses().map(|(status, _)| status).is_sorted_by(|a, b| a < b));
        for (status, n) in sum.statuses() {
            prop_assert_eq!(events.iter().filter(|event| event.0 == status).count() as u64, n);
        }
        let durations: Vec<u64> = events.iter().filter_map(|event| event.1).collect();
        prop_assert_eq!(sum.durations().is_some(), !durations.is_empty());
        if let Some(of_sum) = sum.durations() {
            prop_assert_eq!(of_sum.count(), durations.len() as u64);
            prop_assert_eq!(of_sum.sum_us(), durations.iter().map(|&us| u128::from(us)).sum::<u128>());
            prop_assert_eq!(Some(of_sum.min_us()), durations.iter().copied().min());
            prop_assert_eq!(Some(of_sum.max_us()), durations.iter().copied().max());
        }
    }

    #[test]
    fn quantiles_of_anything(durations in prop::collection::vec(prop_oneof![Just(0), 0..100u64, 0..=DURATION_US_MAX], 1..200), q in 0.0..=1.0) {
        check_quantile(&durations, q);
    }
}

/// Relative error of a quantile against the sorted durations, which must be within 1.1 %.
fn check_quantile(durations_us: &[u64], q: f64) -> f64 {
    let events: Vec<Event> = durations_us.iter().map(|&us| Event(Status::UNKNOWN, Some(us), None)).collect();
    let mut sorted = durations_us.to_vec();
    sorted.sort_unstable();
    let exact_ms = sorted[(q * (sorted.len() - 1) as f64) as usize] as f64 / 1000.0;
    let answer_ms = rollup(&events).durations().unwrap().quantile_ms(q);
    let error = (answer_ms - exact_ms).abs();
    assert!(error <= 0.011 * exact_ms, "q {q}: {answer_ms} for {exact_ms} ms of {}", sorted.len());
    if exact_ms == 0.0 { 0.0 } else { error / exact_ms }
}

#[test]
fn quantiles_of_distributions() {
    let mut seed = Seed(7);
    let pareto = |seed: &mut Seed| 1_000 << (seed.next().leading_zeros() * 3 / 2).min(26) | seed.below(1_000);
    type Distribution<'a> = &'a dyn Fn(&mut Seed) -> u64;
    let distributions: [(&str, Distribution<'_>); 6] = [
        ("burst", &burst_us),
        ("uniform", &|seed| seed.below(1_000_000)),
        ("pareto", &pareto),
        ("two humps", &|seed| if seed.below(10) == 0 { 2_000_000 + seed.below(1_000) } else { 800 + seed.below(50) }),
        ("constant", &|_| 12_345),
        ("mostly zero", &|seed| seed.below(3).saturating_sub(1) * seed.below(70)),
    ];
    for (name, distribution) in distributions {
        for n in [1, 2, 3, 10, 1_000, 20_000] {
            let durations: Vec<u64> = (0..n).map(|_| distribution(&mut seed)).collect();
            for q in [0.0, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0] {
                let error = check_quantile(&durations, q);
                assert!(error <= 0.011, "{name} of {n}");
            }
        }
    }
}

#[test]
fn quantiles_hold_q_to_its_range() {
    let rollup = rollup(&[Event(Status::UNKNOWN, Some(1), None), Event(Status::UNKNOWN, Some(9_999), None)]);
    let durations = rollup.durations().unwrap();
    for (q, ms) in [(-1.0, 0.001), (f64::NAN, 0.001), (0.5, 0.001), (1.0, 9.999), (7.0, 9.999)] {
        assert_eq!(durations.quantile_ms(q), ms, "{q}");
    }
    assert_eq!((durations.avg_ms(), durations.sum_ms()), (5.0, 10.0));
}

#[test]
fn users_within_five_percent() {
    for population in 0..12 {
        let mut sketch = UserSketch::default();
        for n in 1..=60_000u32 {
            sketch.add(format!("{population}/{n}").as_bytes());
            if n % 1_000 == 0 || [1, 7, 8, 100, 384, 385, 500].contains(&n) {
                let error = (sketch.estimate() - f64::from(n)).abs() / f64::from(n);
                assert!(error <= 0.05, "{n} users of population {population}: {error}");
            }
        }
    }
}

#[test]
fn statuses() {
    assert_eq!(Status::new(1000), None);
    let labels: Vec<_> = [0, 200, 503, 999].map(|number| support::status(number).label()).into();
    assert_eq!(labels, ["0", "200", "503", "999"]);
    assert_eq!((Status::UNKNOWN.label().as_ref(), Status::UNKNOWN.number()), ("unknown", None));
    assert!(support::status(500).is_error() && !support::status(499).is_error() && !Status::UNKNOWN.is_error());
    assert!(support::status(999) < Status::UNKNOWN);
}

#[test]
fn parts_that_no_events_have_are_refused() {
    use weir_rollup::{Durations, Histogram};
    let one = |bin| Histogram::from_bins(0, [(bin, 1)]).unwrap();
    assert!(Durations::from_parts(1_000, 1_000, 1_000, one(-1)).is_ok());
    assert!(Durations::from_parts(1_000, 1_000, 1_000, one(0)).is_err(), "another bin");
    let maximum = Durations::from_parts(1_000, 1_000, 1_001, one(-1));
    assert!(maximum.is_err(), "a maximum beyond the last bin");
    assert!(Durations::from_parts(999, 1_000, 1_000, one(-1)).is_err(), "sum below the minimum");
    assert!(Durations::from_parts(2_000, 1_000, 1_000, one(-1)).is_err(), "sum above the maximum");
    assert!(Durations::from_parts(0, 0, 0, Histogram::default()).is_err(), "no event");

    let durations = || Durations::from_parts(1_000, 1_000, 1_000, one(-1)).ok();
    let mut ada = UserSketch::default();
    ada.add(b"ada");
    let of = |statuses: &[(u16, u64)], durations, users: &UserSketch| {
        let statuses = statuses.iter().map(|&(number, n)| (support::status(number), n)).collect();
        Rollup::from_parts(statuses, durations, users.clone())
    };
    assert!(of(&[(200, 1)], durations(), &ada).is_ok());
    assert!(of(&[(200, 1), (200, 1)], None, &ada).is_err(), "a status twice");
    assert!(of(&[(201, 1), (200, 1)], None, &ada).is_err(), "out of order");
    assert!(of(&[(200, 1), (201, 0)], None, &ada).is_err(), "a status of no event");
    assert!(of(&[(200, u64::MAX), (201, 1)], None, &ada).is_err(), "too many");
    assert!(of(&[], durations(), &UserSketch::default()).is_err(), "a duration without event");
    assert!(of(&[], None, &ada).is_err(), "a user without event");
}
