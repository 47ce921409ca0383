//! Any text as a template: a plan or one line that says where it is wrong, in bounded time and memory (libFuzzer's
//! `-timeout` and `-rss_limit_mb`).
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_local_template::{Settings, plan};

/// Text of the template in a message is cut; a long one hides what it says.
const MESSAGE_BYTES_MAX: usize = 20_000;

fuzz_target!(|text: &str| {
    let settings = Settings::local("weir");
    let planned = plan(text, "template.yaml", &settings);
    assert_eq!(plan(text, "template.yaml", &settings), planned, "a function of the text");
    match planned {
        Ok(plan) => {
            serde_json::to_string(&plan).expect("a plan can be shown");
            assert!(plan.warning_lines().iter().all(|line| !line.contains('\n')));
        }
        Err(error) => {
            let message = error.to_string();
            assert!(message.starts_with("template.yaml:") && message.lines().count() == 1, "{message}");
            assert!(message.len() <= MESSAGE_BYTES_MAX, "{} bytes", message.len());
            // YAML ends a line at a carriage return, too.
            let lines = text.split(['\n', '\r']).count();
            assert!(error.line().is_none_or(|line| line <= lines + 1), "{message}");
        }
    }
});
