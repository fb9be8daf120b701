//! The agent behind the proxy: curl in a namespace, a server's answers, a Nova that checks.

use std::{
    net::Ipv4Addr,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use neutrino_agent_metadata::{
    agent::{self, config::Config, identify::PortDirectory, nova},
    proxy::{Bind, Listening, MetadataProxy, Served, Settings},
};
use neutrino_conf::Conf;
use neutrino_rpc::RpcError;
use neutrino_types::Attrs;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};

use crate::support::{Directory, Namespace};

const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
const SECRET: &str = "s3cret";

/// One network with an instance at 10.0.0.5, and 10.0.0.7 on two ports; a router on that network.
#[derive(Default)]
struct Server {
    asked: Mutex<Vec<Value>>,
}

#[async_trait]
impl PortDirectory for Server {
    async fn get_ports(&self, filters: Value) -> Result<Vec<Attrs>, RpcError> {
        let port = |id: &str| json!({"device_id": id, "project_id": "p1", "network_id": "net-1"});
        let found = match filters["fixed_ips"]["ip_address"][0].as_str() {
            _ if filters["device_id"][0] == "router-1" => json!([port("router-1")]),
            _ if filters["network_id"][0] != "net-1" => json!([]),
            Some("10.0.0.5") => json!([port("inst-5")]),
            Some("10.0.0.7") => json!([port("inst-7"), port("inst-8")]),
            _ => json!([]),
        };
        self.asked.lock().expect("not poisoned").push(filters);
        Ok(serde_json::from_value(found).expect("ports"))
    }
}

/// Answers the instance id it was told, or 403 when the signature is wrong; the status of the path
/// `/status/NNN`.
struct Nova(u16, JoinHandle<()>);

impl Nova {
    async fn start(tls: Option<tokio_rustls::TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("bind");
        let port = listener.local_addr().expect("bound").port();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                match &tls {
                    None => answer(stream).await,
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            answer(stream).await;
                        }
                    }
                }
            }
        });
        Self(port, task)
    }
}

impl Drop for Nova {
    fn drop(&mut self) {
        self.1.abort();
    }
}

async fn answer(mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let header = |name: &str| {
        let line = head.lines().find(|l| l.to_lowercase().starts_with(&format!("{name}:")));
        line.and_then(|l| l.split_once(": ")).map(|(_, v)| v.to_string()).unwrap_or_default()
    };
    let id = header("x-instance-id");
    let path = head.split(' ').nth(1).unwrap_or_default();
    let status = match path.strip_prefix("/status/") {
        _ if header("x-instance-id-signature") != nova::signature(SECRET, &id) => "403",
        Some(status) => status,
        None => "200",
    };
    let body = format!("{id} {} {}", header("x-tenant-id"), header("x-forwarded-for"));
    let text = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    // The agent may have gone meanwhile.
    let _ = stream.write_all(text.as_bytes()).await;
}

/// Everything from curl to Nova.
struct Path {
    namespace: Namespace,
    _listening: Listening,
    _agent: agent::Running,
    server: Arc<Server>,
    directory: Directory,
}

impl Path {
    async fn new(test: &str, served: Served, options: &str) -> Self {
        let directory = Directory::new(test);
        let state = directory.0.display();
        let text = format!("[DEFAULT]\nstate_path = {state}\n{options}\n");
        let conf = Conf::parse_str(&text).expect("valid");
        let server = Arc::new(Server::default());
        let config = Config::from_conf(&conf, Duration::from_secs(30)).expect("settings");
        let ports = Arc::clone(&server) as Arc<dyn PortDirectory>;
        let running = agent::serve(config, ports).expect("listens");
        let addresses = [5, 6, 7].map(|n| Ipv4Addr::new(10, 0, 0, n));
        let namespace = Namespace::new(&[&[METADATA], &addresses[..]].concat());
        let bind = Bind { address: (METADATA, 80).into(), device: None };
        let proxy = MetadataProxy::new(Settings::from_conf(&conf));
        let listening =
            proxy.listen(&namespace.path(), &[bind], served).await.expect("proxy listens");
        Self { namespace, _listening: listening, _agent: running, server, directory }
    }

    /// What the instance at `address` gets at `path`.
    async fn get(&self, address: &str, path: &str) -> String {
        let url = format!("http://169.254.169.254{path}");
        self.namespace.curl(&["--interface", address, &url]).await
    }
}

fn nova_options(nova: &Nova) -> String {
    format!("nova_metadata_port = {}\nmetadata_proxy_shared_secret = {SECRET}", nova.0)
}

#[tokio::test]
async fn each_instance_gets_its_own() {
    if !neutrino_privilege::granted() {
        return;
    }
    let nova = Nova::start(None).await;
    let path = Path::new("own", Served::Network("net-1".into()), &nova_options(&nova)).await;
    assert_eq!(path.get("10.0.0.5", "/latest").await, "inst-5 p1 10.0.0.5\n200");
    assert!(path.get("10.0.0.6", "/latest").await.ends_with("\n404"), "no port");
    assert!(path.get("10.0.0.7", "/latest").await.ends_with("\n404"), "two ports");
    assert!(path.get("10.0.0.5", "/status/404").await.ends_with("\n404"));
    assert!(path.get("10.0.0.5", "/status/418").await.ends_with("\n500"));
    let socket = path.directory.0.join("metadata_proxy");
    let mode = std::fs::metadata(&socket).expect("socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
    // Straight to the agent, as no proxy would.
    let both = ["X-Neutron-Network-ID: net-1", "X-Neutron-Router-ID: router-1"];
    let socket = socket.display().to_string();
    let mut forged = vec!["--unix-socket", &socket, "--header", "X-Forwarded-For: 10.0.0.5"];
    forged.extend(["--header", both[0], "http://x/"]);
    assert_eq!(path.namespace.curl(&forged).await, "inst-5 p1 10.0.0.5\n200");
    forged.extend(["--header", both[1]]);
    assert!(path.namespace.curl(&forged).await.ends_with("\n400"), "both ids");
}

#[tokio::test]
async fn router_is_asked_for_its_networks() {
    if !neutrino_privilege::granted() {
        return;
    }
    let nova = Nova::start(None).await;
    let path = Path::new("router", Served::Router("router-1".into()), &nova_options(&nova)).await;
    assert_eq!(path.get("10.0.0.5", "/latest").await, "inst-5 p1 10.0.0.5\n200");
    let asked = path.server.asked.lock().expect("not poisoned").clone();
    assert_eq!(
        asked[0],
        json!({"device_id": ["router-1"], "device_owner": ["network:router_interface",
            "network:router_interface_distributed", "network:ha_router_replicated_interface"]})
    );
    assert_eq!(
        asked[1],
        json!({"fixed_ips": {"ip_address": ["10.0.0.5"]}, "network_id": ["net-1"]})
    );
    let stray = Path::new("stray", Served::Router("router-2".into()), &nova_options(&nova)).await;
    assert!(stray.get("10.0.0.5", "/latest").await.ends_with("\n404"), "a router of no network");
    assert_eq!(stray.server.asked.lock().expect("not poisoned").len(), 1);
}

#[tokio::test]
async fn nova_that_is_down_or_distrusts() {
    if !neutrino_privilege::granted() {
        return;
    }
    let nova = Nova::start(None).await;
    let other = format!("nova_metadata_port = {}\nmetadata_proxy_shared_secret = x", nova.0);
    let path = Path::new("distrust", Served::Network("net-1".into()), &other).await;
    assert!(path.get("10.0.0.5", "/latest").await.ends_with("\n403"));
    drop(nova);
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("bind");
    let port = free.local_addr().expect("bound").port();
    drop(free);
    let down = format!("nova_metadata_port = {port}");
    let path = Path::new("down", Served::Network("net-1".into()), &down).await;
    assert!(path.get("10.0.0.5", "/latest").await.ends_with("\n503"));
}

#[tokio::test]
async fn https_checks_the_certificate_unless_told_not_to() {
    if !neutrino_privilege::granted() {
        return;
    }
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
    let file = |name: &str| {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../rpc/tests/cases/tls").join(name)
    };
    let certificate = CertificateDer::from_pem_file(file("server.pem")).expect("certificate");
    let key = PrivateKeyDer::from_pem_file(file("server.key")).expect("key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("certificate and key");
    let nova = Nova::start(Some(Arc::new(tls).into())).await;
    let with =
        |more: String| format!("{}\nnova_metadata_protocol = https\n{more}", nova_options(&nova));
    let cases = [
        (format!("auth_ca_cert = {}", file("ca.pem").display()), "\n200"),
        (format!("auth_ca_cert = {}", file("other-ca.pem").display()), "\n503"),
        ("nova_metadata_insecure = true".to_string(), "\n200"),
    ];
    for (n, (more, status)) in cases.into_iter().enumerate() {
        let served = Served::Network("net-1".into());
        let path = Path::new(&format!("https{n}"), served, &with(more)).await;
        let answer = path.get("10.0.0.5", "/latest").await;
        assert!(answer.ends_with(status), "case {n}: {answer}");
    }
}

#[tokio::test]
async fn successor_takes_the_socket_over() {
    if !neutrino_privilege::granted() {
        return;
    }
    let nova = Nova::start(None).await;
    let served = Served::Network("net-1".into());
    let mut path = Path::new("successor", served, &nova_options(&nova)).await;
    let state = path.directory.0.display();
    let text = format!("[DEFAULT]\nstate_path = {state}\n{}\n", nova_options(&nova));
    let conf = Conf::parse_str(&text).expect("valid");
    let config = Config::from_conf(&conf, Duration::from_secs(30)).expect("settings");
    let ports = Arc::clone(&path.server) as Arc<dyn PortDirectory>;
    path._agent = agent::serve(config, ports).expect("takes over");
    assert_eq!(path.get("10.0.0.5", "/latest").await, "inst-5 p1 10.0.0.5\n200");
    let names = std::fs::read_dir(&path.directory.0).expect("directory").count();
    assert_eq!(names, 1, "nothing but the socket");
}
