//! What was quarantined whole against what is counted: protocol.md §6, as far as stored state shows it.
//!
//! A message or object that was quarantined for its content is quarantined on every delivery, since that is a function
//! of its bytes, its arrival and thereby its rules: the plan that quarantines it contributes nothing, and no other plan
//! of it exists. So its entry in the ledger and its object in quarantine exclude each other permanently, whichever was
//! written first and however late. No batch in flight explains both, no late request makes one without being wrong, and
//! if both exist, waiting changes nothing.
//!
//! Not here, since stored state does not decide it:
//!
//! - Events that were quarantined individually: their neighbours count under the same identity.
//! - Kinesis records: fenced items hold no identities. There a shard's progress is compared with the number of objects.
//! - Replays: what they count has its own identity, and the object stays. An event and its whole document may both be
//!   in quarantine, if a replay split the document.
//! - Objects whose bucket, key and version together are so long that their identity ends in a digest.

use super::Finding;
use crate::ledger::Document;
use crate::ports::{Item, QuarantineList, StoreError};
use crate::quarantine::{Key, day_prefixes};
use crate::reconcile::Subject;
use futures::stream::{self, StreamExt, TryStreamExt};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use weir_rollup::Ledger;
use weir_telemetry::{FUTURE_MS_MAX, LATENESS_MS_MAX, Limit, Millis, Reason, Window};

/// Quarantine keys listed for one check, those of the latest days first: 200 requests, besides one for each reason and
/// day. Most of them may be of events, which are skipped.
pub const KEYS_LISTED_MAX: usize = 200_000;
/// Lists in flight.
const LISTS_IN_FLIGHT_MAX: usize = 16;
/// How far in the future an arrival may lie: a producer's own is up to 10 min ahead, and so may clocks be.
/// Milliseconds.
const AHEAD_MS_MAX: i64 = 20 * 60_000;

/// Documents that were quarantined whole for their content: nothing in them counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetAside {
    /// Keys by what is common to one document, each with its day of arrival.
    documents: BTreeMap<String, Vec<(Millis, String)>>,
    /// Days of arrival.
    days: BTreeSet<Millis>,
    is_cut: bool,
}

impl SetAside {
    /// What may concern the windows of `subjects`, by keys alone.
    ///
    /// # Errors
    /// If quarantine cannot be listed.
    pub async fn list<Q: QuarantineList>(store: &Q, subjects: &[Subject], now: Millis) -> Result<Self, StoreError> {
        Self::list_up_to(store, subjects, now, KEYS_LISTED_MAX).await
    }

    async fn list_up_to<Q: QuarantineList>(
        store: &Q,
        subjects: &[Subject],
        now: Millis,
        keys_max: usize,
    ) -> Result<Self, StoreError> {
        let (mut set_aside, mut listed) = (Self::default(), 0);
        let lists = prefixes(subjects, now).into_iter();
        let lists = lists.map(|prefix| async move { store.keys(&prefix, keys_max).await });
        let mut lists = stream::iter(lists).buffered(LISTS_IN_FLIGHT_MAX);
        while let Some(keys) = lists.try_next().await? {
            listed += keys.len();
            keys.into_iter().for_each(|key| _ = set_aside.add(key));
            if listed >= keys_max {
                set_aside.is_cut = true;
                break;
            }
        }
        Ok(set_aside)
    }

    /// Adds the object of that key, if nothing of its document may count; returns whether it did.
    pub fn add(&mut self, key: String) -> bool {
        let Some(parts) = Key::parse(&key).filter(|parts| parts.is_whole()) else { return false };
        let excludes = Reason::by_name(parts.reason).is_some_and(|reason| excludes_counting(reason, parts.source));
        if excludes {
            let (name, day) = (parts.name(), parts.day);
            self.days.insert(day);
            self.documents.entry(name).or_default().push((day, key));
        }
        excludes
    }

    /// How many documents.
    pub fn len(&self) -> usize {
        self.documents.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }

    /// Whether quarantine has more keys than are listed ([`KEYS_LISTED_MAX`]), so that earlier days are omitted.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Documents of which a window's contributions count something although they were quarantined.
    ///
    /// # Errors
    /// Unreadable if an item is of a format that this version does not know.
    pub fn counted(&self, window: Window, items: &[Item]) -> Result<Vec<Finding>, StoreError> {
        if !self.days.iter().any(|day| may_hold(*day, window)) {
            return Ok(vec![]);
        }
        // All chunks of one document; the copies of each, which count once.
        let mut counted: BTreeMap<(String, String), u64> = BTreeMap::new();
        let mut seen: HashSet<String> = HashSet::new();
        for item in items.iter().filter(|item| item.fence.is_none()) {
            let ledger = Ledger::decode(&item.body);
            for entry in ledger.map_err(|error| StoreError::unreadable_contribution(item, &error))?.entries {
                let Some((document, key)) = self.find(&entry.identity, window) else { continue };
                if seen.insert(entry.identity.clone()) {
                    let events: u64 = entry.series.values().map(weir_rollup::Rollup::events).sum();
                    *counted.entry((document.identity.to_owned(), key.to_owned())).or_default() += events;
                }
            }
        }
        let found = counted.into_iter().map(|((document, key), events)| Finding::CountedAndSetAside {
            document,
            window: window.to_string(),
            events,
            key,
        });
        Ok(found.collect())
    }

    /// The document of a counted identity and the key under which it was quarantined, if that was while it could have
    /// counted in this window. At another time it may have been another body: a producer's id is free again after three
    /// weeks.
    fn find<'i>(&self, identity: &'i str, window: Window) -> Option<(Document<'i>, &str)> {
        let document = Document::of(identity)?;
        let (_, key) = self.documents.get(&document.name)?.iter().find(|(day, _)| may_hold(*day, window))?;
        Some((document, key))
    }
}

/// Whether events that arrived on that day may be in that window.
fn may_hold(day: Millis, window: Window) -> bool {
    const DAY_MS: i64 = 86_400_000;
    day.plus(-LATENESS_MS_MAX) < window.end() && window.start() < day.plus(DAY_MS + FUTURE_MS_MAX)
}

/// What to list, the latest days first.
fn prefixes(subjects: &[Subject], now: Millis) -> Vec<String> {
    let minutes = || subjects.iter().filter_map(|subject| subject.window.minute());
    let (Some(first), Some(last)) = (minutes().min(), minutes().max()) else { return vec![] };
    let from = first.start().plus(-FUTURE_MS_MAX);
    let to = last.end().plus(LATENESS_MS_MAX).min(now.plus(AHEAD_MS_MAX));
    let mut prefixes = vec![];
    for source in ["sqs", "s3"] {
        for reason in Reason::all().filter(|reason| excludes_counting(*reason, source)) {
            let days = day_prefixes(&reason.to_string(), from, to).into_iter().enumerate();
            prefixes.extend(days.map(|(day, prefix)| (day, format!("{prefix}{source}/"))));
        }
    }
    prefixes.sort_by_key(|(day, _)| Reverse(*day));
    prefixes.into_iter().map(|(_, prefix)| prefix).collect()
}

/// Whether a document of that source that is quarantined whole for that reason never counts: the reason is a function
/// of the document's content and arrival, and is found after the claim of a producer's own id, under which another body
/// may count. If that is not certain, the answer is no.
fn excludes_counting(reason: Reason, source: &str) -> bool {
    let (is_message, is_object) = (source == "sqs", source == "s3");
    match reason {
        // Verdicts of the decoders on a whole payload, which is what was claimed, and on an object of that version or
        // ETag.
        Reason::NotUtf8 | Reason::NotJson | Reason::NotAnObject | Reason::NotDecompressible => is_message || is_object,
        Reason::Exceeds(Limit::RejectedPerRecord | Limit::JsonDepth) => is_message || is_object,
        // Records' limits, which a pointer's object may exceed too: its message is claimed before.
        Reason::Exceeds(Limit::PayloadBytes | Limit::EventsPerRecord) => is_message,
        // Objects' own limits; one event over several lines may be too long for its object to be split.
        Reason::Exceeds(Limit::ObjectBytes | Limit::EventsPerObject | Limit::EventBytes) => is_object,
        // For an object this is the decoder's verdict. For a message it may be its body's form alone, which is checked
        // before its id is claimed: an earlier body under that id may count.
        Reason::UnsupportedForm => is_object,
        // The same for a body that should point elsewhere; for an object it reflects S3's response, not its content.
        Reason::BadPointer | Reason::BadNotice => false,
        // It is quarantined under the id that it names, but its attributes are checked before that is claimed.
        Reason::BadAttribute => false,
        // Its id counts for another body, which is what the reason says.
        Reason::IdReused => false,
        // Its first delivery, long ago, may well have counted.
        Reason::MessageTooOld | Reason::ObjectTooOld => false,
        // What it was read from is gone by now: an earlier delivery may have counted it, or part of it.
        Reason::ObjectMissing | Reason::ObjectChanged | Reason::ObjectArchived => false,
        // Kinesis records only, which have no identities.
        Reason::DamagedAggregate | Reason::Skipped => false,
        // Events only: no document is quarantined whole for a field.
        Reason::Invalid(_) | Reason::Duplicate(_) | Reason::TooLate | Reason::FromFuture => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Layout;
    use crate::ledger::{self, Held, Identity, Incoming, LedgerSettings, Message};
    use crate::memory::MemoryStore;
    use crate::ports::QuarantinePut;
    use crate::quarantine::{Coordinates, Origin, QuarantineObject};
    use crate::row::{Resolution, RowWindow};
    use futures::executor::block_on;
    use weir_telemetry::{EpochTable, EpochView, Generation, Rejected};

    /// 2026-11-21T01:30:05Z.
    const ARRIVAL: Millis = Millis(1_795_224_605_000);
    const ARN: &str = "arn:aws:sqs:us-east-1:000000000000:q";

    fn key(reason: &str, day: &str, name: &str) -> String {
        format!("{reason}/{day}/{name}.json")
    }

    fn set_aside(keys: &[String]) -> SetAside {
        let mut set_aside = SetAside::default();
        keys.iter().for_each(|key| _ = set_aside.add(key.clone()));
        set_aside
    }

    /// What is stored when this identity counts two events at [`ARRIVAL`].
    fn items(identity: Identity<'static>) -> Vec<Item> {
        let store = MemoryStore::default();
        let message = Message {
            identity,
            arrived_at: ARRIVAL,
            rules_at: ARRIVAL,
            origin: Origin::Queue { queue: "q", message_id: "m" },
            data: b"[{},{}]".to_vec().into(),
            held: Held::Payload,
        };
        let epochs = EpochView::new(EpochTable::genesis(), ARRIVAL);
        let layout = Layout::new("live", Generation { lanes: 1, partitions: 1 });
        let incoming = vec![(0, Incoming::Message(message))];
        let intake = block_on(ledger::intake(&store, &layout, &epochs, LedgerSettings::default(), incoming, &|| false));
        assert_eq!(intake.outcome.put, 2);
        store.items()
    }

    fn found(set_aside: &SetAside, items: &[Item]) -> Vec<String> {
        let found = set_aside.counted(Window::containing(ARRIVAL), items).unwrap();
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_counts_and_was_set_aside_whole_is_found_where_it_may_have_counted() {
        let message = items(Identity::sqs(ARN, "m"));
        let check = |reason: &str, day: &str, name: &str, is_found: bool| {
            let found = found(&set_aside(&[key(reason, day, name)]), &message);
            assert_eq!(found.len(), usize::from(is_found), "{reason} {day} {name}: {found:?}");
        };
        for day in ["2026/11/21", "2026/11/22", "2026/11/23"] {
            check("not_json", day, "sqs/q!m!record", true);
        }
        // Its events cannot be ten minutes after the end of the day, nor more than 48 hours before its beginning.
        for day in ["2026/11/20", "2026/11/24"] {
            check("not_json", day, "sqs/q!m!record", false);
        }
        // An event of it, another message, another queue, another source, another body, and what may have counted
        // before.
        for name in ["sqs/q!m!0", "sqs/q!m1!record", "sqs/p!m!record", "kinesis/q!m!record", "sqs/q!m!0f!record"] {
            check("not_json", "2026/11/21", name, false);
        }
        for reason in
            ["id_reused", "message_too_old", "bad_attribute", "unsupported_form", "object_missing", "unheard_of"]
        {
            check(reason, "2026/11/21", "sqs/q!m!record", false);
        }
    }

    #[test]
    fn a_finding_says_what_counts_and_where_it_was_set_aside() {
        let key = key("not_json", "2026/11/21", "sqs/q!m!record");
        let message = items(Identity::sqs(ARN, "m"));
        // A copy counts nothing.
        let twice = [message.clone(), message].concat();
        assert_eq!(
            found(&set_aside(std::slice::from_ref(&key)), &twice),
            [format!(
                "document sqs:{ARN}/m: counts with 2 events in the window 2026-11-21T01:30:00Z, and was set aside whole: {key}"
            )]
        );
    }

    #[test]
    fn chunks_of_an_object_are_one_document_and_replays_are_none() {
        let object = Identity::s3("b", "in/a#1@x", "v");
        let chunks = [items(object.chunk(0)), items(object.chunk(12))].concat();
        let not_json = key("not_json", "2026/11/21", "s3/b!in%2Fa%231@x!v!record");
        let told = found(&set_aside(&[not_json]), &chunks);
        assert_eq!(told.len(), 1);
        assert!(told[0].starts_with("document s3:b/in/a#1@x@v: counts with 4 events"), "{told:?}");
        let replayed = items(Identity::of("replay:sqs/q!m!record".to_owned()));
        assert_eq!(found(&set_aside(&[key("not_json", "2026/11/21", "sqs/q!m!record")]), &replayed), [""; 0]);
    }

    fn quarantined(store: &MemoryStore, source: &'static str, arrived_at: Millis, event_index: Option<u32>) {
        let name = format!("m{}", store.quarantined().len());
        let rejected = Rejected { reason: Reason::NotJson, detail: String::new(), event_index, payload: vec![] };
        let coordinates = Coordinates::new(source, [("queue", "q"), ("message_id", &*name)]);
        block_on(store.quarantine(&QuarantineObject { coordinates, arrived_at, rejected })).unwrap();
    }

    fn subjects(from: Millis, minutes: i64) -> Vec<Subject> {
        let minute = |n: i64| RowWindow::from(Window::containing(from.plus(n * 60_000)));
        let mut subjects: Vec<Subject> = (0..minutes).map(|n| minute(n).into()).collect();
        subjects.push(RowWindow::containing(Resolution::Day, from).into());
        subjects
    }

    #[test]
    fn days_are_listed_that_have_to_do_with_the_windows() {
        let store = MemoryStore::default();
        let hour = 3_600_000;
        // Each day from three days before to four days after.
        (-3..=4).for_each(|day| quarantined(&store, "sqs", ARRIVAL.plus(day * 24 * hour), None));
        quarantined(&store, "s3", ARRIVAL, None);
        quarantined(&store, "kinesis", ARRIVAL, None);
        quarantined(&store, "sqs", ARRIVAL, Some(3));
        let list = |now: Millis| block_on(SetAside::list(&store, &subjects(ARRIVAL, 1), now)).unwrap();
        let days = |set_aside: &SetAside| {
            set_aside.days.iter().map(|day| day.to_string()[8..10].to_owned()).collect::<Vec<_>>()
        };
        let long_after = list(ARRIVAL.plus(10 * 24 * hour));
        assert_eq!(days(&long_after), ["21", "22", "23"]);
        assert_eq!((long_after.len(), long_after.is_cut()), (4, false));
        // Nothing has arrived later than now.
        assert_eq!(days(&list(ARRIVAL)), ["21"]);
        assert_eq!(block_on(SetAside::list(&store, &[], ARRIVAL)).unwrap(), SetAside::default());
    }

    #[test]
    fn of_more_keys_than_are_listed_the_latest_days_are() {
        let store = MemoryStore::default();
        let day = 24 * 3_600_000;
        for days in [0, 1] {
            (0..5).for_each(|_| quarantined(&store, "sqs", ARRIVAL.plus(days * day), None));
        }
        let list = |keys_max: usize| {
            let subjects = subjects(ARRIVAL, 1);
            let listed = block_on(SetAside::list_up_to(&store, &subjects, ARRIVAL.plus(day), keys_max)).unwrap();
            (listed.len(), listed.days.first().copied().map(|day| day.to_string()[8..10].to_owned()), listed.is_cut())
        };
        assert_eq!(list(11), (10, Some("21".to_owned()), false));
        assert_eq!(list(5), (5, Some("22".to_owned()), true));
        assert_eq!(list(3), (3, Some("22".to_owned()), true));
    }

    /// Whoever adds a reason decides here whether its documents may have counted; check the list twice.
    #[test]
    fn what_never_counts_is_what_the_decoders_say() {
        let names = |source: &str| {
            let reasons = Reason::all().filter(|reason| excludes_counting(*reason, source));
            reasons.map(|reason| reason.to_string()).collect::<BTreeSet<_>>()
        };
        let both = [
            "exceeds_json_depth_max",
            "exceeds_rejected_per_record_max",
            "not_an_object",
            "not_decompressible",
            "not_json",
            "not_utf8",
        ];
        let with = |more: &[&str]| both.iter().chain(more).map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(names("sqs"), with(&["exceeds_events_per_record_max", "exceeds_payload_bytes_max"]));
        let of_objects = [
            "exceeds_event_bytes_max",
            "exceeds_events_per_object_max",
            "exceeds_object_bytes_max",
            "unsupported_form",
        ];
        assert_eq!(names("s3"), with(&of_objects));
        assert_eq!(names("kinesis"), BTreeSet::new());
    }
}
