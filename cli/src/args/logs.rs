//! `weir logs`.

use super::value::duration_ms;
use clap::Args as ClapArgs;

#[derive(Debug, ClapArgs)]
pub(crate) struct Logs {
    /// A function, with or without the stack's name before it; may stand several times. All of the stack otherwise.
    #[arg(short = 'n', long = "name", value_name = "FUNCTION")]
    pub(crate) names: Vec<String>,
    /// Go on with what is logged from now on, until Ctrl-C.
    #[arg(short, long)]
    pub(crate) tail: bool,
    /// Only lines that hold this text, as it is written.
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,
    /// Lines at most this old: 90s, 15m, 2h, 3d.
    #[arg(long, default_value = "10m", value_parser = duration_ms)]
    pub(crate) since: i64,
    /// A JSON object a line: time, function, stream, message.
    #[arg(long)]
    pub(crate) json: bool,
}
