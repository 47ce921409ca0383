//! From what is counted back to its name in quarantine.
//!
//! The reverse does not exist: a quarantine key has a queue's name, not its ARN, and only the digest of a long value.

use super::identity::S3_BYTES_MAX;
use crate::quarantine::{id_of, queue_name};

/// The document, a message or S3 object, under which something was counted as it came from its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document<'i> {
    /// Its identity; for an object without the chunk number.
    pub identity: &'i str,
    /// Its name in quarantine if all of it is quarantined: [`crate::quarantine::Key::name`].
    pub name: String,
}

impl<'i> Document<'i> {
    /// The document of a stored identity.
    ///
    /// `None` for a replay, which counts what was quarantined and nothing that was counted; and for an object whose
    /// identity ends in a digest, from which its name cannot be recovered.
    pub fn of(identity: &'i str) -> Option<Self> {
        let (source, rest) = identity.split_once(':')?;
        match source {
            "sqs" => {
                let (queue_arn, id) = rest.split_once('/')?;
                Some(Self { identity, name: whole("sqs", [queue_name(queue_arn), id]) })
            }
            "s3" => {
                let (identity, _chunk) = identity.rsplit_once('#')?;
                if identity.len() > S3_BYTES_MAX {
                    return None;
                }
                let (bucket, object) = identity.strip_prefix("s3:")?.split_once('/')?;
                // A key may contain any character; neither a version nor an ETag contains this one.
                let (key, content) = object.rsplit_once('@')?;
                Some(Self { identity, name: whole("s3", [bucket, key, content]) })
            }
            _ => None,
        }
    }
}

fn whole<'v>(source: &str, values: impl IntoIterator<Item = &'v str>) -> String {
    format!("{source}/{}", id_of(values, None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Identity;
    use crate::objects::{Content, ObjectAt};
    use crate::quarantine::{Coordinates, Key, QuarantineObject};
    use proptest::prelude::*;
    use weir_telemetry::{Millis, Reason, Rejected};

    /// The key under which everything with these coordinates is quarantined whole.
    fn set_aside(coordinates: Coordinates) -> String {
        let rejected = Rejected { reason: Reason::NotJson, detail: String::new(), event_index: None, payload: vec![] };
        QuarantineObject { coordinates, arrived_at: Millis(0), rejected }.key()
    }

    fn object(bucket: &str, key: &str, content: Content) -> ObjectAt {
        ObjectAt { bucket: bucket.to_owned(), key: key.to_owned(), content, size: None }
    }

    proptest! {
        /// Whatever id the producer uses; `sqs-rollup` checks that the messages it makes follow this.
        #[test]
        fn a_message_is_found_under_the_name_that_quarantine_has_for_it(queue in "[A-Za-z0-9_-]{1,80}", id in "(?s).{1,300}") {
            let identity = Identity::sqs(&format!("arn:aws:sqs:us-east-1:000000000000:{queue}"), &id);
            let other_body = identity.other_body("0f").to_string();
            let identity = identity.to_string();
            let key = set_aside(Coordinates::new("sqs", [("queue", &*queue), ("message_id", &*id)]));
            let document = Document::of(&identity).unwrap();
            prop_assert_eq!(document.name, Key::parse(&key).unwrap().name());
            prop_assert_eq!(document.identity, &*identity);
            // Another body under the same id is another document.
            prop_assert_ne!(Document::of(&other_body).unwrap().name, Key::parse(&key).unwrap().name());
        }

        #[test]
        fn every_chunk_of_an_object_is_found_under_its_name(
            bucket in "[a-z0-9.-]{3,63}", key in "(?s).{1,420}", content in "[A-Za-z0-9._-]{1,70}", chunk in any::<u64>(),
        ) {
            for content in [Content::Version(content.clone()), Content::Etag(content)] {
                let object = object(&bucket, &key, content);
                let counted = object.identity().chunk(chunk).to_string();
                let Some(document) = Document::of(&counted) else {
                    prop_assert!(object.identity().to_string().len() > S3_BYTES_MAX);
                    continue;
                };
                let key = set_aside(object.coordinates());
                prop_assert_eq!(document.name, Key::parse(&key).unwrap().name());
                prop_assert_eq!(document.identity, object.identity().to_string());
            }
        }
    }

    #[test]
    fn what_has_no_name_has_none() {
        let long = object("bucket", &"k".repeat(600), Content::Version("v".to_owned())).identity();
        assert_eq!(Document::of(&long.chunk(7).to_string()), None);
        let whole = set_aside(Coordinates::new("sqs", [("queue", "q"), ("message_id", "m")]));
        assert_eq!(Document::of(&format!("replay:{}", Key::parse(&whole).unwrap().name())), None);
        for identity in ["", "sqs:q", "s3:b/k@v", "s3:b#0", "kinesis:s/1"] {
            assert_eq!(Document::of(identity), None, "{identity}");
        }
    }
}
