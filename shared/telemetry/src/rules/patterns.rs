//! The built-in patterns: path segments that are identifiers, whatever the service.

/// A path, given without its leading slash, with `{id}` for each identifier.
pub(super) fn normal(path: &str) -> String {
    let mut normal = String::with_capacity(path.len() + 1);
    for segment in path.split('/') {
        normal.push('/');
        normal.push_str(if is_identifier(segment) { "{id}" } else { segment });
    }
    normal
}

/// A number, a UUID, or 16 or more hexadecimal digits (a trace id, an object id, a digest).
fn is_identifier(segment: &str) -> bool {
    let bytes = segment.as_bytes();
    let digits = bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
    let hex = bytes.iter().all(u8::is_ascii_hexdigit);
    let uuid = bytes.len() == 36
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    (digits > 0 && digits == bytes.len()) || uuid || (hex && digits > 0 && bytes.len() >= 16)
}
