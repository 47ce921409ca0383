//! A row of numbers as a row of blocks.

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The last `width` values, a character each, from 0 to the largest of them; a blank where there is none.
pub(super) fn sparkline(values: &[Option<f64>], width: usize) -> String {
    let shown = &values[values.len().saturating_sub(width)..];
    let largest = shown.iter().flatten().copied().fold(0.0, f64::max);
    let block = |value: f64| match largest {
        0.0 => BLOCKS[0],
        // Below the largest is below 8 blocks; the largest is the last of them.
        largest => BLOCKS[((value / largest * 8.0) as usize).min(7)],
    };
    shown.iter().map(|value| value.map_or(' ', block)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_values_from_nothing_to_the_largest() {
        let values = [9.0, 0.0, 1.0, 4.0, 8.0].map(Some);
        assert_eq!(sparkline(&values, 4), "▁▂▅█");
        assert_eq!(sparkline(&[None, Some(0.0), None], 9), " ▁ ");
        assert_eq!(sparkline(&[], 9), "");
        assert_eq!(sparkline(&values, 0), "");
    }
}
