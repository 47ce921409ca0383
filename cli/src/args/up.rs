//! `weir up`, and the fleet to run.

use super::value::parameter;
use clap::Args as ClapArgs;
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
pub(crate) struct Up {
    /// Port of the AWS endpoint on 127.0.0.1; 0 picks a free one.
    #[arg(long, default_value_t = weir_local::PORT_DEFAULT)]
    pub(crate) port: u16,
    /// Keep streams, queues, objects, tables and checkpoints in this directory (default: in memory).
    #[arg(long)]
    pub(crate) data_dir: Option<PathBuf>,
    /// Kill a function that exceeds its MemorySize, as Lambda does. A development build needs more than a release build.
    #[arg(long)]
    pub(crate) enforce_memory: bool,
    /// Serve the AWS APIs only; run `weir worker` to deliver.
    #[arg(long)]
    pub(crate) endpoint_only: bool,
    #[command(flatten)]
    pub(crate) fleet: Fleet,
}

/// Which fleet to run.
#[derive(Debug, ClapArgs)]
pub(crate) struct Fleet {
    /// SAM template.
    #[arg(long, default_value = "template.yaml")]
    pub(crate) template: PathBuf,
    /// Template parameter, NAME=VALUE; repeatable.
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = parameter)]
    pub(crate) parameters: Vec<(String, String)>,
    /// Run the bootstraps in this directory, named after the template's binaries, instead of building them.
    #[arg(long, value_name = "DIR")]
    pub(crate) bootstraps: Option<PathBuf>,
    /// Write each function's log to DIR/<function>.log.
    #[arg(long, value_name = "DIR")]
    pub(crate) log_dir: Option<PathBuf>,
}
