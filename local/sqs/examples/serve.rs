//! Serves an engine of its own on 127.0.0.1, for trying it with any client:
//! `cargo run -p weir-local-sqs --example serve -- [port] [data directory]`.

use weir_local_sqs::{Sqs, SqsOptions};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().map_or(Ok(4566), |port| port.parse())?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    let mut options = SqsOptions::in_memory(format!("http://{}", listener.local_addr()?));
    options.data_dir = arguments.next().map(Into::into);
    let sqs = Sqs::open(options)?;
    axum::serve(listener, sqs.router()).await?;
    Ok(())
}
