//! Numbers as people read them.

/// `1234567` as `1,234,567`.
pub(crate) fn whole(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Three digits that count: `0`, `0.012`, `1.5`, `37`, `1,234`.
pub(crate) fn short(n: f64) -> String {
    let magnitude = n.abs();
    let decimals = match magnitude {
        m if m == 0.0 || m >= 99.95 => 0,
        m if m >= 9.995 => 1,
        m if m >= 0.9995 => 2,
        _ => 3,
    };
    let text = format!("{magnitude:.decimals$}");
    let (integer, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let fraction = fraction.trim_end_matches('0');
    // Rounded to whole numbers, which rates and durations stay far within.
    let integer = whole(integer.parse().unwrap_or(u64::MAX));
    let sign = if n < 0.0 { "-" } else { "" };
    if fraction.is_empty() { format!("{sign}{integer}") } else { format!("{sign}{integer}.{fraction}") }
}

/// A duration: `0.25 ms`, `37.5 ms`, `1.24 s`.
pub(crate) fn duration(ms: f64) -> String {
    if ms < 1_000.0 { format!("{} ms", short(ms)) } else { format!("{} s", short(ms / 1_000.0)) }
}

/// A share of a whole as a percentage: `0 %`, `0.12 %`, `100 %`; `–` of nothing.
pub(crate) fn share(part: u64, of: u64) -> String {
    if of == 0 { "–".to_owned() } else { format!("{} %", short(part as f64 * 100.0 / of as f64)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_people_read_them() {
        let whole_numbers = [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")];
        whole_numbers.iter().for_each(|(n, text)| assert_eq!(whole(*n), *text));
        let shorts =
            [(0.0, "0"), (0.0123, "0.012"), (0.5, "0.5"), (1.0, "1"), (1.506, "1.51"), (37.04, "37"), (9.999, "10")];
        shorts.iter().for_each(|(n, text)| assert_eq!(short(*n), *text));
        assert_eq!([short(1_234.4), short(99.96), short(0.00001)], ["1,234", "100", "0"]);
        assert_eq!([duration(0.25), duration(999.0), duration(61_500.0)], ["0.25 ms", "999 ms", "61.5 s"]);
        assert_eq!([share(1, 3), share(0, 3), share(0, 0)], ["33.3 %", "0 %", "–"]);
    }
}
