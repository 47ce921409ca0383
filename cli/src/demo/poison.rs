//! Records that cannot be counted, each with the reason that quarantine must name.

use std::io::Write;

/// A payload and what its rejected parts must be filed under.
pub(crate) struct Poison {
    pub(crate) body: Vec<u8>,
    pub(crate) reason: &'static str,
}

fn poison(body: impl Into<Vec<u8>>, reason: &'static str) -> Poison {
    Poison { body: body.into(), reason }
}

/// Small ones, sent over and over.
pub(crate) fn small() -> Vec<Poison> {
    vec![
        poison("not json at all", "not_json"),
        poison("[{},{}", "not_json"),
        poison("42", "not_an_object"),
        poison(r#"{"status":"two hundred"}"#, "invalid_status"),
        poison(r#"{"status":1000}"#, "invalid_status"),
        poison(r#"{"duration_ms":-5}"#, "invalid_duration_ms"),
        poison(r#"{"endpoint":17}"#, "invalid_endpoint"),
        poison(r#"{"user_id":""}"#, "invalid_user_id"),
        poison(r#"{"service":null}"#, "invalid_service"),
        poison(r#"{"timestamp":"yesterday"}"#, "invalid_timestamp"),
        poison(r#"{"status":200,"status":500}"#, "duplicate_status"),
        poison(r#"{"timestamp":"1970-01-01T00:00:00Z"}"#, "too_late"),
        poison(r#"{"timestamp":"2100-01-01T00:00:00Z"}"#, "from_future"),
    ]
}

/// Large or binary ones, sent once, to the stream.
pub(crate) fn large() -> Vec<Poison> {
    let mut bomb = flate2::write::GzEncoder::new(vec![], flate2::Compression::best());
    // Writing to a vector cannot fail.
    let _ = bomb.write_all(&vec![b' '; 64 << 20]);
    let noise: Vec<u8> = (0..1_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8 | 0x80).collect();
    vec![
        poison(b"{\"endpoint\":\"\xff\xfe\"}".to_vec(), "not_utf8"),
        poison(noise, "not_utf8"),
        poison(bomb.finish().unwrap_or_default(), "exceeds_payload_bytes_max"),
        poison(vec![b'['; 100_000], "exceeds_json_depth_max"),
        poison([vec![b'['; 100_000], vec![b']'; 100_000]].concat(), "exceeds_json_depth_max"),
        poison(b"\x1f\x8b\x08 cut short".to_vec(), "not_decompressible"),
    ]
}
