//! A small client of the lab's REST APIs, for what Nova would ask of Neutron.
//!
//! Plain HTTP/1.1 over the loopback address, one connection per request. Users have the
//! `openstack` client.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::spec::LabSpec;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Speaks to the network API, with a token where there is an identity service.
#[derive(Debug, Clone)]
pub struct Client {
    address: SocketAddr,
    token: Option<String>,
}

/// Status, headers with names in lower case, and body of an answer.
struct Answer {
    status: u16,
    headers: String,
    body: Vec<u8>,
}

impl Client {
    /// Asks the lab's identity service for a token of `user` in the project of the same name.
    ///
    /// # Errors
    /// [`Error::Api`] when it refuses, [`Error::Io`] when it is not there.
    pub fn connect(lab: &LabSpec, user: &str) -> Result<Self> {
        let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let address = at(lab.api_port);
        if lab.is_open() {
            return Ok(Self { address, token: None });
        }
        let domain = json!({"name": "Default"});
        let body = json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user": {
                "name": user, "domain": domain, "password": lab.password}}},
            "scope": {"project": {"name": user, "domain": domain}},
        }});
        let path = "/v3/auth/tokens";
        let answer = exchange(at(lab.identity_port), "POST", path, None, Some(&body))?;
        let token = answer
            .headers
            .lines()
            .find_map(|line| line.strip_prefix("x-subject-token:"))
            .map(|value| value.trim().to_owned());
        match token {
            token @ Some(_) if answer.status == 201 => Ok(Self { address, token }),
            _ => Err(refused("POST", path, answer)),
        }
    }

    /// Reads `path`, such as `/v2.0/ports?name=a`.
    ///
    /// # Errors
    /// [`Error::Api`] when the answer is not 200.
    pub fn get(&self, path: &str) -> Result<Value> {
        self.request("GET", path, None)
    }

    /// Creates something in the collection `path`.
    ///
    /// # Errors
    /// [`Error::Api`] when the answer is not 201.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.request("POST", path, Some(body))
    }

    /// Changes the resource at `path`.
    ///
    /// # Errors
    /// [`Error::Api`] when the answer is not 200.
    pub fn put(&self, path: &str, body: &Value) -> Result<Value> {
        self.request("PUT", path, Some(body))
    }

    /// Deletes the resource at `path`.
    ///
    /// # Errors
    /// [`Error::Api`] when the answer is not 204.
    pub fn delete(&self, path: &str) -> Result<()> {
        self.request("DELETE", path, None).map(drop)
    }

    fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let answer = exchange(self.address, method, path, self.token.as_deref(), body)?;
        if !(200..300).contains(&answer.status) {
            return Err(refused(method, path, answer));
        }
        if answer.body.is_empty() {
            return Ok(Value::Null);
        }
        let attempt = format!("read the answer to {method} {path}");
        serde_json::from_slice(&answer.body).map_err(|e| Error::io(attempt)(e.into()))
    }
}

fn refused(method: &str, path: &str, answer: Answer) -> Error {
    Error::Api {
        request: format!("{method} {path}"),
        status: answer.status,
        body: String::from_utf8_lossy(&answer.body).into_owned(),
    }
}

/// Whether a server answers at `address`, whatever it says.
///
/// # Errors
/// [`Error::Io`] when it does not, or not in time.
pub(crate) fn probe(address: SocketAddr) -> Result<()> {
    exchange(address, "GET", "/", None, None).map(drop)
}

fn exchange(
    address: SocketAddr,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: Option<&Value>,
) -> Result<Answer> {
    let attempt = || format!("{method} http://{address}{path}");
    let mut request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Accept: application/json\r\n"
    );
    if let Some(token) = token {
        request.push_str(&format!("X-Auth-Token: {token}\r\n"));
    }
    let body = body.map(Value::to_string).unwrap_or_default();
    if !body.is_empty() {
        request.push_str("Content-Type: application/json\r\n");
    }
    request.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));

    let mut stream = TcpStream::connect(address).map_err(Error::io(attempt()))?;
    stream.set_read_timeout(Some(TIMEOUT)).map_err(Error::io(attempt()))?;
    stream.write_all(request.as_bytes()).map_err(Error::io(attempt()))?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).map_err(Error::io(attempt()))?;
    parse(&bytes).ok_or_else(|| {
        let what = std::io::Error::new(std::io::ErrorKind::InvalidData, "no HTTP answer came");
        Error::io(attempt())(what)
    })
}

/// Splits an answer; `None` when it is not HTTP or is cut short.
fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let (first, rest) = head.split_once("\r\n").unwrap_or((head, ""));
    let status = first.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    // Names are case-insensitive, values are not.
    let headers: String = rest
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| format!("{}:{value}\n", name.to_ascii_lowercase()))
        .collect();
    let raw = &bytes[end + 4..];
    let chunked = headers.lines().any(|line| line == "transfer-encoding: chunked");
    let body = if chunked { unchunk(raw)? } else { raw.to_vec() };
    Some(Answer { status, headers, body })
}

fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|window| window == b"\r\n")?;
        let digits = std::str::from_utf8(&rest[..line]).ok()?.split(';').next()?;
        let size = usize::from_str_radix(digits.trim(), 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        let start = line + 2;
        body.extend_from_slice(rest.get(start..start.checked_add(size)?)?);
        rest = rest.get(start + size + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_plain_and_chunked_answers() {
        let plain =
            parse(b"HTTP/1.1 201 Created\r\nX-Subject-Token: AbC\r\n\r\n{}").expect("plain");
        assert_eq!((plain.status, plain.body.as_slice()), (201, b"{}".as_slice()));
        assert_eq!(plain.headers, "x-subject-token: AbC\n");
        let chunked =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
        assert_eq!(parse(chunked).expect("chunked").body, b"abcd");
        for cut in 0..chunked.len() - 4 {
            let _ = parse(&chunked[..cut]);
        }
        assert!(parse(b"nonsense").is_none());
    }
}
