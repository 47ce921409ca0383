//! The line that a function writes for a batch: its result, for people, and its counts, for CloudWatch's metrics.
//!
//! One line serves as both: CloudWatch's embedded metric format names the members of the line that are metrics
//! ("Specification: Embedded metric format", Amazon CloudWatch User Guide), and each byte is billed once. How they
//! are named is metrique's, the crate that AWS maintains for the format; the line around them is ours, since metrique's
//! nests nothing.
//!
//! No payload, no user, no name that a producer chose: everything in a line is counted or made here. Its size is
//! bounded by the number of reasons and stages.

use crate::clock;
use crate::config::Environment;
use crate::trace::{Link, Links};
use lambda_runtime::Context;
use metrique_writer_core::Unit;
use metrique_writer_core::unit::NegativeScale;
use metrique_writer_format_emf::{MetricDefinition, MetricDirective};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use weir_exact::scratch::Scratch;
use weir_telemetry::Millis;

/// The namespace of all metrics.
const NAMESPACE: &str = "weir";
/// The dimension of metrics: the function's physical name, which begins with the stack's.
const DIMENSION: &str = "function";
/// The dimension of versions, besides the function.
const VERSION: &str = "version";
/// Whether something of the batch was not settled, 1 or 0: a count of invocations like Lambda's `Errors`, which does
/// not count a batch that is *reported* as failed. Per version, since it triggers a deployment's rollback.
const UNSETTLED: &str = "unsettled";
/// Counts of what a batch left for another delivery or failed at.
const LEFT: [&str; 2] = ["returned", "errors"];

/// The function, as Lambda names it.
#[derive(Clone, Debug, Default)]
struct Function {
    name: String,
    version: String,
}

static FUNCTION: OnceLock<Function> = OnceLock::new();
/// Whether no invocation has begun in this environment.
static IS_COLD: AtomicBool = AtomicBool::new(true);

/// Reads the common members of all lines, once.
pub(crate) fn init(environment: &impl Environment) {
    let variable = |name: &str| environment.variable(name).unwrap_or_default();
    let function =
        Function { name: variable("AWS_LAMBDA_FUNCTION_NAME"), version: variable("AWS_LAMBDA_FUNCTION_VERSION") };
    // A second call (from a test) keeps the first.
    let _ = FUNCTION.set(function);
}

/// Whether this is the first invocation of the environment.
fn take_cold() -> bool {
    IS_COLD.swap(false, Ordering::Relaxed)
}

/// A line under construction.
#[derive(Debug)]
pub struct BatchLine {
    fields: Map<String, Value>,
    metrics: Vec<MetricDefinition<'static>>,
    is_scratch: bool,
    stages_ms: BTreeMap<&'static str, f64>,
    begun: Instant,
    stage_begun: Instant,
}

impl BatchLine {
    /// Begins an invocation's line, and its clock. `source` is the source of the batch.
    pub fn begin(context: &Context, source: &'static str) -> Self {
        let function = FUNCTION.get().cloned().unwrap_or_default();
        let mut line = Self {
            fields: Map::new(),
            metrics: vec![],
            is_scratch: false,
            stages_ms: BTreeMap::new(),
            begun: Instant::now(),
            stage_begun: Instant::now(),
        };
        line.put(DIMENSION, function.name);
        line.put(VERSION, function.version);
        line.put("alias", alias(&context.invoked_function_arn));
        line.put("request_id", context.request_id.as_str());
        line.put("trace", context.xray_trace_id.as_deref().and_then(|trace| Link::of(None, Some(trace))));
        line.put("cold_start", take_cold());
        line.put("source", source);
        line
    }

    /// Puts a member that is not a metric.
    pub fn put(&mut self, name: &str, value: impl Serialize) -> &mut Self {
        // Numbers, texts and maps of them: serialising cannot fail. Absent values get no member.
        let value = serde_json::to_value(value).unwrap_or_default();
        if !value.is_null() {
            self.fields.insert(name.to_owned(), value);
        }
        self
    }

    /// Marks the batch as a scratch generation's, if it is: its counts are then plain members of the line, since none
    /// of it counts.
    pub fn scratch(&mut self, generation: Option<&Scratch>) -> &mut Self {
        self.is_scratch = generation.is_some();
        self.put("scratch", generation.map(Scratch::name))
    }

    /// Puts a count: a metric.
    pub fn count(&mut self, name: &'static str, count: u64) -> &mut Self {
        self.metrics.push(metric(name, Unit::Count));
        self.put(name, count)
    }

    /// Puts a time: a metric, milliseconds.
    pub fn time_ms(&mut self, name: &'static str, ms: i64) -> &mut Self {
        self.metrics.push(metric(name, Unit::Second(NegativeScale::Milli)));
        self.put(name, ms)
    }

    /// Puts the time since then: from the oldest change of a batch to its result.
    pub fn lag_since(&mut self, oldest: Millis) -> &mut Self {
        self.time_ms("lag_ms", (clock::now().0 - oldest.0).max(0))
    }

    /// Puts what was quarantined: in total, as a metric, and by reason.
    pub fn quarantined<R: ToString>(&mut self, by_reason: &BTreeMap<R, u64>) -> &mut Self {
        self.count("quarantined", by_reason.values().sum());
        let by_reason: BTreeMap<String, u64> = by_reason.iter().map(|(reason, n)| (reason.to_string(), *n)).collect();
        self.put("quarantined_by_reason", (!by_reason.is_empty()).then_some(by_reason))
    }

    /// Puts the traces of the batch's messages.
    pub fn links(&mut self, links: &Links) -> &mut Self {
        let shown: Vec<&Link> = links.shown().collect();
        self.put("links", (!shown.is_empty()).then_some(shown));
        self.put("links_left_out", (links.more() > 0).then(|| links.more()))
    }

    /// Ends a stage: the time since the last one ended. A repeated stage adds up.
    pub fn stage(&mut self, name: &'static str) -> &mut Self {
        *self.stages_ms.entry(name).or_default() += rounded_ms(self.stage_begun);
        self.stage_begun = Instant::now();
        self
    }

    /// Whether something is left unsettled; `None` for a line without such counts.
    fn unsettled(&self) -> Option<bool> {
        let left: Vec<u64> = LEFT.iter().filter_map(|name| self.fields.get(*name)?.as_u64()).collect();
        (!left.is_empty()).then(|| left.iter().any(|count| *count > 0))
    }

    /// Writes the line.
    pub fn write(mut self) {
        self.time_ms("ms", i64::try_from(self.begun.elapsed().as_millis()).unwrap_or(i64::MAX));
        let line = self.render(clock::now());
        // As one write: a sandbox's lines must not be mixed. Without standard output there is nowhere to report an
        // error.
        let _ = std::io::stdout().lock().write_all(line.as_bytes());
    }

    fn render(mut self, now: Millis) -> String {
        let mut directives = vec![directive(std::mem::take(&mut self.metrics), &[DIMENSION])];
        if let Some(unsettled) = self.unsettled() {
            self.put(UNSETTLED, u64::from(unsettled));
            directives.push(directive(vec![metric(UNSETTLED, Unit::Count)], &[DIMENSION, VERSION]));
        }
        let embedded = Embedded { timestamp: now.0, directives };
        let line = Rendered {
            timestamp: now.to_string(),
            level: "INFO",
            message: "batch",
            fields: self.fields,
            stages_ms: self.stages_ms,
            aws: (!self.is_scratch).then_some(embedded),
        };
        // Numbers, texts and maps of them: serialising cannot fail.
        let mut line = serde_json::to_string(&line).unwrap_or_default();
        line.push('\n');
        line
    }
}

/// A line as it is read: what people look for first, and what only CloudWatch reads last.
#[derive(Serialize)]
struct Rendered {
    timestamp: String,
    level: &'static str,
    message: &'static str,
    #[serde(flatten)]
    fields: Map<String, Value>,
    stages_ms: BTreeMap<&'static str, f64>,
    #[serde(rename = "_aws", skip_serializing_if = "Option::is_none")]
    aws: Option<Embedded>,
}

/// The member by which CloudWatch finds metrics.
#[derive(Serialize)]
struct Embedded {
    /// Epoch milliseconds.
    #[serde(rename = "Timestamp")]
    timestamp: i64,
    #[serde(rename = "CloudWatchMetrics")]
    directives: Vec<MetricDirective<'static>>,
}

/// A member that is a metric, kept by the minute.
fn metric(name: &'static str, unit: Unit) -> MetricDefinition<'static> {
    MetricDefinition { name, unit, storage_resolution: None }
}

/// Members of the line that are metrics under the same dimensions.
fn directive(metrics: Vec<MetricDefinition<'static>>, dimensions: &[&'static str]) -> MetricDirective<'static> {
    MetricDirective { dimensions: vec![dimensions.to_vec()], metrics, namespace: NAMESPACE }
}

/// Milliseconds, to the microsecond.
fn rounded_ms(since: Instant) -> f64 {
    (since.elapsed().as_secs_f64() * 1e6).round() / 1e3
}

/// `arn:aws:lambda:<region>:<account>:function:<name>:<alias>`
fn alias(arn: &str) -> Option<&str> {
    arn.split(':').nth(7)
}

/// Errors of a batch logged individually; the line has their number.
const ERRORS_TOLD_MAX: usize = 10;

/// Logs why something of a batch was not settled.
pub fn tell_errors(request_id: &str, errors: &[weir_exact::ports::StoreError]) {
    for error in errors.iter().take(ERRORS_TOLD_MAX) {
        tracing::error!(request_id, %error, retryable = error.is_retryable(), "not settled");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_log_s_and_names_its_metrics() {
        let mut context = Context::default();
        context.request_id = "r".to_owned();
        context.invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:weir-f:live".to_owned();
        let mut line = BatchLine::begin(&context, "sqs");
        line.count("received", 7).quarantined(&BTreeMap::from([("not_json", 2)])).put("none", None::<u64>);
        line.stage("read").stage("read");
        let line = line.render(Millis(1_795_224_605_000));
        assert!(line.ends_with("}\n") && !line.trim_end().contains('\n'));
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["timestamp"], "2026-11-21T01:30:05Z");
        assert_eq!([&line["message"], &line["alias"], &line["source"]], ["batch", "live", "sqs"]);
        assert_eq!((&line["quarantined"], &line["quarantined_by_reason"]["not_json"]), (&2.into(), &2.into()));
        assert!(line.get("none").is_none() && line["stages_ms"]["read"].is_number());
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(
            (&directive["Namespace"], &directive["Dimensions"]),
            (&"weir".into(), &serde_json::json!([["function"]]))
        );
        // Everything named must be a number in the line, and the dimension a text: otherwise CloudWatch ignores all of
        // it.
        assert!(line["function"].is_string());
        for metric in directive["Metrics"].as_array().unwrap() {
            assert!(line[metric["Name"].as_str().unwrap()].is_number(), "{metric}");
        }
    }

    /// As the specification has it, letter by letter.
    #[test]
    fn metrics_are_named_as_cloudwatch_reads_them() {
        let mut line = BatchLine::begin(&Context::default(), "sqs");
        line.count("received", 7).time_ms("lag_ms", 5).count("returned", 1);
        let line: Value = serde_json::from_str(&line.render(Millis(1_795_224_605_000))).unwrap();
        let count = |name| serde_json::json!({ "Name": name, "Unit": "Count" });
        let expect = serde_json::json!({
            "Timestamp": 1_795_224_605_000_i64,
            "CloudWatchMetrics": [
                {
                    "Namespace": "weir", "Dimensions": [["function"]],
                    "Metrics": [count("received"), { "Name": "lag_ms", "Unit": "Milliseconds" }, count("returned")],
                },
                { "Namespace": "weir", "Dimensions": [["function", "version"]], "Metrics": [count("unsettled")] },
            ],
        });
        assert_eq!(line["_aws"], expect);
    }

    #[test]
    fn what_is_left_unsettled_is_told_for_each_version() {
        let told = |counts: &[(&'static str, u64)]| {
            let mut line = BatchLine::begin(&Context::default(), "sqs");
            for (name, count) in counts {
                line.count(name, *count);
            }
            let line: Value = serde_json::from_str(&line.render(Millis(0))).unwrap();
            let directives = line["_aws"]["CloudWatchMetrics"].as_array().unwrap();
            let by_version = serde_json::json!({
                "Namespace": "weir", "Dimensions": [["function", "version"]],
                "Metrics": [{ "Name": "unsettled", "Unit": "Count" }],
            });
            assert_eq!(directives.get(1), line.get("unsettled").map(|_| &by_version));
            line["unsettled"].as_u64()
        };
        assert_eq!(told(&[("returned", 0), ("errors", 0)]), Some(0));
        assert_eq!(told(&[("returned", 700), ("errors", 0)]), Some(1));
        assert_eq!(told(&[("errors", 2)]), Some(1));
        assert_eq!(told(&[("mismatches", 2)]), None);
    }

    #[test]
    fn a_scratch_batch_moves_no_metric() {
        let mut line = BatchLine::begin(&Context::default(), "sqs");
        line.scratch(Some(&Scratch::parse("gate-1").unwrap())).count("received", 7);
        let line: Value = serde_json::from_str(&line.render(Millis(0))).unwrap();
        assert_eq!((&line["scratch"], &line["received"]), (&"gate-1".into(), &7.into()));
        assert!(line.get("_aws").is_none());
    }

    #[test]
    fn a_line_s_size_is_bounded() {
        let mut line = BatchLine::begin(&Context::default(), "kinesis");
        let reasons: BTreeMap<String, u64> =
            (0..40).map(|n| (format!("a_reason_of_usual_length_{n}"), u64::MAX / 40)).collect();
        line.quarantined(&reasons);
        for name in ["received", "applied", "duplicate", "returned", "conflicts", "windows"] {
            line.count(name, u64::MAX);
        }
        assert!(line.render(Millis(0)).len() < 4_096);
    }
}
