//! The local plane: a SAM template's whole fleet on one machine, with no Docker and no account.
//!
//! [`Plane::start`] reads the template, opens one AWS endpoint on 127.0.0.1, creates the template's streams, queues,
//! buckets and tables behind it, and runs every function's real bootstrap with its event source mappings and
//! schedules. [`build`] compiles those bootstraps.
//!
//! The endpoint is made of parts: DynamoDB is dynoxide, Kinesis is ferrokinesis, S3's protocol is s3s over a storage
//! of ours, SQS is `weir-local-sqs`, Lambda is `weir-local-lambda`. Nothing listens on another interface than the
//! loopback one, and nothing outlives [`Plane::shutdown`].
//!
//! A function with `AutoPublishAlias` runs as SAM deploys it: version 1 is published, the alias points at it, and mappings
//! and schedules invoke the alias. Lambda's API on the endpoint publishes further versions and moves the alias, also by
//! weight. Versions last as long as the plane: a data directory does not bring them back.
//!
//! A function with `FunctionUrlConfig` has a URL below `/_url/<function>/`, and the latest lines of every function's log are
//! read through CloudWatch Logs' API.
//!
//! [`Worker`] runs the same functions against an AWS that somebody else runs.
//!
//! [`PlaneOptions::faults`] and [`PlaneOptions::endpoint_faults`] trouble the fleet on purpose.
//!
//! What is absent: IAM (any credentials may do anything), every service not named above, and whatever
//! [`Plan::warning_lines`] says of the template at hand.

pub mod build;
mod clients;
mod code;
mod create;
mod data_dir;
mod endpoint;
mod error;
mod logs;
mod opt;
mod plane;
mod s3;
mod wire;
mod worker;

pub use clients::Clients;
pub use endpoint::faults::{EndpointFault, EndpointFaults, FleetRequest};
pub use error::StartError;
pub use plane::{PORT_DEFAULT, Plane, PlaneOptions};
pub use s3::{BODY_BYTES_MAX, KEY_BYTES_MAX, STORED_BYTES_MAX};
pub use weir_local_template::{Plan, Settings};
pub use worker::{Worker, WorkerOptions};

/// The README's examples compile, and the one that needs no template runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
