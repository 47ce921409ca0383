//! From a golden's batches to invocations: fills in the fleet's names, cuts records.

use crate::golden::Batch;
use serde_json::Value;
use std::collections::BTreeMap;

/// The values of `${…}` in a golden.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(BTreeMap<String, String>);

impl Names {
    /// With one more.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), value.into());
    }
}

/// A golden that does not fit the fleet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// A name without a value.
    #[error("the golden names ${{{0}}}, which this gate does not know")]
    Unknown(String),
    /// A cut outside the records.
    #[error("the golden cuts records {0} to {1} of {2}")]
    Cut(usize, usize, usize),
}

/// The inputs of a batch's invocations.
///
/// # Errors
/// [`BatchError`].
pub fn inputs(batch: &Batch, names: &Names) -> Result<Vec<Value>, BatchError> {
    let whole = filled(&batch.invocation, names)?;
    if batch.cuts.is_empty() {
        return Ok(vec![whole]);
    }
    let none = vec![];
    let records = whole["Records"].as_array().unwrap_or(&none);
    let cut = |&(from, to): &(usize, usize)| match records.get(from..to) {
        Some(records) => Ok(serde_json::json!({ "Records": records })),
        None => Err(BatchError::Cut(from, to, records.len())),
    };
    batch.cuts.iter().map(cut).collect()
}

fn filled(value: &Value, names: &Names) -> Result<Value, BatchError> {
    Ok(match value {
        Value::String(text) => Value::String(filled_text(text, names)?),
        Value::Array(items) => items.iter().map(|item| filled(item, names)).collect::<Result<_, _>>()?,
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| Ok((name.clone(), filled(value, names)?));
            Value::Object(members.iter().map(member).collect::<Result<_, _>>()?)
        }
        other => other.clone(),
    })
}

fn filled_text(text: &str, names: &Names) -> Result<String, BatchError> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, beyond) = after.split_once('}').unwrap_or((after, ""));
        filled.push_str(before);
        filled.push_str(names.0.get(name).ok_or_else(|| BatchError::Unknown(name.to_owned()))?);
        rest = beyond;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn batch(invocation: Value, cuts: &[(usize, usize)]) -> Batch {
        Batch { invocation, cuts: cuts.to_vec(), plain: false, answer: Value::Null }
    }

    #[test]
    fn records_are_cut_and_names_filled_in() {
        let mut names = Names::default();
        names.set("stream", "arn:s");
        names.set("b.key", "k");
        let whole = json!({"Records": [{"arn": "${stream}"}, {"body": "[\"${stream}/${b.key}\"]"}, 3], "n": 1});
        let found = inputs(&batch(whole.clone(), &[]), &names).unwrap();
        assert_eq!(found, [json!({"Records": [{"arn": "arn:s"}, {"body": "[\"arn:s/k\"]"}, 3], "n": 1})]);
        let found = inputs(&batch(whole.clone(), &[(0, 1), (1, 3), (2, 2)]), &names).unwrap();
        let expected = [
            json!({"Records": [{"arn": "arn:s"}]}),
            json!({"Records": [{"body": "[\"arn:s/k\"]"}, 3]}),
            json!({"Records": []}),
        ];
        assert_eq!(found, expected);
        assert_eq!(inputs(&batch(whole, &[(1, 4)]), &names), Err(BatchError::Cut(1, 4, 3)));
        assert_eq!(inputs(&batch(json!("${a"), &[]), &names), Err(BatchError::Unknown("a".to_owned())));
    }
}
