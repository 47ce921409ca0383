//! Building bootstraps: where they end up, and that the compiler's words come through whole.

use std::collections::BTreeSet;

use weir_local::build::{BuildError, build};

const MANIFEST: &str = "[package]\nname = \"weir-build-probe\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n\
                        [[bin]]\nname = \"weir-build-probe\"\npath = \"main.rs\"\n";

#[tokio::test]
async fn binaries_are_found_and_errors_shown_whole() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("Cargo.toml"), MANIFEST).unwrap();
    std::fs::write(dir.path().join("main.rs"), "fn main() {}").unwrap();
    let binaries = BTreeSet::from(["weir-build-probe".to_owned()]);
    let mut seen = Vec::new();
    let made = build(dir.path(), &binaries, |progress| seen.push(progress.clone())).await.unwrap();
    assert!(made["weir-build-probe"].is_file());
    assert_eq!((seen.len(), seen[0].current.as_str()), (1, "weir-build-probe"));

    std::fs::write(dir.path().join("main.rs"), "fn main() { let x: u8 = \"text\"; }").unwrap();
    let error = build(dir.path(), &binaries, |_| {}).await.unwrap_err();
    assert!(matches!(error, BuildError::Failed { .. }));
    let text = error.to_string();
    assert!(text.contains("mismatched types") && text.contains("main.rs:1:25"), "{text}");

    let unknown = BTreeSet::from(["no-such".to_owned()]);
    let text = build(dir.path(), &unknown, |_| {}).await.unwrap_err().to_string();
    assert!(text.contains("no bin target named `no-such`"), "{text}");
}
