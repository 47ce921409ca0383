//! The result of a redrive, and how it is reported.

use crate::failure::{Failure, say};
use crate::terminal::{print_json, shown};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What became, or would become, of the messages.
#[derive(Debug, Default, Serialize)]
pub(super) struct Account {
    /// Sent again, or to be.
    pub(super) sent: u64,
    /// Older than 14 days: left where they are.
    pub(super) too_old: BTreeSet<String>,
    /// Arrived in the dead-letter queue after the start: left for the next run.
    pub(super) later: BTreeSet<String>,
    /// Messages that the queue did not take, and why.
    pub(super) refused: BTreeMap<String, String>,
    /// Attributes that had no room beside ours.
    pub(super) attributes_left_out: u64,
}

#[derive(Serialize)]
struct Report<'a> {
    queue: &'a str,
    dry_run: bool,
    /// Messages in the dead-letter queue before, about.
    dead: u64,
    sent: u64,
    too_old: usize,
    later: usize,
    refused: &'a BTreeMap<String, String>,
    attributes_left_out: u64,
}

/// `1 message`, `2 messages`.
pub(super) fn messages(count: u64) -> String {
    format!("{count} {}", if count == 1 { "message" } else { "messages" })
}

/// How the result is shown.
pub(super) struct Shown {
    pub(super) json: bool,
    /// The dead-letter queue.
    pub(super) queue: String,
    /// Messages in it before, about.
    pub(super) dead: u64,
}

impl Shown {
    /// Says it on standard output, and what stays on standard error.
    pub(super) fn report(&self, account: &Account, dry_run: bool) -> Result<(), Failure> {
        let Account { sent, too_old, later, refused, attributes_left_out } = account;
        if self.json {
            return print_json(&Report {
                queue: &self.queue,
                dry_run,
                dead: self.dead,
                sent: *sent,
                too_old: too_old.len(),
                later: later.len(),
                refused,
                attributes_left_out: *attributes_left_out,
            });
        }
        if dry_run {
            println!(
                "{}: about {}; {sent} of those inspected would be sent; nothing was sent: confirm with --yes",
                self.queue,
                messages(self.dead)
            );
        } else {
            println!("{}: sent {} under the original identities", self.queue, messages(*sent));
        }
        if !too_old.is_empty() {
            say(&format!(
                "{} older than 14 days left in the DLQ: they cannot be counted without risk of double counting",
                messages(too_old.len() as u64)
            ));
        }
        if !later.is_empty() {
            say(&format!("{} arrived after the start, left for the next run", messages(later.len() as u64)));
        }
        for (id, why) in refused {
            say(&format!("message {id} was refused by the queue and left in the DLQ: {}", shown(why)));
        }
        if *attributes_left_out > 0 {
            say(&format!(
                "{attributes_left_out} message attributes were dropped: no room next to weir-id and weir-arrived-at"
            ));
        }
        Ok(())
    }
}
