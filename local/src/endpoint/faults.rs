//! Trouble between the fleet and AWS, on purpose: everything an AWS service may do to a caller without breaking its
//! promises. Only requests of the functions' sandboxes are troubled; they sign with access key ids of their own.

use std::time::Duration;

use axum::body::Body;
use http::{Request, Response, StatusCode};
use weir_local_lambda::ACCESS_KEY_ID_PREFIX;

use super::reply;
use super::route::{Service, access_key_id};

/// A request of one of the functions' sandboxes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetRequest {
    /// `dynamodb`, `kinesis`, `s3`, `sqs`, `sts` or `lambda`.
    pub service: &'static str,
    /// `PutItem`, `GetRecords`, …; for S3 and Lambda the HTTP method.
    pub operation: String,
    /// Which sandbox it is: [`weir_local_lambda::InstanceInfo::access_key_id`].
    pub access_key_id: String,
}

/// What to do to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EndpointFault {
    /// Answer it as it is.
    #[default]
    None,
    /// Refuse it for now: `ThrottlingException`, S3's `SlowDown` with status 503.
    Throttle,
    /// Refuse it for the table's or the shard's throughput: `ProvisionedThroughputExceededException`. S3 has none of
    /// these, and slows down.
    ThroughputExceeded,
    /// Answer 500 without doing it.
    Fail,
    /// Close the connection without doing it.
    DropBefore,
    /// Do it, and close the connection instead of answering.
    DropAfter,
    /// Do it after so long, whether or not the caller still waits for the answer.
    Late(Duration),
}

/// Decides over every request of the functions. Called on the tasks that serve them: do not block.
pub trait EndpointFaults: Send + Sync + 'static {
    /// The fault for this request.
    fn before(&self, request: &FleetRequest) -> EndpointFault;

    /// The request has been done, with whatever answer; its sandbox may be long gone.
    fn done(&self, _request: &FleetRequest, _fault: EndpointFault) {}
}

/// The request, where it is a sandbox's.
pub(crate) fn fleet_request(service: Service, request: &Request<Body>) -> Option<FleetRequest> {
    let access_key_id = access_key_id(request.uri(), request.headers())?;
    if !access_key_id.starts_with(ACCESS_KEY_ID_PREFIX) {
        return None;
    }
    let target = request.headers().get("x-amz-target").and_then(|value| value.to_str().ok());
    let operation = target.and_then(|target| target.rsplit('.').next()).unwrap_or(request.method().as_str());
    Some(FleetRequest { service: service.name(), operation: operation.to_owned(), access_key_id })
}

/// The refusal in the words of the service; `None` for what is no refusal.
pub(crate) fn refusal(service: Service, fault: EndpointFault) -> Option<Response<Body>> {
    let (throttled, throughput) = (StatusCode::BAD_REQUEST, "ProvisionedThroughputExceededException");
    match (service, fault) {
        (Service::S3, EndpointFault::Throttle | EndpointFault::ThroughputExceeded) => {
            Some(super::s3::error(StatusCode::SERVICE_UNAVAILABLE, "SlowDown", "Please reduce your request rate."))
        }
        (Service::S3, EndpointFault::Fail) => Some(super::s3::error(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalError",
            "We encountered an internal error. Please try again.",
        )),
        (_, EndpointFault::Throttle) => Some(reply::json_error(
            throttled,
            "ThrottlingException",
            "Rate of requests exceeds the allowed throughput.",
        )),
        (_, EndpointFault::ThroughputExceeded) => Some(reply::json_error(
            throttled,
            throughput,
            "The level of configured provisioned throughput was exceeded. Consider increasing your provisioning level.",
        )),
        (_, EndpointFault::Fail) => Some(reply::json_error(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalServerError",
            "The request could not be completed because of a server error.",
        )),
        (_, EndpointFault::None | EndpointFault::DropBefore | EndpointFault::DropAfter | EndpointFault::Late(_)) => {
            None
        }
    }
}
