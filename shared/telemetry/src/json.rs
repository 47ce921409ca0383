//! How deep a JSON text nests, found in one pass before any parser sees it: parsers differ in how they handle depth
//! (recurse, stop at 128, skip without checking), and a limit must not depend on them.

/// Deepest nesting of `[` and `{` outside strings. Does not check that the text is JSON.
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

/// The same for text that comes in pieces.
#[derive(Debug, Default)]
pub(crate) struct Nesting {
    depth: u32,
    deepest: u32,
    in_string: bool,
    escaped: bool,
}

impl Nesting {
    pub(crate) fn step(&mut self, byte: u8) {
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' if self.in_string => self.escaped = true,
            b'"' => self.in_string = !self.in_string,
            _ if self.in_string => {}
            b'[' | b'{' => {
                self.depth = self.depth.saturating_add(1);
                self.deepest = self.deepest.max(self.depth);
            }
            b']' | b'}' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }

    /// Brackets open after the last byte.
    pub(crate) fn depth(&self) -> u32 {
        self.depth
    }

    /// The result, as from [`depth`].
    pub(crate) fn deepest(&self) -> u32 {
        self.deepest
    }

    pub(crate) fn in_string(&self) -> bool {
        self.in_string
    }
}

#[cfg(test)]
mod tests {
    use super::{Nesting, depth};
    use proptest::prelude::*;

    #[test]
    fn strings_do_not_nest() {
        assert_eq!(depth(br#"{"a":[1,{"b":"[[[\"[["}]}"#), 3);
        assert_eq!(depth(b"17"), 0);
        assert_eq!(depth(&vec![b'['; 100_000]), 100_000);
        assert_eq!(depth(br#""never closed [["#), 0);
    }

    proptest! {
        #[test]
        fn byte_by_byte_is_the_same(text in "[\\[\\]{}\"\\\\a]{0,40}") {
            let mut nesting = Nesting::default();
            text.bytes().for_each(|byte| nesting.step(byte));
            prop_assert_eq!(nesting.deepest(), depth(text.as_bytes()));
        }
    }
}
