//! STS: `GetCallerIdentity`, which tools ask first to see whether anyone is there.

use axum::body::Body;
use http::{Request, Response, StatusCode};

use super::reply;

const REQUEST_BYTES_MAX: usize = 64 << 10;

pub(crate) async fn answer(request: Request<Body>, account: &str) -> Response<Body> {
    let body = match reply::body(request.into_body(), REQUEST_BYTES_MAX).await {
        Ok(body) => body,
        Err(error) => return error.response(REQUEST_BYTES_MAX),
    };
    let form = String::from_utf8_lossy(&body);
    let action = form.split('&').find_map(|pair| pair.strip_prefix("Action=")).unwrap_or_default();
    let namespace = "https://sts.amazonaws.com/doc/2011-06-15/";
    if action == "GetCallerIdentity" {
        let xml = format!(
            "<GetCallerIdentityResponse xmlns=\"{namespace}\"><GetCallerIdentityResult><Arn>arn:aws:iam::{account}:root</Arn>\
             <UserId>{account}</UserId><Account>{account}</Account></GetCallerIdentityResult>\
             <ResponseMetadata><RequestId>local</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
        );
        return reply::with_body(StatusCode::OK, "text/xml", xml);
    }
    let xml = format!(
        "<ErrorResponse xmlns=\"{namespace}\"><Error><Type>Sender</Type><Code>InvalidAction</Code>\
         <Message>the local plane serves GetCallerIdentity only</Message></Error><RequestId>local</RequestId></ErrorResponse>"
    );
    reply::with_body(StatusCode::BAD_REQUEST, "text/xml", xml)
}
