//! A function that answers with what it was sent: the smallest bootstrap that the plane's tests and one's own tries
//! can run. `{"fail": "why"}` makes it fail.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

#[expect(clippy::print_stdout, reason = "a function's log")]
fn main() -> std::io::Result<()> {
    let api = std::env::var("AWS_LAMBDA_RUNTIME_API").map_err(std::io::Error::other)?;
    loop {
        let (headers, event) = exchange(&api, "GET", "/2018-06-01/runtime/invocation/next", b"")?;
        let id = headers.iter().find_map(|line| line.strip_prefix("lambda-runtime-aws-request-id: "));
        let id = id.ok_or_else(|| std::io::Error::other("no request id"))?;
        if String::from_utf8_lossy(&event).contains("\"fail\"") {
            let error = br#"{"errorType":"Asked","errorMessage":"the event asked for it"}"#;
            exchange(&api, "POST", &format!("/2018-06-01/runtime/invocation/{id}/error"), error)?;
        } else {
            // Tests count the lines.
            println!("echo {} bytes", event.len());
            exchange(&api, "POST", &format!("/2018-06-01/runtime/invocation/{id}/response"), &event)?;
        }
    }
}

/// One request on a connection of its own; header lines come back in lower case.
fn exchange(api: &str, method: &str, path: &str, body: &[u8]) -> std::io::Result<(Vec<String>, Vec<u8>)> {
    let mut stream = TcpStream::connect(api)?;
    let length = body.len();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: {api}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n")?;
    stream.write_all(body)?;
    let mut reader = BufReader::new(stream);
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        headers.push(line.trim().to_lowercase());
    }
    let mut body = Vec::new();
    reader.read_to_end(&mut body)?;
    Ok((headers, body))
}
