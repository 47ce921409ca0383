//! `weir completions` and `weir man`.

use clap::{Args as ClapArgs, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
pub(crate) struct Completions {
    /// Shell to complete for.
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Man {
    /// Write every page to this directory, creating it (default: only weir's page, to standard output).
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}
