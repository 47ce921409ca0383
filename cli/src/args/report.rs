//! `weir report`.

use super::rows::RowSelection;
use clap::Args as ClapArgs;
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
pub(crate) struct Report {
    #[command(flatten)]
    pub(crate) selection: RowSelection,
    /// Where to write it, over what is there; `-` is standard output.
    #[arg(long, short, value_name = "FILE", default_value = "weir-report.html")]
    pub(crate) output: PathBuf,
    /// What was written as JSON on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}
