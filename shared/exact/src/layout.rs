//! Where things are stored in the contributions table. Private to the fleet; changing it is a new generation.
//!
//! | partition key | sort key | item |
//! |---|---|---|
//! | `<generation>#w#<window>#<partition>` | `f#<shard>#e<epoch>#s<split>#p<part>` | fenced contribution |
//! | `<generation>#w#<window>#<partition>` | `l#<lane>#<digest>` | ledger contribution |
//! | `<generation>#progress` | `<shard>` | a shard's progress |
//! | `<generation>#claim#<partition>` | `<identity>` | what the first delivery of an identity decided for all |
//! | `<generation>#series#<window>` | `catalog` | which series of a window have rows of their own |
//! | `<generation>#series#<1h or 1d>#<start>` | `<service>#<endpoint>` | a series that the hour or day has |
//! | `epochs` | `table` | the epoch table, of all generations |
//! | `skips` | `list` | records that nobody decodes, of all generations: [`crate::skips`] |
//! | `scratch:<name>` | `<partition key>\|<sort key>` of any of these | of a scratch generation: [`crate::scratch`] |

use crate::ports::ItemKey;
use crate::retention::CONTRIBUTION_LIFE_MS;
use crate::row::RowWindow;
use crate::sequence::Shard;
use weir_rollup::SeriesKey;
use weir_telemetry::{Generation, Millis, StableHasher, Window, stable_hash};

/// Partition keys over which claims are spread. A constant, not the lane count: a claim that is not found counts as no
/// claim.
const CLAIM_PARTITIONS: u64 = 16;

/// A generation of the table: its name and its fixed numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    generation: String,
    numbers: Generation,
}

/// Names one fenced item chain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FencedKey {
    /// The window.
    pub window: Window,
    /// The shard.
    pub shard: Shard,
    /// The epoch of the records inside: a change of split count starts new items.
    pub epoch: u32,
    /// The split.
    pub split: u16,
}

impl Layout {
    /// The layout of generation `name`, e.g. `live`.
    pub fn new(name: impl Into<String>, numbers: Generation) -> Self {
        Self { generation: name.into(), numbers }
    }

    /// The key of the epoch table's item.
    pub fn epochs() -> ItemKey {
        ItemKey { pk: "epochs".to_owned(), sk: "table".to_owned() }
    }

    /// The key of the skip list's item.
    pub fn skips() -> ItemKey {
        ItemKey { pk: "skips".to_owned(), sk: "list".to_owned() }
    }

    /// The partitions that hold a window's contributions.
    pub fn window_partitions(&self, window: Window) -> Vec<String> {
        (0..self.numbers.partitions).map(|partition| self.window_pk(window, partition)).collect()
    }

    fn window_pk(&self, window: Window, partition: u16) -> String {
        format!("{}#w#{window}#{partition}", self.generation)
    }

    /// The window of this generation that a partition key belongs to, if any.
    pub fn window_of(&self, pk: &str) -> Option<Window> {
        let rest = pk.strip_prefix(self.generation.as_str())?.strip_prefix("#w#")?;
        Window::parse(rest.split_once('#')?.0).ok()
    }

    /// A part of a fenced item chain. Spread by shard: a shard's writes of one window stay together, since DynamoDB
    /// limits a partition, and one shard's 1 MB/s must fit in it.
    pub fn fenced(&self, key: &FencedKey, part: u32) -> ItemKey {
        let shard = key.shard.to_string();
        ItemKey {
            pk: self.window_pk(key.window, self.partition(shard.as_bytes())),
            sk: format!("f#{shard}#e{}#s{}#p{part}", key.epoch, key.split),
        }
    }

    /// The shard whose chain a sort key belongs to, as [`Shard`] displays; `None` for another item's key.
    pub fn shard_of(sk: &str) -> Option<&str> {
        sk.strip_prefix("f#")?.rsplitn(4, '#').nth(3)
    }

    /// A ledger item: `digest` covers the identities inside.
    pub fn ledger(&self, window: Window, lane: u16, digest: &str) -> ItemKey {
        ItemKey { pk: self.window_pk(window, lane % self.numbers.partitions), sk: format!("l#{lane:05}#{digest}") }
    }

    /// The partition of all shards' progress.
    pub fn progress_pk(&self) -> String {
        format!("{}#progress", self.generation)
    }

    /// A shard's progress.
    pub fn progress(&self, shard: &Shard) -> ItemKey {
        ItemKey { pk: self.progress_pk(), sk: shard.to_string() }
    }

    /// What the first delivery of an identity decided: [`crate::ledger::Claim`].
    pub fn claim(&self, identity: &str) -> ItemKey {
        let partition = stable_hash(identity.as_bytes()) % CLAIM_PARTITIONS;
        ItemKey { pk: format!("{}#claim#{partition}", self.generation), sk: identity.to_owned() }
    }

    /// A window's [`crate::finalize::Catalog`]. Not in the window's own partitions: writing it changes no contribution,
    /// so it must not look like one.
    pub fn catalog(&self, window: Window) -> ItemKey {
        ItemKey { pk: format!("{}#series#{window}", self.generation), sk: "catalog".to_owned() }
    }

    /// The partition that lists the series of an hour or a day.
    pub fn directory(&self, window: RowWindow) -> String {
        format!("{}#series#{window}", self.generation)
    }

    /// The entry of a series.
    pub fn listed(&self, window: RowWindow, key: &SeriesKey) -> ItemKey {
        ItemKey { pk: self.directory(window), sk: format!("{}#{}", key.service, key.endpoint) }
    }

    /// The series of an entry's sort key: no service contains `#`.
    pub fn listed_series(sk: &str) -> Option<SeriesKey> {
        let (service, endpoint) = sk.split_once('#')?;
        Some(SeriesKey { service: service.to_owned(), endpoint: endpoint.to_owned() })
    }

    /// Whether a partition belongs to windows without being one of theirs: progress, claims, catalogs, directories.
    pub fn is_beside_windows(&self, pk: &str) -> bool {
        let rest = pk.strip_prefix(self.generation.as_str()).and_then(|rest| rest.strip_prefix('#'));
        rest.is_some_and(|rest| rest == "progress" || rest.starts_with("claim#") || rest.starts_with("series#"))
    }

    fn partition(&self, key: &[u8]) -> u16 {
        (stable_hash(key) % u64::from(self.numbers.partitions)) as u16
    }
}

/// Lanes of a batch's identities: those of a queue share a namespace, which is hashed once.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    namespace: String,
    hashed: StableHasher,
}

impl Lanes {
    /// The lanes of the identities that `namespace` and each of the names make: functions of their bytes alone, whatever
    /// came before.
    pub(crate) fn of<const N: usize>(&mut self, layout: &Layout, namespace: &str, names: [&str; N]) -> [u16; N] {
        if self.namespace != namespace {
            namespace.clone_into(&mut self.namespace);
            self.hashed = StableHasher::default().with(namespace.as_bytes());
        }
        let lanes = u64::from(layout.numbers.lanes);
        // A remainder is below a u16, so the cast loses nothing.
        self.hashed.with_each(names.map(str::as_bytes)).map(|hash| (hash.finish() % lanes) as u16)
    }
}

/// TTL of a contribution to the window that ends at this time, epoch seconds.
pub fn expires_at(end: Millis) -> i64 {
    expires_after(end, CONTRIBUTION_LIFE_MS)
}

/// TTL of what lives this long after `at`, epoch seconds. DynamoDB takes no milliseconds.
pub fn expires_after(at: Millis, life_ms: i64) -> i64 {
    at.plus(life_ms).0.div_euclid(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_found_in_its_key() {
        let numbers = Generation { lanes: 16, partitions: 4 };
        let layout = Layout::new("live", numbers.clone());
        let window = Window::containing(Millis(1_795_224_605_000));
        for pk in layout.window_partitions(window) {
            assert_eq!(layout.window_of(&pk), Some(window));
            assert_eq!(Layout::new("scratch", numbers.clone()).window_of(&pk), None);
        }
        assert_eq!(layout.window_of(&layout.progress_pk()), None);
        assert_eq!(layout.window_of("epochs"), None);
    }

    #[test]
    fn a_lane_is_a_function_of_the_identity_alone() {
        let layout = Layout::new("live", Generation { lanes: 16, partitions: 4 });
        let mut lanes = Lanes::default();
        for (namespace, name) in [
            ("", ""),
            ("sqs:a/", "1"),
            ("sqs:a/", "2"),
            ("sqs:a/", "b/3"),
            ("sqs:a/", ""),
            ("none", ""),
            ("s3:b/", "k@v"),
        ] {
            let expect = (stable_hash([namespace, name].concat().as_bytes()) % 16) as u16;
            assert_eq!(lanes.of(&layout, namespace, [name]), [expect], "{namespace}{name}");
            let [own] = lanes.of(&layout, namespace, [""]);
            assert_eq!(lanes.of(&layout, namespace, [name, "", name]), [expect, own, expect]);
        }
    }

    #[test]
    fn keys_do_not_move() {
        let layout = Layout::new("live", Generation { lanes: 16, partitions: 4 });
        let shard = Shard { stream: "s".into(), created_at: Millis(5), id: "shardId-000000000000".into() };
        let key = FencedKey { window: Window::containing(Millis(0)), shard, epoch: 1, split: 2 };
        let item = layout.fenced(&key, 3);
        assert_eq!(item.pk, "live#w#1970-01-01T00:00:00Z#3");
        assert_eq!(item.sk, "f#s@5/shardId-000000000000#e1#s2#p3");
        assert_eq!(Layout::shard_of(&item.sk), Some("s@5/shardId-000000000000"));
        assert_eq!(Layout::shard_of("l#00007#ab"), None);
        assert_eq!(layout.ledger(key.window, 7, "ab").pk, "live#w#1970-01-01T00:00:00Z#3");
        assert_eq!(layout.ledger(key.window, 7, "ab").sk, "l#00007#ab");
    }
}
