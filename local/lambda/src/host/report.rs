//! The platform's lines, worded as Lambda words them ("Understanding the Lambda execution environment lifecycle",
//! "Using Lambda function logs"), so that tools that read the real ones read these.

use std::time::Duration;

fn milliseconds(duration: Duration) -> String {
    format!("{:.2}", duration.as_secs_f64() * 1000.0)
}

pub(crate) fn start(request_id: &str, version: &str) -> String {
    format!("START RequestId: {request_id} Version: {version}")
}

pub(crate) fn end(request_id: &str) -> String {
    format!("END RequestId: {request_id}")
}

/// Everything REPORT says about one invocation.
pub(crate) struct Report<'a> {
    pub(crate) request_id: &'a str,
    pub(crate) duration: Duration,
    pub(crate) memory_mb: u32,
    /// `None` when the process was gone before it could be asked.
    pub(crate) peak_bytes: Option<u64>,
    pub(crate) init: Option<Duration>,
    /// `timeout` or `error`, where it was one of those.
    pub(crate) status: Option<&'a str>,
}

impl Report<'_> {
    pub(crate) fn line(&self) -> String {
        // Since August 2025 the init phase of on-demand functions is billed too ("Lambda pricing").
        let billed = self.duration + self.init.unwrap_or_default();
        let mut line = format!(
            "REPORT RequestId: {}\tDuration: {} ms\tBilled Duration: {} ms\tMemory Size: {} MB\t",
            self.request_id,
            milliseconds(self.duration),
            billed.as_micros().div_ceil(1000),
            self.memory_mb,
        );
        if let Some(bytes) = self.peak_bytes {
            line.push_str(&format!("Max Memory Used: {} MB\t", bytes.div_ceil(1024 * 1024)));
        }
        if let Some(init) = self.init {
            line.push_str(&format!("Init Duration: {} ms\t", milliseconds(init)));
        }
        if let Some(status) = self.status {
            line.push_str(&format!("Status: {status}"));
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_as_lambda_does() {
        let report = Report {
            request_id: "8f507cfc",
            duration: Duration::from_micros(2_346),
            memory_mb: 128,
            peak_bytes: Some(20 * 1024 * 1024 + 1),
            init: Some(Duration::from_millis(7)),
            status: None,
        };
        assert_eq!(
            report.line(),
            "REPORT RequestId: 8f507cfc\tDuration: 2.35 ms\tBilled Duration: 10 ms\tMemory Size: 128 MB\t\
             Max Memory Used: 21 MB\tInit Duration: 7.00 ms\t"
        );
    }
}
