//! What the first call over TLS costs a function's start, in CPU time: with the SDK's default TLS and trusted roots, with
//! ring instead, and with ring and the fleet's five roots, as functions have it (`shared/aws/src/clients`).
//!
//! Each call is the first of a process of its own, to a server in this one: `cargo run --release [ROUNDS]`.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustix::time::{ClockId, clock_gettime};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

const ROUNDS: usize = 20;
/// The fleet's trusted roots.
const AMAZON_TRUST_SERVICES: &str = include_str!("../../../shared/aws/src/clients/amazon_trust_services.pem");
/// What the SDK's default trusts on this machine.
const SYSTEM: &str = "/etc/ssl/certs/ca-certificates.crt";
const MODES: [(&str, &str); 3] = [
    ("default", "the SDK's default: aws-lc, the system's roots"),
    ("ring", "ring, the system's roots"),
    ("fleet", "ring, five roots"),
];

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [mode, url, roots] => call(mode, url, Path::new(roots)),
        [rounds] => compare(rounds.parse()?),
        _ => compare(ROUNDS),
    }
}

/// The process that makes the call: prints what making the client and the call took, microseconds of CPU.
fn call(mode: &str, url: &str, roots: &Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let begun = cpu_us();
    let builder = aws_smithy_http_client::Builder::new();
    let ring = Provider::Rustls(CryptoMode::Ring);
    let http = match mode {
        "default" => builder.tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https(),
        "ring" => builder.tls_provider(ring).build_https(),
        _ => {
            let roots = TrustStore::empty().with_pem_certificate(std::fs::read(roots)?);
            let context = TlsContext::builder().with_trust_store(roots).build()?;
            builder.tls_provider(ring).tls_context(context).build_https()
        }
    };
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "constant"))
        .endpoint_url(url)
        .http_client(http);
    let client = Client::from_conf(config.build());
    let made = cpu_us();
    runtime.block_on(client.list_tables().send())?;
    println!("{} {}", made - begun, cpu_us() - made);
    Ok(())
}

/// Of this process, microseconds.
fn cpu_us() -> i64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec * 1_000_000 + time.tv_nsec / 1_000
}

fn compare(rounds: usize) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let (url, authority) = serve()?;
    let with_authority = |name: &str, roots: &str| -> Result<PathBuf> {
        let path = directory.path().join(name);
        std::fs::write(&path, format!("{roots}\n{authority}"))?;
        Ok(path)
    };
    let (system, five) = (std::fs::read_to_string(SYSTEM)?, with_authority("five.pem", AMAZON_TRUST_SERVICES)?);
    let system = with_authority("system.pem", &system)?;
    let mut taken = MODES.map(|_| vec![]);
    for _ in 0..rounds {
        for ((mode, _), taken) in MODES.iter().zip(&mut taken) {
            let child = Command::new(std::env::current_exe()?)
                .args([mode, &*url])
                .arg(&five)
                .env("SSL_CERT_FILE", &system)
                .output()?;
            let text = String::from_utf8(child.stdout)?;
            let figures = text.split_whitespace().map(str::parse).collect::<std::result::Result<Vec<i64>, _>>()?;
            let [made, called] = figures[..] else {
                return Err(format!("{mode}: {}", String::from_utf8_lossy(&child.stderr)).into());
            };
            taken.push((made, called));
        }
    }
    println!("{:<48} {:>12} {:>12}   medians of {rounds}, ms of CPU", "", "client", "first call");
    let ms = |us: i64| us as f64 / 1_000.0;
    for ((_, what), taken) in MODES.iter().zip(&taken) {
        println!("{what:<48} {:>12.2} {:>12.2}", ms(median(taken, |it| it.0)), ms(median(taken, |it| it.1)));
    }
    let [default, _, fleet] = &taken;
    let ratio = median(default, |it| it.1) as f64 / median(fleet, |it| it.1) as f64;
    println!("The fleet's first call takes 1/{ratio:.1} of the default's.");
    Ok(())
}

fn median(taken: &[(i64, i64)], which: impl Fn(&(i64, i64)) -> i64) -> i64 {
    let mut all: Vec<i64> = taken.iter().map(which).collect();
    all.sort_unstable();
    all[all.len() / 2]
}

/// A server that answers as DynamoDB without tables does, its URL, and the certificate of its authority.
fn serve() -> Result<(String, String)> {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let own = CertificateParams::new(["localhost".to_owned()])?.signed_by(&key, &authority)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![own.der().clone()], key)?;
    let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0")?);
    let url = format!("https://localhost:{}", listener.local_addr()?.port());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A caller that goes away is its own affair: it says what it missed.
            let _ = answer(stream, &config);
        }
    });
    Ok((url, authority.pem()))
}

fn answer(stream: TcpStream, config: &Arc<ServerConfig>) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(StreamOwned::new(ServerConnection::new(Arc::clone(config))?, stream));
    let (mut line, mut length) = (String::new(), 0);
    while stream.read_line(&mut line)? > 2 {
        let header = line.to_ascii_lowercase();
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
        line.clear();
    }
    stream.read_exact(&mut vec![0; length])?;
    let tables = r#"{"TableNames":[]}"#;
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nConnection: close\r\nContent-Length:";
    stream.get_mut().write_all(format!("{head} {}\r\n\r\n{tables}", tables.len()).as_bytes())?;
    Ok(stream.get_mut().flush()?)
}
