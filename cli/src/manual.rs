//! `weir completions` and `weir man`: both made of the command line itself, so that they cannot say another thing.

use crate::args::{Args, Completions, Man, Shell};
use crate::failure::{Failure, failed, say};
use crate::terminal;
use clap::CommandFactory;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

pub(crate) fn completions(arguments: &Completions) -> Result<ExitCode, Failure> {
    let shell = match arguments.shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    // Into memory first: clap panics where it cannot write, as when its reader has gone.
    let mut script = vec![];
    clap_complete::generate(shell, &mut Args::command(), "weir", &mut script);
    print(&script)
}

pub(crate) fn man(arguments: &Man) -> Result<ExitCode, Failure> {
    match &arguments.dir {
        None => {
            let mut page = vec![];
            let rendered = clap_mangen::Man::new(Args::command()).render(&mut page);
            rendered.map_err(|error| failed("the manual", &error))?;
            print(&page)
        }
        Some(directory) => pages(directory),
    }
}

fn pages(directory: &Path) -> Result<ExitCode, Failure> {
    let written =
        std::fs::create_dir_all(directory).and_then(|()| clap_mangen::generate_to(Args::command(), directory));
    written.map_err(|error| failed(&directory.display().to_string(), &error))?;
    say(&format!("the manual is in {}", directory.display()));
    Ok(ExitCode::SUCCESS)
}

fn print(bytes: &[u8]) -> Result<ExitCode, Failure> {
    let mut out = std::io::stdout().lock();
    terminal::written(out.write_all(bytes).and_then(|()| out.flush()))?;
    Ok(ExitCode::SUCCESS)
}
