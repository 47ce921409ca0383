use super::*;
use proptest::prelude::*;
use serde::de::IgnoredAny;

/// Whether the scanner takes all of `text` as one value.
fn takes(text: &[u8]) -> bool {
    let mut scanner = Scanner::new(text);
    scanner.space();
    scanner.skip(SKIP_DEPTH_MAX).is_some() && {
        scanner.space();
        scanner.is_at_end()
    }
}

fn is_json(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

#[test]
fn what_json_is_and_is_not() {
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    for (text, expect) in [
        (r#"{"a":[1,-0,0.5,1e9,1E-9,1.5e+3,true,false,null,"x",{"b":{}},[]]}"#, true),
        (" \t\r\n[ 1 , 2 ]\n", true),
        (r#""\u0041\ud800\"\\\/\b\f\n\r\t é""#, true),
        (&deep(64), true),
        // JSON, but deeper than the scanner follows.
        (&deep(65), false),
        ("", false),
        ("01", false),
        ("1.", false),
        (".5", false),
        ("+1", false),
        ("1e", false),
        ("-", false),
        ("tru", false),
        ("truth", false),
        ("[1,]", false),
        ("[,1]", false),
        ("[1 2]", false),
        ("{\"a\":1,}", false),
        ("{\"a\" 1}", false),
        ("{a:1}", false),
        ("{\"a\":1", false),
        ("\"\t\"", false),
        ("\"\\x\"", false),
        ("\"\\u12g4\"", false),
        ("\"\\u12", false),
        ("\"open", false),
        ("1 1", false),
        ("\u{a0}1", false),
        ("'a'", false),
        ("NaN", false),
    ] {
        assert_eq!(takes(text.as_bytes()), expect, "{text}");
        assert!(!expect || is_json(text.as_bytes()), "{text}");
    }
    assert!(!takes(b"\"\xff\""), "no UTF-8");
    assert!(!takes(b"\"\xed\xa0\x80\""), "a surrogate is no UTF-8");
}

#[test]
fn a_plain_string_is_borrowed_and_anything_else_is_left() {
    let string = |text: &'static str| Scanner::new(text.as_bytes()).string();
    assert_eq!(string(r#""abc" "#), Some(&b"abc"[..]));
    assert_eq!(string(r#""""#), Some(&b""[..]));
    assert_eq!(string("\"café au lait, long enough\""), Some("café au lait, long enough".as_bytes()));
    assert_eq!(string(r#""a\nb""#), None);
    assert_eq!(string("\"a\u{1f}b\""), None);
    assert_eq!(string("\"a\u{7f}b\""), Some(&b"a\x7fb"[..]));
    assert_eq!(Scanner::new(b"\"0123456789\xff\"").string(), None);
    for text in ["\"\" ", "\"abc\"", "\"a\\\"c\"", "\"ab\"", "\"abcd\",", "\"abc", "\"caf\u{e9}\"", "abc\"", "\"abc\\"]
    {
        let [mut scanner, mut likely] = [Scanner::new(text.as_bytes()), Scanner::new(text.as_bytes())];
        assert_eq!(likely.string_of(3), scanner.string(), "{text}");
        assert!(likely.at() == scanner.at() || scanner.string().is_none(), "{text}");
        assert_eq!(Scanner::new(text.as_bytes()).string_of(usize::MAX), Scanner::new(text.as_bytes()).string());
    }
}

/// Every byte in every place of a string of every length.
#[test]
fn every_special_byte_is_seen_wherever_it_stands() {
    // Several vectors, and what is left of one.
    for length in 0..96 {
        for at in 0..length {
            for byte in 0..=255_u8 {
                let mut text = vec![b'a'; length];
                text[at] = byte;
                let special = matches!(byte, b'"' | b'\\' | 0..0x20);
                assert_eq!(vector::any_until(&text, 0), if special { at } else { length });
                assert_eq!(vector::plain_until(&text, 0), if special || byte >= 0x80 { at } else { length });
                assert_eq!(vector::is_plain(&text), !special && byte < 0x80);
            }
        }
    }
}

/// Every byte in every place of a text with quotes in it, in a string of every length.
#[test]
fn a_string_with_quotes_is_taken_as_it_is_written_and_anything_else_is_left() {
    for length in 0..40 {
        for at in 0..=length {
            for byte in 0..=255_u8 {
                let mut text: Vec<u8> = br#"\"a"#.iter().copied().cycle().take(length).collect();
                text.splice(at..(at + 1).min(length), [byte]);
                // At the text's end, where there is no whole vector, and before it.
                let ends: &[u8] = if byte % 2 == 0 { b"\"" } else { b"\" and more, beyond a vector" };
                let string = [b"\"", &text[..], ends].concat();
                let mut scanner = Scanner::new(&string);
                let taken = scanner.quoted();
                let mut complete = serde_json::Deserializer::from_slice(&string).into_iter::<String>();
                let expect = complete.next().and_then(Result::ok);
                let rest = complete.byte_offset();
                if let Some(taken) = taken {
                    assert_eq!((Some(taken.unquoted()), scanner.at()), (expect, rest), "{string:?}");
                    continue;
                }
                // Left: what is no string, and what has other escapes.
                let other = |pair: &[u8]| pair[0] == b'\\' && pair[1] != b'"';
                assert!(expect.is_none() || string[..rest].windows(2).any(other), "{string:?}");
            }
        }
    }
}

/// Text that is JSON or nearly so.
fn nearly() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,2})?",
        "\"([a-z é]|\\\\[nt\"u0]|\\\\u[0-9a-f]{4}){0,6}\"",
        Just("true".to_owned()),
        Just("null".to_owned()),
        "[01.e+-]{1,5}",
    ];
    scalar.prop_recursive(5, 30, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|values| format!("[{}]", values.join(","))),
            prop::collection::vec(("\"[a-c]{1,2}\"", inner), 0..4).prop_map(|members| {
                let members: Vec<_> = members.into_iter().map(|(key, value)| format!("{key} : {value}")).collect();
                format!("{{{}}}", members.join(" ,\n"))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn takes_what_serde_json_takes(text in nearly(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        prop_assert_eq!(takes(text.as_bytes()), is_json(text.as_bytes()), "{}", text);
        let mut broken = text.into_bytes();
        let at = at.index(broken.len());
        broken[at] = byte;
        prop_assert_eq!(takes(&broken), is_json(&broken));
        broken.remove(at);
        prop_assert_eq!(takes(&broken), is_json(&broken));
    }

    #[test]
    fn any_bytes_are_safe(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        prop_assert!(!takes(&bytes) || is_json(&bytes));
    }
}
