//! An HTTP/1.1 client for tests: one request, one connection, nothing hidden.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {:?}", String::from_utf8_lossy(&self.body)))
    }
}

/// Sends requests with the same headers to one server.
#[derive(Debug, Clone)]
pub struct Client {
    pub address: SocketAddr,
    pub headers: Vec<(String, String)>,
}

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        Self { address, headers: Vec::new() }
    }

    /// The same client with one more header.
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut out = self.clone();
        out.headers.push((name.to_string(), value.to_string()));
        out
    }

    pub async fn raw(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        for (k, v) in &self.headers {
            head.push_str(&format!("{k}: {v}\r\n"));
        }
        if !body.is_empty() || matches!(method, "POST" | "PUT") {
            head.push_str(&format!(
                "Content-Type: application/json\r\nContent-Length: {}\r\n",
                body.len()
            ));
        }
        head.push_str("\r\n");
        let mut stream = TcpStream::connect(self.address).await.expect("connect");
        stream.write_all(head.as_bytes()).await.expect("send");
        // A server that refuses a body may close before it has read all of it.
        let _ = stream.write_all(body).await;
        let mut received = Vec::new();
        let read = stream.read_to_end(&mut received);
        tokio::time::timeout(std::time::Duration::from_secs(60), read)
            .await
            .expect("an answer within a minute")
            .expect("read");
        parse(&received)
    }

    pub async fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.raw(method, path, body.to_string().as_bytes()).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.raw("GET", path, b"").await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.raw("DELETE", path, b"").await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, body).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send("PUT", path, body).await
    }
}

fn parse(received: &[u8]) -> Answer {
    let end = received.windows(4).position(|w| w == b"\r\n\r\n").expect("a complete head");
    let head = String::from_utf8_lossy(&received[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|l| l.split(' ').nth(1)).expect("status line");
    let headers = lines
        .filter_map(|l| l.split_once(": "))
        .map(|(k, v)| (k.to_ascii_lowercase(), v.to_string()))
        .collect();
    let status = status.parse().expect("status");
    Answer { status, headers, body: received[end + 4..].to_vec() }
}
