//! Runs a template until Ctrl-C:
//! `cargo run -p weir-local --example plane -- TEMPLATE [PORT [DATA_DIR [BINARIES_DIR]]]`. `-` is no data directory; with a
//! directory of binaries nothing is built.

use std::path::Path;

use weir_local::{Plane, PlaneOptions, build};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example says what it does")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let template = arguments.next().ok_or("usage: plane TEMPLATE [PORT] [DATA_DIR]")?;
    let mut options = PlaneOptions::new(template);
    if let Some(port) = arguments.next() {
        options.port = port.parse()?;
    }
    options.data_dir = arguments.next().filter(|dir| dir != "-").map(Into::into);
    let built = arguments.next();

    let plan = weir_local_template::read(&options.template, &options.settings())?;
    let binaries = build::binaries(&plan);
    options.bootstraps = match built {
        Some(dir) => binaries.iter().map(|name| (name.clone(), Path::new(&dir).join(name))).collect(),
        None => {
            let progress = |progress: &build::Progress| println!("built {}: {}", progress.crates, progress.current);
            build::build(Path::new("."), &binaries, progress).await?
        }
    };
    for line in plan.warning_lines().into_iter().chain(plan.no_local_effect_line()) {
        println!("{line}");
    }
    let plane = Plane::start(options).await?;
    println!("ready at {}", plane.endpoint_url());
    tokio::signal::ctrl_c().await?;
    plane.shutdown().await;
    Ok(())
}
