//! The hops of a packet's walk: what passes devices, and how often flows and rules were taken.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use neutrino_lab::{Lab, wait::wait_until};

use super::Guard;
use crate::on;

/// How long what has happened may take to show: the switch collects its counters every second.
const SHOWN: Duration = Duration::from_secs(10);

/// Runs before a command on a host to be in one of its namespaces.
pub fn within(namespace: &str) -> Vec<&str> {
    if namespace.is_empty() { Vec::new() } else { vec!["ip", "netns", "exec", namespace] }
}

/// Hears the packets of a device.
pub struct Sniffer {
    place: String,
    packets: Arc<Mutex<Vec<String>>>,
    _child: Guard,
}

impl Sniffer {
    /// Listens from now on to what `filter` (pcap-filter(7)) chooses on a device of a host, in one
    /// of its namespaces or, with "", in none.
    pub fn start(lab: &Lab, host: &str, namespace: &str, device: &str, filter: &str) -> Self {
        let mut words = within(namespace);
        // Another user would outlive the lab.
        words.extend(["tcpdump", "-Z", "root", "-nn", "-e", "-l", "--immediate-mode"]);
        words.extend(["-i", device]);
        words.extend(filter.split_whitespace());
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).stdout(Stdio::piped()).stderr(Stdio::piped());
        lab.enter_host(host, &mut command).expect("host");
        let place = format!("{host} {namespace} {device}");
        let mut child = command.spawn().expect("tcpdump");
        let mut said = String::new();
        let mut errors = BufReader::new(child.stderr.take().expect("piped"));
        while !said.contains("listening on") {
            let read = errors.read_line(&mut said).expect("text");
            assert!(read > 0, "tcpdump at {place}: {said}");
        }
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let packets = Arc::new(Mutex::new(Vec::<String>::new()));
        let heard = Arc::clone(&packets);
        thread::spawn(move || {
            // What it says at its end nobody wants to know, but it must be able to say it.
            let _errors = errors;
            for line in lines.map_while(Result::ok) {
                let mut heard = heard.lock().expect("no panic holds it");
                // What is inside a tunnel's packet stands on a line of its own, without a time.
                let starts = line.get(..9).is_some_and(|time| time.ends_with('.'));
                match heard.last_mut().filter(|_| !starts) {
                    Some(packet) => *packet = format!("{packet} {line}"),
                    None => heard.push(line),
                }
            }
        });
        Self { place, packets, _child: Guard(child) }
    }

    /// The packets in which every one of `needles` is found.
    pub fn with(&self, needles: &[&str]) -> Vec<String> {
        let packets = self.packets.lock().expect("no panic holds it");
        let has = |packet: &&String| needles.iter().all(|needle| packet.contains(needle));
        packets.iter().filter(has).cloned().collect()
    }

    /// Waits until as many such packets have passed.
    pub fn await_packets(&self, needles: &[&str], count: usize) {
        wait_until(&format!("{count} packets {needles:?} at {}", self.place), SHOWN, || {
            let seen = self.with(needles).len();
            if seen >= count { Ok(()) } else { Err(format!("{seen} in {:#?}", self.with(&[]))) }
        })
        .expect("a hop of the walk");
    }

    /// No such packet has passed.
    pub fn assert_none(&self, needles: &[&str]) {
        let seen = self.with(needles);
        assert!(seen.is_empty(), "{needles:?} at {}: {seen:#?}", self.place);
    }
}

/// What counts packets.
enum Kind {
    /// Flows of a bridge.
    Flows(String),
    /// Rules of an iptables table in a namespace.
    Rules(String, &'static str),
}

/// Counts the packets that took flows or rules.
pub struct Counter<'l> {
    lab: &'l Lab,
    host: String,
    kind: Kind,
    needles: Vec<String>,
    before: u64,
}

impl<'l> Counter<'l> {
    /// Counts from now on the flows of a bridge in whose text every one of `needles` is found;
    /// there is one at least.
    pub fn flows(lab: &'l Lab, host: &str, bridge: &str, needles: &[&str]) -> Self {
        Self::new(lab, host, Kind::Flows(bridge.to_owned()), needles)
    }

    /// Likewise rules of a table as `iptables -nvxL` shows them.
    pub fn rules(
        lab: &'l Lab,
        host: &str,
        namespace: &str,
        table: &'static str,
        needles: &[&str],
    ) -> Self {
        Self::new(lab, host, Kind::Rules(namespace.to_owned(), table), needles)
    }

    fn new(lab: &'l Lab, host: &str, kind: Kind, needles: &[&str]) -> Self {
        let needles = needles.iter().map(|needle| (*needle).to_owned()).collect();
        let mut counter = Self { lab, host: host.to_owned(), kind, needles, before: 0 };
        counter.before = counter.now().unwrap_or_else(|dump| {
            panic!("nothing with {:?} on {host}:\n{dump}", counter.needles);
        });
        counter
    }

    /// Packets so far; the whole dump when there is nothing to count.
    fn now(&self) -> Result<u64, String> {
        let dump = match &self.kind {
            Kind::Flows(bridge) => format!("ovs-ofctl --names dump-flows {bridge}"),
            Kind::Rules(namespace, table) => {
                format!("{} iptables -t {table} -nvxL", within(namespace).join(" "))
            }
        };
        let dump = on(self.lab, &self.host, &dump);
        let packets = |line: &str| -> Option<u64> {
            match self.kind {
                Kind::Flows(_) => line.split("n_packets=").nth(1)?.split(',').next()?.parse().ok(),
                Kind::Rules(..) => line.split_whitespace().next()?.parse().ok(),
            }
        };
        let has = |line: &&str| self.needles.iter().all(|needle| line.contains(needle));
        let counts: Vec<u64> = dump.lines().filter(has).filter_map(packets).collect();
        if counts.is_empty() { Err(dump) } else { Ok(counts.iter().sum()) }
    }

    /// Waits until as many packets more were counted.
    pub fn await_packets(&self, count: u64) {
        let what = format!("{count} packets of {:?} on {}", self.needles, self.host);
        wait_until(&what, SHOWN, || {
            let seen = self.now()?.saturating_sub(self.before);
            if seen >= count { Ok(()) } else { Err(seen.to_string()) }
        })
        .expect("a hop of the walk");
    }
}
