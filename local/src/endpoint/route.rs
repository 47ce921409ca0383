//! Which service a request is for. Pure.
//!
//! Every SDK signs, and the signature's credential scope names the service: that is what a single AWS endpoint can
//! go by. Without a signature the `X-Amz-Target` header tells, and what has neither is S3's, whose public objects need
//! none.

use http::{HeaderMap, Method, Uri};
use percent_encoding::percent_decode_str;

/// What the plane answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    CodeDeploy,
    Health,
    DynamoDb,
    FunctionUrl,
    Kinesis,
    Lambda,
    Logs,
    S3,
    Sqs,
    Sts,
}

impl Service {
    /// As requests sign for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Service::CodeDeploy => "codedeploy",
            Service::Health => "health",
            Service::DynamoDb => "dynamodb",
            Service::FunctionUrl => "lambda-url",
            Service::Kinesis => "kinesis",
            Service::Lambda => "lambda",
            Service::Logs => "logs",
            Service::S3 => "s3",
            Service::Sqs => "sqs",
            Service::Sts => "sts",
        }
    }
}

/// Names that requests sign for, as said in errors and by `GET /health`.
pub(crate) const SERVED: &[&str] =
    &["codedeploy", "dynamodb", "dynamodbstreams", "kinesis", "lambda", "logs", "s3", "sqs", "sts"];

/// Where function URLs begin. No bucket can be meant: their names have no underscore.
pub(crate) const URL_PREFIX: &str = "/_url/";

/// The service of a request, or the name it signed for that is not served.
pub(crate) fn route(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Service, String> {
    if uri.path().starts_with(URL_PREFIX) {
        return Ok(Service::FunctionUrl);
    }
    if let Some(name) = signed_for(uri, headers) {
        return match name.as_str() {
            "codedeploy" => Ok(Service::CodeDeploy),
            "dynamodb" | "dynamodbstreams" => Ok(Service::DynamoDb),
            "kinesis" => Ok(Service::Kinesis),
            "lambda" => Ok(Service::Lambda),
            "logs" => Ok(Service::Logs),
            "s3" => Ok(Service::S3),
            "sqs" => Ok(Service::Sqs),
            "sts" => Ok(Service::Sts),
            _ => Err(name),
        };
    }
    if let Some(target) = headers.get("x-amz-target").and_then(|value| value.to_str().ok()) {
        let prefix = target.split('.').next().unwrap_or_default();
        return match prefix.split('_').next().unwrap_or_default() {
            "CodeDeploy" => Ok(Service::CodeDeploy),
            "DynamoDB" | "DynamoDBStreams" => Ok(Service::DynamoDb),
            "Kinesis" => Ok(Service::Kinesis),
            "AmazonSQS" => Ok(Service::Sqs),
            "Logs" => Ok(Service::Logs),
            _ => Err(prefix.to_owned()),
        };
    }
    if *method == Method::GET && uri.path() == "/health" {
        return Ok(Service::Health);
    }
    if ["/2015-03-31/functions", "/2015-03-31/event-source-mappings"].iter().any(|path| uri.path().starts_with(path)) {
        return Ok(Service::Lambda);
    }
    Ok(Service::S3)
}

/// The service of the credential scope.
fn signed_for(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    // Access keys may hold slashes; the scope's own four parts may not.
    let scope = scope(uri, headers)?;
    scope.rsplit('/').nth(1).filter(|name| !name.is_empty()).map(str::to_owned)
}

/// Who signed.
pub(crate) fn access_key_id(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let scope = scope(uri, headers)?;
    scope.rsplitn(5, '/').nth(4).map(str::to_owned)
}

/// The credential scope `AKID/date/region/service/aws4_request`, from header or presigned query.
pub(crate) fn scope(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    Some(match headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok()) {
        Some(authorization) => {
            let rest = &authorization[authorization.find("Credential=")? + "Credential=".len()..];
            rest.split([',', ' ']).next()?.to_owned()
        }
        None => {
            let pair = uri.query()?.split('&').find_map(|pair| pair.strip_prefix("X-Amz-Credential="))?;
            percent_decode_str(pair).decode_utf8_lossy().into_owned()
        }
    })
}

/// The bucket of a virtual-host request: `<bucket>.s3.localhost` or `<bucket>.localhost`, with any port.
pub(crate) fn virtual_bucket(host: &str) -> Option<&str> {
    let host = host.split(':').next()?;
    let bucket = host.strip_suffix(".s3.localhost").or_else(|| host.strip_suffix(".localhost"))?;
    (!bucket.is_empty() && bucket != "s3").then_some(bucket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routed(method: &str, uri: &str, headers: &[(&str, &str)]) -> Result<Service, String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        route(&method.parse().unwrap(), &uri.parse().unwrap(), &map)
    }

    #[test]
    fn table() {
        let signed = |service: &str| {
            format!(
                "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
            )
        };
        for (name, service) in [
            ("codedeploy", Service::CodeDeploy),
            ("dynamodb", Service::DynamoDb),
            ("kinesis", Service::Kinesis),
            ("lambda", Service::Lambda),
            ("logs", Service::Logs),
            ("s3", Service::S3),
            ("sqs", Service::Sqs),
            ("sts", Service::Sts),
        ] {
            assert_eq!(routed("POST", "/", &[("authorization", &signed(name))]), Ok(service));
            let presigned =
                format!("/b/k?X-Amz-Expires=9&X-Amz-Credential=A%2F20260101%2Fus-east-1%2F{name}%2Faws4_request");
            assert_eq!(routed("GET", &presigned, &[]), Ok(service));
        }
        assert_eq!(routed("POST", "/", &[("authorization", &signed("sns"))]), Err("sns".into()));
        assert_eq!(routed("GET", "/health", &[("authorization", &signed("s3"))]), Ok(Service::S3));
        let odd_key = "AWS4-HMAC-SHA256 Credential=a/b/c/20260101/us-east-1/sqs/aws4_request,SignedHeaders=host";
        assert_eq!(routed("POST", "/", &[("authorization", odd_key)]), Ok(Service::Sqs));
        let headers = HeaderMap::from_iter([(http::header::AUTHORIZATION, odd_key.parse().unwrap())]);
        assert_eq!(access_key_id(&Uri::from_static("/"), &headers), Some("a/b/c".into()));
        assert_eq!(access_key_id(&Uri::from_static("/"), &HeaderMap::new()), None);

        assert_eq!(routed("POST", "/", &[("x-amz-target", "DynamoDB_20120810.PutItem")]), Ok(Service::DynamoDb));
        assert_eq!(
            routed("POST", "/", &[("x-amz-target", "DynamoDBStreams_20120810.GetRecords")]),
            Ok(Service::DynamoDb)
        );
        assert_eq!(routed("POST", "/", &[("x-amz-target", "Kinesis_20131202.PutRecord")]), Ok(Service::Kinesis));
        assert_eq!(routed("POST", "/", &[("x-amz-target", "AmazonSQS.SendMessage")]), Ok(Service::Sqs));
        assert_eq!(routed("POST", "/", &[("x-amz-target", "Logs_20140328.FilterLogEvents")]), Ok(Service::Logs));
        assert_eq!(routed("POST", "/", &[("x-amz-target", "AWSEvents.PutEvents")]), Err("AWSEvents".into()));

        assert_eq!(routed("GET", "/_url/f/a", &[]), Ok(Service::FunctionUrl));
        assert_eq!(routed("POST", "/_url/f/", &[("authorization", &signed("lambda"))]), Ok(Service::FunctionUrl));
        assert_eq!(routed("GET", "/health", &[]), Ok(Service::Health));
        assert_eq!(routed("PUT", "/health", &[]), Ok(Service::S3));
        assert_eq!(routed("GET", "/bucket/key", &[]), Ok(Service::S3));
        assert_eq!(routed("POST", "/2015-03-31/functions/f/invocations", &[]), Ok(Service::Lambda));
        for broken in ["", "Credential=", "AWS4-HMAC-SHA256 Credential=,", "Basic x"] {
            assert_eq!(routed("GET", "/b/k", &[("authorization", broken)]), Ok(Service::S3), "{broken}");
        }
    }

    #[test]
    fn virtual_hosts() {
        for (host, bucket) in [
            ("b.s3.localhost:4566", Some("b")),
            ("a.b.s3.localhost", Some("a.b")),
            ("b.localhost:1", Some("b")),
            ("s3.localhost:4566", None),
            ("localhost:4566", None),
            ("127.0.0.1:4566", None),
        ] {
            assert_eq!(virtual_bucket(host), bucket, "{host}");
        }
    }
}
