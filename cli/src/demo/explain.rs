//! Where a count went wrong: rows that are behind their contributions, or contributions that are short themselves.

use crate::aws::Aws;
use crate::failure::{Failure, failed};
use std::collections::{BTreeMap, BTreeSet};
use weir_aws::contributions::ContributionsTable;
use weir_exact::epochs::Epochs;
use weir_exact::finalize::{fold, rows};
use weir_exact::ports::ContributionQuery;
use weir_exact::row::RowKey;
use weir_telemetry::Window;

/// Events of every row of the windows, recomputed from the contributions as they stand now.
pub(crate) async fn recomputed(aws: &Aws, windows: &BTreeSet<Window>) -> Result<BTreeMap<RowKey, u64>, Failure> {
    let table = ContributionsTable::new(aws.dynamodb(), aws.contributions_table());
    let epochs = Epochs::new(table.clone(), "live");
    let view = epochs.view(weir_aws::clock::now()).await.map_err(|error| failed("the epoch table", &error))?;
    let layout = epochs.layout(&view);
    let mut events = BTreeMap::new();
    for window in windows {
        let mut items = vec![];
        for partition in layout.window_partitions(*window) {
            let found = table.query(&partition).await;
            items.extend(found.map_err(|error| failed("the contributions", &error))?);
        }
        let totals = fold(&items).map_err(|error| failed("the contributions", &error))?;
        events.extend(rows(*window, totals).into_iter().map(|row| (row.key, row.rollup.events())));
    }
    Ok(events)
}
