//! What a function's response says about its batch ("Configuring partial batch response with Kinesis Data Streams and
//! Lambda", "Handling errors for an SQS event source in Lambda: Success and failure conditions").

use serde_json::Value;

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Everything was processed.
    Success,
    /// These, by index and ascending, were not. Never empty.
    Partial(Vec<usize>),
    /// Nothing counts as processed.
    Failure,
}

/// Reads `batchItemFailures`. `index` finds an identifier in the batch.
///
/// Success: an empty response, `null`, an object without the list, the list `null` or empty. Failure: anything that is
/// not such an object, an identifier that is missing, `null`, empty or not of this batch.
pub(crate) fn verdict(response: &[u8], index: impl Fn(&str) -> Option<usize>) -> Verdict {
    if response.trim_ascii().is_empty() {
        return Verdict::Success;
    }
    let failures = match serde_json::from_slice::<Value>(response) {
        Ok(Value::Null) => return Verdict::Success,
        Ok(Value::Object(mut fields)) => match fields.remove("batchItemFailures") {
            None | Some(Value::Null) => return Verdict::Success,
            Some(Value::Array(failures)) => failures,
            Some(_) => return Verdict::Failure,
        },
        _ => return Verdict::Failure,
    };
    let mut failed = Vec::with_capacity(failures.len());
    for failure in &failures {
        match failure.get("itemIdentifier").and_then(Value::as_str).and_then(&index) {
            Some(position) => failed.push(position),
            None => return Verdict::Failure,
        }
    }
    failed.sort_unstable();
    failed.dedup();
    if failed.is_empty() { Verdict::Success } else { Verdict::Partial(failed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(response: &str) -> Verdict {
        verdict(response.as_bytes(), |id| ["a", "b", "c"].iter().position(|known| *known == id))
    }

    #[test]
    fn success_conditions() {
        for response in
            ["", " ", "null", "{}", r#"{"batchItemFailures":null}"#, r#"{"batchItemFailures":[]}"#, r#"{"x":1}"#]
        {
            assert_eq!(of(response), Verdict::Success, "{response}");
        }
    }

    #[test]
    fn failure_conditions() {
        let whole = [
            "ok",
            r#""ok""#,
            "[]",
            "17",
            "{",
            r#"{"batchItemFailures":{}}"#,
            r#"{"batchItemFailures":"a"}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":1}]}"#,
            r#"{"batchItemFailures":[{"id":"a"}]}"#,
            r#"{"batchItemFailures":["a"]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"unknown"}]}"#,
        ];
        for response in whole {
            assert_eq!(of(response), Verdict::Failure, "{response}");
        }
    }

    #[test]
    fn partial_is_sorted_and_without_repeats() {
        let response =
            r#"{"batchItemFailures":[{"itemIdentifier":"c"},{"itemIdentifier":"a"},{"itemIdentifier":"c"}]}"#;
        assert_eq!(of(response), Verdict::Partial(vec![0, 2]));
    }
}
