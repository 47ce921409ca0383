//! SDK clients for the plane's own endpoint: plain HTTP on the loopback interface, static credentials, no discovery.

use std::time::Duration;

use aws_smithy_http_client::Builder;

/// Credentials that functions and the plane's own clients sign with; the endpoint accepts any.
pub(crate) const ACCESS_KEY_ID: &str = "test";
pub(crate) const SECRET_ACCESS_KEY: &str = "test";

/// One client for each service that mappings read and that resources are created through.
#[derive(Clone, Debug)]
pub struct Clients {
    /// Tables, to create them and to find their streams.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// Streams of tables.
    pub streams: aws_sdk_dynamodbstreams::Client,
    /// Streams.
    pub kinesis: aws_sdk_kinesis::Client,
    /// Buckets: what a mapping gave up may go there.
    pub s3: aws_sdk_s3::Client,
    /// Queues.
    pub sqs: aws_sdk_sqs::Client,
}

/// How long one attempt may take. Above the longest long poll, 20 s.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(60);

macro_rules! client {
    ($service:ident, $endpoint:expr, $region:expr) => {{
        let config = $service::Config::builder()
            .behavior_version($service::config::BehaviorVersion::latest())
            .endpoint_url($endpoint)
            .region($service::config::Region::new($region.to_owned()))
            .credentials_provider($service::config::Credentials::new(
                ACCESS_KEY_ID,
                SECRET_ACCESS_KEY,
                None,
                None,
                "local plane",
            ))
            .timeout_config(
                $service::config::timeout::TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build(),
            )
            .http_client(Builder::new().build_http());
        config
    }};
}

impl Clients {
    pub(crate) fn new(endpoint_url: &str, region: &str) -> Self {
        let s3 = client!(aws_sdk_s3, endpoint_url, region).force_path_style(true).build();
        Self {
            dynamodb: aws_sdk_dynamodb::Client::from_conf(client!(aws_sdk_dynamodb, endpoint_url, region).build()),
            streams: aws_sdk_dynamodbstreams::Client::from_conf(
                client!(aws_sdk_dynamodbstreams, endpoint_url, region).build(),
            ),
            kinesis: aws_sdk_kinesis::Client::from_conf(client!(aws_sdk_kinesis, endpoint_url, region).build()),
            s3: aws_sdk_s3::Client::from_conf(s3),
            sqs: aws_sdk_sqs::Client::from_conf(client!(aws_sdk_sqs, endpoint_url, region).build()),
        }
    }
}
