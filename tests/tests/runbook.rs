//! RUNBOOK.md against what it speaks of: each alarm has its section, each parameter exists. What it
//! says of log lines is held against real ones in `logs.rs`.

use std::collections::BTreeSet;
use weir_local_template::{Document, Settings};
use weir_tests::root;

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What stands between `` ` `` and `` ` ``.
fn code(text: &str) -> BTreeSet<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_alarm_names_a_section() {
    let runbook = read("RUNBOOK.md");
    let sections: Vec<String> =
        runbook.lines().filter_map(|line| line.strip_prefix("## ")).map(str::to_lowercase).collect();
    let document = Document::read(&root().join("template.yaml")).expect("the template");
    let resolved = document.resolve(&Settings::local("weir")).expect("the template resolves");
    let alarms: Vec<_> =
        resolved.resources.iter().filter(|resource| resource.kind == "AWS::CloudWatch::Alarm").collect();
    assert!(alarms.len() >= 10, "{} alarms", alarms.len());
    for alarm in alarms {
        let description = alarm.properties.get("AlarmDescription").text().unwrap_or_default();
        let section = description.rsplit("RUNBOOK.md: ").next().unwrap_or_default().trim_end_matches('.');
        assert!(sections.iter().any(|name| name == section), "{}: {description}", alarm.id);
    }
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
