//! What is read of a shard at once, and how it is shared among the batches that run side by side
//! (`ParallelizationFactor`). Pure.

use super::event::payload_len;
use super::shard::Encoded;

/// Cuts what was read into lanes that run side by side, each a list of batches one after the other. All records of a key are
/// in one lane, in order ("Lambda ... still ensures in-order processing at the partition-key level").
pub(crate) fn lanes(
    records: Vec<Encoded>,
    lanes: usize,
    batch_size: usize,
    bytes_max: usize,
) -> Vec<Vec<Vec<Encoded>>> {
    let mut all: Vec<Vec<Vec<Encoded>>> = vec![Vec::new(); lanes.max(1)];
    for record in records {
        let lane = (record.key % all.len() as u64) as usize;
        let batches = &mut all[lane];
        let fits = batches.last().is_some_and(|batch: &Vec<Encoded>| {
            let bytes: usize = batch.iter().map(|held| held.event.len()).sum();
            batch.len() < batch_size && payload_len(batch.len() + 1, bytes + record.event.len()) <= bytes_max
        });
        match batches.last_mut().filter(|_| fits) {
            Some(batch) => batch.push(record),
            None => batches.push(vec![record]),
        }
    }
    all.retain(|batches| !batches.is_empty());
    all
}

/// Which records of a round are settled. They are in any order; the checkpoint follows those without a gap before them.
#[derive(Debug)]
pub(crate) struct Round {
    sequences: Vec<String>,
    settled: Vec<bool>,
    /// Everything before it is settled.
    next: usize,
}

impl Round {
    /// Numbers the records as they were read.
    pub(crate) fn begin(records: &mut [Encoded]) -> Round {
        for (place, record) in records.iter_mut().enumerate() {
            record.place = place;
        }
        let sequences = records.iter().map(|record| record.sequence.clone()).collect();
        Round { sequences, settled: vec![false; records.len()], next: 0 }
    }

    /// Notes what was processed or given up. The sequence number to which all is settled, where that has moved.
    pub(crate) fn settle(&mut self, records: &[Encoded]) -> Option<&str> {
        let before = self.next;
        for record in records {
            self.settled[record.place] = true;
        }
        self.next += self.settled[before..].iter().take_while(|settled| **settled).count();
        (self.next > before).then(|| self.sequences[self.next - 1].as_str())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn read(keys: &[u64]) -> Vec<Encoded> {
        let record = |(at, key): (usize, &u64)| Encoded {
            sequence: at.to_string(),
            arrived_at_ms: 0,
            key: *key,
            place: 0,
            event: Bytes::from_static(b"{}"),
        };
        keys.iter().enumerate().map(record).collect()
    }

    fn sequences(lanes: &[Vec<Vec<Encoded>>]) -> Vec<Vec<Vec<&str>>> {
        lanes
            .iter()
            .map(|lane| lane.iter().map(|batch| batch.iter().map(|held| held.sequence.as_str()).collect()).collect())
            .collect()
    }

    #[test]
    fn a_key_stays_in_its_lane_and_in_order() {
        let cut = lanes(read(&[0, 1, 0, 1, 0, 2]), 2, 2, 1_000);
        assert_eq!(sequences(&cut), [vec![vec!["0", "2"], vec!["4", "5"]], vec![vec!["1", "3"]]]);
        let one = lanes(read(&[0, 1]), 1, 10, 1_000);
        assert_eq!(sequences(&one), [vec![vec!["0", "1"]]]);
        let bytes = payload_len(1, 2);
        assert_eq!(lanes(read(&[0, 0]), 1, 10, bytes)[0].len(), 2, "no batch is larger than an event may be");
    }

    #[test]
    fn the_checkpoint_stops_at_the_first_gap() {
        let mut records = read(&[0, 1, 0, 1]);
        let mut round = Round::begin(&mut records);
        assert_eq!(round.settle(&records[1..2]), None);
        assert_eq!(round.settle(&records[3..]), None);
        assert_eq!(round.settle(&records[..1]), Some("1"));
        assert_eq!(round.settle(&records[2..3]), Some("3"));
    }
}
