//! Trace context sent by producers, as links: W3C's `traceparent`, or X-Ray's header as SQS carries it
//! (`AWSTraceHeader`). A batch holds messages of many traces and belongs to none of them.
//!
//! It comes from outside, so only valid trace ids get into a log line, and only a few.

use serde::Serialize;
use std::collections::BTreeSet;

/// Links shown in a line; the rest is only counted.
const SHOWN_MAX: usize = 3;

/// The span in which a message was sent, in W3C's form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Link {
    trace_id: String,
    span_id: String,
}

impl Link {
    /// From a message's trace headers, W3C's first; `None` if neither follows its specification.
    pub fn of(traceparent: Option<&str>, xray: Option<&str>) -> Option<Self> {
        traceparent.and_then(w3c).or_else(|| xray.and_then(header))
    }
}

/// `00-<32 digits>-<16 digits>-<2 digits>` (W3C Trace Context, "traceparent Header").
fn w3c(text: &str) -> Option<Link> {
    let mut parts = text.split('-');
    let (version, trace_id, span_id, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let known = version == "00" && parts.next().is_none() && is_hex(flags, 2);
    (known && is_id(trace_id, 32) && is_id(span_id, 16))
        .then(|| Link { trace_id: trace_id.to_owned(), span_id: span_id.to_owned() })
}

/// `Root=1-<8 digits>-<24 digits>;Parent=<16 digits>;…` (AWS X-Ray Developer Guide, "Tracing header").
fn header(text: &str) -> Option<Link> {
    let of = |name: &str| text.split(';').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
    let (time, rest) = of("Root")?.strip_prefix("1-")?.split_once('-')?;
    let trace_id = format!("{time}{rest}");
    let span_id = of("Parent")?;
    (time.len() == 8 && is_id(&trace_id, 32) && is_id(span_id, 16))
        .then(|| Link { trace_id, span_id: span_id.to_owned() })
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Not all zeros, which is not an id.
fn is_id(text: &str, digits: usize) -> bool {
    is_hex(text, digits) && text.bytes().any(|byte| byte != b'0')
}

/// The links of a batch: each once, a few of them shown.
#[derive(Clone, Debug, Default)]
pub struct Links {
    shown: BTreeSet<Link>,
    more: u64,
}

impl Links {
    /// The links to show.
    pub fn shown(&self) -> impl Iterator<Item = &Link> {
        self.shown.iter()
    }

    /// Messages whose links are not shown.
    pub fn more(&self) -> u64 {
        self.more
    }
}

impl Extend<Option<Link>> for Links {
    fn extend<I: IntoIterator<Item = Option<Link>>>(&mut self, links: I) {
        for link in links.into_iter().flatten() {
            if self.shown.contains(&link) {
                continue;
            }
            if self.shown.len() < SHOWN_MAX { _ = self.shown.insert(link) } else { self.more += 1 }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(traceparent: Option<&str>, xray: Option<&str>, expect: &str) {
        let link = Link::of(traceparent, xray).map(|link| format!("{} {}", link.trace_id, link.span_id));
        assert_eq!(link.unwrap_or_default(), expect, "{traceparent:?} {xray:?}");
    }

    #[test]
    fn a_link_is_what_its_specification_says() {
        let w3c = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let xray = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
        check(Some(w3c), Some(xray), "4bf92f3577b34da6a3ce929d0e0e4736 00f067aa0ba902b7");
        check(None, Some(xray), "5759e988bd862e3fe1be46a994272793 53995c3f42cd8ad8");
        check(Some("00-0-0-0"), Some(xray), "5759e988bd862e3fe1be46a994272793 53995c3f42cd8ad8");
        for none in [
            "",
            "user u-17",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        ] {
            check(Some(none), None, "");
        }
        for none in ["Root=1-5759e988-bd86", "Parent=53995c3f42cd8ad8", "Root=1-5759e988-bd862e3fe1be46a994272793"] {
            check(None, Some(none), "");
        }
    }

    #[test]
    fn a_few_are_shown_and_the_others_counted() {
        let link = |n: usize| Link::of(Some(&format!("00-{:032x}-{:016x}-00", n + 1, 7)), None);
        let mut links = Links::default();
        links.extend((0..10).chain(0..3).map(link).chain([None]));
        assert_eq!((links.shown().count(), links.more()), (SHOWN_MAX, 7));
    }
}
