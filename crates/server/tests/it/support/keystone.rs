//! A real Keystone of the checkout's `.venv-keystone`, on loopback with a database of its own.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use neutrino_db::testing::TempDir;
use serde_json::{Value, json};

use super::client::{Answer, Client};

/// How long it may take to come up on a busy machine: it makes its database first.
const PATIENCE: Duration = Duration::from_secs(180);

/// Password of every user.
const PASSWORD: &str = "secret";

/// A running Keystone; it ends with its handle, and also when this process is killed.
pub struct Keystone {
    pub client: Client,
    child: Child,
    /// Closing this ends it.
    orders: ChildStdin,
    said: mpsc::Receiver<String>,
    _dir: TempDir,
}

impl Keystone {
    /// Starts one with the users of `directory` (see `scripts/peers/keystone-server.py`).
    pub fn start(directory: &str) -> Self {
        let dir = TempDir::new("keystone").expect("directory");
        // The directory goes with Keystone, also when nobody drops the handle.
        let users = dir.path().join("users.toml");
        std::fs::write(&users, directory).expect("write");
        let log = std::fs::File::create(dir.path().join("stderr")).expect("log");
        let checkout = checkout();
        let mut child = Command::new(checkout.join(".venv-keystone/bin/python"))
            .arg(checkout.join("scripts/peers/keystone-server.py"))
            .args([dir.path(), &users])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("scripts/install-peers.sh makes .venv-keystone");
        let orders = child.stdin.take().expect("piped");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let (sender, said) = mpsc::channel();
        std::thread::spawn(move || {
            lines.map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let url = match said.recv_timeout(PATIENCE) {
            Ok(line) => line.strip_prefix("listening http://").expect("an address").to_string(),
            Err(error) => {
                let _ = child.kill();
                let read =
                    |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap_or_default();
                panic!(
                    "Keystone did not come up: {error}\n{}\n{}",
                    read("stderr"),
                    read("keystone.log")
                );
            }
        };
        Self { client: Client::new(url.parse().expect("address")), child, orders, said, _dir: dir }
    }

    /// Its URL, without version.
    pub fn url(&self) -> String {
        format!("http://{}", self.client.address)
    }

    /// Sets one of its options while it runs.
    pub fn set(&mut self, group: &str, option: &str, value: &str) {
        writeln!(self.orders, "{group} {option} {value}").expect("Keystone listens");
        assert_eq!(self.said.recv_timeout(PATIENCE).as_deref(), Ok("set"));
    }

    /// A token of `user` for `scope` (`{"project": ...}`, `{"system": ...}`).
    pub async fn token(&self, user: &str, scope: Value) -> String {
        let who = json!({"name": user, "domain": {"id": "default"}, "password": PASSWORD});
        let identity = json!({"methods": ["password"], "password": {"user": who}});
        let body = json!({"auth": {"identity": identity, "scope": scope}});
        subject(&self.client.post("/v3/auth/tokens", &body).await)
    }

    /// A token of `user` for the project named `project`.
    pub async fn project_token(&self, user: &str, project: &str) -> String {
        let scope = json!({"project": {"name": project, "domain": {"id": "default"}}});
        self.token(user, scope).await
    }

    /// Ends it at once.
    pub fn kill(mut self) {
        self.child.kill().expect("kill");
        self.child.wait().expect("end");
    }
}

impl Drop for Keystone {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The token an answer brings.
pub fn subject(answer: &Answer) -> String {
    assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
    answer.header("x-subject-token").expect("token").to_string()
}

/// The directory of the whole repository.
pub fn checkout() -> PathBuf {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_dir.ancestors().nth(2).expect("crates/server").to_path_buf()
}
