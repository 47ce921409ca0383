//! Whether bytes that come in pieces are UTF-8 as a whole.

/// Finds the first byte at which the text stops being UTF-8.
#[derive(Debug, Default)]
pub(super) struct Utf8 {
    /// A character cut by the end of a piece.
    cut: Vec<u8>,
    /// Valid bytes so far.
    sound: u64,
    broken: bool,
}

impl Utf8 {
    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        while !self.cut.is_empty() && !self.broken {
            let Some((next, rest)) = bytes.split_first() else { return };
            bytes = rest;
            self.cut.push(*next);
            let cut = std::mem::take(&mut self.cut);
            self.check(&cut);
        }
        if !self.broken {
            self.check(bytes);
        }
    }

    fn check(&mut self, bytes: &[u8]) {
        match std::str::from_utf8(bytes) {
            Ok(_) => self.sound += bytes.len() as u64,
            Err(error) => {
                self.sound += error.valid_up_to() as u64;
                match error.error_len() {
                    Some(_) => self.broken = true,
                    None => self.cut = bytes[error.valid_up_to()..].to_vec(),
                }
            }
        }
    }

    /// The first byte that is not UTF-8, at the end of the text.
    pub(super) fn broken_at(&self) -> Option<u64> {
        (self.broken || !self.cut.is_empty()).then_some(self.sound)
    }
}

#[cfg(test)]
mod tests {
    use super::Utf8;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pieces_are_the_whole(
            pieces in proptest::collection::vec(prop_oneof![
                "\\PC{0,3}".prop_map(String::into_bytes),
                proptest::collection::vec(0x70_u8..=0xff, 0..3),
            ], 0..8),
            length in 1_usize..5,
        ) {
            let whole = pieces.concat();
            let mut utf8 = Utf8::default();
            whole.chunks(length).for_each(|piece| utf8.push(piece));
            let expect = std::str::from_utf8(&whole).err().map(|error| error.valid_up_to() as u64);
            prop_assert_eq!(utf8.broken_at(), expect);
        }
    }
}
