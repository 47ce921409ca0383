//! Which generation an invocation writes to: the live one, or a scratch generation of whoever asks for it.
//!
//! `{"weir-scratch":{"generation":"gate-1","invocation":{"Records":[…]}}}`
//!
//! The whole invocation lies inside. So telemetry cannot ask for scratch: what producers send is text and base64 deep
//! inside `Records`, and no event source of Lambda writes this object around them; who invokes a function directly
//! needs IAM's leave. Nor can a golden batch be counted by mistake: a version that does not know the wrapper finds no
//! `Records` and refuses all of it, and what is wrong in a wrapper is an error, never the live generation.

use crate::EnvelopeError;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use weir_exact::scratch::Scratch;

/// What a wrapped invocation begins with, to the byte: all that is looked at in any other.
const HEAD: &[u8] = br#"{"weir-scratch":"#;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrapper<'a> {
    #[serde(rename = "weir-scratch", borrow)]
    scratch: Inside<'a>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Inside<'a> {
    generation: &'a str,
    #[serde(borrow)]
    invocation: &'a RawValue,
}

/// An invocation's input without its wrapper, and the generation that it asks for; none is the live one.
///
/// # Errors
/// When a wrapper is anything else than it should be: nothing may be counted then.
pub fn unwrapped(input: &[u8]) -> Result<(Option<Scratch>, &[u8]), EnvelopeError> {
    if !input.starts_with(HEAD) {
        return Ok((None, input));
    }
    let Wrapper { scratch: Inside { generation, invocation } } = serde_json::from_slice(input)?;
    Ok((Some(Scratch::parse(generation)?), invocation.get().as_bytes()))
}

/// An invocation in its wrapper.
pub fn wrapped(scratch: &Scratch, invocation: &RawValue) -> Vec<u8> {
    let wrapper = Wrapper { scratch: Inside { generation: scratch.name(), invocation } };
    // Names and JSON: serialising cannot fail.
    serde_json::to_vec(&wrapper).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::triggers::Trigger;
    use crate::{kinesis, sqs};

    #[test]
    fn what_is_wrapped_comes_out_as_it_was() {
        let scratch = Scratch::parse("gate-1").unwrap();
        for invocation in [r#"{"Records":[]}"#, r#"{ "Records" : [ {"a":"\u00e9"} ] }"#, "null"] {
            let raw = RawValue::from_string(invocation.to_owned()).unwrap();
            let input = wrapped(&scratch, &raw);
            let (found, inside) = unwrapped(&input).unwrap();
            assert_eq!((found.as_ref(), inside), (Some(&scratch), invocation.as_bytes()));
        }
    }

    #[test]
    fn telemetry_cannot_ask_for_it() {
        let inside = r#"{\"weir-scratch\":{\"generation\":\"a\",\"invocation\":{}}}"#;
        for input in [
            format!(r#"{{"Records":[{{"body":"{inside}"}}]}}"#),
            r#"{"Records":[],"weir-scratch":{"generation":"a","invocation":{}}}"#.to_owned(),
            r#" {"weir-scratch":{"generation":"a","invocation":{"Records":[]}}}"#.to_owned(),
        ] {
            assert_eq!(unwrapped(input.as_bytes()).unwrap(), (None, input.as_bytes()));
        }
    }

    #[test]
    fn what_is_wrong_in_a_wrapper_is_never_live() {
        for input in [
            r#"{"weir-scratch":{"generation":"A","invocation":{"Records":[]}}}"#,
            r#"{"weir-scratch":{"generation":"","invocation":{"Records":[]}}}"#,
            r#"{"weir-scratch":{"invocation":{"Records":[]}}}"#,
            r#"{"weir-scratch":{"generation":"a"}}"#,
            r#"{"weir-scratch":{"generation":"a","invocation":{}},"Records":[]}"#,
            r#"{"weir-scratch":{"generation":"a","generation":"b","invocation":{}}}"#,
            r#"{"weir-scratch":null,"Records":[]}"#,
            r#"{"weir-scratch":"#,
        ] {
            assert!(unwrapped(input.as_bytes()).is_err(), "{input}");
        }
    }

    /// What a version that does not know the wrapper makes of one.
    #[test]
    fn every_reader_refuses_a_wrapper() {
        let raw = RawValue::from_string(r#"{"Records":[],"detail-type":"Scheduled Event"}"#.to_owned()).unwrap();
        let input = wrapped(&Scratch::parse("gate-1").unwrap(), &raw);
        assert!(kinesis::read(&input, &mut vec![]).is_err());
        assert!(sqs::read(&input, &mut vec![]).is_err());
        assert!(serde_json::from_slice::<aws_lambda_events::event::sqs::SqsEvent>(&input).is_err());
        assert!(serde_json::from_slice::<Trigger<serde_json::Value>>(&input).is_err());
    }
}
