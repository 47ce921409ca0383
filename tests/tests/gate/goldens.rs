//! The goldens of the layer are what `events/` makes, and small.
//!
//! What they say is left behind is worked out here event by event, without lanes, stores or items: `made.rs`. After a
//! change of `events/` or of what counts, `WEIR_UPDATE_GOLDENS=1 cargo test --test gate goldens` writes them anew: read
//! the difference, since a version that counts as the old ones say will be refused.

use super::{goldens, made};
use canary_gate::golden::Golden;
use std::collections::BTreeMap;
use weir_local_template::Settings;
use weir_tests::root;

/// All of the layer, bytes. It is unpacked at every start of the gate; Lambda's own limit is 250 MB.
const LAYER_BYTES_MAX: u64 = 256 << 10;

#[test]
fn they_are_what_the_samples_make() {
    let made = made::all();
    for (processor, golden) in &made {
        let text = format!("{}\n", serde_json::to_string_pretty(golden).expect("JSON"));
        let path = goldens().join(format!("{processor}.json"));
        if std::env::var_os("WEIR_UPDATE_GOLDENS").is_some() {
            std::fs::write(&path, &text).expect("a file");
        }
        let stands = Golden::read(&goldens(), processor).unwrap_or_else(|error| panic!("{error}"));
        let differing = canary_gate::verdict::differences(&golden.leaves, &stands.leaves);
        assert!(differing.is_empty(), "{processor}: {differing:#?}");
        assert_eq!(std::fs::read_to_string(&path).expect("a file"), text, "{}", path.display());
    }
    let files: Vec<_> = std::fs::read_dir(goldens()).expect("goldens").filter_map(Result::ok).collect();
    assert_eq!(files.len(), made.len(), "a golden that nothing makes");
}

#[test]
fn the_layer_is_small() {
    let sizes: BTreeMap<String, u64> = std::fs::read_dir(goldens())
        .expect("goldens")
        .filter_map(Result::ok)
        .map(|file| (file.file_name().to_string_lossy().into_owned(), file.metadata().expect("a file").len()))
        .collect();
    let bytes: u64 = sizes.values().sum();
    eprintln!("layer of goldens: {bytes} bytes of at most {LAYER_BYTES_MAX}: {sizes:?}");
    assert!(bytes <= LAYER_BYTES_MAX, "{bytes} bytes: {sizes:?}");
}

/// Whoever adds a function to the fleet adds a golden, and its hook.
#[test]
fn every_processor_has_one_and_the_hook() {
    let template = std::fs::read_to_string(root().join("template.yaml")).expect("the template");
    let plan = weir_local_template::read(&root().join("template.yaml"), &Settings::local("weir"));
    let mut processors = weir_local::build::binaries(&plan.unwrap_or_else(|error| panic!("{error}")));
    processors.remove("canary-gate");
    let made = made::all();
    assert_eq!(made.keys().collect::<Vec<_>>(), processors.iter().collect::<Vec<_>>());
    let hooks = template.matches("Hooks: { PreTraffic: !Ref CanaryGate }").count();
    assert_eq!(hooks, processors.len());
}
