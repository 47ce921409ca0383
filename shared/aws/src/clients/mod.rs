//! SDK clients as a Lambda function needs them: region and credentials from the variables that Lambda sets, no probing
//! of a credential chain, TLS by ring.

use crate::config::{ConfigError, Environment, required};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use std::time::Duration;

mod roots;

/// What every client shares.
#[derive(Clone, Debug)]
pub struct Connection {
    region: String,
    credentials: Credentials,
    endpoint_url: Option<String>,
    http: SharedHttpClient,
}

impl Connection {
    /// From `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` and, for the local
    /// plane and tests, `AWS_ENDPOINT_URL`.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable that is missing or wrong.
    pub fn from_environment(environment: &impl Environment) -> Result<Self, ConfigError> {
        let set_by_lambda = "set, as Lambda does";
        let key = required(environment, "AWS_ACCESS_KEY_ID", set_by_lambda)?;
        let secret = required(environment, "AWS_SECRET_ACCESS_KEY", set_by_lambda)?;
        let token = environment.variable("AWS_SESSION_TOKEN").filter(|token| !token.is_empty());
        let endpoint_url = environment.variable("AWS_ENDPOINT_URL").filter(|url| !url.is_empty());
        if let Some(found) =
            endpoint_url.clone().filter(|url| !url.starts_with("http://") && !url.starts_with("https://"))
        {
            return Err(ConfigError::Wrong { name: "AWS_ENDPOINT_URL", found, expected: "an http:// or https:// URL" });
        }
        let region = required(environment, "AWS_REGION", set_by_lambda)?;
        let http = trusting(roots::amazon(environment, &region, endpoint_url.as_deref())?);
        let credentials = Credentials::new(key, secret, token, None, "Environment");
        Ok(Self { region, credentials, endpoint_url, http })
    }

    /// For a service that only one processor uses.
    pub fn sdk_config(&self) -> aws_types::SdkConfig {
        let config = aws_types::SdkConfig::builder()
            .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest())
            .region(aws_sdk_dynamodb::config::Region::new(self.region.clone()))
            .credentials_provider(SharedCredentialsProvider::new(self.credentials.clone()))
            .http_client(self.http.clone())
            .retry_config(retries())
            .timeout_config(timeouts());
        with_endpoint(config, &self.endpoint_url, |config, url| config.endpoint_url(url)).build()
    }

    /// A DynamoDB client.
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        let config = aws_sdk_dynamodb::Config::builder()
            .region(aws_sdk_dynamodb::config::Region::new(self.region.clone()))
            .credentials_provider(self.credentials.clone())
            .http_client(self.http.clone())
            .retry_config(retries())
            .timeout_config(timeouts());
        aws_sdk_dynamodb::Client::from_conf(
            with_endpoint(config, &self.endpoint_url, |c, url| c.endpoint_url(url)).build(),
        )
    }

    /// An S3 client.
    pub fn s3(&self) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::Config::builder()
            .region(aws_sdk_s3::config::Region::new(self.region.clone()))
            .credentials_provider(self.credentials.clone())
            .http_client(self.http.clone())
            // Virtual-host names need DNS that a local endpoint does not have.
            .force_path_style(self.endpoint_url.is_some())
            .retry_config(retries())
            .timeout_config(timeouts());
        aws_sdk_s3::Client::from_conf(with_endpoint(config, &self.endpoint_url, |c, url| c.endpoint_url(url)).build())
    }

    /// A Kinesis client.
    pub fn kinesis(&self) -> aws_sdk_kinesis::Client {
        let config = aws_sdk_kinesis::Config::builder()
            .region(aws_sdk_kinesis::config::Region::new(self.region.clone()))
            .credentials_provider(self.credentials.clone())
            .http_client(self.http.clone())
            .retry_config(retries())
            .timeout_config(timeouts());
        aws_sdk_kinesis::Client::from_conf(
            with_endpoint(config, &self.endpoint_url, |c, url| c.endpoint_url(url)).build(),
        )
    }
}

fn with_endpoint<B>(config: B, endpoint_url: &Option<String>, set: impl FnOnce(B, &str) -> B) -> B {
    match endpoint_url {
        Some(url) => set(config, url),
        None => config,
    }
}

/// One connection pool for all clients, with the system's trusted roots.
pub fn http_client() -> SharedHttpClient {
    trusting(None)
}

/// ring, not aws-lc: the first TLS call costs 3 ms of CPU, not 47.
fn trusting(roots: Option<tls::TlsContext>) -> SharedHttpClient {
    let builder = aws_smithy_http_client::Builder::new().tls_provider(tls::Provider::Rustls(CryptoMode::Ring));
    match roots {
        Some(roots) => builder.tls_context(roots).build_https(),
        None => builder.build_https(),
    }
}

/// The protocol makes a request that is sent twice harmless, so retries are cheap; what still fails goes back to the
/// event source.
fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(4).with_initial_backoff(Duration::from_millis(50))
}

/// Below [`crate::clock::DEADLINE_MARGIN`]: a hanging request must end in a report, not in a killed sandbox.
fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_secs(2))
        .operation_timeout(Duration::from_secs(5))
        .build()
}
