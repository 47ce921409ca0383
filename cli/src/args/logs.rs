//! `weir logs`.

use super::value::duration_ms;
use clap::Args as ClapArgs;

#[derive(Debug, ClapArgs)]
pub(crate) struct Logs {
    /// Function, with or without the stack name as prefix; repeatable (default: all functions of the stack).
    #[arg(short = 'n', long = "name", value_name = "FUNCTION")]
    pub(crate) names: Vec<String>,
    /// Keep following new lines until Ctrl-C.
    #[arg(short, long)]
    pub(crate) tail: bool,
    /// Only lines that contain this exact text.
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,
    /// Maximum age of lines: 90s, 15m, 2h, 3d.
    #[arg(long, default_value = "10m", value_parser = duration_ms)]
    pub(crate) since: i64,
    /// Print one JSON object per line: time, function, stream, message.
    #[arg(long)]
    pub(crate) json: bool,
}
