//! The ports on DynamoDB and S3, and what every processor's `main` needs: configuration from the environment, clients,
//! logs, invocations as raw bytes.
//!
//! Processors reach the SDK only through this crate, except for `canary-gate`, which calls two more services that no
//! other needs. Not here: decisions (`weir-exact`), decoding (`weir-telemetry`), handlers (`processors/`).

pub mod batch_line;
pub mod clients;
pub mod clock;
pub mod config;
pub mod contributions;
pub mod intake;
pub mod invocation;
pub mod logs;
pub mod objects;
pub mod quarantine;
pub mod rows;
pub mod scratch;
pub mod streams;
pub mod trace;

mod errors;
