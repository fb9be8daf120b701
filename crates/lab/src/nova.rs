//! What stands in for Nova's metadata service: a service of the controller.
//!
//! It trusts a request as Nova does: the instance id must be signed with the shared secret, and
//! the project must be the instance's. What it knows of an instance is a file, so that it may be
//! restarted at any time. Answers are a small part of Nova's.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::Sha256;
use uuid::Uuid;

use crate::error::{Error, Result};

/// TCP port of Nova's metadata service.
pub(crate) const PORT: u16 = 8775;
/// The shared secret, on the controller.
pub(crate) const SECRET_FILE: &str = "/etc/nova/metadata_secret";
/// One file for each instance, on the controller.
const INSTANCES: &str = "/var/lib/nova/instances";
/// How long a client may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Most bytes of a request's head.
const MAX_HEAD: usize = 16 << 10;

/// What is known of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    /// UUID.
    pub(crate) id: String,
    /// Name, also its host name.
    pub(crate) name: String,
    /// Project.
    pub(crate) project_id: String,
    /// First IPv4 address, empty without.
    pub(crate) local_ipv4: String,
}

fn file_of(id: &str) -> Result<PathBuf> {
    // The id becomes a file name.
    let id = Uuid::parse_str(id)
        .map_err(|_| Error::Usage(format!("{id:?} is not the id of an instance")))?;
    Ok(Path::new(INSTANCES).join(format!("{id}.json")))
}

/// Remembers an instance on the calling controller.
pub(crate) fn remember(known: &Known) -> Result<()> {
    let file = file_of(&known.id)?;
    fs::create_dir_all(INSTANCES).map_err(Error::io(format!("create {INSTANCES}")))?;
    fs::write(&file, json!(known).to_string())
        .map_err(Error::io(format!("write {}", file.display())))
}

/// Forgets an instance; it may be unknown.
pub(crate) fn forget(id: &str) -> Result<()> {
    let file = file_of(id)?;
    match fs::remove_file(&file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io(format!("remove {}", file.display()))(error))
        }
        _ => Ok(()),
    }
}

/// Serves for ever.
pub(crate) fn serve(listen: SocketAddr) -> Result<()> {
    let secret = fs::read_to_string(SECRET_FILE)
        .map_err(Error::io(format!("read {SECRET_FILE}")))?
        .trim()
        .to_owned();
    let listener = TcpListener::bind(listen).map_err(Error::io(format!("listen on {listen}")))?;
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        let secret = secret.clone();
        // A client that goes away early is nobody's business.
        thread::spawn(move || converse(stream, &secret).unwrap_or_default());
    }
    Ok(())
}

fn converse(mut stream: TcpStream, secret: &str) -> std::io::Result<()> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let mut head = Vec::new();
    let mut buffer = [0; 2048];
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        let count = stream.read(&mut buffer)?;
        if count == 0 || head.len() > MAX_HEAD {
            return Ok(());
        }
        head.extend_from_slice(&buffer[..count]);
    }
    let (status, body) = answer(&String::from_utf8_lossy(&head), secret, |id| {
        let text = fs::read_to_string(file_of(id).ok()?).ok()?;
        serde_json::from_str(&text).ok()
    });
    let kind = if body.starts_with('{') { "application/json" } else { "text/plain" };
    let text = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}; charset=UTF-8\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes())
}

/// Status line and body for a request's head.
fn answer(
    head: &str,
    secret: &str,
    look_up: impl FnOnce(&str) -> Option<Known>,
) -> (&'static str, String) {
    let mut lines = head.lines();
    let path = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
    let header = |wanted: &str| {
        lines
            .clone()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value.trim())
    };
    let told = ["x-instance-id", "x-tenant-id", "x-instance-id-signature"].map(header);
    let [Some(id), Some(project), Some(signature)] = told else {
        return ("400 Bad Request", String::new());
    };
    if !is_signed(secret, id, signature) {
        return ("403 Forbidden", String::new());
    }
    let known = look_up(id).filter(|known| known.project_id == project);
    let path = path.split('?').next().unwrap_or_default();
    match known.and_then(|known| document(&known, path)) {
        Some(body) => ("200 OK", body),
        None => ("404 Not Found", String::new()),
    }
}

/// Whether `signature` is the hexadecimal HMAC-SHA256 of `id`.
fn is_signed(secret: &str, id: &str, signature: &str) -> bool {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return false };
    mac.update(id.as_bytes());
    let bytes: Option<Vec<u8>> = (0..signature.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(signature.get(at..at + 2)?, 16).ok())
        .collect();
    bytes.is_some_and(|bytes| mac.verify_slice(&bytes).is_ok())
}

/// What stands at `path` for an instance.
fn document(known: &Known, path: &str) -> Option<String> {
    let items = [
        ("hostname", known.name.as_str()),
        ("instance-id", known.id.as_str()),
        ("local-hostname", known.name.as_str()),
        ("local-ipv4", known.local_ipv4.as_str()),
    ];
    let names = || items.map(|(name, _)| name).join("\n");
    match path.trim_end_matches('/') {
        "" => Some("latest".to_owned()),
        "/latest" => Some("meta-data/".to_owned()),
        "/latest/meta-data" => Some(names()),
        "/openstack" => Some("latest".to_owned()),
        "/openstack/latest" => Some("meta_data.json".to_owned()),
        "/openstack/latest/meta_data.json" => Some(
            json!({
                "uuid": known.id, "name": known.name, "hostname": known.name,
                "project_id": known.project_id, "availability_zone": "nova",
                "launch_index": 0, "meta": {}})
            .to_string(),
        ),
        other => {
            let wanted = other.strip_prefix("/latest/meta-data/")?;
            items.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "5f3d5a4e-4c6b-4b0e-9a11-2f8c6a3f0a77";
    /// `printf %s ID | openssl dgst -sha256 -hmac secret`.
    const SIGNATURE: &str = "984cd290b2301f03fbfabc775937b0b8a41a2a2ec6b889cc85a0d975251c113e";

    fn ask(path: &str, project: &str, signature: &str) -> (&'static str, String) {
        let head = format!(
            "GET {path} HTTP/1.1\r\nX-Instance-ID: {ID}\r\nX-Tenant-ID: {project}\r\n\
             x-instance-id-signature: {signature}\r\n\r\n"
        );
        answer(&head, "secret", |id| {
            assert_eq!(id, ID);
            Some(Known {
                id: id.to_owned(),
                name: "vm".to_owned(),
                project_id: "p".to_owned(),
                local_ipv4: "10.0.0.5".to_owned(),
            })
        })
    }

    #[test]
    fn only_a_signed_instance_of_the_project_is_answered() {
        let path = "/latest/meta-data/instance-id";
        assert_eq!(ask(path, "p", SIGNATURE), ("200 OK", ID.to_owned()));
        assert_eq!(ask(path, "p", &SIGNATURE.replace('9', "8")).0, "403 Forbidden");
        assert_eq!(ask(path, "p", "xyz").0, "403 Forbidden");
        assert_eq!(ask(path, "other", SIGNATURE).0, "404 Not Found");
        let unsigned = answer("GET / HTTP/1.1\r\n\r\n", "secret", |_| None);
        assert_eq!(unsigned.0, "400 Bad Request");
    }

    #[test]
    fn documents_are_where_nova_has_them() {
        assert_eq!(ask("/latest/meta-data/local-ipv4", "p", SIGNATURE).1, "10.0.0.5");
        let listed = ask("/latest/meta-data/", "p", SIGNATURE).1;
        assert!(listed.lines().any(|line| line == "hostname"), "{listed}");
        let json = ask("/openstack/latest/meta_data.json?x", "p", SIGNATURE).1;
        let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(json["uuid"], ID);
        assert_eq!(ask("/latest/user-data", "p", SIGNATURE).0, "404 Not Found");
    }
}
