//! Clients that open a connection and then say too little.

use std::time::Duration;

use axum::{Router, routing::get};
use neutrino_server::serve::Listening;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Long enough for any answer, short enough for a test that fails.
const PATIENCE: Duration = Duration::from_secs(30);

async fn listening(head_timeout: Duration) -> Listening {
    let router = Router::new().route("/", get(async || "hello"));
    let address = "127.0.0.1:0".parse().expect("address");
    Listening::start_with(address, router, head_timeout).await.expect("listens")
}

/// Sends `text` and reads until the server closes the connection.
async fn exchange(server: &Listening, text: &str) -> String {
    let mut stream = TcpStream::connect(server.address).await.expect("connect");
    stream.write_all(text.as_bytes()).await.expect("send");
    let mut received = String::new();
    let read = stream.read_to_string(&mut received);
    tokio::time::timeout(PATIENCE, read).await.expect("closed in time").expect("text");
    received
}

#[tokio::test]
async fn a_head_that_never_ends_costs_the_connection() {
    let server = listening(Duration::from_millis(50)).await;
    let received = exchange(&server, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ").await;
    assert!(!received.contains("hello"), "{received}");
    let received = exchange(&server, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(received.ends_with("hello"), "{received}");
    server.stop(None).await;
}

#[tokio::test]
async fn stopping_does_not_wait_for_idle_connections() {
    let server = listening(Duration::from_secs(3600)).await;
    let mut stream = TcpStream::connect(server.address).await.expect("connect");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("send");
    let mut byte = [0];
    stream.read_exact(&mut byte).await.expect("the answer begins");
    let begun = std::time::Instant::now();
    server.stop(None).await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}
