//! Bodies that break, stall or change under the reader, from a server that does so on purpose.

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use weir_objects::{ReadErrorKind, ReadSettings, Reader, Wanted};

const SIZE: usize = 200_000;
/// Bytes of one range, and so of half a "large" object.
const PART_BYTES: usize = 30_000;

fn byte(at: usize) -> u8 {
    (at % 251) as u8
}

/// Answers one request a connection. What it does depends on the key: `cut` breaks each body after 70,000 bytes, `never`
/// after 10, `changes` is another object at the second request, `stalls` gives nothing after 70,000 bytes.
async fn answer(mut stream: TcpStream) {
    let mut head = vec![];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).expect("a request's head is text").to_lowercase();
    let key = head.split(['/', '?', ' ']).nth(3).expect("a key").to_owned();
    let range = head.lines().find_map(|line| line.strip_prefix("range: bytes=")?.split_once('-'));
    let range = range.map(|(start, end)| (start.parse::<usize>().unwrap(), end.trim().parse::<usize>().unwrap() + 1));
    if range.is_some() && !head.contains("if-match: \"tag\"") || (key == "changes" && range.is_some()) {
        let _ = stream.write_all(b"HTTP/1.1 412 Precondition Failed\r\ncontent-length: 0\r\n\r\n").await;
        return;
    }
    let (start, end) = range.map_or((0, SIZE), |(start, end)| (start, end.min(SIZE)));
    let status = if range.is_some() { "206 Partial Content" } else { "200 OK" };
    let head = format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\ncontent-range: bytes {start}-{}/{SIZE}\r\netag: \"tag\"\r\n\
         last-modified: Sat, 21 Nov 2026 01:30:05 GMT\r\n\r\n",
        end - start,
        end - 1
    );
    let given = match key.as_str() {
        "whole" => end - start,
        "never" => 10,
        _ => 70_000,
    };
    let body: Vec<u8> = (start..end.min(start + given)).map(byte).collect();
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(&body).await;
    if key == "stalls" && end - start > given {
        // Until the reader gives up, and closes the connection.
        let _ = stream.read_u8().await;
    }
}

async fn serve() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    address
}

/// The object's bytes to its end, or why not.
async fn read(key: &str, size: Option<u64>) -> Result<Vec<u8>, ReadErrorKind> {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(format!("http://{}", serve().await))
        .force_path_style(true)
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let settings = ReadSettings { part_bytes: PART_BYTES, stall_ms_max: 300, ..ReadSettings::for_memory_mib(128) };
    let reader = Reader::new(aws_sdk_s3::Client::from_conf(config), settings);
    let etag = Some("tag".to_owned());
    let wanted = Wanted { bucket: "b".to_owned(), key: key.to_owned(), version: None, etag, size };
    let mut object = reader.open(&wanted).await.map_err(|error| error.kind())?;
    assert_eq!((object.size(), object.modified_ms()), (SIZE as u64, 1_795_224_605_000));
    let mut bytes = vec![];
    while let Some(piece) = object.next().await.map_err(|error| error.kind())? {
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

#[tokio::test]
async fn a_broken_body_is_taken_up_where_it_broke_and_not_for_ever() {
    let whole: Vec<u8> = (0..SIZE).map(byte).collect();
    assert_eq!(read("whole", None).await, Ok(whole.clone()));
    assert_eq!(read("cut", None).await, Ok(whole.clone()));
    assert_eq!(read("stalls", None).await, Ok(whole));
    assert_eq!(read("never", None).await, Err(ReadErrorKind::Truncated));
    assert_eq!(read("changes", None).await, Err(ReadErrorKind::Changed));
}

#[tokio::test]
async fn a_large_object_is_read_in_ranges_and_given_in_order() {
    let whole: Vec<u8> = (0..SIZE).map(byte).collect();
    for key in ["whole", "cut"] {
        assert_eq!(read(key, Some(SIZE as u64)).await, Ok(whole.clone()), "{key}");
    }
    assert_eq!(read("never", Some(SIZE as u64)).await, Err(ReadErrorKind::Truncated));
    assert_eq!(read("changes", Some(SIZE as u64)).await, Err(ReadErrorKind::Changed));
}
