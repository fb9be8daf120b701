//! Pings and what they look like on their way.

use neutrino_lab::{Firewall, Lab, UPSTREAM, wait::wait_until};

use super::FAR;
use crate::cloud::{Instance, SETTLE};
use crate::probe::hops::Sniffer;

/// Packets of each walk.
pub const COUNT: u32 = 5;

/// What a ping and its answer look like in a capture.
pub struct Echo {
    pub request: String,
    pub reply: String,
}

impl Echo {
    /// A ping from `near` to `far`.
    pub fn new(near: &str, far: &str) -> Self {
        Self {
            request: format!("{near} > {far}: ICMP echo request"),
            reply: format!("{far} > {near}: ICMP echo reply"),
        }
    }

    /// Waits until every request and every answer has passed, with `more` in the packets.
    pub fn await_at(&self, sniffer: &Sniffer, more: &str) {
        for packet in [&self.request, &self.reply] {
            sniffer.await_packets(&[packet, more], COUNT as usize);
        }
    }
}

/// The devices between an instance and br-int, from the instance on.
pub fn devices_of(lab: &Lab, instance: &Instance) -> Vec<String> {
    let host = lab.spec().host(instance.host).expect("host");
    let prefixes: &[&str] = match host.firewall {
        Firewall::IptablesHybrid => &["tap", "qbr", "qvb", "qvo"],
        _ => &["tap"],
    };
    prefixes.iter().map(|prefix| format!("{prefix}{}", &instance.port_id[..11])).collect()
}

/// The address by which a host outside sees an instance.
fn seen_outside(lab: &Lab, instance: &Instance) -> String {
    let sniffer = Sniffer::start(lab, UPSTREAM, "", "eth1", "icmp");
    // It may be lost while addresses change.
    let ping = ["ping", "-c", "1", "-W", "1", FAR];
    let output = lab.exec_instance(&instance.name, &ping).expect("ping");
    if !output.status.success() {
        return "nobody".to_owned();
    }
    let request = format!(" > {FAR}: ICMP echo request");
    sniffer.await_packets(&[&request], 1);
    let packet = &sniffer.with(&[&request])[0];
    let near = packet.split(&request).next().unwrap_or_default();
    near.rsplit(' ').next().unwrap_or_default().to_owned()
}

/// Waits until outside sees an instance as `address`.
pub fn await_seen_outside_as(lab: &Lab, instance: &Instance, address: &str) {
    wait_until(&format!("{} seen as {address}", instance.name), SETTLE, || {
        let seen = seen_outside(lab, instance);
        if seen == address { Ok(()) } else { Err(seen) }
    })
    .expect("translated");
}
