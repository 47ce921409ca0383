//! `weir up`, and which fleet is run.

use super::value::parameter;
use clap::Args as ClapArgs;
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
pub(crate) struct Up {
    /// Port of the AWS endpoint on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = weir_local::PORT_DEFAULT)]
    pub(crate) port: u16,
    /// Keep streams, queues, objects, tables and checkpoints here; without it all is in memory.
    #[arg(long)]
    pub(crate) data_dir: Option<PathBuf>,
    /// Kill a function that outgrows its MemorySize, as Lambda does. A development build takes more than what is deployed.
    #[arg(long)]
    pub(crate) enforce_memory: bool,
    /// Only be AWS: no mapping and no schedule runs, and `weir worker` delivers.
    #[arg(long)]
    pub(crate) endpoint_only: bool,
    #[command(flatten)]
    pub(crate) fleet: Fleet,
}

/// Which fleet to run.
#[derive(Debug, ClapArgs)]
pub(crate) struct Fleet {
    /// The SAM template.
    #[arg(long, default_value = "template.yaml")]
    pub(crate) template: PathBuf,
    /// A template parameter, NAME=VALUE. May stand several times.
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = parameter)]
    pub(crate) parameters: Vec<(String, String)>,
    /// Run the bootstraps in this directory, named as the template's binaries, instead of building them.
    #[arg(long, value_name = "DIR")]
    pub(crate) bootstraps: Option<PathBuf>,
    /// Write each function's log to DIR/<function>.log.
    #[arg(long, value_name = "DIR")]
    pub(crate) log_dir: Option<PathBuf>,
}
