//! What must come out: each accepted event once, counted from what was sent and not from what was stored.
//!
//! Of the stores it reads only the claims, since which of two sendings came first is the world's decision; that the
//! decision is one of those that were possible, it checks.

use crate::landing::Put;
use crate::queue::{Body, Sent};
use crate::state::State;
use std::collections::{BTreeMap, BTreeSet};
use weir_exact::ledger::{Claim, Identity};
use weir_exact::objects::{Content, ObjectAt};
use weir_exact::quarantine::{Coordinates, QuarantineObject};
use weir_rollup::{Ledger, Rollup, SeriesKey, Status, stored};
use weir_telemetry::{
    Accepted, Decoded, Epoch, EpochTable, Millis, OTHER, ObjectDecoder, ObjectEvent, Reason, Rejected, Window,
    decode_event_alone, decode_payload, decode_record,
};

/// What must come out.
pub(crate) struct Oracle {
    pub(crate) windows: BTreeMap<Window, BTreeMap<SeriesKey, Rollup>>,
    /// Objects that must be in quarantine, by key.
    pub(crate) required: BTreeMap<String, QuarantineObject>,
    /// Objects that replays may have put there besides.
    pub(crate) allowed: Vec<QuarantineObject>,
    /// Objects of the landing bucket that were gone before they were read: each may be in quarantine, as lost.
    pub(crate) lost: Vec<Coordinates>,
    /// Objects without a version that were put more than once.
    pub(crate) put_again: u64,
    /// By shard: records, empty ones, events accepted, objects rejected.
    pub(crate) shards: BTreeMap<String, [u64; 4]>,
    pub(crate) events: u64,
    epochs: EpochTable,
}

impl Oracle {
    /// Counts everything that was sent.
    ///
    /// # Errors
    /// A claim that cannot be: of another body or time than any that was sent.
    pub(crate) fn of(state: &State) -> Result<Self, String> {
        let mut oracle = Self {
            windows: BTreeMap::new(),
            required: BTreeMap::new(),
            allowed: vec![],
            lost: vec![],
            put_again: 0,
            shards: BTreeMap::new(),
            events: 0,
            epochs: state.epochs(),
        };
        oracle.stream(state);
        oracle.queue(state)?;
        oracle.objects(state)?;
        oracle.replays(state)?;
        Ok(oracle)
    }

    fn stream(&mut self, state: &State) {
        for log in &state.stream.shards {
            let mut totals = [0; 4];
            for record in &log.records {
                let epoch = self.epochs.epoch_at(record.arrived_at).clone();
                let decoded = decode_record(&record.data, record.arrived_at, &epoch);
                let (accepted, rejected) = (decoded.accepted.len() as u64, decoded.rejected.len() as u64);
                let these = [1, u64::from(accepted + rejected == 0), accepted, rejected];
                totals.iter_mut().zip(these).for_each(|(total, this)| *total += this);
                let path = [
                    ("stream", format!("{}@{}", log.shard.stream, log.shard.created_at.0)),
                    ("shard", log.shard.id.clone()),
                    ("sequence_number", record.sequence.to_string()),
                ];
                let coordinates = Coordinates::new("kinesis", path);
                self.require(&coordinates, record.arrived_at, decoded.rejected);
                // A record that fits no item is folded: by window and split, since those are its items.
                let mut groups: BTreeMap<(Window, u16), Vec<Accepted>> = BTreeMap::new();
                for accepted in decoded.accepted {
                    groups.entry((accepted.window, accepted.series.split(epoch.splits))).or_default().push(accepted);
                }
                for ((window, _), accepted) in groups {
                    let series = by_series(accepted);
                    let fits = bytes(&series) <= state.settings.fenced.record_bytes_max;
                    self.count(window, if fits { series } else { folded(&series) });
                }
            }
            if totals[0] > 0 {
                self.shards.insert(log.shard.to_string(), totals);
            }
        }
    }

    fn queue(&mut self, state: &State) -> Result<(), String> {
        let mut identities: BTreeMap<Identity<'_>, Vec<(usize, &Sent)>> = BTreeMap::new();
        for (place, sent) in state.queue.sent.iter().enumerate() {
            identities.entry(sent.identity(place)).or_default().push((place, sent));
        }
        for (identity, sendings) in identities {
            let first = sendings[0].1;
            let mut at = first.arrived_at();
            let mut payload = body(first);
            let claiming = |sent: &Sent| sent.own_id.is_some();
            if sendings.iter().any(|(_, sent)| claiming(sent)) {
                // Where nobody has claimed it, whoever was first: then it is the counts that must show what went wrong.
                let claim = claim_of(state, &identity.to_string())?.unwrap_or_else(|| Claim::new(at, payload));
                let claimed = |sent: &Sent| Claim::new(sent.arrived_at(), body(sent)) == claim;
                let winner = sendings.iter().find(|(_, sent)| claimed(sent));
                let (_, winner) =
                    winner.ok_or_else(|| format!("the claim of {identity} is of no sending: {claim:?}"))?;
                (at, payload) = (claim.at(), body(winner));
                self.others(state, &identity, &claim, &sendings)?;
            }
            let decoded = decode_payload(payload, at, self.epochs.epoch_at(at));
            let coordinates = first.coordinates(sendings[0].0);
            self.ledger(state, decoded.accepted);
            self.require(&coordinates, at, decoded.rejected);
        }
        Ok(())
    }

    /// Every other body under a claimed id is in quarantine, once, however often it was sent, as of one of its arrivals. What
    /// was sent long after its id was claimed may be there as too old.
    fn others(
        &mut self,
        state: &State,
        identity: &Identity<'_>,
        claim: &Claim,
        sendings: &[(usize, &Sent)],
    ) -> Result<(), String> {
        let mut bodies: BTreeMap<&[u8], Vec<(usize, &Sent)>> = BTreeMap::new();
        for (place, sent) in sendings.iter().filter(|(_, sent)| sent.own_id.is_some()) {
            bodies.entry(body(sent)).or_default().push((*place, sent));
        }
        for (body, sendings) in bodies {
            let (place, first) = sendings[0];
            let mut coordinates = first.coordinates(place);
            let own = Claim::new(first.arrived_at(), body);
            if own.digest == claim.digest {
                let rejected = set_aside(Reason::MessageTooOld, TOO_OLD, body);
                self.allowed.push(QuarantineObject { coordinates, arrived_at: claim.at(), rejected });
                continue;
            }
            let identity = format!("{identity}!{}", own.digest);
            let claimed = claim_of(state, &identity)?.unwrap_or_else(|| own.clone());
            if !sendings.iter().any(|(_, sent)| Claim::new(sent.arrived_at(), body) == claimed) {
                return Err(format!("the claim of {identity} is of no sending: {claimed:?}"));
            }
            coordinates.path.push(("body", own.digest.into()));
            let rejected = set_aside(Reason::IdReused, REUSED, body);
            let object = QuarantineObject { coordinates, arrived_at: claimed.at(), rejected };
            self.required.insert(object.key(), object);
        }
        Ok(())
    }

    fn objects(&mut self, state: &State) -> Result<(), String> {
        let mut identities: BTreeMap<Identity<'_>, Vec<&Put>> = BTreeMap::new();
        for put in &state.landing.puts {
            identities.entry(put.at.identity()).or_default().push(put);
        }
        for (identity, puts) in identities {
            let (object, coordinates) = (&puts[0].at, puts[0].at.coordinates());
            let hidden = puts[0].by_etag();
            if state.landing.gone.contains(&hidden.identity()) {
                self.lost.push(hidden.coordinates());
            }
            let gone = state.landing.gone.contains(&identity);
            let lost = gone && state.bucket.values().any(|stands| is_loss_of(stands, &coordinates));
            if gone {
                self.lost.push(coordinates.clone());
            }
            let mut created_at = puts[0].created_at;
            if matches!(object.content, Content::Etag(_)) {
                self.put_again += u64::from(puts.len() > 1);
                let claim_at = |at| Claim::new(at, identity.to_string().as_bytes());
                match claim_of(state, &identity.to_string())? {
                    Some(claim) if puts.iter().any(|put| claim_at(put.created_at) == claim) => created_at = claim.at(),
                    Some(claim) => return Err(format!("the claim of {identity} is of no put: {claim:?}")),
                    // Nobody ever opened it.
                    None if lost => continue,
                    None => {}
                }
            }
            self.object(state, object, created_at, &puts[0].bytes, lost);
        }
        Ok(())
    }

    /// An object counts whole, unless it was `lost` while it was read: then whatever was written before counts, and
    /// quarantine says that it may be in part.
    fn object(&mut self, state: &State, object: &ObjectAt, created_at: Millis, bytes: &[u8], lost: bool) {
        let epoch = self.epochs.epoch_at(created_at).clone();
        let (mut accepted, mut rejected) = (vec![], vec![]);
        let mut each = |event| match event {
            ObjectEvent::Accepted(event) => accepted.push(event),
            ObjectEvent::Rejected(event) => rejected.push(event),
        };
        let mut decoder = ObjectDecoder::new(created_at, &epoch);
        decoder.push(bytes, &mut each);
        if let Err(whole) = decoder.finish(&mut each) {
            (accepted, rejected) = (vec![], vec![whole]);
        }
        for (number, chunk) in accepted.chunks(epoch.object_limits.events_per_chunk as usize).enumerate() {
            let entry = format!("{}#{number}", object.identity());
            let counts = |event: &&Accepted| !lost || stands(state, event.window, &entry);
            self.ledger(state, chunk.iter().filter(counts).cloned().collect());
        }
        if lost {
            let may_stand =
                |rejected| QuarantineObject { coordinates: object.coordinates(), arrived_at: created_at, rejected };
            self.allowed.extend(rejected.into_iter().map(may_stand));
        } else {
            self.require(&object.coordinates(), created_at, rejected);
        }
    }

    fn replays(&mut self, state: &State) -> Result<(), String> {
        let mut counted = BTreeSet::new();
        // Of each record that was put back whole the places of the events that it did not count; of each place that was put
        // back by itself, that it counts.
        let mut not_in_whole: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
        let mut alone: Vec<(String, u32)> = vec![];
        for replay in &state.replayed {
            let object = &replay.object;
            let asked = decode_again(object, self.epochs.epoch_at(replay.requested_at));
            let may_stand = |rejected| QuarantineObject { rejected, ..object.clone() };
            self.allowed.extend(asked.rejected.into_iter().map(may_stand));
            let identity = Identity::replay(object);
            let Some(claim) = claim_of(state, &identity.to_string())? else { continue };
            let requests = state.replayed.iter().filter(|other| Identity::replay(&other.object) == identity);
            if !requests
                .clone()
                .any(|request| Claim::new(request.requested_at, &request.object.rejected.payload) == claim)
            {
                return Err(format!("the claim of {identity} is of no request: {claim:?}"));
            }
            let claimed = decode_again(object, self.epochs.epoch_at(claim.at()));
            let record = format!("{:?}", object.coordinates);
            match object.rejected.event_index {
                Some(place) if !claimed.accepted.is_empty() => alone.push((record, place)),
                Some(_) => {}
                None => {
                    let left = claimed.rejected.iter().filter_map(|rejected| rejected.event_index).collect();
                    not_in_whole.insert(record, left);
                }
            }
            self.allowed
                .extend(claimed.rejected.into_iter().map(|rejected| QuarantineObject { rejected, ..object.clone() }));
            if counted.insert(identity.clone()) {
                self.ledger(state, claimed.accepted);
            }
        }
        match alone.iter().find(|(record, place)| not_in_whole.get(record).is_some_and(|left| !left.contains(place))) {
            Some((record, place)) => Err(format!("event {place} of {record} is put back by itself and with the whole")),
            None => Ok(()),
        }
    }

    fn ledger(&mut self, state: &State, accepted: Vec<Accepted>) {
        let mut windows: BTreeMap<Window, Vec<Accepted>> = BTreeMap::new();
        for accepted in accepted {
            windows.entry(accepted.window).or_default().push(accepted);
        }
        for (window, accepted) in windows {
            let series = by_series(accepted);
            let fits = bytes(&series) <= state.settings.ledger.record_bytes_max;
            self.count(window, if fits { series } else { folded(&series) });
        }
    }

    fn count(&mut self, window: Window, series: BTreeMap<SeriesKey, Rollup>) {
        let counted = self.windows.entry(window).or_default();
        for (key, rollup) in series {
            self.events += rollup.events();
            counted.entry(key).or_default().merge(&rollup);
        }
    }

    fn require(&mut self, coordinates: &Coordinates, arrived_at: Millis, rejected: Vec<Rejected>) {
        for rejected in rejected {
            let object = QuarantineObject { coordinates: coordinates.clone(), arrived_at, rejected };
            self.required.insert(object.key(), object);
        }
    }
}

fn body(sent: &Sent) -> &[u8] {
    match &sent.body {
        Body::Payload(body) => body,
        Body::Replay(_) | Body::Notice(_) => &[],
    }
}

const REUSED: &str = "weir-id: was used before for another body, which counts under it";
const TOO_OLD: &str = "weir-id: was first sent more than 14 days before this sending";

fn set_aside(reason: Reason, detail: &str, body: &[u8]) -> Rejected {
    Rejected { reason, detail: detail.to_owned(), event_index: None, payload: body.to_vec() }
}

/// Whether an object of quarantine says that the landing bucket's object of these coordinates was gone.
pub(crate) fn is_loss_of(stands: &QuarantineObject, coordinates: &Coordinates) -> bool {
    matches!(stands.rejected.reason, Reason::ObjectMissing | Reason::ObjectChanged)
        && stands.coordinates == *coordinates
}

/// Whether a ledger item of the window has an entry of that identity.
fn stands(state: &State, window: Window, identity: &str) -> bool {
    let items = state.table.items().filter(|item| state.layout.window_of(&item.key.pk) == Some(window));
    let ledgers = items.filter(|item| item.fence.is_none()).filter_map(|item| Ledger::decode(&item.body).ok());
    ledgers.flat_map(|ledger| ledger.entries).any(|entry| entry.identity == identity)
}

fn claim_of(state: &State, identity: &str) -> Result<Option<Claim>, String> {
    let item = state.table.get(&state.layout.claim(identity));
    item.as_ref().map(Claim::from_item).transpose().map_err(|error| error.to_string())
}

fn decode_again(object: &QuarantineObject, epoch: &Epoch) -> Decoded {
    let (payload, arrived_at) = (&object.rejected.payload, object.arrived_at);
    match object.rejected.event_index {
        Some(index) => decode_event_alone(payload, index, arrived_at, epoch),
        None if object.coordinates.source == "kinesis" => decode_record(payload, arrived_at, epoch),
        None => decode_payload(payload, arrived_at, epoch),
    }
}

/// One pass over the events, each added by itself.
fn by_series(accepted: Vec<Accepted>) -> BTreeMap<SeriesKey, Rollup> {
    let mut series: BTreeMap<SeriesKey, Rollup> = BTreeMap::new();
    for event in accepted {
        let key = SeriesKey { service: event.series.service, endpoint: event.series.endpoint };
        let status = event.status.and_then(Status::new).unwrap_or(Status::UNKNOWN);
        series.entry(key).or_default().add(status, event.duration_us, event.user.as_deref().map(str::as_bytes));
    }
    series
}

/// Bytes of a record at most, whoever encodes it.
fn bytes(series: &BTreeMap<SeriesKey, Rollup>) -> usize {
    series.iter().map(|(key, rollup)| stored::bytes_max(key, rollup)).sum()
}

fn folded(series: &BTreeMap<SeriesKey, Rollup>) -> BTreeMap<SeriesKey, Rollup> {
    let mut other = Rollup::default();
    series.values().for_each(|rollup| other.merge(rollup));
    BTreeMap::from([(SeriesKey { service: OTHER.to_owned(), endpoint: OTHER.to_owned() }, other)])
}
