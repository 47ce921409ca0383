//! All rules, by number. W00x: exactness under weir's protocol; W01x: event source mappings; W02x: queues; W03x:
//! versions and deployment; W04x: operation and access.

use crate::finding::Findings;
use crate::fleet::Fleet;
use crate::rule::{Example, Rule, Severity};
use crate::rules::{deploy, fence, life, mapping, operation, queue};

/// About the entries that ignore other rules; its findings come from reading them.
pub(crate) static IGNORE: Rule = Rule {
    id: "W000",
    severity: Severity::Error,
    title: "An ignored rule is named, has a reason, and would find something.",
    reason: "What is ignored without a reason is ignored for ever, and an entry that no longer matches hides the next fault.",
    source: "`weir check --help`",
    example: Example { right: r#"{ rule: W020, reason: "messages only pass through it" }"#, wrong: "{ rule: W020 }" },
    judge: nothing,
};

fn nothing(_: &Fleet<'_>, _: &mut Findings) {}

/// All rules, by id.
pub static RULES: &[&Rule] = &[
    &IGNORE,
    &fence::PARALLELIZATION,
    &fence::DISCARD,
    &fence::STARTING_POSITION,
    &fence::BATCH,
    &life::RETENTION,
    &life::MINUTE_ROWS,
    &life::ENVIRONMENT,
    &mapping::ITEM_FAILURES,
    &mapping::STREAM_SETTINGS,
    &mapping::SCALING,
    &mapping::BATCH_WINDOW,
    &queue::VISIBILITY_BELOW_TIMEOUT,
    &queue::VISIBILITY,
    &mapping::DESTINATION,
    &mapping::RESERVED_CONCURRENCY,
    &queue::REDRIVE,
    &queue::DEAD_LETTER_RETENTION,
    &deploy::PREFERENCE_NAME,
    &deploy::EVERY_PROPERTY,
    &deploy::ALARM,
    &deploy::ALIAS,
    &deploy::BINARIES,
    &deploy::RELEASE,
    &operation::LOG_RETENTION,
    &operation::WILDCARDS,
    &operation::PUBLIC_ACCESS,
    &operation::RECOVERY,
    &operation::OPEN_URL,
];

/// The rule with this id.
pub fn rule(id: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.id == id)
}
