//! weir's processors, by the name of their binary.

/// A processor.
#[derive(Debug)]
pub(crate) struct Processor {
    pub(crate) binary: &'static str,
    /// Variables without which it does not start.
    pub(crate) environment: &'static [&'static str],
    /// Whether its stream's records are applied behind a fence.
    pub(crate) fenced: bool,
}

const INTAKE: &[&str] = &["WEIR_CONTRIBUTIONS_TABLE", "WEIR_QUARANTINE_BUCKET"];

const ROWS: &[&str] = &["WEIR_CONTRIBUTIONS_TABLE", "WEIR_ROLLUPS_TABLE"];

const PROCESSORS: &[Processor] = &[
    Processor { binary: "kinesis-rollup", environment: INTAKE, fenced: true },
    Processor { binary: "sqs-rollup", environment: INTAKE, fenced: false },
    Processor { binary: "s3-rollup", environment: INTAKE, fenced: false },
    Processor { binary: "quarantine-replay", environment: INTAKE, fenced: false },
    Processor { binary: "rollup-finalize", environment: ROWS, fenced: false },
    Processor { binary: "rollup-compact", environment: ROWS, fenced: false },
    Processor {
        binary: "rollup-reconcile",
        environment: &["WEIR_CONTRIBUTIONS_TABLE", "WEIR_ROLLUPS_TABLE", "WEIR_QUARANTINE_BUCKET"],
        fenced: false,
    },
    Processor { binary: "burst-summary", environment: &[], fenced: false },
    Processor {
        binary: "canary-gate",
        environment: &[
            "WEIR_CONTRIBUTIONS_TABLE",
            "WEIR_QUARANTINE_BUCKET",
            "WEIR_LANDING_BUCKET",
            "WEIR_STACK",
            "WEIR_TELEMETRY_STREAM_ARN",
        ],
        fenced: false,
    },
];

/// The processor whose binary has this name.
pub(crate) fn processor(binary: &str) -> Option<&'static Processor> {
    PROCESSORS.iter().find(|processor| processor.binary == binary)
}

#[cfg(test)]
mod tests {
    use super::{PROCESSORS, processor};
    use std::path::Path;

    #[test]
    fn every_processor_is_in_the_table() {
        let processors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../processors");
        let mut names: Vec<String> = std::fs::read_dir(processors)
            .expect("processors/")
            .filter_map(Result::ok)
            .filter(|entry| entry.path().join("Cargo.toml").exists())
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        assert_eq!(names.len(), PROCESSORS.len());
        for name in names {
            assert!(processor(&name).is_some(), "processors/{name} is not in the table of weir check");
        }
    }
}
