//! Crates are walls: who may see whom, held against cargo's own view of the manifests.

use std::collections::BTreeSet;
use std::process::Command;
use weir_tests::root;

/// Names of the crates that `package` is built from in production, its own included.
fn tree(package: &str) -> BTreeSet<String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let arguments = ["tree", "--package", package, "--edges", "normal", "--offline", "--prefix", "none", "--locked"];
    let output = Command::new(cargo).args(arguments).current_dir(root()).output().expect("cargo runs");
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let names: BTreeSet<String> = text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect();
    assert!(names.contains(package), "{text}");
    names
}

/// Package names in the directories right below `directory`.
fn packages(directory: &str) -> Vec<String> {
    let manifests = std::fs::read_dir(root().join(directory)).expect("a directory").filter_map(Result::ok);
    let manifests = manifests.filter_map(|entry| std::fs::read_to_string(entry.path().join("Cargo.toml")).ok());
    let name = |manifest: String| {
        Some(manifest.lines().find_map(|line| line.strip_prefix("name = \""))?.split('"').next()?.to_owned())
    };
    manifests.map(|manifest| name(manifest).expect("a package name")).collect()
}

#[test]
fn pure_crates_see_neither_tokio_nor_aws() {
    let pure =
        ["weir-json", "weir-telemetry", "weir-rollup", "weir-exact", "weir-local-template", "weir-check", "weir-view"];
    for package in pure {
        let impure = |name: &&String| {
            ["tokio", "hyper", "reqwest", "lambda_runtime", "weir-aws"].contains(&name.as_str())
                || ["aws-", "aws_", "tokio-", "hyper-"].iter().any(|prefix| name.starts_with(prefix))
        };
        let names = tree(package);
        assert_eq!(names.iter().filter(impure).collect::<Vec<_>>(), Vec::<&String>::new(), "{package}");
    }
}

#[test]
fn processors_never_see_each_other_nor_what_runs_them() {
    let processors = packages("processors");
    assert!(processors.len() >= 3, "{processors:?}");
    for package in &processors {
        let names = tree(package);
        let others = processors.iter().filter(|other| *other != package && names.contains(*other));
        assert_eq!(others.collect::<Vec<_>>(), Vec::<&String>::new(), "{package}");
        assert!(!names.iter().any(|name| name.starts_with("weir-local") || name == "weir-cli"), "{package}: {names:?}");
    }
}

#[test]
fn shared_crates_see_no_processor_and_nothing_that_runs_one() {
    let mut above = packages("processors");
    above.extend(packages("local"));
    above.extend(["weir-local".to_owned(), "weir-cli".to_owned(), "weir-tests".to_owned()]);
    let shared = packages("shared");
    assert!(shared.len() >= 4, "{shared:?}");
    for package in shared {
        let names = tree(&package);
        let seen: Vec<_> = above.iter().filter(|name| names.contains(*name)).collect();
        assert_eq!(seen, Vec::<&String>::new(), "{package}");
    }
}

#[test]
fn a_processor_s_main_only_wires() {
    for entry in std::fs::read_dir(root().join("processors")).expect("a directory").filter_map(Result::ok) {
        let main = entry.path().join("src/main.rs");
        let text = std::fs::read_to_string(&main).unwrap_or_else(|error| panic!("{}: {error}", main.display()));
        assert!(text.lines().count() <= 40, "{} has more than 40 lines", main.display());
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let branches = code.filter(|line| {
            line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "if" || word == "match")
        });
        assert_eq!(branches.collect::<Vec<_>>(), Vec::<&str>::new(), "{} branches", main.display());
    }
}
