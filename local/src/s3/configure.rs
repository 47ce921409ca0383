//! A bucket's versioning and notification configuration.

use s3s::dto::*;
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use super::state::{BucketSettings, NotificationRule, Versioning};
use super::write::{bucket, bucket_mut, unwritable};
use super::{Store, reply};

impl Store {
    pub(crate) fn set_versioning(&self, input: PutBucketVersioningInput) -> S3Result<PutBucketVersioningOutput> {
        let versioning = match input.versioning_configuration.status.as_ref().map(BucketVersioningStatus::as_str) {
            Some(BucketVersioningStatus::ENABLED) => Versioning::Enabled,
            Some(BucketVersioningStatus::SUSPENDED) => Versioning::Suspended,
            _ => return Err(s3_error!(MalformedXML, "Status must be Enabled or Suspended")),
        };
        self.change_settings(&input.bucket, |settings| settings.versioning = versioning)?;
        Ok(PutBucketVersioningOutput::default())
    }

    pub(crate) fn versioning(&self, input: GetBucketVersioningInput) -> S3Result<GetBucketVersioningOutput> {
        let status = match bucket(&self.state(), &input.bucket)?.settings.versioning {
            Versioning::Off => None,
            Versioning::Enabled => Some(BucketVersioningStatus::from_static(BucketVersioningStatus::ENABLED)),
            Versioning::Suspended => Some(BucketVersioningStatus::from_static(BucketVersioningStatus::SUSPENDED)),
        };
        Ok(GetBucketVersioningOutput { status, ..GetBucketVersioningOutput::default() })
    }

    pub(crate) fn set_notifications(
        &self,
        input: PutBucketNotificationConfigurationInput,
    ) -> S3Result<PutBucketNotificationConfigurationOutput> {
        let PutBucketNotificationConfigurationInput { bucket: name, notification_configuration: wanted, .. } = input;
        reply::refuse(&[
            (wanted.topic_configurations.is_some_and(|list| !list.is_empty()), "TopicConfiguration"),
            (wanted.lambda_function_configurations.is_some_and(|list| !list.is_empty()), "CloudFunctionConfiguration"),
            (wanted.event_bridge_configuration.is_some(), "EventBridgeConfiguration"),
        ])?;
        let rules: Vec<NotificationRule> = wanted
            .queue_configurations
            .unwrap_or_default()
            .into_iter()
            .map(notification_rule)
            .collect::<S3Result<_>>()?;
        bucket(&self.state(), &name)?;
        if input.skip_destination_validation != Some(true) {
            for rule in &rules {
                self.inner.notifier.test(&name, rule).map_err(|error| {
                    let message = format!(
                        "Unable to validate the following destination configurations: {}: {error}",
                        rule.queue_arn
                    );
                    S3Error::with_message(S3ErrorCode::InvalidArgument, message)
                })?;
            }
        }
        self.change_settings(&name, |settings| settings.notifications = rules)?;
        Ok(PutBucketNotificationConfigurationOutput::default())
    }

    pub(crate) fn notifications(
        &self,
        input: GetBucketNotificationConfigurationInput,
    ) -> S3Result<GetBucketNotificationConfigurationOutput> {
        let rules = bucket(&self.state(), &input.bucket)?.settings.notifications.clone();
        let configurations: Vec<QueueConfiguration> = rules.into_iter().map(queue_configuration).collect();
        Ok(GetBucketNotificationConfigurationOutput {
            queue_configurations: (!configurations.is_empty()).then_some(configurations),
            ..GetBucketNotificationConfigurationOutput::default()
        })
    }

    fn change_settings(&self, name: &str, change: impl FnOnce(&mut BucketSettings)) -> S3Result<()> {
        let mut state = self.state();
        let bucket = bucket_mut(&mut state, name)?;
        let mut settings = bucket.settings.clone();
        change(&mut settings);
        if let Some(disk) = &self.inner.disk {
            disk.save_settings(name, &settings).map_err(unwritable)?;
        }
        bucket.settings = settings;
        Ok(())
    }
}

fn notification_rule(configuration: QueueConfiguration) -> S3Result<NotificationRule> {
    let (mut prefix, mut suffix) = (String::new(), String::new());
    for rule in configuration.filter.and_then(|filter| filter.key?.filter_rules).unwrap_or_default() {
        let value = rule.value.unwrap_or_default();
        match rule.name.as_ref().map(|name| name.as_str().to_lowercase()).as_deref() {
            Some("prefix") => prefix = value,
            Some("suffix") => suffix = value,
            _ => return Err(s3_error!(InvalidArgument, "filter rule name must be either prefix or suffix")),
        }
    }
    Ok(NotificationRule {
        id: configuration.id.unwrap_or_else(|| uuid::Uuid::new_v4().to_string()),
        events: configuration.events.iter().map(|event| event.as_ref().to_owned()).collect(),
        queue_arn: configuration.queue_arn,
        prefix,
        suffix,
    })
}

fn queue_configuration(rule: NotificationRule) -> QueueConfiguration {
    let named = |name: &'static str, value: String| FilterRule {
        name: Some(FilterRuleName::from_static(name)),
        value: Some(value),
    };
    let rules: Vec<FilterRule> = [("prefix", rule.prefix), ("suffix", rule.suffix)]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| named(name, value))
        .collect();
    let filter = (!rules.is_empty())
        .then_some(NotificationConfigurationFilter { key: Some(S3KeyFilter { filter_rules: Some(rules) }) });
    QueueConfiguration {
        events: rule.events.into_iter().map(Event::from).collect(),
        filter,
        id: Some(rule.id),
        queue_arn: rule.queue_arn,
    }
}
