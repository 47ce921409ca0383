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

const PROCESSORS: &[Processor] = &[
    Processor { binary: "kinesis-rollup", environment: INTAKE, fenced: true },
    Processor { binary: "sqs-rollup", environment: INTAKE, fenced: false },
    Processor { binary: "s3-rollup", environment: INTAKE, fenced: false },
    Processor { binary: "quarantine-replay", environment: INTAKE, fenced: false },
    Processor {
        binary: "rollup-finalize",
        environment: &["WEIR_CONTRIBUTIONS_TABLE", "WEIR_ROLLUPS_TABLE"],
        fenced: false,
    },
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
