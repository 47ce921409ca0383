//! Many objects at once.

use crate::{Object, ReadError, Reader, Wanted};
use futures::stream::{Stream, StreamExt};
use std::time::{Duration, Instant};

/// What became of one object.
#[derive(Debug)]
pub struct Outcome {
    /// Which.
    pub object: Wanted,
    /// Its bytes to the end, or why not.
    pub read: Result<u64, ReadError>,
}

/// What became of many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Objects read to their end.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that were not.
    pub errors: u64,
    /// From the first request to the last byte.
    pub took: Duration,
}

impl Reader {
    /// Reads every object to its end, so many at a time as the settings say, and gives its bytes to nobody. `each` is
    /// told of every object as it ends, in no order.
    pub async fn read_all(&self, objects: impl Stream<Item = Wanted>, mut each: impl FnMut(&Outcome)) -> Summary {
        let begun = Instant::now();
        let mut summary = Summary::default();
        let reading = objects.map(|object| async move {
            let read = match self.open(&object).await {
                Ok(opened) => length(opened).await,
                Err(error) => Err(error),
            };
            Outcome { object, read }
        });
        let mut read = std::pin::pin!(reading.buffer_unordered(self.settings().objects_in_flight_max));
        while let Some(outcome) = read.next().await {
            match &outcome.read {
                Ok(bytes) => {
                    summary.objects += 1;
                    summary.bytes += bytes;
                }
                Err(_) => summary.errors += 1,
            }
            each(&outcome);
        }
        summary.took = begun.elapsed();
        summary
    }
}

async fn length(mut object: Object) -> Result<u64, ReadError> {
    let mut bytes = 0;
    while let Some(piece) = object.next().await? {
        bytes += piece.len() as u64;
    }
    Ok(bytes)
}
