//! docs/fidelity.md against the code: a row has a page, and a test that exists or a plain "not done".

use std::path::Path;

fn rows(text: &str) -> Vec<(usize, Vec<&str>)> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| line.starts_with('|') && !line.starts_with("|---") && !line.starts_with("| what AWS does"))
        .map(|(at, line)| (at + 1, line.trim_matches('|').split(" | ").map(str::trim).collect()))
        .collect()
}

/// Every `path::test` in code marks.
fn tests(cell: &str) -> Vec<(&str, &str)> {
    cell.split('`').skip(1).step_by(2).filter_map(|code| code.split_once(".rs::")).collect()
}

/// Whether the function is there, and is a test.
fn is_test(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().collect();
    let (plain, waiting) = (format!("fn {name}("), format!("async fn {name}("));
    // One harness of its own calls its test itself.
    let own_harness = source.contains("\nfn main() {") && source.contains(&format!("{name}()"));
    lines.iter().enumerate().any(|(at, line)| {
        let line = line.trim();
        let found = line.starts_with(&plain) || line.starts_with(&waiting);
        let mut above = lines[..at].iter().rev().map(|above| above.trim());
        found && (own_harness || above.by_ref().take_while(|above| above.starts_with('#')).any(is_attribute))
    })
}

fn is_attribute(line: &str) -> bool {
    line.starts_with("#[test]") || line.starts_with("#[tokio::test")
}

#[test]
fn every_row_names_a_test_that_exists_or_says_that_it_is_not_done() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = std::fs::read_to_string(root.join("docs/fidelity.md")).expect("docs/fidelity.md");
    let rows = rows(&text);
    assert!(rows.len() > 80, "{} rows", rows.len());
    for (line, cells) in rows {
        let [behaviour, page, shown] = cells.as_slice() else { panic!("line {line}: {} cells", cells.len()) };
        assert!(!behaviour.is_empty() && page.contains('"'), "line {line}: no page");
        let named = tests(shown);
        assert!(!named.is_empty() || shown.contains("**not done**"), "line {line}: neither a test nor not done");
        for (file, name) in named {
            let path = root.join(format!("{file}.rs"));
            let source =
                std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("line {line}: {file}.rs: {error}"));
            assert!(is_test(&source, name), "line {line}: {file}.rs has no test {name}");
        }
    }
}

#[test]
fn a_function_that_is_no_test_does_not_count() {
    let source = "#[test]\nfn one() {}\n\nfn two() {}\n\n#[tokio::test(start_paused = true)]\nasync fn three() {}\n";
    assert!(is_test(source, "one") && is_test(source, "three"));
    assert!(!is_test(source, "two") && !is_test(source, "four"));
}
