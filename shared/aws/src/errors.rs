//! Maps the SDK's errors to the ports'.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use weir_exact::ports::{StoreError, StoreErrorKind};

/// Codes that mean "later", from the error pages of DynamoDB and S3.
const THROTTLES: [&str; 7] = [
    "KMS.ThrottlingException",
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "Throttling",
    "RequestLimitExceeded",
    "SlowDown",
    "TooManyRequestsException",
];

/// S3 codes with a 4xx status that a later request may not get.
const TRY_AGAIN: [&str; 3] = ["RequestTimeout", "OperationAborted", "KMSInternalException"];

/// What was tried, on what, and what came back; never a payload.
pub(crate) fn store_error<E>(tried: &str, error: &SdkError<E, HttpResponse>) -> StoreError
where
    E: ProvideErrorMetadata,
{
    let (kind, why) = match error {
        SdkError::ServiceError(service) => {
            let meta = service.err().meta();
            let status = service.raw().status().as_u16();
            let code = meta.code().unwrap_or("no error code");
            let kind = match code {
                _ if THROTTLES.contains(&code) => StoreErrorKind::Throttled,
                _ if status >= 500 || TRY_AGAIN.contains(&code) => StoreErrorKind::Unavailable,
                _ => StoreErrorKind::Refused,
            };
            (kind, format!("{code} ({status}): {}", meta.message().unwrap_or("no message")))
        }
        SdkError::TimeoutError(_) => (StoreErrorKind::Unavailable, "no answer in time".to_owned()),
        SdkError::DispatchFailure(_) => (StoreErrorKind::Unavailable, "no connection".to_owned()),
        SdkError::ResponseError(_) => (StoreErrorKind::Unavailable, "an answer that cannot be read".to_owned()),
        _ => (StoreErrorKind::Refused, "a request that cannot be built".to_owned()),
    };
    StoreError::new(kind, format!("{tried}: {why}"))
}
