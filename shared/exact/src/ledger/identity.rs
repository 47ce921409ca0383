//! What a contribution is counted under: a text, of which most of a batch share the beginning and all of its messages
//! lend the end. So none of a queue's is put together before it is written.

use super::digest;
use crate::layout::{Lanes, Layout};
use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};

/// What a contribution is counted under, once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity<'a> {
    /// Up to its first slash, with it; all of a text without one. So equal texts have equal parts, and the parts are
    /// ordered as their texts are: of two namespaces neither begins like the other unless one is a whole text.
    namespace: Cow<'a, str>,
    /// The rest.
    name: Cow<'a, str>,
}

/// By its name alone: a batch's identities have a few namespaces between them.
impl Hash for Identity<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

/// The namespace of a queue's messages.
#[derive(Clone, Debug)]
pub struct QueueIdentities {
    namespace: String,
    /// What follows the first slash: nothing, since no queue's ARN has one.
    rest: String,
}

impl QueueIdentities {
    /// For that queue.
    pub fn of(queue_arn: &str) -> Self {
        let (namespace, rest) = parted(format!("sqs:{queue_arn}/"));
        Self { namespace, rest }
    }

    /// A message of the queue: `id` is the message's, or the producer's own (`weir-id`).
    pub fn identity<'a>(&'a self, id: &'a str) -> Identity<'a> {
        let name = if self.rest.is_empty() { Cow::Borrowed(id) } else { Cow::Owned([&self.rest, id].concat()) };
        Identity { namespace: Cow::Borrowed(&self.namespace), name }
    }
}

/// Longest identity of an object that is kept unchanged, bytes. Far above what buckets and keys usually have.
pub(super) const S3_BYTES_MAX: usize = 512;

impl Identity<'static> {
    /// [`QueueIdentities::identity`]
    pub fn sqs(queue_arn: &str, id: &str) -> Self {
        Self::of(format!("sqs:{queue_arn}/{id}"))
    }

    /// An S3 object: `content` is its version or, on a bucket without versions, its ETag. A key has up to 1,024 bytes
    /// and a sort key no more, so a long identity ends in its digest instead. The two never collide: only a digested
    /// one is longer than what is kept unchanged.
    pub fn s3(bucket: &str, key: &str, content: &str) -> Self {
        let text = format!("s3:{bucket}/{key}@{content}");
        if text.len() <= S3_BYTES_MAX {
            return Self::of(text);
        }
        let digest = digest([bucket, key, content]);
        Self::of(format!("{}~{digest}", &text[..text.floor_char_boundary(S3_BYTES_MAX)]))
    }

    pub(crate) fn of(text: String) -> Self {
        let (namespace, name) = parted(text);
        Self { namespace: Cow::Owned(namespace), name: Cow::Owned(name) }
    }
}

impl Identity<'_> {
    /// The n-th chunk of an object counted under `self`.
    pub(crate) fn chunk(&self, number: u64) -> Identity<'static> {
        Identity::of(format!("{self}#{number}"))
    }

    /// Another body sent under the same id.
    pub(crate) fn other_body(&self, digest: &str) -> Identity<'static> {
        Identity::of(format!("{self}!{digest}"))
    }

    /// Its text; [`ToString`] would let it grow twice.
    pub(super) fn text(&self) -> String {
        [&*self.namespace, &*self.name].concat()
    }

    /// Its lane: a function of its text.
    pub(crate) fn lane(&self, layout: &Layout, lanes: &mut Lanes) -> u16 {
        let [lane] = lanes.of(layout, &self.namespace, [&self.name]);
        lane
    }

    /// The lanes of several, together if they are of one namespace, as a batch's are; 0 where there is none.
    pub(super) fn lanes<const N: usize>(all: [Option<&Self>; N], layout: &Layout, lanes: &mut Lanes) -> [u16; N] {
        let namespace = all.iter().flatten().map(|identity| &*identity.namespace).next().unwrap_or_default();
        if all.iter().all(|identity| identity.is_some_and(|identity| identity.namespace == namespace)) {
            return lanes.of(layout, namespace, all.map(|identity| identity.map_or("", |identity| &identity.name)));
        }
        all.map(|identity| identity.map_or(0, |identity| identity.lane(layout, lanes)))
    }
}

/// Its text.
impl fmt::Display for Identity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.namespace)?;
        f.write_str(&self.name)
    }
}

/// A text up to its first slash, with it, and the rest.
fn parted(mut text: String) -> (String, String) {
    let name = text.split_off(text.find('/').map_or(text.len(), |slash| slash + 1));
    (text, name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// However it was made, an identity is its text, and orders as it.
        #[test]
        fn an_identity_is_its_text(texts in prop::collection::vec("[a/!~é]{0,5}", 2), ids in prop::collection::vec("[a/é]{0,3}", 2)) {
            let [one, other] = [0, 1].map(|at| Identity::of(texts[at].clone()));
            prop_assert_eq!(one.to_string(), &*texts[0]);
            prop_assert_eq!(one.cmp(&other), texts[0].cmp(&texts[1]));
            let queues = [0, 1].map(|at| QueueIdentities::of(&texts[at]));
            let [one, other] = [0, 1].map(|at| queues[at].identity(&ids[at]));
            let text = |at: usize| format!("sqs:{}/{}", texts[at], ids[at]);
            prop_assert_eq!(&one, &Identity::sqs(&texts[0], &ids[0]));
            prop_assert_eq!(one.to_string(), text(0));
            prop_assert_eq!(one.cmp(&other), text(0).cmp(&text(1)));
        }
    }
}
