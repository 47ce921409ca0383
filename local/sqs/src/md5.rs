//! The digests clients verify. boto3 checks the body's, the Java and Go SDKs the attributes' as well.

use ::md5::{Digest, Md5};

use crate::message::{AttributeData, AttributeValue};

/// Lower-case hex MD5 of bytes.
pub(crate) fn md5_hex(bytes: &[u8]) -> String {
    hex(Md5::digest(bytes).as_slice())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// MD5 of message attributes, `None` without any. The algorithm is "Calculating the MD5 message digest for message
/// attributes" (sqs-message-metadata): by ascending name, each of name, type and value as 4-byte big-endian length
/// and bytes, with one byte for the transport (1 string, 2 binary) before the value.
pub(crate) fn md5_of_attributes<'a>(sorted: impl IntoIterator<Item = (&'a str, &'a AttributeValue)>) -> Option<String> {
    let mut digest = Md5::new();
    let mut any = false;
    for (name, attribute) in sorted {
        any = true;
        let (transport, value) = match &attribute.value {
            AttributeData::Text(text) => (1u8, text.as_bytes()),
            AttributeData::Binary(bytes) => (2u8, bytes.as_slice()),
        };
        put(&mut digest, name.as_bytes());
        put(&mut digest, attribute.data_type.as_bytes());
        digest.update([transport]);
        put(&mut digest, value);
    }
    any.then(|| hex(digest.finalize().as_slice()))
}

fn put(digest: &mut Md5, bytes: &[u8]) {
    // A message is at most 1 MiB, so its parts fit.
    digest.update(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    digest.update(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(attributes: &[(&str, &str, AttributeData)], expect: &str) {
        let owned: std::collections::BTreeMap<_, _> = attributes
            .iter()
            .map(|(name, kind, value)| (*name, AttributeValue { data_type: (*kind).to_owned(), value: value.clone() }))
            .collect();
        let digest = md5_of_attributes(owned.iter().map(|(name, value)| (*name, value)));
        assert_eq!(digest.as_deref(), Some(expect));
    }

    fn text(value: &str) -> AttributeData {
        AttributeData::Text(value.to_owned())
    }

    /// Digests that AWS itself returned, as published with two independent clients' tests.
    #[test]
    fn attribute_digests_are_those_of_aws() {
        let first = ("attribName1", "String", text("attribValue 1"));
        let number = ("customNumberTypeAttrib", "Number.float", text("4563442423554324324264524243.32543234"));
        let binary = ("binaryAttribute", "Binary", AttributeData::Binary(b"Hello binary world!".to_vec()));
        check(std::slice::from_ref(&first), "19e27d4e946b072f3f58da80d94fd778");
        check(std::slice::from_ref(&number), "9fe1b90bbd9965bdf77bac517c7d2495");
        check(std::slice::from_ref(&binary), "31a92b15d92f8db860eda32aceb656c3");
        check(&[first, number, binary], "c932db14a896c663f83c260297d594ff");
        let hello = ("Hello", "String", text("There"));
        let general = ("General", "String", text("Kenobi"));
        let help = ("Help.Me", "String", text("Me"));
        check(std::slice::from_ref(&hello), "a311262e065454b75da111d535b8dacd");
        check(&[hello.clone(), general.clone()], "fca026605781cb4126a1e9044df24232");
        check(&[hello, general, help], "4c360f3fdafd970e05fae2f149d997f5");
        let trace = b"traceparent\x1e00-774062d6c37081a5a0b9b5b88e30627c-2d2482211f6489da-01".to_vec();
        check(&[("attr1", "Binary", AttributeData::Binary(trace))], "8cbe4db156db8a94db8b801b7addb984");
    }

    #[test]
    fn no_attributes_have_no_digest() {
        assert_eq!(md5_of_attributes([]), None);
        assert_eq!(md5_hex(b"test"), "098f6bcd4621d373cade4e832627b4f6");
    }
}
