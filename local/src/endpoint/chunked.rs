//! `aws-chunked` bodies: the payload in signed or unsigned chunks, with checksums trailing behind it.
//!
//! `s3s` decodes them only together with checking the signature, and the plane accepts any; so the chunks are taken
//! apart here and signatures within them passed over. The trailing checksums are kept, and checked by the store.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Longest line between chunks: a size, a signature, or one trailer.
const LINE_BYTES_MAX: usize = 8 << 10;
/// Trailers after the last chunk.
const TRAILERS_MAX: usize = 32;

/// Whether the request's body is in chunks.
pub(crate) fn is_chunked(headers: &HeaderMap) -> bool {
    headers
        .get("x-amz-content-sha256")
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("STREAMING-"))
}

/// Payload and trailers; `None` when the body does not follow the form.
pub(crate) fn decode(body: &Bytes) -> Option<(Bytes, HeaderMap)> {
    let mut rest = body.clone();
    let mut payload: Option<Bytes> = None;
    let mut more = BytesMut::new();
    loop {
        let line = take_line(&mut rest)?;
        let size = line.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            break;
        }
        if rest.len() < size {
            return None;
        }
        let chunk = rest.split_to(size);
        if !take_line(&mut rest)?.is_empty() {
            return None;
        }
        match payload {
            // Most bodies are one chunk, and then nothing is copied.
            None => payload = Some(chunk),
            Some(_) => more.extend_from_slice(&chunk),
        }
    }
    let first = payload.unwrap_or_default();
    let payload = if more.is_empty() {
        first
    } else {
        let mut whole = BytesMut::with_capacity(first.len() + more.len());
        whole.extend_from_slice(&first);
        whole.extend_from_slice(&more);
        whole.freeze()
    };
    Some((payload, trailers(&mut rest)?))
}

fn trailers(rest: &mut Bytes) -> Option<HeaderMap> {
    let mut trailers = HeaderMap::new();
    for _ in 0..TRAILERS_MAX {
        if rest.is_empty() {
            return Some(trailers);
        }
        let line = take_line(rest)?;
        if line.is_empty() {
            return Some(trailers);
        }
        let (name, value) = line.split_once(':')?;
        let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
        trailers.insert(name, HeaderValue::from_str(value.trim()).ok()?);
    }
    None
}

/// The text up to the next line end, which is taken with it.
fn take_line(rest: &mut Bytes) -> Option<String> {
    let window = &rest[..rest.len().min(LINE_BYTES_MAX)];
    let end = window.iter().position(|byte| *byte == b'\n')?;
    let line = rest.split_to(end + 1);
    let line = std::str::from_utf8(&line).ok()?;
    Some(line.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_signatures_and_trailers() {
        let body = "5;chunk-signature=abc\r\nhello\r\n6;chunk-signature=def\r\n world\r\n0;chunk-signature=fed\r\nx-amz-checksum-crc32:DUoRhQ==\r\nx-amz-trailer-signature:1\r\n\r\n";
        let (payload, trailers) = decode(&Bytes::from_static(body.as_bytes())).unwrap();
        assert_eq!(payload, "hello world");
        assert_eq!(trailers["x-amz-checksum-crc32"], "DUoRhQ==");
        let (payload, trailers) = decode(&Bytes::from_static(b"0\r\n\r\n")).unwrap();
        assert!(payload.is_empty() && trailers.is_empty());
    }

    #[test]
    fn what_is_not_chunked_is_refused() {
        for body in [
            "",
            "hello",
            "5\r\nhel",
            "5\r\nhelloXX\r\n0\r\n\r\n",
            "fffffffffffffffff\r\n",
            "5\r\nhello\r\n",
            "0\r\nx\r\n",
        ] {
            assert!(decode(&Bytes::from(body)).is_none(), "{body:?}");
        }
    }
}
