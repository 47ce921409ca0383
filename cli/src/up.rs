//! `weir up`: the whole fleet on this machine until Ctrl-C.

use crate::args::Up;
use crate::failure::{Failure, say};
use crate::plane::{self, Setup};
use std::process::ExitCode;
use weir_local::Plane;

pub(crate) async fn run(up: Up, stack: &str) -> Result<ExitCode, Failure> {
    let setup = Setup {
        data_dir: up.data_dir,
        enforce_memory: up.enforce_memory,
        deliver: !up.endpoint_only,
        ..Setup::new(stack, up.port)
    };
    // Building takes minutes at first: Ctrl-C must end that too.
    let plane = tokio::select! {
        started = plane::start(&up.fleet, setup) => started?,
        () = plane::interrupted() => return Ok(ExitCode::from(130)),
    };
    describe(&plane);
    plane::interrupted().await;
    say("stopping");
    plane.shutdown().await;
    Ok(ExitCode::SUCCESS)
}

fn describe(plane: &Plane) {
    let plan = plane.plan();
    for line in plan.warning_lines() {
        say(&line);
    }
    if let Some(line) = plan.no_local_effect_line() {
        say(&line);
    }
    let names = |names: Vec<&str>| names.join(", ");
    println!("AWS endpoint  {}", plane.endpoint_url());
    println!("streams       {}", names(plan.streams.iter().map(|stream| stream.name.as_str()).collect()));
    println!("queues        {}", names(plan.queues.iter().map(|queue| queue.name.as_str()).collect()));
    println!("buckets       {}", names(plan.buckets.iter().map(|bucket| bucket.name.as_str()).collect()));
    println!("tables        {}", names(plan.tables.iter().map(|table| table.name.as_str()).collect()));
    println!("functions     {}", names(plan.functions.iter().map(|function| function.name.as_str()).collect()));
    for (name, signed, url) in plane.function_urls() {
        println!("URL           {url} ({name}, {})", if signed { "SigV4, service lambda" } else { "open" });
    }
    println!();
    println!("In another terminal:");
    // The AWS CLI and boto3 read the one, the other SDKs the other.
    println!(
        "  export AWS_ENDPOINT_URL={} AWS_REGION={region} AWS_DEFAULT_REGION={region}",
        plane.endpoint_url(),
        region = plan.region
    );
    println!("  export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test");
    println!("Ctrl-C stops everything.");
}
