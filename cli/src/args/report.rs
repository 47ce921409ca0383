//! `weir report`.

use super::rows::RowSelection;
use clap::Args as ClapArgs;
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
pub(crate) struct Report {
    #[command(flatten)]
    pub(crate) selection: RowSelection,
    /// Output file, overwritten if it exists; `-` is standard output.
    #[arg(long, short, value_name = "FILE", default_value = "weir-report.html")]
    pub(crate) output: PathBuf,
    /// Print a summary of the report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
