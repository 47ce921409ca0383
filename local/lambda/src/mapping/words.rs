//! What an SDK's error says in a log.

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use std::error::Error;

/// The code and the message that a service answered, else the causes. Never a request or a response, which hold what is
/// delivered: an answer that cannot be read is not quoted, and of a message only the first line is (what follows it in
/// `SignatureDoesNotMatch` is the request, security token and all).
pub(crate) fn words<E, R>(error: &SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug,
{
    match error {
        SdkError::ServiceError(answer) => {
            let (code, message) = (answer.err().code(), answer.err().message().and_then(|text| text.lines().next()));
            format!("{}: {}", code.unwrap_or("no error code"), message.unwrap_or("no message"))
        }
        SdkError::ResponseError(_) => "an answer that cannot be read".to_owned(),
        SdkError::TimeoutError(_) => "no answer in time".to_owned(),
        SdkError::DispatchFailure(failure) => match failure.as_connector_error() {
            Some(connector) => causes(connector),
            None => "no connection".to_owned(),
        },
        _ => "a request that cannot be built".to_owned(),
    }
}

fn causes(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    let mut texts: Vec<String> = causes.map(ToString::to_string).collect();
    texts.dedup();
    texts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_sqs::error::{ConnectorError, ErrorMetadata};
    use aws_sdk_sqs::operation::receive_message::ReceiveMessageError;

    type Failed = SdkError<ReceiveMessageError, String>;

    #[test]
    fn an_answer_is_never_quoted() {
        let unread = Failed::response_error("it does not parse: user-17", "{\"Body\":\"user-17\"}".to_owned());
        assert_eq!(words(&unread), "an answer that cannot be read");
        let meta = ErrorMetadata::builder()
            .code("SignatureDoesNotMatch")
            .message("It does not match.\n\nx-amz-security-token:secret");
        let refused = Failed::service_error(ReceiveMessageError::generic(meta.build()), "a response".to_owned());
        assert_eq!(words(&refused), "SignatureDoesNotMatch: It does not match.");
        let gone = std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "connection refused");
        let gone = Failed::dispatch_failure(ConnectorError::io(gone.into()));
        assert!(words(&gone).contains("connection refused"), "{}", words(&gone));
    }
}
