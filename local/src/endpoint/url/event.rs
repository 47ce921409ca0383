//! A request as the function sees it ("Invoking Lambda function URLs: request payload format", version 2.0). Pure.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::FunctionUrls;
use crate::endpoint::route::scope;

/// Who signed, as far as a signature that nobody checks tells.
#[derive(Debug, PartialEq)]
pub(super) struct Caller {
    access_key_id: String,
}

impl Caller {
    /// Whoever signed the request for Lambda; `None` where it is not signed at all.
    ///
    /// # Errors
    /// What AWS says of a signature for something else, or of half a signature.
    pub(super) fn of(parts: &Parts) -> Result<Option<Caller>, &'static str> {
        let header = parts.headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let query = parts.uri.query().unwrap_or_default();
        let (signed, whole) = match header {
            Some(header) => (
                header.starts_with("AWS4-HMAC-SHA256 "),
                header.contains("SignedHeaders=") && header.contains("Signature="),
            ),
            None => (
                query.contains("X-Amz-Algorithm=AWS4-HMAC-SHA256"),
                query.contains("X-Amz-SignedHeaders=") && query.contains("X-Amz-Signature="),
            ),
        };
        if !signed {
            return Ok(None);
        }
        let scope = scope(&parts.uri, &parts.headers).unwrap_or_default();
        let scope: Vec<&str> = scope.rsplitn(5, '/').collect();
        match scope.as_slice() {
            ["aws4_request", "lambda", _, _, key] if whole && !key.is_empty() => {
                Ok(Some(Caller { access_key_id: (*key).to_owned() }))
            }
            ["aws4_request", "lambda", ..] => Err("The request signature is not complete."),
            _ => Err("Credential should be scoped to correct service: 'lambda'."),
        }
    }
}

pub(super) fn event(
    parts: &Parts,
    path: &str,
    body: &[u8],
    caller: Option<&Caller>,
    urls: &FunctionUrls,
    name: &str,
) -> Value {
    let now = jiff::Timestamp::now();
    let (cookies, headers) = headers(parts);
    let user_agent = headers.get("user-agent").cloned().unwrap_or_default();
    let query = parts.uri.query().unwrap_or_default();
    let decoded = percent_decode_str(path).decode_utf8_lossy().into_owned();
    let domain = format!("{name}.lambda-url.{}.on.aws", urls.region);
    let mut context = json!({
        "accountId": caller.map_or("anonymous", |_| urls.account.as_str()),
        "apiId": name,
        "domainName": domain,
        "domainPrefix": name,
        "http": {
            "method": parts.method.as_str(),
            "path": decoded,
            "protocol": "HTTP/1.1",
            "sourceIp": "127.0.0.1",
            "userAgent": user_agent,
        },
        "requestId": uuid::Uuid::new_v4().to_string(),
        "routeKey": "$default",
        "stage": "$default",
        "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
        "timeEpoch": now.as_millisecond(),
    });
    if let Some(caller) = caller {
        context["authorizer"] = json!({"iam": {
            "accessKey": caller.access_key_id,
            "accountId": urls.account,
            "callerId": caller.access_key_id,
            "cognitoIdentity": null,
            "principalOrgId": null,
            "userArn": format!("arn:aws:iam::{}:root", urls.account),
            "userId": caller.access_key_id,
        }});
    }
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": decoded,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": context,
        "isBase64Encoded": false,
    });
    if !cookies.is_empty() {
        event["cookies"] = json!(cookies);
    }
    let parameters = parameters(query);
    if !parameters.is_empty() {
        event["queryStringParameters"] = json!(parameters);
    }
    if !body.is_empty() {
        let text =
            headers.get("content-type").filter(|kind| is_text(kind)).and_then(|_| std::str::from_utf8(body).ok());
        event["isBase64Encoded"] = json!(text.is_none());
        event["body"] = json!(text.map_or_else(|| STANDARD.encode(body), str::to_owned));
    }
    event
}

/// Cookies apart; of other headers the values joined by commas.
fn headers(parts: &Parts) -> (Vec<String>, BTreeMap<String, String>) {
    let (mut cookies, mut headers) = (Vec::new(), BTreeMap::<String, String>::new());
    for (name, value) in &parts.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        if name == http::header::COOKIE {
            cookies.extend(value.split(';').map(|cookie| cookie.trim().to_owned()));
            continue;
        }
        headers
            .entry(name.as_str().to_owned())
            .and_modify(|all| {
                all.push(',');
                all.push_str(&value);
            })
            .or_insert(value);
    }
    (cookies, headers)
}

/// Decoded; of one name the values joined by commas.
fn parameters(query: &str) -> BTreeMap<String, String> {
    let decode = |part: &str| percent_decode_str(&part.replace('+', " ")).decode_utf8_lossy().into_owned();
    let mut all = BTreeMap::<String, String>::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        all.entry(decode(name))
            .and_modify(|values| {
                values.push(',');
                values.push_str(&decode(value));
            })
            .or_insert_with(|| decode(value));
    }
    all
}

/// What goes to a function as it is; all else goes as base64, also without a type.
fn is_text(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind.starts_with("text/")
        || ["application/json", "application/javascript", "application/xml"].contains(&kind.as_str())
        || kind.ends_with("+json")
        || kind.ends_with("+xml")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request").into_parts().0
    }

    #[test]
    fn only_a_whole_signature_for_lambda_counts() {
        let signed = |service: &str, rest: &str| {
            let value = format!(
                "AWS4-HMAC-SHA256 Credential=AK/20261121/us-east-1/{service}/aws4_request, SignedHeaders=host{rest}"
            );
            Caller::of(&parts("/", &[("authorization", &value)]))
        };
        assert_eq!(signed("lambda", ", Signature=0"), Ok(Some(Caller { access_key_id: "AK".to_owned() })));
        assert!(signed("execute-api", ", Signature=0").is_err());
        assert!(signed("lambda", "").is_err());
        assert_eq!(Caller::of(&parts("/", &[])), Ok(None));
        assert_eq!(Caller::of(&parts("/", &[("authorization", "Bearer x")])), Ok(None));
        let presigned = "/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AK%2F20261121%2Fus-east-1%2Flambda\
                         %2Faws4_request&X-Amz-SignedHeaders=host&X-Amz-Signature=0";
        assert!(matches!(Caller::of(&parts(presigned, &[])), Ok(Some(_))));
    }

    #[test]
    fn headers_cookies_and_parameters_take_the_form_of_version_2() {
        let parts = parts("/?a=1&b=x%20y&a=2", &[("cookie", "c=1; d=2"), ("x-a", "1"), ("X-A", "2")]);
        let (cookies, headers) = headers(&parts);
        assert_eq!(cookies, ["c=1", "d=2"]);
        assert_eq!(headers, BTreeMap::from([("x-a".to_owned(), "1,2".to_owned())]));
        let expected = [("a", "1,2"), ("b", "x y")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(parameters("a=1&b=x%20y&a=2"), BTreeMap::from(expected));
        assert!(
            is_text("application/json; charset=utf-8") && is_text("application/problem+json") && is_text("text/csv")
        );
        assert!(!is_text("application/octet-stream") && !is_text("application/x-www-form-urlencoded"));
    }
}
