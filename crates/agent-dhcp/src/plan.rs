//! What is to be done about a network's dnsmasq: a function of what is wanted and what is there.

use neutrino_agent::external_process::Running;
use neutrino_dataplane::dhcp::{
    command, file, hosts,
    leases::{self, Release},
    opts,
    view::{Network, Port, Settings},
};

use crate::{observe::Observed, observe::directory};

/// What dnsmasq is to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// It is right.
    Keep,
    /// It is to read its files again.
    Reload,
    /// It does not run and is to be started.
    Start,
    /// It runs with another command line; it is to be stopped and started.
    Restart,
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Leases that dnsmasq must forget.
    pub release: Vec<Release>,
    /// Files to write, name and text.
    pub write: Vec<(&'static str, String)>,
    /// What dnsmasq is to become.
    pub process: Process,
    /// The command line to start it with.
    pub command: Vec<String>,
}

impl Plan {
    /// Whether nothing is to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.release.is_empty() && self.write.is_empty() && self.process == Process::Keep
    }
}

/// What is to be done for `network`, whose port of this agent is `own` with `device`.
#[must_use]
pub fn plan(
    settings: &Settings,
    confs: &std::path::Path,
    network: &Network,
    own: &Port,
    device: &str,
    seen: &Observed,
) -> Plan {
    let command = command::dnsmasq(settings, network, &directory(confs, &network.id));
    let wanted = [
        (file::HOST, hosts::host(settings, network), &seen.host),
        (file::ADDN_HOSTS, hosts::addn_hosts(settings, network), &seen.addn_hosts),
        (file::OPTS, opts::opts(settings, network, Some(own)), &seen.opts),
    ];
    let mut write: Vec<(&'static str, String)> = wanted
        .into_iter()
        .filter(|(_, text, seen)| text != *seen)
        .map(|(name, text, _)| (name, text))
        .collect();
    let changed = !write.is_empty() || seen.interrupted;
    let process = match &seen.running {
        None => Process::Start,
        Some(running) if !is_same(running, &command) => Process::Restart,
        Some(_) if changed => Process::Reload,
        Some(_) => Process::Keep,
    };
    if device != seen.interface {
        write.push((file::INTERFACE, device.to_string()));
    }
    let starts = matches!(process, Process::Start | Process::Restart);
    let release = if starts {
        // A dnsmasq that starts knows no leases but those given to it.
        write.push((file::LEASES, hosts::initial_leases(settings, network, &seen.leases)));
        Vec::new()
    } else {
        leases::to_release(network, &seen.host, &seen.leases)
    };
    Plan { release, write, process, command }
}

/// Whether a dnsmasq runs as it should; under which path it was started does not matter.
fn is_same(running: &Running, command: &[String]) -> bool {
    running.command.get(1..) == command.get(1..)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use neutrino_dataplane::dhcp::view::{FixedIp, Subnet};

    use super::*;

    fn port(id: &str, mac: u8, ip: &str) -> Port {
        Port {
            id: id.into(),
            mac_address: format!("fa:16:3e:00:00:{mac:02x}").parse().expect("valid"),
            device_id: String::new(),
            device_owner: "compute:nova".into(),
            fixed_ips: vec![FixedIp {
                subnet_id: "s".into(),
                ip_address: ip.parse().expect("valid"),
            }],
            extra_dhcp_opts: Vec::new(),
            dns_assignment: Vec::new(),
        }
    }

    fn network() -> Network {
        let subnet = Subnet {
            id: "s".into(),
            cidr: "10.0.0.0/24".parse().expect("valid"),
            gateway_ip: None,
            enable_dhcp: true,
            dns_nameservers: Vec::new(),
            host_routes: Vec::new(),
            ipv6_ra_mode: None,
            ipv6_address_mode: None,
            segment_id: None,
        };
        Network {
            id: "n".into(),
            admin_state_up: true,
            subnets: vec![subnet],
            ports: vec![port("p1", 1, "10.0.0.5")],
            ..Network::default()
        }
    }

    fn planned(network: &Network, seen: &Observed) -> Plan {
        let own = port("own", 9, "10.0.0.2");
        plan(&Settings::default(), Path::new("/c"), network, &own, "tap0", seen)
    }

    /// The host after `plan`.
    fn after(plan: &Plan, mut seen: Observed) -> Observed {
        for (name, text) in &plan.write {
            let field = match *name {
                file::HOST => &mut seen.host,
                file::ADDN_HOSTS => &mut seen.addn_hosts,
                file::OPTS => &mut seen.opts,
                file::LEASES => &mut seen.leases,
                _ => &mut seen.interface,
            };
            field.clone_from(text);
        }
        seen.running = Some(Running { pid: 7, command: plan.command.clone() });
        seen
    }

    #[test]
    fn what_is_right_is_not_touched() {
        let first = planned(&network(), &Observed::default());
        assert_eq!(first.process, Process::Start);
        assert!(first.write.iter().any(|(name, text)| *name == file::LEASES && !text.is_empty()));
        let seen = after(&first, Observed::default());
        assert!(planned(&network(), &seen).is_empty());
        let cut_short = Observed { interrupted: true, ..seen };
        assert_eq!(planned(&network(), &cut_short).process, Process::Reload);
    }

    #[test]
    fn a_port_less_is_a_reload_and_a_release() {
        let mut seen = after(&planned(&network(), &Observed::default()), Observed::default());
        seen.leases = "1800000000 fa:16:3e:00:00:01 10.0.0.5 * *\n".into();
        let mut network = network();
        network.ports.clear();
        let plan = planned(&network, &seen);
        assert_eq!(plan.process, Process::Reload);
        assert_eq!(plan.release.len(), 1);
        let written: Vec<&str> = plan.write.iter().map(|(name, _)| *name).collect();
        assert_eq!(written, [file::HOST, file::ADDN_HOSTS]);
    }

    #[test]
    fn another_subnet_is_a_restart() {
        let seen = after(&planned(&network(), &Observed::default()), Observed::default());
        let mut network = network();
        let mut second = network.subnets[0].clone();
        second.id = "t".into();
        second.cidr = "10.0.1.0/24".parse().expect("valid");
        network.subnets.push(second);
        assert_eq!(planned(&network, &seen).process, Process::Restart);
    }
}
