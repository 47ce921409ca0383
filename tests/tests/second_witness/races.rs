//! Writers that race for one item.

use crate::witness::Witness;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use weir_aws::contributions::ContributionsTable;
use weir_exact::ports::{ContributionGet, ContributionPut, Expected, Item, ItemKey, PutOutcome};

const WRITERS: usize = 8;
const STEPS: usize = 50;

/// Every writer adds its steps to one item, each under the fence that it last saw: all of them stand in the end, once,
/// and each fence was passed by one writer alone.
pub(crate) async fn one_writer_wins_each_step(witness: &Witness) {
    let key = witness.key("race", "f#0");
    let barrier = Arc::new(Barrier::new(WRITERS));
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (store, key, barrier) = (witness.contributions.clone(), key.clone(), barrier.clone());
        writers.spawn(async move {
            barrier.wait().await;
            write(&store, &key, writer).await
        });
    }
    let won: Vec<u64> = writers.join_all().await.into_iter().flatten().collect();
    let distinct: BTreeSet<u64> = won.iter().copied().collect();
    assert_eq!(won.len(), distinct.len(), "one fence was passed by two writers");
    assert_eq!(distinct, (1..=(WRITERS * STEPS) as u64).collect::<BTreeSet<_>>(), "a step was lost");
    let stands = witness.contributions.get(&key).await.expect("a consistent read").expect("the item");
    let mut steps = steps(&stands);
    assert_eq!(stands.fence.as_deref(), Some((WRITERS * STEPS).to_string().as_str()));
    steps.sort_unstable();
    let all: Vec<(usize, usize)> = (0..WRITERS).flat_map(|writer| (0..STEPS).map(move |step| (writer, step))).collect();
    assert_eq!(steps, all, "each step of each writer, once");
}

/// Appends the writer's steps; the fences under which they were written.
async fn write(store: &ContributionsTable, key: &ItemKey, writer: usize) -> Vec<u64> {
    let mut observed: Option<Item> = None;
    let mut won = vec![];
    for step in 0..STEPS {
        loop {
            let (fence, before) = observed.as_ref().map_or((0, vec![]), |item| (fence(item), steps(item)));
            if before.contains(&(writer, step)) {
                // An attempt that was answered too late and sent again: the first did it.
                won.push(position(&before, (writer, step)));
                break;
            }
            let body = serde_json::to_vec(&[before, vec![(writer, step)]].concat()).expect("numbers");
            let next = Item { key: key.clone(), fence: Some((fence + 1).to_string()), body, expires_at: None };
            let expected = observed
                .as_ref()
                .map_or(Expected::Absent, |item| Expected::Fence(item.fence.clone().unwrap_or_default()));
            match store.put(&next, &expected).await.unwrap_or_else(|error| panic!("{error}")) {
                PutOutcome::Written => {
                    won.push(fence + 1);
                    observed = Some(next);
                    break;
                }
                PutOutcome::Conflict(stands) => observed = Some(stands.expect("an item that is never deleted")),
            }
        }
    }
    won
}

fn fence(item: &Item) -> u64 {
    item.fence.as_deref().and_then(|fence| fence.parse().ok()).expect("a fence")
}

/// Steps in the order of their writing: the n-th was written under fence n.
fn steps(item: &Item) -> Vec<(usize, usize)> {
    serde_json::from_slice(&item.body).expect("a list of steps")
}

fn position(steps: &[(usize, usize)], step: (usize, usize)) -> u64 {
    steps.iter().position(|other| *other == step).expect("a step of the list") as u64 + 1
}

/// Of all that find nothing one writes, and the others are told its item.
pub(crate) async fn one_writer_wins_an_absent_item(witness: &Witness) {
    for round in 0..20 {
        let key = witness.key("absent", &format!("l#{round}"));
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let (store, key) = (witness.contributions.clone(), key.clone());
            writers.spawn(async move {
                let item = Item { key, fence: None, body: vec![writer as u8], expires_at: None };
                let outcome = store.put(&item, &Expected::Absent).await.unwrap_or_else(|error| panic!("{error}"));
                (item, outcome)
            });
        }
        let stands = |key| async move { witness.contributions.get(key).await.expect("a read").expect("an item") };
        let outcomes = writers.join_all().await;
        let stands = stands(&key).await;
        // One that was sent twice may be told of its own item.
        let winners = outcomes.iter().filter(|(_, outcome)| *outcome == PutOutcome::Written).count();
        assert!(winners <= 1, "{winners} writers wrote an item that was absent");
        for (item, outcome) in outcomes {
            match outcome {
                PutOutcome::Written => assert_eq!(item, stands),
                PutOutcome::Conflict(told) => assert_eq!(told.as_ref(), Some(&stands)),
            }
        }
    }
}
