//! Values that more than one command takes.

pub(crate) fn stack(text: &str) -> Result<String, String> {
    let sound = (1..=100).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if sound { Ok(text.to_owned()) } else { Err("expected letters, digits and -, starting with a letter".to_owned()) }
}

pub(crate) fn instant(text: &str) -> Result<weir_telemetry::Millis, String> {
    weir_telemetry::Millis::parse_rfc3339(text).map_err(|error| error.to_string())
}

pub(crate) fn duration_ms(text: &str) -> Result<i64, String> {
    let expected = || "expected a number and s, m, h or d, such as 90s or 2h".to_owned();
    let unit_ms = match text.chars().last() {
        Some('s') => 1_000,
        Some('m') => 60_000,
        Some('h') => 3_600_000,
        Some('d') => 86_400_000,
        _ => return Err(expected()),
    };
    let number: i64 = text[..text.len() - 1].parse().map_err(|_| expected())?;
    number.checked_mul(unit_ms).filter(|ms| *ms > 0).ok_or_else(expected)
}

pub(crate) fn resolution(text: &str) -> Result<weir_exact::row::Resolution, String> {
    weir_exact::row::Resolution::by_name(text).ok_or_else(|| "expected 1m, 1h or 1d".to_owned())
}

/// `NAME=VALUE`.
pub(crate) fn parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration_ms("90s"), Ok(90_000));
        assert_eq!(duration_ms("2h"), Ok(7_200_000));
        for bad in ["", "h", "2", "-1h", "2 h", "9999999999999999d", "２h"] {
            assert!(duration_ms(bad).is_err(), "{bad}");
        }
    }
}
