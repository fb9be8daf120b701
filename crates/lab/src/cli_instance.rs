//! `neutrino lab instance`: what Nova does with ports, by hand.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::api::Client;
use crate::cli::{Name, run_inside, to_command};
use crate::dhcp::{DhcpClient, STATE};
use crate::error::{Error, Result};
use crate::instance::InstanceSpec;
use crate::lab::Lab;
use crate::nova::Known;
use crate::wait::wait_until;

/// How long a port may take to become ACTIVE.
const ACTIVE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the first lease may take.
const LEASE_TIMEOUT: Duration = Duration::from_secs(60);
/// `device_owner` of a port that Nova uses, in its default availability zone.
const DEVICE_OWNER: &str = "compute:nova";

/// What to do with instances.
#[derive(Debug, Subcommand)]
pub(crate) enum InstanceCommand {
    /// Bind a port to a host, start an instance there and plug it
    Create {
        #[command(flatten)]
        lab: Name,
        /// Name of the instance
        instance: String,
        /// Host to run on
        #[arg(long)]
        host: String,
        /// Port, by id or name
        #[arg(long)]
        port: String,
        /// Assign the port's addresses by hand instead of running a DHCP client
        #[arg(long = "static")]
        by_hand: bool,
        /// Wait neither until the port is ACTIVE nor for the first lease
        #[arg(long)]
        no_wait: bool,
    },
    /// Show an instance and what DHCP told it
    Show {
        #[command(flatten)]
        lab: Name,
        /// Name of the instance
        instance: String,
    },
    /// Run a command in an instance
    Exec {
        #[command(flatten)]
        lab: Name,
        /// Name of the instance
        instance: String,
        /// Command and arguments
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Unplug and stop an instance, and unbind its port
    Delete {
        #[command(flatten)]
        lab: Name,
        /// Name of the instance
        instance: String,
    },
    /// List the instances
    List {
        #[command(flatten)]
        lab: Name,
    },
}

/// Runs a subcommand.
pub(crate) fn run(command: InstanceCommand) -> Result<ExitCode> {
    match command {
        InstanceCommand::Create { lab, instance, host, port, by_hand, no_wait } => {
            let lab = Lab::open(&lab.name)?;
            let addressing = if by_hand { Addressing::Static } else { Addressing::Dhcp };
            let spec = create(&lab, &instance, &host, &port, addressing)?;
            if !no_wait {
                wait_active(&lab, &spec.port_id)?;
                lab.wait_leases(&spec)?;
            }
            println!("{}", summary(&host, &spec));
        }
        InstanceCommand::Show { lab, instance } => {
            let lab = Lab::open(&lab.name)?;
            let (host, spec) = lab.find_instance(&instance)?;
            println!("{}\nport {}\nid {}", summary(&host, &spec), spec.port_id, spec.id);
            for client in &spec.clients {
                let file = client.lease_file();
                println!("{file}");
                match lab.lease(&spec.name, *client)? {
                    None => println!("  none yet"),
                    Some(lease) => lease.lines().for_each(|line| println!("  {line}")),
                }
            }
        }
        InstanceCommand::Exec { lab, instance, command } => {
            let mut process = to_command(&command)?;
            Lab::open(&lab.name)?.enter_instance(&instance, &mut process)?;
            return run_inside(process);
        }
        InstanceCommand::Delete { lab, instance } => delete(&Lab::open(&lab.name)?, &instance)?,
        InstanceCommand::List { lab } => {
            for host in Lab::open(&lab.name)?.status()?.hosts {
                for instance in host.instances {
                    let spec = instance.spec;
                    println!("{} {} {} {}", spec.name, host.name, spec.port_id, spec.mac);
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// How an instance gets its addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addressing {
    /// From DHCP and router advertisements, where the subnet and the lab have them.
    Dhcp,
    /// By hand.
    Static,
}

fn summary(host: &str, spec: &InstanceSpec) -> String {
    let ips: Vec<String> = spec.addresses.iter().map(ToString::to_string).collect();
    format!("{} on {host}: {} {} mtu {}", spec.name, spec.mac, ips.join(" "), spec.mtu)
}

impl Lab {
    /// Binds a port (by id or name) to a host, starts an instance there and plugs it.
    ///
    /// # Errors
    /// [`Error::Usage`] when there is no such port or it cannot be bound.
    pub fn create_instance(
        &self,
        name: &str,
        host: &str,
        port: &str,
        addressing: Addressing,
    ) -> Result<InstanceSpec> {
        create(self, name, host, port, addressing)
    }

    /// What DHCP told an instance last, a line per item; `None` without a lease.
    ///
    /// # Errors
    /// [`Error::Usage`] when there is no such instance.
    pub fn lease(&self, instance: &str, client: DhcpClient) -> Result<Option<String>> {
        let file = format!("{STATE}/{}", client.lease_file());
        let output = self.exec_instance(instance, &["cat", &file])?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(Some(text).filter(|_| output.status.success()))
    }

    /// Waits until every DHCP client of an instance that needs no router has a lease.
    ///
    /// # Errors
    /// [`Error::Timeout`] when there is none.
    pub fn wait_leases(&self, spec: &InstanceSpec) -> Result<()> {
        for client in spec.clients.iter().filter(|client| client.needs_no_router()) {
            let what = format!("a lease of {} ({client:?})", spec.name);
            wait_until(&what, LEASE_TIMEOUT, || {
                match self.lease(&spec.name, *client).map_err(|error| error.to_string())? {
                    Some(_) => Ok(()),
                    None => Err("none".to_owned()),
                }
            })?;
        }
        Ok(())
    }

    /// Waits until the port is ACTIVE.
    ///
    /// # Errors
    /// [`Error::Timeout`] with the status it has instead.
    pub fn wait_active(&self, port_id: &str) -> Result<()> {
        wait_active(self, port_id)
    }

    /// Unplugs and stops an instance and unbinds its port.
    ///
    /// # Errors
    /// [`Error::Usage`] when there is no such instance.
    pub fn delete_instance(&self, name: &str) -> Result<()> {
        delete(self, name)
    }
}

fn create(
    lab: &Lab,
    name: &str,
    host: &str,
    port: &str,
    addressing: Addressing,
) -> Result<InstanceSpec> {
    crate::spec::check_name("instance", name)?;
    lab.spec().host(host)?;
    if lab.find_instance(name).is_ok() {
        return Err(Error::Usage(format!("instance {name} exists already")));
    }
    let client = lab.client("admin")?;
    let id = find_port(&client, port)?;
    let path = format!("/v2.0/ports/{id}");
    let instance_id = Uuid::new_v4().to_string();
    let body = json!({"port": {
        "binding:host_id": host, "device_id": instance_id, "device_owner": DEVICE_OWNER}});
    let bound = client.put(&path, &body)?["port"].take();
    if bound["binding:vif_type"] != "ovs" {
        return Err(Error::Usage(format!(
            "port {port} cannot be bound on {host}: its binding:vif_type is {}",
            text(&bound, "binding:vif_type")
        )));
    }
    let mut spec = describe(&client, lab, name, &bound)?;
    if addressing == Addressing::Static || !lab.spec().hosts.iter().any(|host| host.dhcp) {
        spec.clients.clear();
    }
    let routed = lab.spec().hosts.iter().any(|host| host.l3.is_some());
    spec.advertised &= addressing == Addressing::Dhcp && routed;
    lab.remember(known(&spec, &text(&bound, "project_id")))?;
    lab.plug(host, spec.clone())?;
    Ok(spec)
}

/// What Nova's metadata service is to know.
fn known(spec: &InstanceSpec, project: &str) -> Known {
    let v4 = spec.addresses.iter().find(|address| address.addr().is_ipv4());
    Known {
        id: spec.id.clone(),
        name: spec.name.clone(),
        project_id: project.to_owned(),
        local_ipv4: v4.map(|address| address.addr().to_string()).unwrap_or_default(),
    }
}

fn find_port(client: &Client, port: &str) -> Result<String> {
    // Names may hold anything; only ids go into a URL unescaped.
    let filter = if Uuid::parse_str(port).is_ok() { format!("?id={port}") } else { String::new() };
    let ports = client.get(&format!("/v2.0/ports{filter}"))?;
    let found: Vec<&Value> = ports["ports"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|candidate| candidate["id"] == port || candidate["name"] == port)
        .collect();
    match found.as_slice() {
        [one] => Ok(text(one, "id")),
        [] => Err(Error::Usage(format!("no port {port}"))),
        _ => Err(Error::Usage(format!("there are {} ports named {port}", found.len()))),
    }
}

/// What to plug, out of the port, its network and its subnets.
fn describe(client: &Client, lab: &Lab, name: &str, port: &Value) -> Result<InstanceSpec> {
    let network = client.get(&format!("/v2.0/networks/{}", text(port, "network_id")))?;
    let mut addresses = Vec::new();
    let mut gateways = Vec::new();
    let mut clients = BTreeSet::new();
    let mut advertised = false;
    for fixed in port["fixed_ips"].as_array().into_iter().flatten() {
        let subnet = client.get(&format!("/v2.0/subnets/{}", text(fixed, "subnet_id")))?;
        let subnet = &subnet["subnet"];
        clients.extend(DhcpClient::of_subnet(subnet));
        let mode = subnet["ipv6_address_mode"].as_str();
        advertised |= mode.is_some_and(|mode| ["slaac", "dhcpv6-stateless"].contains(&mode));
        let cidr = text(subnet, "cidr");
        let length = cidr.split('/').next_back().unwrap_or_default();
        let address = format!("{}/{length}", text(fixed, "ip_address"));
        addresses.push(address.parse().map_err(|_| Error::Lab(format!("address {address}?")))?);
        if let Ok(gateway) = text(subnet, "gateway_ip").parse() {
            gateways.push(gateway);
        }
    }
    let details = &port["binding:vif_details"];
    let or = |value: &Value, default: &str| value.as_str().unwrap_or(default).to_owned();
    Ok(InstanceSpec {
        name: name.to_owned(),
        id: text(port, "device_id"),
        port_id: text(port, "id"),
        mac: text(port, "mac_address"),
        addresses,
        gateways,
        clients: clients.into_iter().collect(),
        advertised,
        mtu: network["network"]["mtu"].as_u64().and_then(|m| u32::try_from(m).ok()).unwrap_or(1500),
        bridge: or(&details["bridge_name"], "br-int"),
        datapath_type: or(&details["datapath_type"], lab.spec().datapath.as_str()),
        hybrid: details["ovs_hybrid_plug"].as_bool().unwrap_or(false),
    })
}

fn wait_active(lab: &Lab, port_id: &str) -> Result<()> {
    let client = lab.client("admin")?;
    let path = format!("/v2.0/ports/{port_id}");
    wait_until(&format!("port {port_id} ACTIVE"), ACTIVE_TIMEOUT, || {
        let port = client.get(&path).map_err(|error| error.to_string())?;
        let status = text(&port["port"], "status");
        if status == "ACTIVE" { Ok(()) } else { Err(status) }
    })
}

fn delete(lab: &Lab, name: &str) -> Result<()> {
    let (_, spec) = lab.find_instance(name)?;
    lab.unplug(name)?;
    lab.forget(&spec.id)?;
    let body = json!({"port": {"binding:host_id": "", "device_id": "", "device_owner": ""}});
    match lab.client("admin")?.put(&format!("/v2.0/ports/{}", spec.port_id), &body) {
        // The port was deleted first, which is fine.
        Err(Error::Api { status: 404, .. }) => Ok(()),
        other => other.map(drop),
    }
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}
