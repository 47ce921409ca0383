//! Wires `quarantine-replay`.

use lambda_runtime::Error;
use quarantine_replay::Handler;
use weir_aws::{config::Process, invocation, logs};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    logs::init(&Process);
    let handler = Handler::from_environment(&Process).inspect_err(|error| tracing::error!(%error, "init failed"))?;
    invocation::run(|event| handler.handle(event)).await
}
