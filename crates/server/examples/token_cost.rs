//! What a token that is remembered costs a request: `cargo run --release -p neutrino-server
//! --example token_cost`. A thread stands in for Keystone and is asked once.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    time::Instant,
};

use axum::http::{HeaderMap, HeaderValue, Method};
use neutrino_conf::Conf;
use neutrino_server::identity::{Asked, Authenticator, Keystone};

const ROUNDS: u32 = 1_000_000;

/// As long as a Fernet token of a project.
const TOKEN: &str = "gAAAAABrAfYluH6HtsTebttvk6_JoVSM401H4am3bZgHPMjx-nzePFcirAvtpD2QiqU4OsbT3GvGcfBtNrydMalWxb4N5F4FlQUQAjBxv9DDEteww1TKfkCyDRpWBMSFlGPkX0OF5F7BRnP3PJBxKEtt61pGAKHmQzTvAcvmQBVOro2ZBVYp1OA";

fn answer(mut stream: TcpStream, address: &str) -> std::io::Result<()> {
    let mut seen = Vec::new();
    let mut part = [0; 4096];
    // Head, and body where there is one: both of these requests end in one of these ways.
    while !(seen.ends_with(b"\r\n\r\n") || seen.ends_with(b"}}}}")) {
        let count = stream.read(&mut part)?;
        if count == 0 {
            break;
        }
        seen.extend_from_slice(&part[..count]);
    }
    let endpoint = format!(r#"{{"interface": "internal", "url": "http://{address}"}}"#);
    let body = format!(
        r#"{{"token": {{"user": {{"id": "8ac3c5d5dc0f4ee3a375cdacbf9903fd", "name": "alice", "domain": {{"id": "default", "name": "Default"}}}},
        "project": {{"id": "d4ed386506e349b0bc7f5e0940392acf", "name": "demo", "domain": {{"id": "default", "name": "Default"}}}},
        "roles": [{{"name": "member"}}, {{"name": "reader"}}], "expires_at": "2100-01-01T00:00:00.000000Z",
        "catalog": [{{"type": "identity", "endpoints": [{endpoint}]}}]}}}}"#
    );
    let status = if seen.starts_with(b"POST") { "201 Created" } else { "200 OK" };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nX-Subject-Token: ours\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    let at = address.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if let Err(error) = answer(stream, &at) {
                eprintln!("{error}");
            }
        }
    });
    let conf = Conf::parse_str(&format!(
        "[keystone_authtoken]\nwww_authenticate_uri = http://{address}\nauth_type = password\n\
         auth_url = http://{address}\nuser_id = u\npassword = p\nproject_id = p\n"
    ))?;
    let keystone = Keystone::from_conf(&conf)?;
    let mut headers = HeaderMap::new();
    headers.insert("x-auth-token", HeaderValue::from_static(TOKEN));
    let asked = Asked { method: &Method::GET, path: "/v2.0/networks", headers: &headers };
    keystone.authenticate(asked, "req".into()).await?;
    let start = Instant::now();
    for _ in 0..ROUNDS {
        std::hint::black_box(keystone.authenticate(asked, "req".into()).await?);
    }
    println!("{:.2} us per request", start.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS));
    Ok(())
}
