//! A scratch generation: where the canary gate lets a version of a processor write before it gets any traffic.
//!
//! Everything that one scratch invocation writes to the contributions table is in **one partition**, `scratch:<name>`,
//! whatever windows, shards and claims it belongs to: its normal key becomes the sort key. So the gate reads all of it
//! in one query and deletes all of it, including what a wrong version put where nobody would have looked; IAM can tell
//! it from live data (`dynamodb:LeadingKeys`, `scratch:*`); and it collides with no generation of the table, since
//! their names contain no `:`. The finalizer ignores its triggers for the same reason. Quarantine objects are under
//! `scratch/<name>/`, which is no reason's prefix.

use crate::ports::{Item, ItemKey};
use crate::quarantine::QuarantineObject;
use crate::row::Row;

/// Between the partition key and the sort key that an item would normally have: no partition key contains it.
const SEPARATOR: char = '|';
/// Longest name, bytes.
const NAME_BYTES_MAX: usize = 32;

/// How long leftovers of a scratch generation live, milliseconds. The gate deletes them within minutes; this is for a
/// gate that was killed. Items only: objects live as long as quarantine keeps them.
pub const SCRATCH_LIFE_MS: i64 = 86_400_000;

/// Names one scratch generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scratch(String);

/// An invalid name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a scratch generation's name is 1 to {NAME_BYTES_MAX} of a-z, 0-9 and -, found {0:?}")]
pub struct ScratchNameError(String);

impl Scratch {
    /// Prefix of every partition key of a scratch generation.
    pub const PARTITION_PREFIX: &'static str = "scratch:";
    /// Prefix of every object key of a scratch generation.
    pub const OBJECT_PREFIX: &'static str = "scratch/";

    /// The generation of that name.
    ///
    /// # Errors
    /// If it is empty, longer than 32 bytes, or contains anything but `a-z`, `0-9` and `-`.
    pub fn parse(name: &str) -> Result<Self, ScratchNameError> {
        let sound = (1..=NAME_BYTES_MAX).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if sound { Ok(Self(name.to_owned())) } else { Err(ScratchNameError(name.chars().take(64).collect())) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Its one partition.
    pub fn partition(&self) -> String {
        format!("{}{}", Self::PARTITION_PREFIX, self.0)
    }

    /// The key of an item in it.
    pub fn inside(&self, key: &ItemKey) -> ItemKey {
        ItemKey { pk: self.partition(), sk: format!("{}{}", sort_key_prefix(&key.pk), key.sk) }
    }

    /// The key that an item of it would have in the table's own generations; `None` if it is not from this one.
    pub fn outside(&self, key: &ItemKey) -> Option<ItemKey> {
        let (pk, sk) = key.sk.split_once(SEPARATOR).filter(|_| key.pk == self.partition())?;
        Some(ItemKey { pk: pk.to_owned(), sk: sk.to_owned() })
    }

    /// Prefix of its objects.
    pub fn object_prefix(&self) -> String {
        format!("{}{}/", Self::OBJECT_PREFIX, self.0)
    }

    /// The key of an object in it.
    pub fn object_key(&self, key: &str) -> String {
        format!("{}{key}", self.object_prefix())
    }
}

/// Everything in a scratch generation.
#[derive(Clone, Debug, Default)]
pub struct Left {
    /// Items as they would be among live data.
    pub items: Vec<Item>,
    /// Rows.
    pub rows: Vec<Row>,
    /// Quarantine objects.
    pub set_aside: Vec<QuarantineObject>,
}

/// Prefix of the sort keys of a partition's items in a scratch generation.
pub fn sort_key_prefix(pk: &str) -> String {
    format!("{pk}{SEPARATOR}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{FencedKey, Layout};
    use crate::sequence::Shard;
    use weir_telemetry::{Generation, Millis, Window};

    #[test]
    fn only_a_bounded_plain_name_is_one() {
        assert_eq!(Scratch::parse("gate-7f").unwrap().name(), "gate-7f");
        assert!(Scratch::parse(&"a".repeat(NAME_BYTES_MAX)).is_ok());
        for name in ["", &"a".repeat(NAME_BYTES_MAX + 1), "a#b", "a|b", "a:b", "A", "a/b", "a b", "é"] {
            assert!(Scratch::parse(name).is_err(), "{name}");
        }
        assert_eq!(
            Scratch::parse("a#b").unwrap_err().to_string(),
            "a scratch generation's name is 1 to 32 of a-z, 0-9 and -, found \"a#b\""
        );
    }

    /// Every key of a layout, and the tables of all generations.
    fn keys(layout: &Layout) -> Vec<ItemKey> {
        let window = Window::containing(Millis(1_795_224_605_000));
        let shard = Shard { stream: "s|t".into(), created_at: Millis(5), id: "shardId-000000000000".into() };
        let fenced = FencedKey { window, shard: shard.clone(), epoch: 1, split: 2 };
        vec![
            layout.fenced(&fenced, 0),
            layout.ledger(window, 7, "ab"),
            layout.progress(&shard),
            layout.claim("sqs:q/a|b#c"),
            layout.catalog(window),
            Layout::epochs(),
            Layout::skips(),
        ]
    }

    #[test]
    fn an_item_lies_in_the_one_partition_and_is_found_again() {
        let scratch = Scratch::parse("gate-1").unwrap();
        let layout = Layout::new("live", Generation { lanes: 16, partitions: 4 });
        for key in keys(&layout) {
            let inside = scratch.inside(&key);
            assert_eq!(inside.pk, "scratch:gate-1");
            assert_eq!(scratch.outside(&inside), Some(key.clone()));
            assert_eq!(scratch.outside(&key), None, "what counts is not of it");
            assert_eq!(Scratch::parse("gate-2").unwrap().outside(&inside), None, "nor is another's");
        }
    }

    /// Whatever a generation is called: names have letters, digits and `-`.
    #[test]
    fn it_meets_no_generation() {
        let numbers = Generation { lanes: 16, partitions: 4 };
        let scratch = Scratch::parse("live").unwrap();
        for name in ["live", "scratch", "scratch-live"] {
            let layout = Layout::new(name, numbers.clone());
            for key in keys(&layout) {
                assert!(!key.pk.starts_with(Scratch::PARTITION_PREFIX), "{key:?}");
                assert_eq!(layout.window_of(&scratch.inside(&key).pk), None, "no trigger of the finalizer");
            }
        }
    }
}
