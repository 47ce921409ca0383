//! `weir watch`: rates, errors, durations and lag as they change, on a terminal or as lines for a program.

mod look;
mod screen;

use crate::args;
use crate::aws::Aws;
use crate::failure::{Failure, failed};
use crate::plane::interrupted;
use look::Looker;
use std::io::{ErrorKind, IsTerminal, Write as _};
use std::process::ExitCode;
use std::time::Duration;
use weir_aws::clock;
use weir_view::watch::Watch;

pub(crate) async fn run(arguments: args::Watch, stack: &str) -> Result<ExitCode, Failure> {
    if !arguments.json && !std::io::stdout().is_terminal() {
        let what = "standard output is not a terminal: use weir watch --json for one line per update, or weir query for a table";
        return Err(Failure::Usage(what.to_owned()));
    }
    let aws = Aws::from_environment(stack).await?;
    // Positive: what parses is.
    let interval = Duration::from_millis(arguments.interval.unsigned_abs());
    let looker = Looker::new(aws, arguments.services, arguments.since);
    let watch = Watch::new(stack, arguments.since);
    if arguments.json {
        lines(looker, watch, interval, arguments.count).await
    } else {
        screen::show(looker, watch, interval).await
    }
}

/// One line per update, until the count is reached, Ctrl-C, or a closed pipe.
async fn lines(
    mut looker: Looker,
    mut watch: Watch,
    interval: Duration,
    count: Option<u64>,
) -> Result<ExitCode, Failure> {
    let mut looks = 0;
    loop {
        let now = clock::now();
        watch.found(looker.look(None, now).await?, now);
        let line = serde_json::to_string(&watch.now(clock::now()))?;
        let mut out = std::io::stdout().lock();
        match writeln!(out, "{line}").and_then(|()| out.flush()) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
            Err(error) => return Err(failed("standard output", &error)),
        }
        drop(out);
        looks += 1;
        if count.is_some_and(|count| count <= looks) {
            return Ok(ExitCode::SUCCESS);
        }
        tokio::select! {
            () = interrupted() => return Ok(ExitCode::SUCCESS),
            () = tokio::time::sleep(interval) => {}
        }
    }
}
