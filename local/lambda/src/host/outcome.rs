//! The failures a host answers for a function that could not answer itself, worded as Lambda words them.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use crate::invoker::Outcome;

/// The `X-Amz-Function-Error` of everything that goes wrong inside a function.
pub(crate) const UNHANDLED: &str = "Unhandled";

pub(crate) fn unhandled(payload: Bytes) -> Outcome {
    Outcome::FunctionError { kind: UNHANDLED.to_owned(), payload }
}

fn error(error_type: &str, message: String) -> Outcome {
    unhandled(json!({ "errorType": error_type, "errorMessage": message }).to_string().into())
}

/// `signal: killed`, `exit status 1`: the words Lambda uses.
pub(crate) fn describe(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("signal: {}", signal_words(signal)),
        (None, Some(code)) => format!("exit status {code}"),
        (None, None) => status.to_string(),
    }
}

/// As Go's `syscall.Signal` prints them on Linux, which is what Lambda's messages show; the rest by number.
fn signal_words(signal: i32) -> String {
    let words = match signal {
        1 => "hangup",
        2 => "interrupt",
        3 => "quit",
        4 => "illegal instruction",
        6 => "aborted",
        7 => "bus error",
        8 => "floating point exception",
        9 => "killed",
        11 => "segmentation fault",
        13 => "broken pipe",
        15 => "terminated",
        other => return format!("signal {other}"),
    };
    words.to_owned()
}

pub(crate) fn exited(request_id: &str, status: ExitStatus) -> Outcome {
    let message = if status.success() {
        format!("RequestId: {request_id} Error: Runtime exited without providing a reason")
    } else {
        format!("RequestId: {request_id} Error: Runtime exited with error: {}", describe(status))
    };
    error("Runtime.ExitError", message)
}

pub(crate) fn timed_out(request_id: &str, timeout: Duration) -> Outcome {
    let message = format!("RequestId: {request_id} Error: Task timed out after {:.2} seconds", timeout.as_secs_f64());
    error("Sandbox.Timedout", message)
}

/// `last_line` is what the function itself had to say: the reason is nearly always there.
pub(crate) fn init_failed(request_id: &str, reason: &str, last_line: Option<&str>) -> Outcome {
    let own = last_line.map(|line| format!(": {line}")).unwrap_or_default();
    error("Runtime.InitError", format!("RequestId: {request_id} Error: {reason}{own}"))
}

pub(crate) fn no_bootstrap(request_id: &str, path: &str, reason: &str) -> Outcome {
    let message = format!("RequestId: {request_id} Error: Couldn't find valid bootstrap(s): [{path}] ({reason})");
    error("Runtime.InvalidEntrypoint", message)
}

pub(crate) fn response_too_large(bytes_max: usize) -> Bytes {
    let message = format!("Response payload size exceeded maximum allowed payload size ({bytes_max} bytes).");
    json!({ "errorType": "Function.ResponseSizeTooLarge", "errorMessage": message }).to_string().into()
}
