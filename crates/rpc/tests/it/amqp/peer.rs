//! Beside a real oslo.messaging 18: each side calls, casts and fails.

use std::{
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

use neutrino_rpc::{Target, Transport};
use serde_json::{Value, json};

use super::{Node, broker, config, unique};
use crate::support::{Echo, WAIT, request};

/// Longer than Python takes to start on a busy machine.
const PYTHON: Duration = Duration::from_secs(60);

/// A Python process on the bus.
struct Peer {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<Value>,
    /// What it was cast, as far as it was read.
    notes: Vec<Value>,
}

impl Peer {
    fn start(topic: &str, server: &str) -> Self {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let python = root.join("../../.venv-neutron/bin/python");
        assert!(python.exists(), "run scripts/install-peers.sh: there is no {}", python.display());
        let mut child = Command::new(python)
            .args(["-W", "ignore"])
            .arg(root.join("tests/peers/oslo_peer.py"))
            .args([&broker().url(), topic, server])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let stdin = child.stdin.take().expect("piped");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if let Ok(value) = serde_json::from_str(&line) {
                    let _ = sender.send(value);
                }
            }
        });
        let mut peer = Self { child, stdin, lines, notes: Vec::new() };
        peer.line("ready");
        peer
    }

    /// The next line about `key`; casts are kept aside.
    fn line(&mut self, key: &str) -> Value {
        let begun = Instant::now();
        loop {
            let left = PYTHON.saturating_sub(begun.elapsed());
            let mut line = self.lines.recv_timeout(left).expect("the peer answers");
            if line.get("got").is_some() {
                self.notes.push(line["args"].take());
            }
            if let Some(value) = line.get_mut(key) {
                return value.take();
            }
        }
    }

    /// Runs a command; other tasks go on.
    fn run(&mut self, command: Value) -> Value {
        tokio::task::block_in_place(|| {
            writeln!(self.stdin, "{command}").expect("open");
            self.line("answer")
        })
    }

    /// The next cast it got.
    fn note(&mut self) -> Value {
        tokio::task::block_in_place(|| {
            while self.notes.is_empty() {
                self.line("got");
            }
            self.notes.remove(0)
        })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Fails only when it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn ours(topic: &str) -> Node {
    let node = Node::start(config(), "ours", &[]).connected().await;
    let dispatcher =
        std::sync::Arc::new(neutrino_rpc::Dispatcher::new(vec![std::sync::Arc::new(Echo)]));
    node.client.listen(topic, "ours", dispatcher).await.expect("listens");
    node
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oslo_and_we_understand_each_other() {
    let (their_topic, our_topic) = (unique("py"), unique("rs"));
    let node = ours(&our_topic).await;
    let mut peer = tokio::task::block_in_place(|| Peer::start(&their_topic, "theirs"));

    we_call(&node, &their_topic).await;
    we_cast(&node, &mut peer, &their_topic).await;
    they_call(&mut peer, &our_topic);
    they_cast(&mut peer, &our_topic).await;
    they_wait_with_a_call_monitor(&mut peer, &our_topic);
}

async fn we_call(node: &Node, topic: &str) {
    let call = async |target: Target, method: &str, args: Value| {
        node.client.call(&target, request(method, args), WAIT).await
    };
    let any = || Target::topic(topic);
    let args = json!({"x": [1, null, "é"], "nested": {"a": 1.5}});
    assert_eq!(call(any(), "echo", args.clone()).await.expect("answered"), args);
    let one = Target::server(topic, "theirs");
    assert_eq!(call(one, "echo", json!({})).await.expect("answered"), json!({}));
    let who = call(any(), "who", json!({})).await.expect("answered");
    assert_eq!((&who["is_admin"], &who["user_id"]), (&json!(true), &Value::Null));
    assert!(who["request_id"].as_str().expect("text").starts_with("req-"));
    let error = call(any(), "fail", json!({})).await.expect_err("fails");
    assert_eq!(error.remote_class(), Some("PortNotFound"), "{error}");
    assert!(error.to_string().contains("Port p could not be found"), "{error}");
    let error = call(any(), "value_error", json!({})).await.expect_err("fails");
    assert_eq!(error.remote_class(), Some("ValueError"));
    let error = call(any(), "nonsense", json!({})).await.expect_err("fails");
    assert_eq!(error.remote_class(), Some("NoSuchMethod"));
    let mut newer = request("echo", json!({}));
    newer.version = Some("1.5".into());
    let error = node.client.call(&any(), newer, WAIT).await.expect_err("fails");
    assert_eq!(error.remote_class(), Some("UnsupportedVersion"));
}

async fn we_cast(node: &Node, peer: &mut Peer, topic: &str) {
    for (n, target) in
        [Target::topic(topic), Target::server(topic, "theirs"), Target::fanout(topic)]
            .iter()
            .enumerate()
    {
        node.client.cast(target, request("note", json!({ "n": n }))).await.expect("cast");
        assert_eq!(peer.note(), json!({ "n": n }));
    }
}

fn they_call(peer: &mut Peer, topic: &str) {
    let mut call = |method: &str, version: &str| {
        peer.run(json!({
            "op": "call", "topic": topic, "method": method, "args": {}, "version": version,
            "timeout": 20,
        }))
    };
    assert_eq!(call("echo", "1.4"), json!({"result": {}}));
    let who = call("who", "1.0");
    assert_eq!(who["result"], json!({"admin": true, "request_id": "req-peer"}));
    // As with an exception raised in Python: its constructor takes no positional argument.
    assert_eq!(call("fail", "1.0")["remote"], "PortNotFound");
    assert_eq!(call("nonsense", "1.0")["remote"], "NoSuchMethod");
    assert_eq!(call("echo", "1.5")["remote"], "UnsupportedVersion");
}

async fn they_cast(peer: &mut Peer, topic: &str) {
    let node = Node::start(config(), "casts", &[topic]).connected().await;
    for (n, command) in [json!({"fanout": true}), json!({"server": "casts"})].iter().enumerate() {
        let mut command = command.clone();
        command["op"] = "cast".into();
        command["topic"] = topic.into();
        command["method"] = "port_update".into();
        command["args"] = json!({ "n": n });
        assert_eq!(peer.run(command), json!({"cast": true}));
        node.received(n + 1).await;
        assert_eq!(node.inbox.messages()[n].1["n"], n);
    }
}

/// The call takes longer than the monitor waits, so only our signs of life keep it alive.
fn they_wait_with_a_call_monitor(peer: &mut Peer, topic: &str) {
    let answer = peer.run(json!({
        "op": "call", "topic": topic, "method": "nap", "args": {}, "timeout": 30, "monitor": 2,
    }));
    assert_eq!(answer, json!({"result": "rested"}));
}
