//! Logs: one JSON object per line on standard output, like Lambda's JSON log format. A batch's result is the line of
//! [`crate::batch_line`]; this is for what goes wrong.

use crate::config::Environment;
use tracing_subscriber::EnvFilter;

/// Begins logging. `RUST_LOG` (or Lambda's `AWS_LAMBDA_LOG_LEVEL`) sets the level, INFO otherwise.
pub fn init(environment: &impl Environment) {
    crate::batch_line::init(environment);
    let level = ["RUST_LOG", "AWS_LAMBDA_LOG_LEVEL"].iter().find_map(|name| environment.variable(name));
    let filter = EnvFilter::builder().parse_lossy(level.as_deref().unwrap_or("info"));
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_env_filter(filter)
        .finish();
    // A second call (from a test) keeps the first subscriber. Not `try_init`: it also takes what libraries write to the
    // crate `log`, and the code that writes it, which is left out as long as nothing listens, is half a megabyte.
    let _ = tracing::subscriber::set_global_default(subscriber);
}
