//! Wires `burst-summary`.

use burst_summary::Handler;
use lambda_runtime::Error;
use weir_aws::{config::Process, invocation, logs};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    logs::init(&Process);
    let handler = Handler::default();
    invocation::run(|event| handler.handle(event)).await
}
