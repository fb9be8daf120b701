//! Programs that send and count packets in instances, and what counts them on their way.

pub mod hops;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::net::IpAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use neutrino_lab::Lab;
use serde_json::{Value, json};

/// Attempts at connections, and who answers them.
const TRAFFIC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/probe/traffic.py");

/// Frames made by hand, and who hears them.
const FRAMES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/probe/frames.py");

/// A process, ended when this goes.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program in an instance; ended when this goes.
pub struct Program {
    child: Guard,
    lines: BufReader<ChildStdout>,
}

fn python(script: &str, mode: &str) -> Command {
    let mut command = Command::new("python3");
    command.args(["-B", script, mode]).stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

impl Program {
    /// Starts `script` in an instance with `mode` as its argument and a line of JSON as its input.
    pub fn start(lab: &Lab, instance: &str, script: &str, mode: &str, input: &Value) -> Self {
        let mut command = python(script, mode);
        lab.enter_instance(instance, &mut command).expect("instance");
        Self::run(command, input)
    }

    fn run(mut command: Command, input: &Value) -> Self {
        let mut child = command.spawn().expect("python3");
        let mut theirs = child.stdin.take().expect("piped");
        writeln!(theirs, "{input}").expect("the program reads");
        let lines = BufReader::new(child.stdout.take().expect("piped"));
        Self { child: Guard(child), lines }
    }

    /// The next line; blocks.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("text");
        assert!(!line.is_empty(), "the program ended: {:?}", self.child.0.try_wait());
        line.trim_end().to_owned()
    }
}

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Tcp,
    Udp,
    /// ICMP echo of the address's family.
    Icmp,
}

impl Protocol {
    fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
        }
    }
}

/// One attempt at a connection.
#[derive(Debug, Clone)]
pub struct Attempt {
    pub id: String,
    pub protocol: Protocol,
    pub address: IpAddr,
    /// 0 with ICMP.
    pub port: u16,
    /// Bytes of payload.
    pub size: u16,
}

fn to_json(attempts: &[Attempt]) -> Value {
    let one = |attempt: &Attempt| {
        json!({"id": attempt.id, "kind": attempt.protocol.as_str(), "address": attempt.address,
            "port": attempt.port, "size": attempt.size})
    };
    attempts.iter().map(one).collect()
}

/// Answers TCP and UDP on `ports` of an instance.
pub fn serve(lab: &Lab, instance: &str, ports: &[(Protocol, u16)]) -> Program {
    let ports: Vec<_> = ports.iter().map(|(p, port)| (p.as_str(), *port)).collect();
    let mut program = Program::start(lab, instance, TRAFFIC, "serve", &json!(ports));
    assert_eq!(program.line(), "ready");
    program
}

/// Makes all attempts of all instances at once; answers what came of each by its id: `yes`, `no`
/// for silence, else an error.
pub fn probe<'a>(
    lab: &Lab,
    attempts: impl IntoIterator<Item = (&'a str, Vec<Attempt>)>,
) -> BTreeMap<String, String> {
    let started: Vec<Program> = attempts
        .into_iter()
        .map(|(name, list)| Program::start(lab, name, TRAFFIC, "probe", &to_json(&list)))
        .collect();
    started.into_iter().flat_map(results).collect()
}

/// Makes all attempts at once from a host, such as upstream; answers as [`probe`] does.
pub fn probe_from(lab: &Lab, host: &str, attempts: &[Attempt]) -> BTreeMap<String, String> {
    let mut command = python(TRAFFIC, "probe");
    lab.enter_host(host, &mut command).expect("host");
    results(Program::run(command, &to_json(attempts)))
}

fn results(mut program: Program) -> BTreeMap<String, String> {
    serde_json::from_str(&program.line()).expect("an object of texts")
}

/// Connections that are held open and used ten times a second.
pub struct Streams {
    latest: Arc<Mutex<BTreeMap<String, Value>>>,
    _child: Guard,
}

impl Streams {
    /// Opens connections from an instance.
    pub fn open(lab: &Lab, instance: &str, attempts: &[Attempt]) -> Self {
        let input = to_json(attempts);
        let Program { child, lines } = Program::start(lab, instance, TRAFFIC, "stream", &input);
        let none = attempts.iter().map(|attempt| (attempt.id.clone(), Value::Null)).collect();
        let latest = Arc::new(Mutex::new(none));
        let seen = Arc::clone(&latest);
        thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                let now = serde_json::from_str(&line).expect("an object");
                *seen.lock().expect("no panic holds it") = now;
            }
        });
        Self { latest, _child: child }
    }

    /// How many answers each connection had.
    pub fn answers(&self) -> BTreeMap<String, u64> {
        let latest = self.latest.lock().expect("no panic holds it");
        let count = |seen: &Value| seen["answers"].as_u64().unwrap_or_default();
        latest.iter().map(|(id, seen)| (id.clone(), count(seen))).collect()
    }

    /// Why TCP connections ended, of those that did.
    pub fn ended(&self) -> Vec<String> {
        let latest = self.latest.lock().expect("no panic holds it");
        let ended = latest.iter().filter(|(_, seen)| !seen["failed"].is_null());
        ended.map(|(id, seen)| format!("{id}: {seen}")).collect()
    }
}

/// Sends frames from an instance, each five times; what they may be is said in `frames.py`.
pub fn send(lab: &Lab, instance: &str, frames: &[Value]) {
    let mut program = Program::start(lab, instance, FRAMES, "send", &json!(frames));
    assert_eq!(program.line(), "sent");
}

/// Sends frames from an instance again and again; answers after each was sent once.
pub fn flood(lab: &Lab, instance: &str, frames: &[Value]) -> Program {
    let mut program = Program::start(lab, instance, FRAMES, "flood", &json!(frames));
    assert_eq!(program.line(), "sent");
    program
}

/// Hears what comes to an instance.
pub struct Capture {
    names: Arc<Mutex<BTreeSet<String>>>,
    _child: Guard,
}

impl Capture {
    /// Listens from now on.
    pub fn start(lab: &Lab, instance: &str) -> Self {
        let mut program = Program::start(lab, instance, FRAMES, "capture", &json!([]));
        assert_eq!(program.line(), "ready");
        let Program { child, lines } = program;
        let names = Arc::new(Mutex::new(BTreeSet::new()));
        let heard = Arc::clone(&names);
        thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                heard.lock().expect("no panic holds it").insert(line);
            }
        });
        Self { names, _child: child }
    }

    /// Names of the frames that came.
    pub fn names(&self) -> BTreeSet<String> {
        self.names.lock().expect("no panic holds it").clone()
    }
}
