//! A plane on a free port with the echo function behind everything, and SDK clients for it.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::path::PathBuf;

use aws_smithy_http_client::Builder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use weir_local::{Plane, PlaneOptions};

pub(crate) const TEMPLATE: &str = r"
Transform: AWS::Serverless-2016-10-31
Resources:
  Stream: { Type: AWS::Kinesis::Stream, Properties: { Name: s, ShardCount: 2 } }
  Queue: { Type: AWS::SQS::Queue, Properties: { QueueName: q } }
  Landing: { Type: AWS::SQS::Queue, Properties: { QueueName: landing } }
  Bucket:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: landing-bucket
      VersioningConfiguration: { Status: Enabled }
      NotificationConfiguration:
        QueueConfigurations:
          - Event: s3:ObjectCreated:*
            Queue: !GetAtt Landing.Arn
            Filter: { S3Key: { Rules: [{ Name: prefix, Value: in/ }] } }
  Plain: { Type: AWS::S3::Bucket, Properties: { BucketName: plain-bucket } }
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: tab
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{ AttributeName: pk, AttributeType: S }]
      KeySchema: [{ AttributeName: pk, KeyType: HASH }]
      StreamSpecification: { StreamViewType: KEYS_ONLY }
      TimeToLiveSpecification: { AttributeName: expires_at, Enabled: true }
  Echo:
    Type: AWS::Serverless::Function
    Metadata: { BuildMethod: rust-cargolambda, BuildProperties: { Binary: echo } }
    Properties:
      FunctionName: echo
      Runtime: provided.al2023
      Timeout: 10
      Events:
        FromStream: { Type: Kinesis, Properties: { Stream: !GetAtt Stream.Arn, StartingPosition: TRIM_HORIZON } }
        FromTable: { Type: DynamoDB, Properties: { Stream: !GetAtt Table.StreamArn, StartingPosition: TRIM_HORIZON } }
        FromQueue: { Type: SQS, Properties: { Queue: !GetAtt Queue.Arn } }
";

pub(crate) struct Fixture {
    pub(crate) plane: Plane,
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    pub(crate) kinesis: aws_sdk_kinesis::Client,
    pub(crate) s3: aws_sdk_s3::Client,
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) dir: tempfile::TempDir,
}

/// The echo example, which cargo builds with the tests, two directories above them.
pub(crate) fn echo() -> PathBuf {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.join("examples/echo")
}

pub(crate) fn options(dir: &std::path::Path, template: &str) -> PlaneOptions {
    let path = dir.join("template.yaml");
    std::fs::write(&path, template).unwrap();
    let mut options = PlaneOptions::new(path);
    options.port = 0;
    options.bootstraps.insert("echo".to_owned(), echo());
    options
}

/// One request as it stands, on a connection of its own, and all that comes back.
pub(crate) async fn http(url: &str, request: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

macro_rules! client {
    ($service:ident, $url:expr) => {
        $service::Config::builder()
            .behavior_version($service::config::BehaviorVersion::latest())
            .endpoint_url($url)
            .region($service::config::Region::new("us-east-1"))
            .credentials_provider($service::config::Credentials::new("any", "thing", None, None, "test"))
            .http_client(Builder::new().build_http())
    };
}

impl Fixture {
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = options(dir.path(), TEMPLATE);
        Self::with(options, dir).await
    }

    pub(crate) async fn with(options: PlaneOptions, dir: tempfile::TempDir) -> Self {
        let plane = Plane::start(options).await.unwrap_or_else(|error| panic!("{error}"));
        let url = plane.endpoint_url().to_owned();
        Self {
            dynamodb: aws_sdk_dynamodb::Client::from_conf(client!(aws_sdk_dynamodb, &url).build()),
            kinesis: aws_sdk_kinesis::Client::from_conf(client!(aws_sdk_kinesis, &url).build()),
            s3: aws_sdk_s3::Client::from_conf(client!(aws_sdk_s3, &url).force_path_style(true).build()),
            sqs: aws_sdk_sqs::Client::from_conf(client!(aws_sdk_sqs, &url).build()),
            plane,
            dir,
        }
    }
}
