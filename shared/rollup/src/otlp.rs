//! The public bytes of a duration histogram: an OTLP `ExponentialHistogramDataPoint`.
//!
//! Values are milliseconds; times are nanoseconds since 1970. The message is our own declaration of
//! the few fields, with the numbers of `opentelemetry/proto/metrics/v1/metrics.proto`, rather than
//! a dependency that brings all of OpenTelemetry. Fields are written in the order of their
//! numbers, so equal durations give equal bytes.

use prost::Message;

use crate::histogram::SCALE;
use crate::{Durations, Histogram, Inconsistent};

#[derive(Clone, PartialEq, Message)]
struct ExponentialHistogramDataPoint {
    #[prost(fixed64, tag = "2")]
    start_time_unix_nano: u64,
    #[prost(fixed64, tag = "3")]
    time_unix_nano: u64,
    #[prost(fixed64, tag = "4")]
    count: u64,
    #[prost(double, optional, tag = "5")]
    sum: Option<f64>,
    #[prost(sint32, tag = "6")]
    scale: i32,
    #[prost(fixed64, tag = "7")]
    zero_count: u64,
    #[prost(message, optional, tag = "8")]
    positive: Option<Buckets>,
    #[prost(message, optional, tag = "9")]
    negative: Option<Buckets>,
    #[prost(uint32, tag = "10")]
    flags: u32,
    #[prost(double, optional, tag = "12")]
    min: Option<f64>,
    #[prost(double, optional, tag = "13")]
    max: Option<f64>,
    #[prost(double, tag = "14")]
    zero_threshold: f64,
}

#[derive(Clone, PartialEq, Message)]
struct Buckets {
    #[prost(sint32, tag = "1")]
    offset: i32,
    #[prost(uint64, repeated, tag = "2")]
    bucket_counts: Vec<u64>,
}

/// A data point read back.
#[derive(Clone, PartialEq, Debug)]
pub struct DataPoint {
    /// Start of the window, nanoseconds since 1970.
    pub start_unix_nano: u64,
    /// End of the window, nanoseconds since 1970.
    pub end_unix_nano: u64,
    /// Milliseconds; none where its writer gave none.
    pub sum_ms: Option<f64>,
    /// Milliseconds; none where its writer gave none.
    pub min_ms: Option<f64>,
    /// Milliseconds; none where its writer gave none.
    pub max_ms: Option<f64>,
    /// Durations by bin, with their exact count.
    pub histogram: Histogram,
}

/// Why bytes are not a data point that this crate can merge.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum ParseError {
    /// Not a protobuf message with these fields.
    #[error("not an OTLP data point: {0}")]
    Protobuf(#[from] prost::DecodeError),
    /// Another resolution than scale 5.
    #[error("scale {0}, not {SCALE}")]
    Scale(i32),
    /// Counts that contradict each other, negative durations or a zero bin wider than zero.
    #[error(transparent)]
    Inconsistent(#[from] Inconsistent),
}

/// `durations` of the window from `start_unix_nano` to `end_unix_nano` (nanoseconds since 1970) as a
/// serialised `ExponentialHistogramDataPoint`, values in milliseconds.
///
/// ```
/// use weir_rollup::{Rollup, Status, otlp};
/// let mut rollup = Rollup::default();
/// rollup.add(Status::UNKNOWN, Some(2_500), None);
/// let bytes = otlp::data_point(rollup.durations().unwrap(), 0, 60_000_000_000);
/// let point = otlp::parse_data_point(&bytes).unwrap();
/// assert_eq!((point.histogram.count(), point.sum_ms), (1, Some(2.5)));
/// ```
pub fn data_point(durations: &Durations, start_unix_nano: u64, end_unix_nano: u64) -> Vec<u8> {
    let histogram = durations.histogram();
    let positive = buckets(histogram);
    let message = ExponentialHistogramDataPoint {
        start_time_unix_nano: start_unix_nano,
        time_unix_nano: end_unix_nano,
        count: durations.count(),
        sum: Some(durations.sum_ms()),
        scale: SCALE,
        zero_count: histogram.zeros(),
        positive,
        negative: None,
        flags: 0,
        min: Some(durations.min_ms()),
        max: Some(durations.max_ms()),
        zero_threshold: 0.0,
    };
    message.encode_to_vec()
}

/// From the first bin that holds anything to the last, without gaps; none of an empty histogram.
fn buckets(histogram: &Histogram) -> Option<Buckets> {
    let (offset, _) = histogram.bins().next()?;
    let mut bucket_counts = vec![];
    for (bin, n) in histogram.bins() {
        bucket_counts.resize((bin - offset) as usize, 0);
        bucket_counts.push(n);
    }
    Some(Buckets { offset, bucket_counts })
}

/// Reads a data point of scale 5 and non-negative durations, ours or another writer's. Fields it
/// does not know (attributes, exemplars) are skipped.
pub fn parse_data_point(bytes: &[u8]) -> Result<DataPoint, ParseError> {
    let message = ExponentialHistogramDataPoint::decode(bytes)?;
    if message.scale != SCALE {
        return Err(ParseError::Scale(message.scale));
    }
    if message.negative.is_some_and(|negative| negative.bucket_counts.iter().any(|&n| n > 0)) {
        return Err(Inconsistent("durations below zero").into());
    }
    if message.zero_threshold != 0.0 {
        return Err(Inconsistent("a zero bin wider than zero").into());
    }
    let positive = message.positive.unwrap_or_default();
    // A bin beyond 32 bits is as impossible as any beyond the last.
    let bins = (i64::from(positive.offset)..).map(|bin| i32::try_from(bin).unwrap_or(i32::MAX));
    let histogram = Histogram::from_bins(message.zero_count, bins.zip(positive.bucket_counts))?;
    if histogram.count() != message.count {
        return Err(Inconsistent("bins that do not add up to the count").into());
    }
    Ok(DataPoint {
        start_unix_nano: message.start_time_unix_nano,
        end_unix_nano: message.time_unix_nano,
        sum_ms: message.sum,
        min_ms: message.min,
        max_ms: message.max,
        histogram,
    })
}
