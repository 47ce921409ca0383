//! Kinesis sequence numbers, fences made of them, and the identity of a shard.

use smallvec::SmallVec;
use std::cmp::Ordering;
use std::fmt;
use weir_telemetry::Millis;

/// A Kinesis sequence number: up to about 56 digits, more than DynamoDB's 38-digit numbers hold, so it is stored as
/// text and compared as an integer. Stored inline: every record has one, and its tally another.
#[derive(PartialEq, Eq, Hash)]
pub struct SequenceNumber(SmallVec<[u8; 64]>);

/// A text that is not a sequence number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a sequence number of 1 to 128 digits, found {0:?}")]
pub struct SequenceError(String);

impl SequenceNumber {
    /// Parses decimal digits; leading zeros are dropped.
    ///
    /// # Errors
    /// [`SequenceError`] for an empty text, one over 128 digits (the Kinesis API's limit), or another character.
    pub fn parse(text: &str) -> Result<Self, SequenceError> {
        Self::of_digits(text.as_bytes())
    }

    /// The same for unchecked bytes: digits are text.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn of_digits(text: &[u8]) -> Result<Self, SequenceError> {
        // To the end in any case: without an early exit sixteen digits are checked in one step.
        let digits_alone = text.iter().fold(true, |so_far, byte| so_far & byte.is_ascii_digit());
        if text.is_empty() || text.len() > 128 || !digits_alone {
            return Err(SequenceError(String::from_utf8_lossy(text).chars().take(40).collect()));
        }
        let zeros = text.iter().take_while(|digit| **digit == b'0').count();
        // If all are zeros, the last is the number.
        Ok(Self(SmallVec::from_slice(&text[zeros.min(text.len() - 1)..])))
    }

    /// The decimal digits.
    pub fn as_str(&self) -> &str {
        // Digits only, so always text.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Clone for SequenceNumber {
    /// As one copy; the vector's own clone goes digit by digit.
    fn clone(&self) -> Self {
        Self(SmallVec::from_slice(&self.0))
    }
}

impl fmt::Debug for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SequenceNumber").field(&self.as_str()).finish()
    }
}

impl Ord for SequenceNumber {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for SequenceNumber {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The state of a fenced item that a writer holds: the highest applied sequence number, and whether the item is closed
/// (full; what follows goes to the next part).
///
/// The condition compares its text, so closing must change it: a writer still holding the open fence would otherwise
/// write records here that another already wrote to the next part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    /// Highest applied sequence number.
    pub sequence: SequenceNumber,
    /// No write ever changes a closed item.
    pub closed: bool,
}

impl Fence {
    /// Reads the stored text.
    ///
    /// # Errors
    /// [`SequenceError`] if the text is not one that `Display` writes.
    pub fn parse(text: &str) -> Result<Self, SequenceError> {
        let (digits, closed) = text.strip_suffix('+').map_or((text, false), |digits| (digits, true));
        Ok(Self { sequence: SequenceNumber::parse(digits)?, closed })
    }
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.sequence, if self.closed { "+" } else { "" })
    }
}

/// A shard for all time: a stream that is deleted and recreated reuses shard ids and may reuse sequence numbers, so the
/// stream's creation time is part of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard {
    /// Stream name.
    pub stream: String,
    /// Creation time of the stream.
    pub created_at: Millis,
    /// Shard id, e.g. `shardId-000000000000`.
    pub id: String,
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}/{}", self.stream, self.created_at.0, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compare_as_integers() {
        let parse = |text: &str| SequenceNumber::parse(text).unwrap();
        assert!(parse("9") < parse("10"));
        assert!(parse("49590338271490256608559692538361571095921575989136588898") > parse("9"));
        assert_eq!(parse("007"), parse("7"));
        assert_eq!(parse("000"), parse("0"));
        for bad in ["", "-1", "1.0", " 1", "１", &"9".repeat(129)] {
            assert!(SequenceNumber::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_closed_fence_has_another_text() {
        let open = Fence { sequence: SequenceNumber::parse("17").unwrap(), closed: false };
        let closed = Fence { closed: true, ..open.clone() };
        assert_ne!(open.to_string(), closed.to_string());
        assert_eq!(Fence::parse("17+"), Ok(closed));
        assert_eq!(Fence::parse("17"), Ok(open));
        assert!(Fence::parse("+").is_err());
    }
}
