//! Pages of a bucket's listing, from the state.

use s3s::S3Result;
use s3s::dto::{
    DeleteMarkerEntry, ListObjectVersionsInput, ListObjectVersionsOutput, Object, ObjectVersion,
    ObjectVersionStorageClass, Owner,
};
use std::ops::Bound;

use super::listing::{self, Query, common_prefix};
use super::object::Version;
use super::service::page_size;
use super::write::bucket;
use super::{Store, reply};

impl Store {
    /// Objects, common prefixes and where to go on.
    pub(crate) fn listed(
        &self,
        name: &str,
        query: &Query<'_>,
        encoder: &reply::Encoder,
        owner: Option<&Owner>,
    ) -> S3Result<(Vec<Object>, Vec<String>, Option<String>)> {
        let state = self.state();
        let bucket = bucket(&state, name)?;
        let alive = |versions: &Vec<Version>| versions.last().is_some_and(|version| !version.about.delete_marker);
        let page = listing::page(&bucket.keys, query, alive);
        let objects = page.keys.iter().filter_map(|key| bucket.current(key));
        let objects = objects.map(|version| reply::listed(version, encoder, owner.cloned())).collect();
        Ok((objects, page.common_prefixes, page.next))
    }

    /// Every version and delete marker, newest first within a key.
    pub(crate) fn list_versions(&self, input: ListObjectVersionsInput) -> S3Result<ListObjectVersionsOutput> {
        let entries_max = page_size(input.max_keys)?;
        let encoder = reply::Encoder::new(input.encoding_type.as_ref());
        let prefix = input.prefix.as_deref().unwrap_or_default();
        let delimiter = input.delimiter.as_deref().unwrap_or_default();
        let key_marker = input.key_marker.as_deref().unwrap_or_default();
        let state = self.state();
        let bucket = bucket(&state, &input.bucket)?;
        let (mut versions, mut markers, mut prefixes) = (Vec::new(), Vec::new(), Vec::<String>::new());
        let mut last: Option<(String, String)> = None;
        let mut next = None;
        let start = if key_marker > prefix { key_marker } else { prefix };
        'keys: for (key, all) in bucket.keys.range::<str, _>((Bound::Included(start), Bound::Unbounded)) {
            if !key.starts_with(prefix) {
                break;
            }
            let common = common_prefix(key, prefix, delimiter);
            if common.is_some_and(|common| common <= key_marker || prefixes.last().is_some_and(|last| last == common)) {
                continue;
            }
            // Within the marker's own key, go on after the marker's version; without one the key is done.
            let mut skipping = common.is_none() && key == key_marker;
            for (index, version) in all.iter().rev().enumerate() {
                let id = version.about.version_id.as_str();
                if skipping {
                    skipping = input.version_id_marker.as_deref() != Some(id);
                    continue;
                }
                if versions.len() + markers.len() + prefixes.len() == entries_max {
                    next = last;
                    break 'keys;
                }
                if let Some(common) = common {
                    prefixes.push(common.to_owned());
                    last = Some((common.to_owned(), String::new()));
                    break;
                }
                entry(version, index == 0, &encoder, &mut versions, &mut markers);
                last = Some((key.clone(), id.to_owned()));
            }
        }
        Ok(ListObjectVersionsOutput {
            common_prefixes: encoder.prefixes(prefixes),
            delete_markers: (!markers.is_empty()).then_some(markers),
            versions: (!versions.is_empty()).then_some(versions),
            is_truncated: Some(next.is_some()),
            next_key_marker: next.as_ref().map(|(key, _)| encoder.text(key)),
            next_version_id_marker: next.map(|(_, id)| id).filter(|id| !id.is_empty()),
            key_marker: Some(encoder.text(key_marker)),
            version_id_marker: input.version_id_marker,
            max_keys: i32::try_from(entries_max).ok(),
            name: Some(input.bucket),
            prefix: Some(encoder.text(prefix)),
            delimiter: input.delimiter.as_deref().map(|text| encoder.text(text)),
            encoding_type: input.encoding_type,
            ..ListObjectVersionsOutput::default()
        })
    }
}

fn entry(
    version: &Version,
    latest: bool,
    encoder: &reply::Encoder,
    versions: &mut Vec<ObjectVersion>,
    markers: &mut Vec<DeleteMarkerEntry>,
) {
    let about = &version.about;
    if about.delete_marker {
        markers.push(DeleteMarkerEntry {
            is_latest: Some(latest),
            key: Some(encoder.text(&about.key)),
            last_modified: Some(reply::timestamp(about.modified_ms)),
            owner: Some(reply::owner("local")),
            version_id: Some(about.version_id.clone()),
        });
        return;
    }
    versions.push(ObjectVersion {
        e_tag: Some(reply::etag(&about.etag)),
        is_latest: Some(latest),
        key: Some(encoder.text(&about.key)),
        last_modified: Some(reply::timestamp(about.modified_ms)),
        owner: Some(reply::owner("local")),
        size: i64::try_from(about.size).ok(),
        storage_class: Some(ObjectVersionStorageClass::from_static(ObjectVersionStorageClass::STANDARD)),
        version_id: Some(about.version_id.clone()),
        ..ObjectVersion::default()
    });
}
