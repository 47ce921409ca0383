//! The least a Rust function can be: it answers, on a current-thread runtime. What init costs beyond it is ours.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::de::IgnoredAny;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::run(service_fn(|_: LambdaEvent<IgnoredAny>| async { Ok::<_, Error>("hello") })).await
}
