//! S3 event notifications, as S3 sends them: for objects it will not announce by itself, or not again.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

/// What S3 leaves as it is in a key, beside letters and digits; a space is a `+`.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'*').remove(b'/').remove(b' ');

/// An object that was created.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Created<'a> {
    pub(crate) key: &'a str,
    /// None on a bucket without versions.
    pub(crate) version: Option<&'a str>,
    pub(crate) etag: &'a str,
    /// Its length, bytes, where it is known.
    pub(crate) size: Option<u64>,
}

/// The body of a notification of those objects of one bucket.
pub(crate) fn notice(bucket: &str, created: &[Created<'_>]) -> String {
    let records = created.iter().map(|created| {
        let key = utf8_percent_encode(created.key, KEPT).to_string().replace(' ', "+");
        let mut object = json!({"key": key, "eTag": created.etag.trim_matches('"')});
        if let Some(version) = created.version {
            object["versionId"] = version.into();
        }
        if let Some(size) = created.size {
            object["size"] = size.into();
        }
        json!({
            "eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": bucket}, "object": object},
        })
    });
    json!({"Records": records.collect::<Vec<_>>()}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_exact::objects::ObjectAt;
    use weir_telemetry::MessageBody;

    #[test]
    fn a_notice_of_ours_is_followed_to_the_identity_of_s3_s_own() {
        let check = |key: &str, version: Option<&str>, expect: &str| {
            let notice = notice("b", &[Created { key, version, etag: "\"e-2\"", size: Some(7) }]);
            let MessageBody::Notice(read) = MessageBody::of(&notice) else { panic!("{notice}") };
            let at = ObjectAt::noticed(&read.objects[0]).unwrap();
            assert_eq!((&*at.identity().to_string(), at.size), (expect, Some(7)));
        };
        check("in/a b+c%20/é🚀", Some("v1"), "s3:b/in/a b+c%20/é🚀@v1");
        check("in/~!'()*", None, "s3:b/in/~!'()*@e-2");
        check("in/x", Some("null"), "s3:b/in/x@e-2");
    }
}
