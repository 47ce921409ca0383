//! One telemetry event, from JSON to checked values. This is the complete decoder, written for readability; a faster
//! one may exist next to it, but this one defines what is right.

pub(crate) mod scan;

use crate::json;
use crate::reject::{Field, Limit, Reason};
use crate::rules::Rules;
use crate::series::Series;
use crate::time::Millis;
use serde::Deserializer;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// Longest `endpoint`, bytes of UTF-8.
pub const ENDPOINT_BYTES_MAX: usize = 256;
/// Longest `service`, bytes of UTF-8.
pub const SERVICE_BYTES_MAX: usize = 128;
/// Longest `user_id`, bytes of UTF-8 or digits.
pub const USER_ID_BYTES_MAX: usize = 256;
/// Highest `status`.
pub const STATUS_MAX: u16 = 999;
/// Longest `duration_ms`: a day.
pub const DURATION_MS_MAX: f64 = 86_400_000.0;

/// An event whose fields are all in range; not yet checked against its arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) series: Series,
    pub(crate) status: Option<u16>,
    pub(crate) duration_us: Option<u64>,
    pub(crate) user: Option<String>,
    pub(crate) timestamp: Option<Millis>,
}

/// Why an event is not counted, in words.
pub(crate) type Refusal = (Reason, String);

/// Decodes one event.
///
/// # Errors
/// What is wrong with the first invalid field, in the order of the text.
pub(crate) fn decode(text: &str, depth_max: u32, rules: &Rules) -> Result<Event, Refusal> {
    let Values { endpoint, service, status, duration, user, timestamp } = values(text, depth_max)?;
    let series = Series::under(rules, service.as_deref(), endpoint.as_deref());
    Ok(Event { series, status, duration_us: duration.map(|(us, _)| us), user, timestamp })
}

/// The fields of an event, in range, as written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Values {
    pub(crate) endpoint: Option<String>,
    pub(crate) service: Option<String>,
    pub(crate) status: Option<u16>,
    /// Microseconds, and milliseconds as written.
    pub(crate) duration: Option<(u64, f64)>,
    pub(crate) user: Option<String>,
    pub(crate) timestamp: Option<Millis>,
}

/// Decodes one event, without naming its series.
///
/// # Errors
/// As [`decode`].
pub(crate) fn values(text: &str, depth_max: u32) -> Result<Values, Refusal> {
    let depth = json::depth(text.as_bytes());
    if depth > depth_max {
        return Err((
            Reason::Exceeds(Limit::JsonDepth),
            format!("nests {depth} deep; at most {depth_max} ({})", Limit::JsonDepth.name()),
        ));
    }
    if !text.trim_start_matches(JSON_SPACE).starts_with('{') {
        return match serde_json::from_str::<&RawValue>(text) {
            Ok(value) => Err((Reason::NotAnObject, format!("expected an object, found {}", kind(value.get())))),
            Err(error) => Err(not_json(&error)),
        };
    }
    let mut parser = serde_json::Deserializer::from_str(text);
    let fields = parser.deserialize_map(FieldsVisitor).and_then(|fields| parser.end().map(|()| fields));
    fields.map_err(|error| not_json(&error))?.check()
}

/// White space as JSON defines it; Unicode's other spaces are not JSON.
pub(crate) const JSON_SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

pub(crate) fn not_json(error: &serde_json::Error) -> Refusal {
    not_json_at(format_args!("line {} column {}", error.line(), error.column()))
}

pub(crate) fn not_json_at(place: fmt::Arguments<'_>) -> Refusal {
    (Reason::NotJson, format!("not JSON at {place}"))
}

/// The raw values of the fields that the contract names.
#[derive(Default)]
struct Fields<'a> {
    values: [Option<&'a RawValue>; 6],
    twice: Option<Field>,
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Fields<'de>, M::Error> {
        let mut fields = Fields::default();
        // As written: a name may contain an escape that no string can hold, half of a surrogate pair, and then is no
        // field's name.
        while let Some(written) = map.next_key::<&RawValue>()? {
            let name = serde_json::from_str::<Name<'_>>(written.get()).ok();
            match name.and_then(|Name(name)| Field::by_name(&name)) {
                Some(field) => {
                    if fields.values[field as usize].replace(map.next_value()?).is_some() {
                        fields.twice = fields.twice.or(Some(field));
                    }
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(fields)
    }
}

/// A key, borrowed if it has no escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de> serde::Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a field name")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl Fields<'_> {
    fn check(self) -> Result<Values, Refusal> {
        if let Some(field) = self.twice {
            return Err((Reason::Duplicate(field), format!("{} stands twice in one event", field.name())));
        }
        let raw = |field: Field| self.values[field as usize].map(RawValue::get);
        let endpoint = raw(Field::Endpoint).map(|raw| text(Field::Endpoint, raw, ENDPOINT_BYTES_MAX)).transpose()?;
        let service = raw(Field::Service).map(|raw| text(Field::Service, raw, SERVICE_BYTES_MAX)).transpose()?;
        Ok(Values {
            endpoint,
            service,
            status: raw(Field::Status).map(status).transpose()?,
            duration: raw(Field::DurationMs).map(duration).transpose()?,
            user: raw(Field::UserId).map(user).transpose()?,
            timestamp: raw(Field::Timestamp).map(timestamp).transpose()?,
        })
    }
}

fn invalid(field: Field, expected: &str, raw: &str) -> Refusal {
    (Reason::Invalid(field), format!("{}: expected {expected}, found {}", field.name(), kind(raw)))
}

/// The type of a JSON value, without its content.
pub(crate) fn kind(raw: &str) -> &'static str {
    match raw.as_bytes().first() {
        Some(b'"') => "a string",
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ if is_integer(raw) => "an integer",
        _ => "a number",
    }
}

fn is_integer(raw: &str) -> bool {
    let digits = raw.strip_prefix('-').unwrap_or(raw);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_number(raw: &str) -> bool {
    matches!(raw.as_bytes().first(), Some(b'-' | b'0'..=b'9'))
}

fn text(field: Field, raw: &str, bytes_max: usize) -> Result<String, Refusal> {
    let expected = || format!("a string of 1 to {bytes_max} bytes");
    if !raw.starts_with('"') {
        return Err(invalid(field, &expected(), raw));
    }
    // Fails on a lone surrogate, which no UTF-8 string can hold.
    let text: String = serde_json::from_str(raw).map_err(|_| {
        (Reason::Invalid(field), format!("{}: expected Unicode text, found a broken escape", field.name()))
    })?;
    match text.len() {
        0 => Err((Reason::Invalid(field), format!("{}: expected {}, found an empty string", field.name(), expected()))),
        length if length > bytes_max => {
            Err((Reason::Invalid(field), format!("{}: expected {}, found {length} bytes", field.name(), expected())))
        }
        _ => Ok(text),
    }
}

fn status(raw: &str) -> Result<u16, Refusal> {
    let expected = "an integer from 0 to 999";
    if !is_integer(raw) {
        return Err(invalid(Field::Status, expected, raw));
    }
    // `-0` is the integer 0; Rust's unsigned parser would refuse it.
    match raw.parse::<i64>() {
        Ok(value @ 0..=999) => Ok(value as u16),
        _ => Err((Reason::Invalid(Field::Status), format!("status: expected {expected}, found one out of range"))),
    }
}

/// Microseconds, and milliseconds as written.
fn duration(raw: &str) -> Result<(u64, f64), Refusal> {
    let expected = "a number from 0 to 86400000";
    if !is_number(raw) {
        return Err(invalid(Field::DurationMs, expected, raw));
    }
    match raw.parse::<f64>() {
        // IEEE multiplication and rounding: the same microseconds on every machine.
        Ok(ms) if (0.0..=DURATION_MS_MAX).contains(&ms) => Ok(((ms * 1_000.0).round() as u64, ms)),
        _ => Err((
            Reason::Invalid(Field::DurationMs),
            format!("duration_ms: expected {expected}, found one out of range"),
        )),
    }
}

fn user(raw: &str) -> Result<String, Refusal> {
    let expected = "a string of 1 to 256 bytes or an integer";
    if is_integer(raw) {
        return match raw {
            "-0" => Ok("0".to_owned()),
            _ if raw.len() <= USER_ID_BYTES_MAX => Ok(raw.to_owned()),
            _ => Err((
                Reason::Invalid(Field::UserId),
                format!("user_id: expected {expected}, found {} digits", raw.len()),
            )),
        };
    }
    if raw.starts_with('"') {
        text(Field::UserId, raw, USER_ID_BYTES_MAX)
    } else {
        Err(invalid(Field::UserId, expected, raw))
    }
}

fn timestamp(raw: &str) -> Result<Millis, Refusal> {
    let expected = "an RFC 3339 string or integer epoch milliseconds";
    if is_integer(raw) {
        return raw.parse().map(Millis).map_err(|_| {
            (
                Reason::Invalid(Field::Timestamp),
                format!("timestamp: expected {expected}, found an integer out of range"),
            )
        });
    }
    if !raw.starts_with('"') {
        return Err(invalid(Field::Timestamp, expected, raw));
    }
    let text: Option<String> = serde_json::from_str(raw).ok();
    text.and_then(|text| Millis::parse_rfc3339(&text).ok()).ok_or_else(|| {
        (Reason::Invalid(Field::Timestamp), format!("timestamp: expected {expected}, found another string"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expect: &str) {
        let got = match decode(json, 32, &Rules::default()) {
            Ok(event) => format!(
                "{} {:?} {:?} {:?} {:?}",
                event.series,
                event.status,
                event.duration_us,
                event.user,
                event.timestamp.map(|at| at.0)
            ),
            Err((reason, detail)) => format!("{reason}: {detail}"),
        };
        assert_eq!(got, expect, "{json}");
    }

    #[test]
    fn what_counts() {
        check("{}", "default#unknown None None None None");
        check(
            r#" {"endpoint":"/a","service":"s","status":200,"duration_ms":1.5,"user_id":"u","timestamp":17,"x":{"y":[null]}} "#,
            r#"s#/a Some(200) Some(1500) Some("u") Some(17)"#,
        );
        check(r#"{"user_id":42,"status":-0}"#, r#"default#unknown Some(0) None Some("42") None"#);
        check(
            r#"{"user_id":123456789012345678901234567890}"#,
            r#"default#unknown None None Some("123456789012345678901234567890") None"#,
        );
        check(r#"{"duration_ms":86400000}"#, "default#unknown None Some(86400000000) None None");
        check(r#"{"duration_ms":1e3}"#, "default#unknown None Some(1000000) None None");
        check(r#"{"timestamp":"1970-01-01T00:00:00.017Z"}"#, "default#unknown None None None Some(17)");
        check(r#"{"stat\u0075s":404}"#, "default#unknown Some(404) None None None");
        check(r#"{"x":1,"x":2}"#, "default#unknown None None None None");
        // Escapes that denote no character, where nobody reads them.
        check(r#"{"\ud800":1,"status":200}"#, "default#unknown Some(200) None None None");
        check(r#"{"x":"\udc00","y":{"\ud800":["\ud800"]},"status":200}"#, "default#unknown Some(200) None None None");
    }

    #[test]
    fn what_is_refused_and_in_which_words() {
        check("", "not_json: not JSON at line 1 column 0");
        check("{", "not_json: not JSON at line 1 column 1");
        check("{\"a\tb\":1}", "not_json: not JSON at line 1 column 3");
        check(r#"{"\x":1}"#, "not_json: not JSON at line 1 column 4");
        check(r#"{"\ud80":1}"#, "not_json: not JSON at line 1 column 8");
        check(r#"{"a":1} {"#, "not_json: not JSON at line 1 column 9");
        check("17", "not_an_object: expected an object, found an integer");
        check("[]", "not_an_object: expected an object, found an array");
        check(r#"{"status":"200"}"#, "invalid_status: status: expected an integer from 0 to 999, found a string");
        check(r#"{"status":200.0}"#, "invalid_status: status: expected an integer from 0 to 999, found a number");
        check(
            r#"{"status":1000}"#,
            "invalid_status: status: expected an integer from 0 to 999, found one out of range",
        );
        check(r#"{"status":null}"#, "invalid_status: status: expected an integer from 0 to 999, found null");
        check(
            r#"{"duration_ms":-1}"#,
            "invalid_duration_ms: duration_ms: expected a number from 0 to 86400000, found one out of range",
        );
        check(
            r#"{"duration_ms":1e999}"#,
            "invalid_duration_ms: duration_ms: expected a number from 0 to 86400000, found one out of range",
        );
        check(
            r#"{"endpoint":""}"#,
            "invalid_endpoint: endpoint: expected a string of 1 to 256 bytes, found an empty string",
        );
        check(r#"{"service":"\ud800"}"#, "invalid_service: service: expected Unicode text, found a broken escape");
        check(
            r#"{"user_id":1.0}"#,
            "invalid_user_id: user_id: expected a string of 1 to 256 bytes or an integer, found a number",
        );
        check(
            r#"{"timestamp":"yesterday"}"#,
            "invalid_timestamp: timestamp: expected an RFC 3339 string or integer epoch milliseconds, found another string",
        );
        check(
            r#"{"timestamp":99999999999999999999}"#,
            "invalid_timestamp: timestamp: expected an RFC 3339 string or integer epoch milliseconds, found an integer out of range",
        );
        check(r#"{"status":200,"status":200}"#, "duplicate_status: status stands twice in one event");
        let long = format!(r#"{{"endpoint":"{}"}}"#, "x".repeat(257));
        check(&long, "invalid_endpoint: endpoint: expected a string of 1 to 256 bytes, found 257 bytes");
        let deep = format!(r#"{{"x":{}{}}}"#, "[".repeat(40), "]".repeat(40));
        check(&deep, "exceeds_json_depth_max: nests 41 deep; at most 32 (json_depth_max)");
    }
}
