//! `filterPattern` of unstructured log events ("Filter pattern syntax for metric filters, subscription filters, filter log
//! events, and Live Tail"). Pure.
//!
//! Terms and quoted phrases are case-sensitive: all plain ones have to be there, one of those with `?` where there are no
//! plain ones, and none of those with `-`. Patterns of JSON (`{ … }`), of fields (`[ … ]`) and of expressions (`%…%`) are refused.

/// A filter pattern. The default lets everything through.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct FilterPattern {
    all: Vec<String>,
    any: Vec<String>,
    none: Vec<String>,
}

impl FilterPattern {
    /// # Errors
    /// What is not understood, in words.
    pub(crate) fn parse(text: &str) -> Result<FilterPattern, String> {
        let text = text.trim();
        if text.starts_with(['{', '[', '%']) {
            return Err(format!("the local plane takes terms and \"phrases\" as a filter pattern, found `{text}`"));
        }
        let mut pattern = FilterPattern::default();
        let mut rest = text;
        while !rest.is_empty() {
            let kind = rest.chars().next().filter(|c| matches!(c, '?' | '-'));
            let body = if kind.is_some() { &rest[1..] } else { rest };
            let (term, after) = match body.strip_prefix('"') {
                Some(quoted) => phrase(quoted).ok_or_else(|| format!("a quote is not closed in `{text}`"))?,
                None => {
                    let (term, after) = body.split_once(char::is_whitespace).unwrap_or((body, ""));
                    (term.to_owned(), after)
                }
            };
            match kind {
                Some('?') => pattern.any.push(term),
                Some(_) => pattern.none.push(term),
                None => pattern.all.push(term),
            }
            rest = after.trim_start();
        }
        Ok(pattern)
    }

    pub(crate) fn matches(&self, line: &str) -> bool {
        let has = |term: &String| line.contains(term.as_str());
        // "If you have ? with other terms, the ? terms are ignored."
        let any = self.any.is_empty() || !self.all.is_empty() || self.any.iter().any(has);
        any && self.all.iter().all(has) && !self.none.iter().any(has)
    }
}

/// To the closing quote, `\"` and `\\` unescaped; and what follows it.
fn phrase(text: &str) -> Option<(String, &str)> {
    let mut phrase = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((phrase, &text[at + 1..])),
            '\\' => phrase.push(chars.next()?.1),
            other => phrase.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_phrases_and_exclusions() {
        let cases = [
            ("", "anything", true),
            ("ERROR", "an ERROR", true),
            ("ERROR", "an error", false),
            ("ERROR timeout", "timeout then ERROR", true),
            ("ERROR timeout", "ERROR", false),
            ("\"timed out\"", "it timed out", true),
            ("\"timed out\"", "timed it out", false),
            (r#""say \"a\"""#, r#"say "a""#, true),
            ("?ERROR ?WARN", "WARN", true),
            ("?ERROR ?WARN", "INFO", false),
            ("ERROR -retry", "ERROR retry", false),
            ("-\"REPORT RequestId\"", "START", true),
        ];
        for (pattern, line, expected) in cases {
            let parsed = FilterPattern::parse(pattern).expect(pattern);
            assert_eq!(parsed.matches(line), expected, "{pattern} | {line}");
        }
        for refused in ["{ $.level = \"x\" }", "[a, b]", "%a.b%", "\"open"] {
            assert!(FilterPattern::parse(refused).is_err(), "{refused}");
        }
    }
}
