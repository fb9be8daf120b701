//! Fragments of allowed and of denied packets through the switch's own connection tracker.

use std::{
    fs,
    net::Ipv4Addr,
    path::Path,
    time::{Duration, Instant},
};

use neutrino_dataplane::firewall::{Direction, Ethertype, Remote, Rule};

use crate::firewall_trace::{Switch, observed};

/// Bytes of UDP payload.
const PAYLOAD: usize = 2000;
/// Bytes of UDP in the first fragment; the connection tracker takes less than 1200 for an attack.
const FIRST: usize = 1480;
/// How long the switch may take.
const PATIENCE: Duration = Duration::from_secs(10);

fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 =
        bytes.chunks(2).map(|c| u32::from(c[0]) << 8 | c.get(1).map_or(0, |b| u32::from(*b))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// Who sends a datagram.
struct Sender {
    device: &'static str,
    mac: [u8; 6],
    ip: Ipv4Addr,
    tagged: bool,
}

/// Somebody behind the trunk.
const STRANGER: Sender = Sender {
    device: "trunk",
    mac: [0xfa, 0x16, 0x3e, 0x99, 0x99, 0x99],
    ip: Ipv4Addr::new(192, 0, 2, 1),
    tagged: true,
};
/// The instance behind port 8.
const NEIGHBOUR: Sender = Sender {
    device: "p8",
    mac: [0xfa, 0x16, 0x3e, 0x80, 0x75, 0x8c],
    ip: Ipv4Addr::new(10, 0, 0, 81),
    tagged: false,
};

/// The frames of one UDP datagram to the instance behind port 9, in two fragments, as hex.
fn fragments(sender: &Sender, id: u16, port: u16) -> Vec<String> {
    let mut datagram = Vec::new();
    for word in [4000, port, (8 + PAYLOAD) as u16, 0] {
        datagram.extend(word.to_be_bytes());
    }
    datagram.extend([0x5a; PAYLOAD]);
    [(0, &datagram[..FIRST], true), (FIRST, &datagram[FIRST..], false)]
        .into_iter()
        .map(|(at, part, more)| {
            let mut ip = vec![0x45, 0];
            ip.extend(((20 + part.len()) as u16).to_be_bytes());
            ip.extend(id.to_be_bytes());
            ip.extend(((at / 8) as u16 | u16::from(more) << 13).to_be_bytes());
            ip.extend([64, 17, 0, 0]);
            ip.extend(sender.ip.octets());
            ip.extend([10, 0, 0, 165]);
            let sum = checksum(&ip);
            ip[10..12].copy_from_slice(&sum.to_be_bytes());
            let mut frame = vec![0xfa, 0x16, 0x3e, 0xd0, 0x33, 0x1a];
            frame.extend(sender.mac);
            if sender.tagged {
                frame.extend([0x81, 0, 0, 3]);
            }
            frame.extend([8, 0]);
            frame.extend(ip);
            frame.extend(part);
            frame.iter().map(|byte| format!("{byte:02x}")).collect()
        })
        .collect()
}

/// The lengths of the IP packets written to a capture file.
fn captured(pcap: &Path) -> Vec<usize> {
    let bytes = fs::read(pcap).unwrap_or_default();
    let mut rest = bytes.get(24..).unwrap_or_default();
    let mut lengths = Vec::new();
    while let Some(length) = rest.get(8..12) {
        let length = u32::from_ne_bytes(length.try_into().expect("four bytes")) as usize;
        let Some(next) = rest.get(16 + length..) else { break };
        lengths.push(length - 14);
        rest = next;
    }
    lengths
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
    }
    let switch = Switch::of(&view);
    let pcap = switch.ovs.dir().join("p9.pcap");
    let option = format!("options:tx_pcap={}", pcap.display());
    switch.ovs.vsctl(&["set", "Interface", "p9", &option]).expect("captures");
    // What is denied comes first, so that it had its time when the last one arrived.
    let sent = [
        (&STRANGER, 7001),
        (&STRANGER, 7000),
        (&STRANGER, 7001),
        (&STRANGER, 7000),
        // A member of the remote group, through its own egress rules.
        (&NEIGHBOUR, 7002),
        (&NEIGHBOUR, 7002),
    ];
    for (id, (sender, port)) in (1..).zip(sent) {
        for frame in fragments(sender, id, port) {
            let arguments = ["netdev-dummy/receive", sender.device, frame.as_str()];
            switch.ovs.appctl("ovs-vswitchd", &arguments).expect("received");
        }
    }
    let whole = [FIRST + 20, 8 + PAYLOAD - FIRST + 20];
    let expected = whole.repeat(4);
    let deadline = Instant::now() + PATIENCE;
    while captured(&pcap).len() < expected.len() && Instant::now() < deadline {
        // Handled by another thread of the switch.
        std::thread::yield_now();
    }
    assert_eq!(captured(&pcap), expected);
}
