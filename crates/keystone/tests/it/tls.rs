//! Who is trusted.

use std::sync::Arc;

use axum::http::{HeaderMap, Method};
use neutrino_keystone::{
    Session, SessionSettings,
    session::{Answer, NoAnswer, Request},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};
use tokio_rustls::{TlsAcceptor, rustls};

/// Certificates that the bus is tested with: one authority, a server of `localhost`, another authority.
fn file(name: &str) -> String {
    format!("{}/../rpc/tests/cases/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// A server with a certificate; answers 200 to whoever gets through.
async fn serve() -> (u16, JoinHandle<()>) {
    let pem = |name: &str| std::io::BufReader::new(std::fs::File::open(file(name)).expect("file"));
    let chain: Vec<_> =
        rustls_pemfile::certs(&mut pem("server.pem")).map(|c| c.expect("PEM")).collect();
    let key = rustls_pemfile::private_key(&mut pem("server.key")).expect("PEM").expect("key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("certificate");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listen");
    let port = listener.local_addr().expect("address").port();
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .await;
            let _ = stream.shutdown().await;
        }
    });
    (port, task)
}

async fn ask(port: u16, settings: SessionSettings) -> Result<Answer, NoAnswer> {
    let url = format!("https://localhost:{port}/");
    let request = Request { method: Method::GET, url, headers: HeaderMap::new(), body: None };
    Session::new(&settings).expect("session").send(&request).await
}

#[tokio::test]
async fn only_the_authorities_of_cafile_are_trusted() {
    let (port, task) = serve().await;
    let trusting = |name: &str| SessionSettings { cafile: Some(file(name)), ..Default::default() };
    assert_eq!(ask(port, trusting("ca.pem")).await.expect("an answer").status, 200);
    for settings in [trusting("other-ca.pem"), SessionSettings::default()] {
        let problem = ask(port, settings).await.expect_err("not trusted").problem;
        assert!(problem.contains("certificate"), "{problem}");
    }
    let insecure = SessionSettings { insecure: true, ..Default::default() };
    assert_eq!(ask(port, insecure).await.expect("an answer").status, 200);
    task.abort();
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let certificate = |certfile: &str, keyfile: Option<&str>| {
        let keyfile = keyfile.map(file);
        Session::new(&SessionSettings {
            certfile: Some(file(certfile)),
            keyfile,
            ..Default::default()
        })
    };
    assert!(certificate("server.pem", Some("server.key")).is_ok());
    let error = certificate("server.pem", None).expect_err("no key").to_string();
    assert!(error.starts_with("certfile "), "{error}");
    let error = certificate("server.pem", Some("none")).expect_err("no file").to_string();
    assert!(error.starts_with("keyfile "), "{error}");
    let settings = SessionSettings { cafile: Some(file("none")), ..Default::default() };
    let error = Session::new(&settings).expect_err("no file").to_string();
    assert!(error.starts_with("cafile "), "{error}");
}
