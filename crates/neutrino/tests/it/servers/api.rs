//! A client that goes to another server when one breaks off.

use std::{
    collections::BTreeMap,
    fmt,
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

/// How long one request may take, tries and all.
const PATIENCE: Duration = Duration::from_secs(60);
/// The projects clients belong to.
const PROJECTS: usize = 4;
/// Before a server that refused is asked again.
const PAUSE: Duration = Duration::from_millis(50);

/// What became of requests.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Answered as they should be.
    pub served: u64,
    /// Broken off, by how; each was tried again.
    pub broken: BTreeMap<&'static str, u64>,
}

impl Tally {
    pub fn add(&mut self, other: &Self) {
        self.served += other.served;
        for (how, count) in &other.broken {
            *self.broken.entry(how).or_default() += count;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} requests served, tried again: {:?}", self.served, self.broken)
    }
}

/// An answer, and whether an earlier try may have been carried out as well.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
    pub retried: bool,
}

pub struct Api {
    addresses: Vec<String>,
    at: usize,
    /// The caller's project; several clients share one.
    project: String,
    pub tally: Tally,
}

impl Api {
    /// A client that prefers the server `first`.
    pub fn new(addresses: Vec<String>, first: usize) -> Self {
        let at = first % addresses.len();
        let project = format!("project{}", first % PROJECTS);
        Self { addresses, at, project, tally: Tally::default() }
    }

    /// Sends a request until some server answers it.
    pub fn send(&mut self, method: &str, path: &str, body: &Value) -> Answer {
        let end = Instant::now() + PATIENCE;
        let mut retried = false;
        loop {
            let how = match self.exchange(method, path, body) {
                Ok((503, _)) => "503",
                Ok((status, body)) if status < 500 => {
                    self.tally.served += 1;
                    return Answer { status, body, retried };
                }
                Ok((status, body)) => panic!("{method} {path}: {status} {body}"),
                Err(Broken::Refused) => "connection refused",
                Err(Broken::Off) => "connection broken",
            };
            // Nothing was done where there was nobody.
            retried |= how != "connection refused";
            *self.tally.broken.entry(how).or_default() += 1;
            assert!(Instant::now() < end, "{method} {path}: no server answers");
            self.at = (self.at + 1) % self.addresses.len();
            thread::sleep(PAUSE);
        }
    }

    /// Ids and names of a collection.
    pub fn list(&mut self, collection: &str) -> Vec<(String, String)> {
        let path = format!("/v2.0/{collection}?fields=id&fields=name");
        let body = self.send("GET", &path, &Value::Null).body;
        let text = |item: &Value, key: &str| item[key].as_str().unwrap_or_default().to_string();
        let items = body[collection].as_array().expect("a list").iter();
        items.map(|item| (text(item, "id"), text(item, "name"))).collect()
    }

    fn exchange(&self, method: &str, path: &str, body: &Value) -> Result<(u16, Value), Broken> {
        let address = &self.addresses[self.at];
        let mut stream = TcpStream::connect(address).map_err(|_| Broken::Refused)?;
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\
             X-Project-Id: {}\r\nX-User-Id: user\r\nX-Roles: admin\r\n\
             Connection: close\r\n\r\n{body}",
            body.len(),
            self.project
        );
        let mut answer = Vec::new();
        let asked = stream
            .set_read_timeout(Some(PATIENCE))
            .and_then(|()| stream.write_all(request.as_bytes()))
            .and_then(|()| stream.read_to_end(&mut answer));
        asked.map_err(|_| Broken::Off)?;
        let answer = String::from_utf8(answer).map_err(|_| Broken::Off)?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or(Broken::Off)?;
        let header = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            lines.find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_string())
        };
        // A body cut short is no answer.
        let length: usize = header("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or(Broken::Off)?;
        if body.len() != length {
            return Err(Broken::Off);
        }
        let body = if body.is_empty() { Ok(Value::Null) } else { serde_json::from_str(body) };
        Ok((status, body.map_err(|_| Broken::Off)?))
    }
}

#[derive(Debug)]
enum Broken {
    /// Nobody listens.
    Refused,
    /// It broke off after it was asked, perhaps after it did what was asked.
    Off,
}
