//! A server process killed with SIGKILL, as an operator or the OOM killer does it.

use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::Duration,
};

use neutrino_rpc::{
    BusEvent, RpcError,
    transport::embedded::{ClientConfig, Limits},
};
use serde_json::json;

use crate::support::{Bus, SECRET, agent_with, wait_until};

const ROLE: &str = "NEUTRINO_TEST_BUS_AT";

/// Not a test by itself: what the child process of the test below runs.
#[tokio::test]
async fn serve_in_a_child_process() {
    let Ok(at) = std::env::var(ROLE) else { return };
    let bus = Bus::start_at(at.parse().expect("address"), Limits::default(), None).await;
    bus.serve("q-plugin").await;
    println!("\nlistening {}", bus.addr());
    // Ends with the parent, however that ends: it holds the other end of standard input.
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    std::future::pending::<()>().await;
}

struct Process(Child);

impl Process {
    fn start(at: &str) -> (Self, SocketAddr) {
        let exe = std::env::current_exe().expect("own path");
        let mut child = Command::new(exe)
            .args(["--exact", "kill::serve_in_a_child_process", "--nocapture"])
            .env(ROLE, at)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let addr = stdout
            .lines()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("listening ").map(str::to_string))
            .expect("says where it listens");
        (Self(child), addr.parse().expect("address"))
    }

    /// SIGKILL.
    fn kill(&mut self) {
        self.0.kill().expect("runs");
        self.0.wait().expect("ends");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails only when it was killed before.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agent_outlives_its_server() {
    let (mut server, addr) = Process::start("127.0.0.1:0");
    let url = format!("embedded://{addr}");
    let config = ClientConfig {
        min_backoff: Duration::from_millis(5),
        max_backoff: Duration::from_millis(50),
        ..ClientConfig::from_url(&url, SECRET, "a").expect("valid")
    };
    let agent = agent_with(config, &["t"]);
    agent.connected().await;
    agent.call("q-plugin", "echo", json!({})).await.expect("answered");
    server.kill();
    wait_until("the loss", || agent.inbox.events().contains(&BusEvent::Disconnected)).await;
    let error = agent.call("q-plugin", "echo", json!({})).await.expect_err("nobody there");
    assert!(matches!(error, RpcError::Disconnected { .. }) && error.retriable());
    let (_server, again) = Process::start(&addr.to_string());
    assert_eq!(again, addr);
    wait_until("the resync", || agent.inbox.events().last() == Some(&BusEvent::Connected)).await;
    agent.call("q-plugin", "echo", json!({})).await.expect("answered again");
}
