//! `weir rules`: shows the epochs, tests their rules on endpoints, and announces another.

mod file;
mod push;
mod show;
mod test;

use crate::args::Rules;
use crate::aws::Aws;
use crate::failure::Failure;
use std::process::ExitCode;
use weir_aws::contributions::ContributionsTable;
use weir_exact::epochs::table_of;
use weir_exact::layout::Layout;
use weir_exact::ports::ContributionGet;
use weir_telemetry::EpochTable;

pub(crate) async fn run(rules: Rules, stack: &str) -> Result<ExitCode, Failure> {
    let aws = Aws::from_environment(stack).await?;
    match rules {
        Rules::Show(show) => show::run(&aws, &show).await,
        Rules::Test(test) => test::run(&aws, test).await,
        Rules::Push(push) => push::run(&aws, &push).await,
    }
}

/// The table of epochs as every function reads it.
async fn read(table: &ContributionsTable) -> Result<EpochTable, Failure> {
    let item = table.get(&Layout::epochs()).await?;
    table_of(item.as_ref()).map_err(|error| Failure::Failed(error.to_string()))
}
