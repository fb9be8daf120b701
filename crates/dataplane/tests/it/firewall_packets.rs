//! Packets through the switch's own connection tracker: fragments, and connections that lose the
//! rule or the member that allowed them.

use std::{
    fs,
    net::{Ipv4Addr, Ipv6Addr},
    path::PathBuf,
    time::{Duration, Instant},
};

use neutrino_dataplane::firewall::{Direction, Ethertype, Remote, Rule};

use crate::firewall_trace::{Switch, observed};

/// Bytes of UDP in the first fragment: 1480 with the longest header. The connection tracker takes
/// less than 1200, of IPv6 1280, for an attack.
const FIRST: usize = 1432;
/// Bytes of UDP that make two fragments.
const LONG: usize = 2008;
/// Bytes of an IP header.
const IP: usize = 20;
/// Bytes of an IPv6 header and a fragment header.
const IPV6: usize = 48;
/// How long the switch may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who sends and receives.
struct Host {
    device: &'static str,
    mac: [u8; 6],
    ip: Ipv4Addr,
    ipv6: Ipv6Addr,
    /// Its frames come with the local VLAN.
    tagged: bool,
}

/// Somebody behind the trunk.
const STRANGER: Host = Host {
    device: "trunk",
    mac: [0xfa, 0x16, 0x3e, 0x99, 0x99, 0x99],
    ip: Ipv4Addr::new(192, 0, 2, 1),
    ipv6: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1),
    tagged: true,
};
/// The instance behind port 8.
const VM1: Host = Host {
    device: "p8",
    mac: [0xfa, 0x16, 0x3e, 0x80, 0x75, 0x8c],
    ip: Ipv4Addr::new(10, 0, 0, 81),
    ipv6: Ipv6Addr::new(0xfd00, 1, 0, 0, 0xf816, 0x3eff, 0xfe80, 0x758c),
    tagged: false,
};
/// The instance behind port 9.
const VM2: Host = Host {
    device: "p9",
    mac: [0xfa, 0x16, 0x3e, 0xd0, 0x33, 0x1a],
    ip: Ipv4Addr::new(10, 0, 0, 165),
    ipv6: Ipv6Addr::new(0xfd00, 1, 0, 0, 0xf816, 0x3eff, 0xfed0, 0x331a),
    tagged: false,
};

fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 =
        bytes.chunks(2).map(|c| u32::from(c[0]) << 8 | c.get(1).map_or(0, |b| u32::from(*b))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn ethernet(from: &Host, to: &Host, ethertype: u16) -> Vec<u8> {
    let mut frame = [to.mac, from.mac].concat();
    if from.tagged {
        frame.extend([0x81, 0, 0, 3]);
    }
    frame.extend(ethertype.to_be_bytes());
    frame
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A UDP datagram of `length` bytes, header included.
fn datagram(ports: (u16, u16), length: usize) -> Vec<u8> {
    let mut datagram = Vec::new();
    for word in [ports.0, ports.1, length as u16, 0] {
        datagram.extend(word.to_be_bytes());
    }
    datagram.resize(length, 0x5a);
    datagram
}

/// The frames of one UDP datagram of `length` bytes over IPv4, as hex: one or two.
fn frames(from: &Host, to: &Host, ports: (u16, u16), id: u16, length: usize) -> Vec<String> {
    let datagram = datagram(ports, length);
    let pieces: Vec<&[u8]> = datagram.chunks(FIRST).collect();
    let frame = |(n, piece): (usize, &&[u8])| {
        let more = u16::from(n + 1 < pieces.len());
        let mut ip = vec![0x45, 0];
        ip.extend(((IP + piece.len()) as u16).to_be_bytes());
        ip.extend(id.to_be_bytes());
        ip.extend(((n * FIRST / 8) as u16 | more << 13).to_be_bytes());
        ip.extend([64, 17, 0, 0]);
        ip.extend(from.ip.octets());
        ip.extend(to.ip.octets());
        let sum = checksum(&ip);
        ip[10..12].copy_from_slice(&sum.to_be_bytes());
        hex(&[ethernet(from, to, 0x0800), ip, piece.to_vec()].concat())
    };
    pieces.iter().enumerate().map(frame).collect()
}

/// The same over IPv6, with a fragment header in each frame.
fn frames_v6(from: &Host, to: &Host, ports: (u16, u16), id: u16, length: usize) -> Vec<String> {
    let mut datagram = datagram(ports, length);
    let addresses = [from.ipv6.octets(), to.ipv6.octets()].concat();
    let pseudo = [&addresses, &[0, 0, (length >> 8) as u8, length as u8, 0, 0, 0, 17][..]].concat();
    let sum = checksum(&[pseudo, datagram.clone()].concat());
    datagram[6..8].copy_from_slice(&sum.to_be_bytes());
    let pieces: Vec<&[u8]> = datagram.chunks(FIRST).collect();
    let frame = |(n, piece): (usize, &&[u8])| {
        let more = u16::from(n + 1 < pieces.len());
        let mut ip = vec![0x60, 0, 0, 0];
        ip.extend(((8 + piece.len()) as u16).to_be_bytes());
        ip.extend([44, 64]);
        ip.extend(&addresses);
        ip.extend([17, 0]);
        ip.extend(((n * FIRST) as u16 | more).to_be_bytes());
        ip.extend(u32::from(id).to_be_bytes());
        hex(&[ethernet(from, to, 0x86dd), ip, piece.to_vec()].concat())
    };
    pieces.iter().enumerate().map(frame).collect()
}

/// A switch whose ports are listened to.
struct Network {
    switch: Switch,
    sent: u16,
}

impl Network {
    fn new(switch: Switch) -> Self {
        let network = Self { switch, sent: 0 };
        for host in [&VM1, &VM2] {
            let option = format!("options:tx_pcap={}", network.pcap(host).display());
            network
                .switch
                .ovs
                .vsctl(&["set", "Interface", host.device, &option])
                .expect("captures");
        }
        network
    }

    fn pcap(&self, host: &Host) -> PathBuf {
        self.switch.ovs.dir().join(format!("{}.pcap", host.device))
    }

    fn send(&mut self, from: &Host, to: &Host, ports: (u16, u16), length: usize) {
        self.sent += 1;
        self.receive(from, &frames(from, to, ports, self.sent, length));
    }

    fn send_v6(&mut self, from: &Host, to: &Host, ports: (u16, u16), length: usize) {
        self.sent += 1;
        self.receive(from, &frames_v6(from, to, ports, self.sent, length));
    }

    /// Has the switch receive frames from `from`.
    fn receive(&self, from: &Host, frames: &[String]) {
        for frame in frames {
            let arguments = ["netdev-dummy/receive", from.device, frame.as_str()];
            self.switch.ovs.appctl("ovs-vswitchd", &arguments).expect("received");
        }
    }

    /// The lengths of the packets `host` was sent, without their IP headers (of IPv4).
    fn captured(&self, host: &Host) -> Vec<usize> {
        let bytes = fs::read(self.pcap(host)).unwrap_or_default();
        let mut rest = bytes.get(24..).unwrap_or_default();
        let mut lengths = Vec::new();
        while let Some(length) = rest.get(8..12) {
            let length = u32::from_ne_bytes(length.try_into().expect("four bytes")) as usize;
            let Some(next) = rest.get(16 + length..) else { break };
            lengths.push(length.saturating_sub(14 + IP));
            rest = next;
        }
        lengths
    }

    /// Waits until one connection is marked as no longer allowed.
    #[track_caller]
    fn marks_one(&self) {
        let ovs = &self.switch.ovs;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let tracked = ovs.appctl("ovs-vswitchd", &["dpctl/dump-conntrack"]).expect("dumped");
            if tracked.lines().filter(|line| line.contains("mark=1")).count() == 1 {
                return;
            }
            assert!(Instant::now() < deadline, "{tracked}");
        }
    }

    /// Waits until `host` was sent `expected`, all told.
    #[track_caller]
    fn receives(&self, host: &Host, expected: &[usize]) {
        let deadline = Instant::now() + PATIENCE;
        while self.captured(host).len() < expected.len() && Instant::now() < deadline {
            // Handled by another thread of the switch.
            std::thread::yield_now();
        }
        assert_eq!(self.captured(host), expected);
    }
}

#[test]
fn fragments_pass_where_their_packet_does() {
    let mut view = observed();
    view.options.userspace_datapath = true;
    let rule = Rule {
        direction: Direction::Ingress,
        ethertype: Ethertype::V4,
        protocol: Some(17),
        port_min: Some(7000),
        port_max: Some(7000),
        remote: Remote::Any,
    };
    for group in view.security_groups.groups.values_mut() {
        group.rules.insert(rule.clone());
        group.rules.insert(Rule { ethertype: Ethertype::V6, ..rule.clone() });
    }
    let mut network = Network::new(Switch::of(&view));
    // What is denied comes first, so that it had its time when the last one arrived.
    for port in [7001, 7000, 7001, 7000] {
        network.send(&STRANGER, &VM2, (4000, port), LONG);
    }
    network.receives(&VM2, &[FIRST, LONG - FIRST].repeat(2));
    // A member of the remote group, through its own egress rules; twice, as new and as known.
    network.send(&VM1, &VM2, (4000, 7002), LONG);
    network.send(&VM1, &VM2, (4000, 7002), LONG);
    let v4 = [FIRST, LONG - FIRST].repeat(4);
    network.receives(&VM2, &v4);
    for port in [7001, 7000, 7001, 7000] {
        network.send_v6(&STRANGER, &VM2, (4000, port), LONG);
    }
    let v6 = [FIRST, LONG - FIRST].map(|length| length + IPV6 - IP).repeat(2);
    network.receives(&VM2, &[v4, v6].concat());
}

/// Opens a connection between instances in both directions, has `change` take away what allows
/// it, and sees that it is over both ways, while another goes on.
fn cut(change: impl FnOnce(&mut neutrino_dataplane::view::HostView)) {
    let mut view = observed();
    let mut network = Network::new(Switch::of(&view));
    network.send(&VM1, &VM2, (4000, 7000), 100);
    network.receives(&VM2, &[100]);
    network.send(&VM2, &VM1, (7000, 4000), 101);
    network.receives(&VM1, &[101]);
    network.send(&VM1, &VM2, (4000, 7000), 102);
    network.receives(&VM2, &[100, 102]);
    // The other one: from VM2, whose egress rules stay. What leaves is flooded: nothing that came
    // in taught the switch where the stranger is.
    network.send(&VM2, &STRANGER, (9000, 9001), 200);
    network.receives(&VM1, &[101, 200]);
    change(&mut view);
    network.switch.load(&view);
    // What the datapath remembers of the flows before is looked at again first.
    network.switch.ovs.appctl("ovs-vswitchd", &["revalidator/wait"]).expect("looked at");
    network.send(&VM1, &VM2, (4000, 7000), 103);
    network.marks_one();
    network.send(&VM2, &VM1, (7000, 4000), 104);
    network.send(&STRANGER, &VM2, (9001, 9000), 201);
    network.receives(&VM2, &[100, 102, 201]);
    network.receives(&VM1, &[101, 200]);
}

#[test]
fn a_connection_ends_with_its_rule() {
    cut(|view| {
        for group in view.security_groups.groups.values_mut() {
            group.rules.retain(|rule| rule.protocol != Some(17));
        }
    });
}

#[test]
fn a_connection_ends_with_the_membership_of_its_sender() {
    cut(|view| {
        for members in view.security_groups.members.values_mut() {
            members.retain(|member| member.address.addr() != VM1.ip);
        }
    });
}
