//! Creating what the plan names, through the same API that everyone else uses. What a data directory brought back is
//! taken as it is where it fits, and refused by name where it does not.

use aws_sdk_dynamodb::types as ddb;
use aws_sdk_s3::error::{BuildError, DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types as s3;
use aws_sdk_sqs::types::QueueAttributeName;
use weir_local_template::{Bucket, Index, Key, Plan, Queue, Stream, Table};

use crate::clients::Clients;
use crate::error::StartError;

/// How often a stream's or table's state is looked at until it is active, and for how long.
const STATE_POLL: std::time::Duration = std::time::Duration::from_millis(5);
const STATE_POLLS_MAX: u32 = 2_000;

type Created<T> = Result<T, StartError>;

/// What the service said, as one line.
fn said<E, R>(resource: &str) -> impl Fn(SdkError<E, R>) -> StartError + '_
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
    R: std::fmt::Debug + 'static,
{
    move |error| {
        let reason = match (error.code(), error.message()) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            _ => DisplayErrorContext(&error).to_string(),
        };
        refused(resource, reason.replace('\n', " "))
    }
}

fn incomplete(resource: &str) -> impl Fn(BuildError) -> StartError + '_ {
    move |error| refused(resource, error.to_string())
}

fn refused(resource: &str, reason: impl Into<String>) -> StartError {
    StartError::Resource { resource: resource.to_owned(), reason: reason.into() }
}

pub(crate) async fn all(clients: &Clients, plan: &Plan) -> Created<()> {
    for stream in &plan.streams {
        create_stream(clients, stream).await?;
    }
    // Dead-letter queues precede those that name them.
    for queue in &plan.queues {
        create_queue(clients, queue).await?;
    }
    for bucket in &plan.buckets {
        create_bucket(clients, bucket).await?;
    }
    for table in &plan.tables {
        create_table(clients, table).await?;
    }
    Ok(())
}

async fn create_stream(clients: &Clients, stream: &Stream) -> Created<()> {
    let id = &stream.logical_id;
    let shards = i32::try_from(stream.shards).unwrap_or(i32::MAX);
    let created = clients.kinesis.create_stream().stream_name(&stream.name).shard_count(shards).send().await;
    match created {
        Ok(_) => {}
        // It came back with the data directory, with whatever shards it has been split into since.
        Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_in_use_exception()) => {}
        Err(error) => return Err(said(id)(error)),
    }
    for _ in 0..STATE_POLLS_MAX {
        let summary =
            clients.kinesis.describe_stream_summary().stream_name(&stream.name).send().await.map_err(said(id))?;
        let summary = summary.stream_description_summary();
        let Some(summary) =
            summary.filter(|summary| summary.stream_status() == &aws_sdk_kinesis::types::StreamStatus::Active)
        else {
            tokio::time::sleep(STATE_POLL).await;
            continue;
        };
        let hours = i32::try_from(stream.retention_hours).unwrap_or(i32::MAX);
        if summary.retention_period_hours() < hours {
            let request = clients.kinesis.increase_stream_retention_period().stream_name(&stream.name);
            request.retention_period_hours(hours).send().await.map_err(said(id))?;
        } else if summary.retention_period_hours() > hours {
            let request = clients.kinesis.decrease_stream_retention_period().stream_name(&stream.name);
            request.retention_period_hours(hours).send().await.map_err(said(id))?;
        }
        return Ok(());
    }
    Err(refused(id, "the stream did not become active"))
}

async fn create_queue(clients: &Clients, queue: &Queue) -> Created<()> {
    let id = &queue.logical_id;
    let mut attributes: Vec<(QueueAttributeName, String)> =
        queue.attributes.iter().map(|(name, value)| (QueueAttributeName::from(name.as_str()), value.clone())).collect();
    attributes.push((QueueAttributeName::VisibilityTimeout, queue.visibility_timeout_seconds.to_string()));
    if let Some(redrive) = &queue.redrive {
        let policy = serde_json::json!({
            "deadLetterTargetArn": redrive.dead_letter_arn,
            "maxReceiveCount": redrive.receives_max,
        });
        attributes.push((QueueAttributeName::RedrivePolicy, policy.to_string()));
    }
    let existing = clients.sqs.get_queue_url().queue_name(&queue.name).send().await;
    if let Ok(existing) = existing {
        // The template may have changed since the data directory was written.
        let request = clients.sqs.set_queue_attributes().queue_url(existing.queue_url().unwrap_or_default());
        let attributes = Some(attributes.into_iter().collect());
        request.set_attributes(attributes).send().await.map_err(said(id))?;
        return Ok(());
    }
    if queue.fifo {
        attributes.push((QueueAttributeName::FifoQueue, "true".to_owned()));
    }
    let request =
        clients.sqs.create_queue().queue_name(&queue.name).set_attributes(Some(attributes.into_iter().collect()));
    request.send().await.map_err(said(id))?;
    Ok(())
}

async fn create_bucket(clients: &Clients, bucket: &Bucket) -> Created<()> {
    let id = &bucket.logical_id;
    clients.s3.create_bucket().bucket(&bucket.name).send().await.map_err(said(id))?;
    if bucket.versioning {
        let enabled = s3::VersioningConfiguration::builder().status(s3::BucketVersioningStatus::Enabled).build();
        let request = clients.s3.put_bucket_versioning().bucket(&bucket.name).versioning_configuration(enabled);
        request.send().await.map_err(said(id))?;
    }
    let mut configuration = s3::NotificationConfiguration::builder();
    for notification in &bucket.notifications {
        let rules =
            [(s3::FilterRuleName::Prefix, &notification.prefix), (s3::FilterRuleName::Suffix, &notification.suffix)];
        let rules = rules
            .into_iter()
            .filter_map(|(name, value)| Some(s3::FilterRule::builder().name(name).value(value.as_ref()?).build()));
        let filter = s3::S3KeyFilter::builder().set_filter_rules(Some(rules.collect())).build();
        let events = notification.events.iter().map(|event| s3::Event::from(event.as_str())).collect();
        let queue = s3::QueueConfiguration::builder()
            .queue_arn(&notification.queue_arn)
            .set_events(Some(events))
            .filter(s3::NotificationConfigurationFilter::builder().key(filter).build())
            .build()
            .map_err(incomplete(id))?;
        configuration = configuration.queue_configurations(queue);
    }
    // An unchanged configuration is left alone, so that a restart does not send s3:TestEvent again.
    let wanted = configuration.build();
    let current =
        clients.s3.get_bucket_notification_configuration().bucket(&bucket.name).send().await.map_err(said(id))?;
    let comparable = |queues: &[s3::QueueConfiguration]| -> Vec<_> {
        let filters = |queue: &s3::QueueConfiguration| {
            let rules =
                queue.filter().and_then(|filter| filter.key()).map(s3::S3KeyFilter::filter_rules).unwrap_or_default();
            rules
                .iter()
                .map(|rule| (rule.name().map(|name| name.as_str().to_lowercase()), rule.value().map(str::to_owned)))
                .collect::<Vec<_>>()
        };
        queues.iter().map(|queue| (queue.queue_arn().to_owned(), queue.events().to_vec(), filters(queue))).collect()
    };
    if comparable(current.queue_configurations()) != comparable(wanted.queue_configurations()) {
        let request = clients.s3.put_bucket_notification_configuration().bucket(&bucket.name);
        request.notification_configuration(wanted).send().await.map_err(said(id))?;
    }
    Ok(())
}

async fn create_table(clients: &Clients, table: &Table) -> Created<()> {
    let id = &table.logical_id;
    let mut request =
        clients.dynamodb.create_table().table_name(&table.name).billing_mode(ddb::BillingMode::PayPerRequest);
    request = request.set_key_schema(Some(key_schema(id, &table.key)?));
    for (name, kind) in &table.attributes {
        let kind = ddb::ScalarAttributeType::from(kind.as_str());
        let definition = ddb::AttributeDefinition::builder().attribute_name(name).attribute_type(kind);
        request = request.attribute_definitions(definition.build().map_err(incomplete(id))?);
    }
    for index in &table.global_indexes {
        let definition = ddb::GlobalSecondaryIndex::builder()
            .index_name(&index.name)
            .set_key_schema(Some(key_schema(id, &index.key)?))
            .projection(projection(index));
        request = request.global_secondary_indexes(definition.build().map_err(incomplete(id))?);
    }
    for index in &table.local_indexes {
        let definition = ddb::LocalSecondaryIndex::builder()
            .index_name(&index.name)
            .set_key_schema(Some(key_schema(id, &index.key)?))
            .projection(projection(index));
        request = request.local_secondary_indexes(definition.build().map_err(incomplete(id))?);
    }
    if let Some(view) = &table.stream_view {
        let stream = ddb::StreamSpecification::builder().stream_enabled(true);
        let stream =
            stream.stream_view_type(ddb::StreamViewType::from(view.as_str())).build().map_err(incomplete(id))?;
        request = request.stream_specification(stream);
    }
    match request.send().await {
        Ok(_) => {}
        Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_in_use_exception()) => {
            check_table(clients, table).await?;
        }
        Err(error) => return Err(said(id)(error)),
    }
    if let Some(attribute) = &table.ttl_attribute {
        let current =
            clients.dynamodb.describe_time_to_live().table_name(&table.name).send().await.map_err(said(id))?;
        let current = current.time_to_live_description().and_then(|ttl| ttl.attribute_name()).map(str::to_owned);
        if current.as_ref() != Some(attribute) {
            let ttl = ddb::TimeToLiveSpecification::builder().enabled(true).attribute_name(attribute);
            let ttl = ttl.build().map_err(incomplete(id))?;
            let request =
                clients.dynamodb.update_time_to_live().table_name(&table.name).time_to_live_specification(ttl);
            request.send().await.map_err(said(id))?;
        }
    }
    Ok(())
}

/// A table that came back with the data directory must be the template's, or functions would write into another form.
async fn check_table(clients: &Clients, table: &Table) -> Created<()> {
    let id = &table.logical_id;
    let described = clients.dynamodb.describe_table().table_name(&table.name).send().await.map_err(said(id))?;
    let Some(described) = described.table() else { return Err(refused(id, "the table cannot be described")) };
    let wanted = key_schema(id, &table.key)?;
    if described.key_schema() != wanted {
        return Err(refused(
            id,
            format!(
                "the data directory has the table {} with another key: choose another directory or remove it",
                table.name
            ),
        ));
    }
    let view = described.stream_specification().filter(|stream| stream.stream_enabled());
    let view = view.and_then(|stream| stream.stream_view_type()).map(|view| view.as_str().to_owned());
    if view != table.stream_view {
        return Err(refused(
            id,
            format!(
                "the data directory has the table {} with another stream: choose another directory or remove it",
                table.name
            ),
        ));
    }
    Ok(())
}

fn key_schema(id: &str, key: &Key) -> Created<Vec<ddb::KeySchemaElement>> {
    let partition = std::iter::once((&key.partition, ddb::KeyType::Hash));
    let elements = partition.chain(key.sort.iter().map(|name| (name, ddb::KeyType::Range)));
    elements
        .map(|(name, kind)| {
            ddb::KeySchemaElement::builder().attribute_name(name).key_type(kind).build().map_err(incomplete(id))
        })
        .collect()
}

fn projection(index: &Index) -> ddb::Projection {
    let projected = (!index.projected.is_empty()).then(|| index.projected.clone());
    ddb::Projection::builder()
        .projection_type(ddb::ProjectionType::from(index.projection.as_str()))
        .set_non_key_attributes(projected)
        .build()
}

/// ARN of a table's stream, which has its creation time for a label.
pub(crate) async fn table_stream_arn(clients: &Clients, resource: &str, table: &str) -> Created<String> {
    let described = clients.dynamodb.describe_table().table_name(table).send().await.map_err(said(resource))?;
    let arn = described.table().and_then(|table| table.latest_stream_arn()).map(str::to_owned);
    arn.ok_or_else(|| refused(resource, format!("the table {table} has no stream")))
}
