//! RUNBOOK.md against what it speaks of: each alarm has its section, each parameter exists. What it
//! says of log lines is held against real ones in `logs.rs`.

use std::collections::BTreeSet;
use weir_local_template::{Document, Resource, Settings};
use weir_tests::root;

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What stands between `` ` `` and `` ` ``.
fn code(text: &str) -> BTreeSet<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// Logical id and description of each alarm.
fn alarms() -> Vec<(String, String)> {
    let document = Document::read(&root().join("template.yaml")).expect("the template");
    let resolved = document.resolve(&Settings::local("weir")).expect("the template resolves");
    let alarms = resolved.resources.into_iter().filter(|resource| resource.kind == "AWS::CloudWatch::Alarm");
    let described = |alarm: Resource| {
        let description = alarm.properties.get("AlarmDescription").text().unwrap_or_default().to_owned();
        (alarm.id, description)
    };
    alarms.map(described).collect()
}

#[test]
fn every_alarm_names_a_section() {
    let runbook = read("RUNBOOK.md");
    let sections = sections(&runbook);
    let alarms = alarms();
    assert!(alarms.len() >= 10, "{} alarms", alarms.len());
    for (id, description) in alarms {
        let section = description.rsplit("RUNBOOK.md: ").next().unwrap_or_default().trim_end_matches('.');
        assert!(sections.iter().any(|(name, _)| name == section), "{id}: {description}");
    }
}

/// Names and texts of the sections.
fn sections(runbook: &str) -> Vec<(String, &str)> {
    let section = |text: &str| text.split_once('\n').map(|(name, _)| name.to_lowercase());
    runbook.split("\n## ").skip(1).filter_map(|text| Some((section(text)?, text.split_once('\n')?.1))).collect()
}

/// Programs that whoever is woken can run.
const PROGRAMS: [&str; 3] = ["aws ", "weir ", "sam "];

#[test]
fn a_section_says_what_an_alarm_means_what_to_run_and_do_and_how_to_see_that_it_worked() {
    let runbook = read("RUNBOOK.md");
    let sections = sections(&runbook);
    let mut missing = vec![];
    for (id, description) in alarms() {
        let name = description.rsplit("RUNBOOK.md: ").next().unwrap_or_default().trim_end_matches('.').to_owned();
        let (_, text) = sections.iter().find(|(section, _)| *section == name).unwrap_or_else(|| panic!("{id}: {name}"));
        let paragraphs: Vec<&str> = text.trim().split("\n\n").collect();
        // By its own name, or by `…Errors` for those of all functions.
        let names_it = |code: &str| code == id || code.strip_prefix('…').is_some_and(|ending| id.ends_with(ending));
        let has = [
            (
                "what it means",
                paragraphs.iter().any(|text| text.starts_with("Alarm ") && code(text).into_iter().any(names_it)),
            ),
            ("a command", code(text).iter().any(|code| PROGRAMS.iter().any(|program| code.starts_with(program)))),
            ("what to do", text.contains("\n1. ")),
            ("how to see that it worked", text.contains("\n\nIt worked when ")),
        ];
        missing.extend(has.iter().filter(|(_, there)| !there).map(|(what, _)| format!("{id}: {name}: {what}")));
    }
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn every_parameter_it_names_exists() {
    let runbook = read("RUNBOOK.md");
    let document = Document::read(&root().join("template.yaml")).expect("the template");
    let parameters: BTreeSet<String> = document.parameters().into_iter().map(|parameter| parameter.name).collect();
    let endings = ["Seconds", "Days", "Hours", "Count", "Max"];
    let named: Vec<&str> = code(&runbook)
        .into_iter()
        .filter(|word| word.chars().all(char::is_alphanumeric) && endings.iter().any(|end| word.ends_with(end)))
        .collect();
    assert!(named.len() >= 8, "{named:?}");
    for name in named {
        assert!(parameters.contains(name), "RUNBOOK.md names {name}, which is no parameter of template.yaml");
    }
}
