//! `weir query`.

use super::rows::RowSelection;
use clap::{Args as ClapArgs, ValueEnum};
use weir_view::Merge;

#[derive(Debug, ClapArgs)]
pub(crate) struct Query {
    #[command(flatten)]
    pub(crate) selection: RowSelection,
    /// Merge rows through their histograms and sketches: quantiles and unique users are those of all events together.
    #[arg(long, value_enum, value_name = "WHAT", num_args = 0..=1, default_missing_value = "series")]
    pub(crate) merge: Option<MergeWhat>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    /// Same as --format json.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MergeWhat {
    /// All series into one row per window.
    Series,
    /// All windows into one row per series.
    Windows,
    /// Everything into one row.
    All,
}

impl From<MergeWhat> for Merge {
    fn from(what: MergeWhat) -> Self {
        match what {
            MergeWhat::Series => Self::Series,
            MergeWhat::Windows => Self::Windows,
            MergeWhat::All => Self::All,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Table,
    Json,
    Csv,
}
