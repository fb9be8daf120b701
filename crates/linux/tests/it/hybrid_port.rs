//! Real packets through an instance's Linux bridge, filtered as the firewall wants.
//!
//! instance `eth0` - `tap` - `qbr` - `qvb` - `qvo`, the last in a namespace of its own that stands
//! for everything beyond Open vSwitch.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use neutrino_dataplane::firewall::conntrack::{Connection, Deletions};
use neutrino_dataplane::firewall::{Direction, iptables::zones::Zones};
use neutrino_dataplane::iptables::Wrap;
use neutrino_dataplane::view::HostView;
use neutrino_linux::conntrack::Conntrack;
use neutrino_linux::{Family, NetNs, iptables};

use crate::Holder;
use crate::packet_filter::{BINARY, apply, desired, inside, saved, shell};

const PORT: &str = "18959ebe-cd66-4b1f-9f6e-3f0a5d1c7e11";
const MAC: &str = "fa:16:3e:f6:18:9f";
const INSTANCE: &str = "192.0.2.16";
const OTHER: &str = "192.0.2.99";
const SSH: u16 = 22;
/// How long a packet that is dropped is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// The instance, its bridge in this namespace, and the world.
struct Plugged {
    instance: NetNs,
    world: NetNs,
    _holders: [Holder; 2],
}

impl Plugged {
    fn new() -> Self {
        let holders = [Holder::start(), Holder::start()];
        let [instance, world] = [&holders[0], &holders[1]].map(Holder::inner);
        let id = &PORT[..11];
        shell(&format!(
            "ip link add qbr{id} type bridge forward_delay 0
             ip link add tap{id} type veth peer name eth0 address {MAC} netns {instance}
             ip link add qvb{id} type veth peer name eth0 netns {world}
             for end in tap{id} qvb{id}; do ip link set $end master qbr{id} up; done
             ip link set qbr{id} up"
        ));
        let open = |pid| NetNs::of_process(pid).expect("namespace");
        let plugged = Self { instance: open(instance), world: open(world), _holders: holders };
        for (namespace, address) in [(&plugged.instance, INSTANCE), (&plugged.world, OTHER)] {
            within(namespace, || {
                shell(&format!("ip address add {address}/24 dev eth0; ip link set eth0 up"))
            });
        }
        plugged
    }

    /// Whether one ping from the instance is answered; from `source`.
    fn pings(&self, source: &str) -> bool {
        within(&self.instance, || {
            let mut ping = Command::new("ping");
            ping.args(["-c1", "-W1", "-I", source, OTHER]);
            ping.output().expect("ping").status.success()
        })
    }

    /// A connection from the world to a port of the instance: the world's end and the instance's.
    fn connect(&self, port: u16) -> Option<(TcpStream, TcpStream)> {
        let listener =
            within(&self.instance, || TcpListener::bind((INSTANCE, port)).expect("listen"));
        let address = listener.local_addr().expect("bound");
        let outer = within(&self.world, || TcpStream::connect_timeout(&address, PATIENCE)).ok()?;
        let (inner, _) = listener.accept().expect("connected");
        inner.set_read_timeout(Some(PATIENCE)).expect("set");
        Some((outer, inner))
    }
}

fn within<T: Send>(namespace: &NetNs, job: impl FnOnce() -> T + Send) -> T {
    namespace.run(|| Ok(job())).expect("in the namespace")
}

/// Whether what one end writes reaches the other.
fn carries(outer: &mut TcpStream, inner: &mut TcpStream) -> bool {
    outer.write_all(b"x").expect("the socket's buffer takes it");
    let mut byte = [0];
    match inner.read_exact(&mut byte) {
        Ok(()) => true,
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => false,
        Err(error) => panic!("{error}"),
    }
}

fn view() -> HostView {
    serde_json::from_str(&format!(
        r#"{{"ports": [{{"id": "{PORT}", "ofport": 1, "mac": "{MAC}", "port_security": true,
                        "fixed_ips": ["{INSTANCE}"], "security_groups": ["g"]}}],
            "security_groups": {{"groups": {{"g": {{"stateful": true, "rules": [
                {{"direction": "egress", "ethertype": "IPv4"}},
                {{"direction": "ingress", "ethertype": "IPv4", "protocol": 6, "port_min": {SSH},
                  "port_max": {SSH}, "remote": {{"group": "r"}}}}]}}}},
                "members": {{"r": [{{"address": "{OTHER}/32"}}]}}}}}}"#
    ))
    .expect("a view")
}

/// What the agent does when `new` follows `old`; how many connections were cut.
fn follow(old: &HostView, new: &HostView) -> usize {
    let zones = Zones::adopt(&saved(Family::V4), &Wrap::new(BINARY));
    apply(&desired(new, true));
    let cuts = Deletions::between(old, new, |port| zones.of(&port.id));
    let mut conntrack = Conntrack::open().expect("socket");
    let entries = conntrack.list(Family::V4).expect("list");
    let hit = entries.iter().filter(|entry| {
        cuts.hits(&Connection {
            zone: entry.zone,
            protocol: entry.protocol,
            source: entry.source,
            destination: entry.destination,
        })
    });
    hit.filter(|entry| conntrack.delete(entry).expect("cut")).count()
}

#[test]
fn instance_is_protected_and_open_connections_are_cut() {
    inside(|| {
        let seen = iptables::filter_bridged().expect("sysctl");
        assert!(seen, "the kernel shows bridged packets to no table: modprobe br_netfilter");
        let plugged = Plugged::new();
        let allowed = view();

        // Before its groups are known the port is closed.
        let mut unknown = allowed.clone();
        unknown.security_groups = Default::default();
        apply(&desired(&unknown, true));
        assert!(!plugged.pings(INSTANCE) && plugged.connect(SSH).is_none());

        follow(&unknown, &allowed);
        assert!(plugged.pings(INSTANCE), "{}", shell("iptables-save -c"));
        assert!(plugged.connect(SSH + 1).is_none(), "no rule allows it");
        within(&plugged.instance, || shell("ip address add 192.0.2.66/24 dev eth0"));
        assert!(!plugged.pings("192.0.2.66"), "the address of another");

        let (mut outer, mut inner) = plugged.connect(SSH).expect("allowed");
        assert!(carries(&mut outer, &mut inner));
        assert_eq!(follow(&allowed, &allowed), 0);
        assert!(carries(&mut outer, &mut inner), "a restart cuts nothing");

        // A member that leaves is cut off, and so is everybody when the rule goes.
        let mut lonely = allowed.clone();
        lonely.security_groups.members.insert("r".into(), Default::default());
        assert!(follow(&allowed, &lonely) >= 1);
        assert!(!carries(&mut outer, &mut inner) && plugged.connect(SSH).is_none());
        follow(&lonely, &allowed);
        let (mut outer, mut inner) = plugged.connect(SSH).expect("allowed again");
        assert!(carries(&mut outer, &mut inner));
        let mut without = allowed.clone();
        let group = without.security_groups.groups.get_mut("g").expect("group");
        group.rules.retain(|rule| rule.direction == Direction::Egress);
        assert!(follow(&allowed, &without) >= 1);
        assert!(!carries(&mut outer, &mut inner));
        assert!(plugged.pings(INSTANCE), "what is still allowed passes");
    });
}
