//! The plan of the fleet's own template, whole: a change of the template shows here as a change of the plan.

use std::path::Path;

use weir_local_template::{Settings, read};

fn fleet() -> weir_local_template::Plan {
    let settings = Settings { endpoint_url: Some("http://127.0.0.1:4566".to_owned()), ..Settings::local("weir") };
    read(Path::new("../../template.yaml"), &settings).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn plan_of_the_fleet() {
    insta::assert_json_snapshot!(fleet());
}

#[test]
fn lines_that_weir_up_prints() {
    let plan = fleet();
    let mut lines = plan.warning_lines();
    lines.extend(plan.no_local_effect_line());
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn overrides_reach_the_plan() {
    let mut settings = Settings::local("other");
    settings.parameters.insert("ShardCount".to_owned(), "7".to_owned());
    let plan = read(Path::new("../../template.yaml"), &settings).unwrap();
    assert_eq!((plan.streams[0].name.as_str(), plan.streams[0].shards), ("other-telemetry", 7));
}
