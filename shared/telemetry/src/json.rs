//! How deep a JSON text nests, told in one pass before any parser sees it: parsers differ in what they
//! do with depth (recurse, stop at 128, skip without looking), and a limit must not depend on them.

/// Deepest nesting of `[` and `{` outside strings. Says nothing about whether the text is JSON.
pub(crate) fn depth(text: &[u8]) -> u32 {
    let (mut depth, mut deepest) = (0_u32, 0_u32);
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => skip_string(&mut bytes),
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn skip_string(bytes: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::depth;

    #[test]
    fn strings_do_not_nest() {
        assert_eq!(depth(br#"{"a":[1,{"b":"[[[\"[["}]}"#), 3);
        assert_eq!(depth(b"17"), 0);
        assert_eq!(depth(&vec![b'['; 100_000]), 100_000);
        assert_eq!(depth(br#""never closed [["#), 0);
    }
}
