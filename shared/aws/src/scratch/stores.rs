//! A scratch generation from the gate's side: reading its content, and emptying it.

use super::InScratch;
use crate::clients::Connection;
use crate::config::{ConfigError, Environment, resource};
use crate::contributions::{Attributes, ContributionsTable, text};
use crate::errors::store_error;
use crate::intake::{contributions_table, quarantine_bucket};
use crate::quarantine::QuarantineBucket;
use crate::rows::{RollupsTable, row};
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use weir_exact::ports::{QuarantineGet, StoreError, StoreErrorKind};
use weir_exact::scratch::{Left, Scratch};

/// Requests in flight.
const IN_FLIGHT_MAX: usize = 16;
/// Rounds of reading and deleting, after which whatever still appears is left to its TTL.
const ROUNDS_MAX: u32 = 4;

/// An object of the landing bucket put for a scratch generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutObject {
    /// Its key.
    pub key: String,
    /// Its version; `None` in a bucket without versions.
    pub version: Option<String>,
    /// Its ETag, without quotes.
    pub etag: String,
    /// Its length, bytes.
    pub size: usize,
}

/// The stores of scratch generations.
#[derive(Clone, Debug)]
pub struct ScratchStores {
    dynamodb: aws_sdk_dynamodb::Client,
    s3: aws_sdk_s3::Client,
    table: String,
    quarantine: String,
    landing: String,
}

impl ScratchStores {
    /// From `WEIR_CONTRIBUTIONS_TABLE`, `WEIR_QUARANTINE_BUCKET` and `WEIR_LANDING_BUCKET`.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable that is missing or wrong.
    pub fn from_environment(environment: &impl Environment, connection: &Connection) -> Result<Self, ConfigError> {
        Ok(Self {
            dynamodb: connection.dynamodb(),
            s3: connection.s3(),
            table: contributions_table(environment)?,
            quarantine: quarantine_bucket(environment)?,
            landing: resource(environment, "WEIR_LANDING_BUCKET", "the name of the landing bucket")?,
        })
    }

    /// The landing bucket's name.
    pub fn landing(&self) -> &str {
        &self.landing
    }

    /// A generation's contributions.
    pub fn contributions(&self, scratch: &Scratch) -> ContributionsTable {
        ContributionsTable::new(self.dynamodb.clone(), &self.table).in_scratch(InScratch::from_now(scratch.clone()))
    }

    /// A generation's rows.
    pub fn rows(&self, scratch: &Scratch) -> RollupsTable {
        let rows = RollupsTable::new(self.dynamodb.clone(), &self.table);
        rows.in_scratch(&self.table, InScratch::from_now(scratch.clone()))
    }

    /// Puts a quarantine document into a generation.
    ///
    /// # Errors
    /// If S3 fails.
    pub async fn put_document(&self, scratch: &Scratch, key: &str, body: Vec<u8>) -> Result<(), StoreError> {
        self.put(&self.quarantine, &scratch.object_key(key), body.into()).await.map(drop)
    }

    /// Puts an object into the landing bucket where no notification is sent for it.
    ///
    /// # Errors
    /// If S3 fails.
    pub async fn put_object(&self, scratch: &Scratch, name: &str, body: Bytes) -> Result<PutObject, StoreError> {
        self.put(&self.landing, &scratch.object_key(name), body).await
    }

    async fn put(&self, bucket: &str, key: &str, body: Bytes) -> Result<PutObject, StoreError> {
        let size = body.len();
        let put = self.s3.put_object().bucket(bucket).key(key).body(ByteStream::from(body)).send().await;
        let put = put.map_err(|error| store_error(&format!("PutObject s3://{bucket}/{key}"), &error))?;
        let etag = put.e_tag().unwrap_or_default().trim_matches('"').to_owned();
        Ok(PutObject { key: key.to_owned(), version: put.version_id, etag, size })
    }

    /// Everything in a generation.
    ///
    /// # Errors
    /// If a store fails, or this version cannot read something.
    pub async fn left(&self, scratch: &Scratch) -> Result<Left, StoreError> {
        let contributions = self.contributions(scratch);
        let mut left = Left::default();
        for attributes in self.attributes(scratch).await? {
            match attributes.contains_key("series") {
                true => left.rows.push(row(&attributes)?),
                false => left.items.push(contributions.read(&attributes)?),
            }
        }
        let documents = QuarantineBucket::new(self.s3.clone(), &self.quarantine);
        for key in self.documents(scratch).await? {
            // Deleted since it was listed: it is not there.
            left.set_aside.extend(documents.set_aside(&key).await?);
        }
        Ok(left)
    }

    /// Deletes everything in a generation, and the objects put for it.
    ///
    /// # Errors
    /// The last failure, after everything was tried. Items are then deleted by their TTL.
    pub async fn empty(&self, scratch: &Scratch, objects: &[PutObject]) -> Result<(), StoreError> {
        let items = self.empty_items(scratch).await;
        let documents = self.empty_documents(scratch).await;
        let mut landed = Ok(());
        for PutObject { key, version, .. } in objects {
            let delete = self.s3.delete_object().bucket(&self.landing).key(key).set_version_id(version.clone());
            if let Err(error) = delete.send().await {
                landed = Err(store_error(&format!("DeleteObject s3://{}/{key}", self.landing), &error));
            }
        }
        items.and(documents).and(landed)
    }

    async fn empty_items(&self, scratch: &Scratch) -> Result<(), StoreError> {
        for _ in 0..ROUNDS_MAX {
            let items = self.attributes(scratch).await?;
            if items.is_empty() {
                return Ok(());
            }
            stream::iter(items)
                .map(|item| self.delete(item))
                .buffer_unordered(IN_FLIGHT_MAX)
                .try_collect::<()>()
                .await?;
        }
        let what = format!("{}: items keep appearing", scratch.partition());
        Err(StoreError::new(StoreErrorKind::Unavailable, what))
    }

    async fn delete(&self, mut item: Attributes) -> Result<(), StoreError> {
        let delete = self.dynamodb.delete_item().table_name(&self.table);
        let delete = delete.set_key(Some(["pk", "sk"].iter().filter_map(|name| item.remove_entry(*name)).collect()));
        let deleted = delete.send().await;
        deleted.map(drop).map_err(|error| store_error("DeleteItem of a scratch generation", &error))
    }

    async fn empty_documents(&self, scratch: &Scratch) -> Result<(), StoreError> {
        for key in self.documents(scratch).await? {
            let tried = format!("DeleteObject s3://{}/{key}", self.quarantine);
            let deleted = self.s3.delete_object().bucket(&self.quarantine).key(key).send().await;
            deleted.map_err(|error| store_error(&tried, &error))?;
        }
        Ok(())
    }

    /// Every item of the generation's one partition, as stored.
    async fn attributes(&self, scratch: &Scratch) -> Result<Vec<Attributes>, StoreError> {
        let query = self.dynamodb.query().table_name(&self.table).consistent_read(true);
        let query = query.key_condition_expression("pk = :pk");
        let query = query.expression_attribute_values(":pk", text(scratch.partition()));
        let items = query.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
        items.map_err(|error| store_error(&format!("Query {}", scratch.partition()), &error))
    }

    /// Keys of its objects in the quarantine bucket.
    async fn documents(&self, scratch: &Scratch) -> Result<Vec<String>, StoreError> {
        let prefix = scratch.object_prefix();
        let tried = format!("ListObjectsV2 s3://{}/{prefix}", self.quarantine);
        let list = self.s3.list_objects_v2().bucket(&self.quarantine).prefix(prefix);
        let mut pages = list.into_paginator().send();
        let mut keys = vec![];
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| store_error(&tried, &error))?;
            keys.extend(page.contents.unwrap_or_default().into_iter().filter_map(|object| object.key));
        }
        Ok(keys)
    }
}
