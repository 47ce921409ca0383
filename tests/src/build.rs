//! The executables under test, built once a process.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use tokio::sync::OnceCell;
use weir_local::PlaneOptions;

/// Path of every bootstrap of template.yaml and of `weir`, by name.
pub async fn executables() -> &'static BTreeMap<String, PathBuf> {
    static BUILT: OnceCell<BTreeMap<String, PathBuf>> = OnceCell::const_new();
    BUILT
        .get_or_init(|| async {
            let options = PlaneOptions::new(crate::root().join("template.yaml"));
            let plan = weir_local_template::read(&options.template, &options.settings());
            let plan = plan.unwrap_or_else(|error| panic!("{error}"));
            let mut binaries: BTreeSet<String> = weir_local::build::binaries(&plan);
            binaries.insert("weir".to_owned());
            let built = weir_local::build::build(crate::root(), &binaries, |_| {}).await;
            built.unwrap_or_else(|error| panic!("{error}"))
        })
        .await
}
