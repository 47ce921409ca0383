//! Wires `canary-gate`.

use canary_gate::Handler;
use lambda_runtime::{Error, service_fn};
use weir_aws::{config::Process, invocation::Failed, logs};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    logs::init(&Process);
    let handler = Handler::from_environment(&Process).inspect_err(|error| tracing::error!(%error, "init failed"))?;
    lambda_runtime::run(service_fn(async |event| handler.handle(event).await.map_err(Failed))).await
}
