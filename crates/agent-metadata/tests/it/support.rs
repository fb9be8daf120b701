//! A namespace that plays a network, curl in it, and a metadata agent that writes down what it hears.

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex},
};

use neutrino_linux::{NetNs, Netlink, process};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixListener,
    process::Command as AsyncCommand,
};

/// A process that keeps a network namespace alive; both end with the guard.
pub struct Namespace(Child);

impl Namespace {
    /// With the loopback interface up and each of `addresses` on it.
    pub fn new(addresses: &[Ipv4Addr]) -> Self {
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", "echo ready; read never"]);
        process::die_with_parent(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
        let mut child = command.spawn().expect("util-linux is essential on Debian");
        let mut line = String::new();
        let out = child.stdout.take().expect("piped above");
        std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).expect("ready");
        let namespace = Self(child);
        let mut netlink = namespace.netlink();
        netlink.set_up("lo").expect("loopback");
        for address in addresses {
            let net = format!("{address}/32").parse().expect("address");
            netlink.add_address("lo", net).expect("address");
        }
        namespace
    }

    /// File of the namespace.
    pub fn path(&self) -> PathBuf {
        format!("/proc/{}/ns/net", self.0.id()).into()
    }

    pub fn netlink(&self) -> Netlink {
        Netlink::open_in(&NetNs::open(self.path()).expect("namespace")).expect("netlink")
    }

    /// Runs curl inside; answers its output and, on a line of its own, the status.
    pub async fn curl(&self, arguments: &[&str]) -> String {
        let output = self.curl_output(arguments).await;
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The same with everything curl tells.
    pub async fn curl_output(&self, arguments: &[&str]) -> Output {
        AsyncCommand::new("nsenter")
            .arg(format!("--net={}", self.path().display()))
            .args(["curl", "--silent", "--max-time", "20", "--write-out", "\n%{http_code}"])
            .args(arguments)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .expect("curl is installed by make deps")
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A directory removed with the guard.
pub struct Directory(pub PathBuf);

impl Directory {
    pub fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ntr-md-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("temp dir");
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Listens on a unix socket, writes requests down and gives the same answer to each.
pub struct Recorder {
    heads: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Recorder {
    pub fn start(socket: &Path, answer: &'static str) -> Self {
        let listener = UnixListener::bind(socket).expect("bind");
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let recorded = Arc::clone(&heads);
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut text = Vec::new();
                let mut buffer = [0; 4096];
                while !text.windows(4).any(|w| w == b"\r\n\r\n") {
                    match stream.read(&mut buffer).await {
                        Ok(0) | Err(_) => break,
                        Ok(n) => text.extend_from_slice(&buffer[..n]),
                    }
                }
                recorded
                    .lock()
                    .expect("not poisoned")
                    .push(String::from_utf8_lossy(&text).to_ascii_lowercase());
                // The proxy may have gone meanwhile.
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { heads, task }
    }

    /// Everything heard, in lower case.
    pub fn heard(&self) -> Vec<String> {
        self.heads.lock().expect("not poisoned").clone()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}
