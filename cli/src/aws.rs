//! AWS with the standard environment: `AWS_REGION`, `AWS_PROFILE`, `AWS_ENDPOINT_URL`, and the resources of a
//! stack by their physical names (contract §4).

use crate::failure::{Failure, failed};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_dynamodb::types::TableDescription;
use std::collections::BTreeMap;

/// The generation that the fleet works in.
pub(crate) const GENERATION: &str = "live";

/// Clients and names.
pub(crate) struct Aws {
    config: SdkConfig,
    stack: String,
}

impl Aws {
    /// From the environment. An endpoint on this machine needs no account: region and credentials have
    /// defaults there.
    pub(crate) async fn from_environment(stack: &str) -> Result<Self, Failure> {
        match std::env::var("AWS_ENDPOINT_URL").ok().filter(|url| is_loopback(url)) {
            Some(url) if std::env::var_os("AWS_ACCESS_KEY_ID").is_none() => Ok(Self::local(&url, stack).await),
            _ => {
                let config =
                    aws_config::defaults(BehaviorVersion::latest()).http_client(weir_aws::clients::http_client());
                let config = config.load().await;
                if config.region().is_none() {
                    return Err(Failure::Usage(
                        "no region: set AWS_REGION or AWS_PROFILE; for `weir up` set AWS_ENDPOINT_URL=http://127.0.0.1:4566".to_owned(),
                    ));
                }
                Ok(Self { config, stack: stack.to_owned() })
            }
        }
    }

    /// The local plane at `url`.
    pub(crate) async fn local(url: &str, stack: &str) -> Self {
        let region = std::env::var("AWS_REGION").unwrap_or_else(|_| "us-east-1".to_owned());
        let config = aws_config::defaults(BehaviorVersion::latest())
            .http_client(weir_aws::clients::http_client())
            .region(Region::new(region))
            .endpoint_url(url)
            .credentials_provider(Credentials::new("test", "test", None, None, "local"))
            .load()
            .await;
        Self { config, stack: stack.to_owned() }
    }

    pub(crate) fn kinesis(&self) -> aws_sdk_kinesis::Client {
        aws_sdk_kinesis::Client::new(&self.config)
    }

    pub(crate) fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.config)
    }

    pub(crate) fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.config)
    }

    pub(crate) fn logs(&self) -> aws_sdk_cloudwatchlogs::Client {
        aws_sdk_cloudwatchlogs::Client::new(&self.config)
    }

    pub(crate) fn streams(&self) -> aws_sdk_dynamodbstreams::Client {
        aws_sdk_dynamodbstreams::Client::new(&self.config)
    }

    /// What it is configured with.
    pub(crate) fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// The account's twelve digits.
    pub(crate) async fn account(&self) -> Result<String, Failure> {
        let identity = aws_sdk_sts::Client::new(&self.config).get_caller_identity().send().await;
        let identity = identity.map_err(|error| failed("sts GetCallerIdentity, to name the resources", &error))?;
        Ok(identity.account().unwrap_or("000000000000").to_owned())
    }

    /// What requests are signed with now.
    pub(crate) async fn credentials(&self) -> Result<Credentials, Failure> {
        let none = || Failure::Usage("no credentials: set AWS_PROFILE, or run where a role provides them".to_owned());
        let provider = self.config.credentials_provider().ok_or_else(none)?;
        provider.provide_credentials().await.map_err(|error| Failure::Usage(format!("no credentials: {error}")))
    }

    /// What Lambda gives its functions to sign with, and to find AWS.
    pub(crate) fn function_environment(&self, credentials: &Credentials) -> BTreeMap<String, String> {
        let signing = [
            ("AWS_REGION", self.config.region().map(AsRef::as_ref)),
            ("AWS_ACCESS_KEY_ID", Some(credentials.access_key_id())),
            ("AWS_SECRET_ACCESS_KEY", Some(credentials.secret_access_key())),
            ("AWS_SESSION_TOKEN", credentials.session_token()),
            ("AWS_ENDPOINT_URL", self.config.endpoint_url()),
        ];
        let signing = signing.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
        let roots = ["SSL_CERT_FILE", "SSL_CERT_DIR"].map(|name| Some((name.to_owned(), std::env::var(name).ok()?)));
        signing.chain(roots.into_iter().flatten()).collect()
    }

    pub(crate) fn stack(&self) -> &str {
        &self.stack
    }

    pub(crate) fn s3(&self) -> aws_sdk_s3::Client {
        let path_style = self.config.endpoint_url().is_some();
        let config = aws_sdk_s3::config::Builder::from(&self.config).force_path_style(path_style).build();
        aws_sdk_s3::Client::from_conf(config)
    }

    /// `<stack>-telemetry`, the stream.
    pub(crate) fn stream(&self) -> String {
        format!("{}-telemetry", self.stack)
    }

    /// The URL of queue `<stack>-<queue>`.
    pub(crate) async fn queue_url(&self, queue: &str) -> Result<String, Failure> {
        let name = format!("{}-{queue}", self.stack);
        let answer = self.sqs().get_queue_url().queue_name(&name).send().await;
        let answer = answer.map_err(|error| failed(&format!("queue {name}"), &error))?;
        answer.queue_url.ok_or_else(|| Failure::Failed(format!("queue {name} has no URL")))
    }

    /// `<stack>-rollups`.
    pub(crate) fn rollups_table(&self) -> String {
        format!("{}-rollups", self.stack)
    }

    /// `<stack>-contributions`.
    pub(crate) fn contributions_table(&self) -> String {
        format!("{}-contributions", self.stack)
    }

    /// What DynamoDB says of a table.
    pub(crate) async fn described(&self, table: &str) -> Result<Option<TableDescription>, Failure> {
        let answer = self.dynamodb().describe_table().table_name(table).send().await;
        answer.map(|answer| answer.table).map_err(|error| failed(&format!("table {table}"), &error))
    }

    /// A bucket `<stack>-<name>-<account>`.
    pub(crate) async fn bucket(&self, name: &str) -> Result<String, Failure> {
        Ok(format!("{}-{name}-{}", self.stack, self.account().await?))
    }
}

fn is_loopback(url: &str) -> bool {
    let host = url.strip_prefix("http://").unwrap_or_default().split(['/', ':']).next().unwrap_or_default();
    host == "localhost" || host.starts_with("127.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn functions_sign_as_their_caller_does() {
        let aws = Aws::local("http://127.0.0.1:1", "weir").await;
        let temporary = Credentials::new("a", "s", Some("t".to_owned()), None, "test");
        let environment = aws.function_environment(&temporary);
        assert_eq!(environment["AWS_SESSION_TOKEN"], "t");
        assert_eq!(environment["AWS_ENDPOINT_URL"], "http://127.0.0.1:1");
        let own = aws.function_environment(&aws.credentials().await.expect("its own"));
        assert_eq!(own["AWS_ACCESS_KEY_ID"], "test");
        assert!(!own.contains_key("AWS_SESSION_TOKEN"));
    }
}
