//! Security groups with real packets: who reaches whom, before and after everything that may
//! happen to agents, switches, rules and members.

pub mod deployed;
mod model;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};

use neutrino_lab::wait::wait_until;
use serde_json::json;

use crate::cloud::{AGENT, Cloud, HOSTS, Instance, SETTLE};
use crate::probe::{self, Attempt, Program, Protocol, Streams};
use deployed::Deployed;
use model::{Member, Packet, Remote, Rule, World};

/// Ports that the rules open, and their closed neighbours.
const OPEN: [(Protocol, u16); 2] = [(Protocol::Tcp, 8080), (Protocol::Udp, 5000)];
const CLOSED: [(Protocol, u16); 2] = [(Protocol::Tcp, 8081), (Protocol::Udp, 5001)];
/// The second host, whose firewall is iptables_hybrid when they are mixed.
const HYBRID: &str = "compute0";
/// Fits into any packet.
const SMALL: u16 = 64;
/// Three fragments.
const LARGE: u16 = 3000;
/// How many answers show that a connection goes on.
const LIVELY: u64 = 8;
/// Instances that hold connections to all others: members of every remote.
const STREAMERS: [usize; 2] = [1, 6];

/// Every packet that is sent between two instances.
fn packets() -> Vec<Packet> {
    let mut packets = Vec::new();
    for ipv6 in [false, true] {
        for (protocol, port) in OPEN.into_iter().chain(CLOSED) {
            packets.push(Packet { protocol, ipv6, port, size: SMALL });
        }
        packets.push(Packet { protocol: Protocol::Icmp, ipv6, port: 0, size: SMALL });
        for (protocol, port) in [(Protocol::Udp, 5000), (Protocol::Udp, 5001), (Protocol::Icmp, 0)]
        {
            packets.push(Packet { protocol, ipv6, port, size: LARGE });
        }
    }
    packets
}

/// What the groups open: the same packets for each kind of remote.
fn rules(egress: bool, remotes: [&Remote; 2]) -> Vec<Rule> {
    let mut rules = Vec::new();
    for (ipv6, remote) in [false, true].into_iter().zip(remotes) {
        let icmp = (Protocol::Icmp, None);
        for (protocol, port) in OPEN.map(|(p, port)| (p, Some(port))).into_iter().chain([icmp]) {
            let (protocol, remote) = (Some(protocol), remote.clone());
            rules.push(Rule { egress, ipv6, protocol, port, remote });
        }
    }
    rules
}

/// Everything out.
fn way_out() -> [Rule; 2] {
    [false, true].map(|ipv6| Rule {
        egress: true,
        ipv6,
        protocol: None,
        port: None,
        remote: Remote::Anyone,
    })
}

fn prefix(ipv6: bool) -> Remote {
    let text = if ipv6 { "fd00:1::1:0/112" } else { "10.0.1.128/25" };
    Remote::Prefix(text.parse().expect("a prefix"))
}

/// Four instances on each host: opened by prefix, by group, by address group, not at all.
/// Every third is in group `peers`, some are in the prefix, some in the address group.
fn world() -> World {
    let kinds = ["by_prefix", "by_group", "by_address_group", "closed"];
    let mut world = World::default();
    let mut addresses = Vec::new();
    for n in 0..12_u8 {
        let inside = n % 5 < 3;
        let v4 = Ipv4Addr::new(10, 0, 1, if inside { 128 + n } else { 16 + n });
        let v6 = Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, inside.into(), 16 + u16::from(n));
        let mut groups = vec![kinds[usize::from(n % 4)]];
        if n % 3 == 0 || n == 1 {
            groups.push("peers");
        }
        if [1, 2].contains(&(n % 4)) {
            addresses.extend([format!("{v4}/32"), format!("{v6}/128")]);
        }
        let name = format!("vm{n}-{}", kinds[usize::from(n % 4)].replace('_', "-"));
        let hybrid = HOSTS[usize::from(n / 4)] == HYBRID;
        world.members.push(Member { name, v4, v6, groups, hybrid });
    }
    let addresses = addresses.iter().map(|text| text.parse().expect("network")).collect();
    world.address_groups.insert("elected", addresses);
    let (group, elected) = (Remote::Group("peers"), Remote::AddressGroup("elected"));
    let (v4, v6) = (prefix(false), prefix(true));
    let opened = |remotes| [rules(false, remotes), way_out().to_vec()].concat();
    world.rules.insert("by_prefix", opened([&v4, &v6]));
    world.rules.insert("by_group", opened([&group, &group]));
    world.rules.insert("by_address_group", opened([&elected, &elected]));
    world.rules.insert("peers", Vec::new());
    // Nothing in, and out only some: TCP by prefix, UDP by group, ICMP by address group.
    let narrow = rules(true, [&v4, &v6]).into_iter().map(|rule| {
        let remote = match rule.protocol {
            Some(Protocol::Udp) => group.clone(),
            Some(Protocol::Icmp) => elected.clone(),
            _ => rule.remote,
        };
        Rule { remote, ..rule }
    });
    world.rules.insert("closed", narrow.collect());
    world
}

/// A world with its instances.
struct Matrix {
    cloud: Cloud,
    world: World,
    deployed: Deployed,
    instances: Vec<Instance>,
    _servers: Vec<Program>,
    /// Filters of each host before there was any port.
    before: [String; 3],
}

impl Matrix {
    fn up() -> Self {
        let (cloud, before, network) = deployed::filtered("matrix");
        let world = world();
        let deployed = Deployed::create(&cloud, &world);
        let mut instances = Vec::new();
        for (n, member) in world.members.iter().enumerate() {
            let addresses = [member.v4.to_string(), member.v6.to_string()];
            let addresses = [addresses[0].as_str(), addresses[1].as_str()];
            let groups = json!({"security_groups": deployed.ids(&member.groups)});
            let port = network.port(&cloud, &member.name, addresses, groups);
            instances.push(deployed::plug(&cloud, &port, HOSTS[n / 4]));
        }
        let ports: Vec<_> = OPEN.into_iter().chain(CLOSED).collect();
        let mut servers = Vec::new();
        for instance in &instances {
            cloud.lab.wait_active(&instance.port_id).expect("ACTIVE");
            servers.push(probe::serve(&cloud.lab, &instance.name, &ports));
        }
        Self { cloud, world, deployed, instances, _servers: servers, before }
    }

    /// Every packet that is sent, from whom to whom.
    fn all(&self) -> impl Iterator<Item = (&Member, &Member, Packet)> {
        let members = &self.world.members;
        let pairs = members.iter().flat_map(move |from| members.iter().map(move |to| (from, to)));
        let others = pairs.filter(|(from, to)| from.name != to.name);
        others.flat_map(|(from, to)| packets().into_iter().map(move |packet| (from, to, packet)))
    }

    /// Sends every packet from everybody to everybody once.
    fn observe(&self, when: &str) -> Result<(), String> {
        let (mut attempts, mut expected) = (BTreeMap::<_, Vec<_>>::new(), BTreeMap::new());
        for (from, to, packet) in self.all() {
            let attempt = attempt(from, to, packet);
            expected.insert(attempt.id.clone(), self.world.allows(from, to, packet));
            attempts.entry(from.name.as_str()).or_default().push(attempt);
        }
        let start = std::time::Instant::now();
        let seen = probe::probe(&self.cloud.lab, attempts);
        let open = expected.values().filter(|open| **open).count();
        let took = start.elapsed().as_secs_f32();
        println!("{when}: {} probes, {open} to be answered, in {took:.1} s", expected.len());
        assert!(open > expected.len() / 8 && open < expected.len() / 2, "{open} tell little");
        let wrong: Vec<String> = expected
            .iter()
            .filter(|(id, open)| seen[*id] != if **open { "yes" } else { "no" })
            .map(|(id, open)| format!("{id}: {}, should be {open}", seen[id]))
            .collect();
        if wrong.is_empty() {
            return Ok(());
        }
        Err(format!("{} wrong\n{}", wrong.len(), wrong[..wrong.len().min(40)].join("\n")))
    }

    /// Observes until all is as expected.
    fn await_expected(&self, when: &str) {
        wait_until(when, SETTLE, || self.observe(when)).expect("the matrix");
    }

    /// Holds a connection of each kind from [`STREAMERS`] to everybody whom they reach.
    fn open_streams(&self) -> BTreeMap<usize, Streams> {
        let open = |from: usize| {
            let wanted: Vec<Attempt> = self.streams(from).into_iter().map(|s| s.0).collect();
            (from, Streams::open(&self.cloud.lab, &self.instances[from].name, &wanted))
        };
        let streams = STREAMERS.into_iter().map(open).collect();
        self.await_streams(&streams);
        streams
    }

    /// The connections that the world as it was made allows, and whether it does now.
    fn streams(&self, from: usize) -> Vec<(Attempt, bool)> {
        let (made, now) = (world(), &self.world);
        let mut streams = Vec::new();
        for to in (0..made.members.len()).filter(|to| *to != from) {
            for packet in packets().into_iter().filter(|packet| packet.size == SMALL) {
                if made.allows(&made.members[from], &made.members[to], packet) {
                    let (from, to) = (&now.members[from], &now.members[to]);
                    streams.push((attempt(from, to, packet), now.allows(from, to, packet)));
                }
            }
        }
        streams
    }

    /// Waits until every connection that the world allows goes on and no other does.
    fn await_streams(&self, open: &BTreeMap<usize, Streams>) {
        for (from, streams) in open {
            let expected = self.streams(*from);
            let (mut first, mut lasting) = (streams.answers(), Vec::new());
            wait_until("open connections as the rules say", SETTLE, || {
                let now = streams.answers();
                let more = |(attempt, _): &&(Attempt, bool)| now[&attempt.id] - first[&attempt.id];
                let (allowed, denied): (Vec<_>, Vec<_>) = expected.iter().partition(|(_, a)| *a);
                if let Some(slow) = allowed.iter().find(|stream| more(stream) < LIVELY) {
                    let (slow, answers) = (&slow.0.id, more(slow));
                    return Err(format!("{slow}: {answers} answers; go on: {lasting:?}"));
                }
                let on = denied.iter().filter(|stream| more(stream) > 0);
                lasting = on.map(|(attempt, _)| attempt.id.clone()).collect();
                first = now;
                if lasting.is_empty() { Ok(()) } else { Err(format!("go on: {lasting:?}")) }
            })
            .unwrap_or_else(|error| panic!("{error}; ended: {:?}", streams.ended()));
            let cut = expected.iter().filter(|(_, allowed)| !allowed).count();
            println!("vm{from}: {} connections, {cut} of them cut", expected.len());
        }
    }

    /// Restarts all agents: nothing changes, nothing is lost.
    fn restart_agents(&self, streams: &BTreeMap<usize, Streams>) {
        let state = || {
            let filters = deployed::all_filters(&self.cloud);
            HOSTS.map(|host| self.cloud.flows(host)).into_iter().zip(filters).collect::<Vec<_>>()
        };
        let before = state();
        // From iptables_hybrid to openvswitch, and within a host.
        let pings = [(6, 0), (1, 2)].map(|(from, to)| {
            self.cloud.start_ping(&self.instances[from], &self.instances[to], 100, 84)
        });
        self.cloud.kill_and_start(&HOSTS.map(|host| (host, AGENT)));
        for (host, (before, now)) in HOSTS.iter().zip(before.iter().zip(state())) {
            for (before, now) in [(&before.0, &now.0), (&before.1, &now.1)] {
                assert!(before == now, "{host}: {}", crate::cloud::difference(before, now));
            }
        }
        self.await_streams(streams);
        for streams in streams.values() {
            assert_eq!(streams.ended(), [""; 0], "connections that ended");
        }
        pings.into_iter().for_each(crate::cloud::Ping::assert_none_lost);
    }

    /// Takes a rule from each group, of another protocol each.
    fn remove_rules(&mut self) {
        for (group, protocol, ipv6) in [
            ("by_prefix", Protocol::Tcp, false),
            ("by_group", Protocol::Udp, true),
            ("by_address_group", Protocol::Icmp, false),
        ] {
            let rules = &self.world.rules[group];
            let rule = rules.iter().find(|r| r.protocol == Some(protocol) && r.ipv6 == ipv6);
            let rule = rule.expect("a rule of the world").clone();
            self.deployed.remove_rule(&self.cloud, &mut self.world, group, &rule);
        }
    }

    /// Takes one streamer out of the group, the other out of the address group.
    fn remove_members(&mut self) {
        let [first, second] = STREAMERS;
        let (cloud, port) = (&self.cloud, &self.instances[first].port_id);
        self.deployed.leave(cloud, &mut self.world.members[first], port, "peers");
        let member = self.world.members[second].clone();
        self.deployed.remove_addresses(cloud, &mut self.world, &member, "elected");
    }

    fn finish(self) {
        let instances: Vec<&Instance> = self.instances.iter().collect();
        deployed::remove(&self.cloud, &instances, &self.before);
        self.deployed.delete(&self.cloud);
        self.cloud.finish(&[]);
    }
}

fn attempt(from: &Member, to: &Member, packet: Packet) -> Attempt {
    let Packet { protocol, ipv6, port, size } = packet;
    let address = to.address(ipv6);
    let id = format!("{} to {} ({address}) {protocol:?} {port} of {size}", from.name, to.name);
    Attempt { id, protocol, address, port, size }
}

#[test]
fn everybody_reaches_whom_the_groups_name_and_nobody_else() {
    if !neutrino_privilege::granted() {
        return;
    }
    let mut matrix = Matrix::up();
    matrix.await_expected("new ports");
    let streams = matrix.open_streams();
    matrix.restart_agents(&streams);
    drop(streams);
    matrix.observe("after a restart of the agents").expect("the matrix");
    matrix.cloud.restart_switches();
    matrix.await_expected("after a restart of the switches");
    let streams = matrix.open_streams();
    matrix.remove_rules();
    matrix.await_streams(&streams);
    matrix.await_expected("without some rules");
    matrix.remove_members();
    matrix.await_streams(&streams);
    drop(streams);
    matrix.await_expected("without some members");
    matrix.finish();
}

/// A matrix in which nothing depends on the remote would show nothing.
#[test]
fn every_packet_is_both_allowed_and_denied_by_every_kind_of_remote() {
    let world = world();
    for kind in ["by_prefix", "by_group", "by_address_group"] {
        let of_kind = |member: &Member| member.groups[0] == kind;
        for packet in packets() {
            let answers: BTreeSet<bool> = world
                .members
                .iter()
                .flat_map(|to| world.members.iter().map(move |from| (from, to)))
                .filter(|(from, to)| from.name != to.name && of_kind(to))
                .map(|(from, to)| world.allows(from, to, packet))
                .collect();
            let open = !CLOSED.contains(&(packet.protocol, packet.port));
            let expected = if open { vec![false, true] } else { vec![false] };
            assert_eq!(Vec::from_iter(answers), expected, "{kind} {packet:?}");
        }
    }
}
