//! Open vSwitch of a host: commands of its daemons and its bridges.

use std::net::IpAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use ipnet::IpNet;
use neutrino_linux::{Netlink, process, sysctl};

use crate::error::{Error, Result};
use crate::spec::{Datapath, HostSpec, LabSpec, PROVIDER_BRIDGE, TUNNEL_NIC_BRIDGE};
use crate::wait::wait_until;

/// OVSDB socket, where every tool of Open vSwitch looks for it.
const SOCKET: &str = "/run/openvswitch/db.sock";
/// Database file.
const DATABASE: &str = "/etc/openvswitch/conf.db";
/// Schema installed by the package.
const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";
/// Where the Open vSwitch agent finds the OVSDB server by default.
const MANAGER: &str = "ptcp:6640:127.0.0.1";
/// How long the daemons may take to come up.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// How long an unused tunnel endpoint is remembered: the most ovs-vswitchd takes.
const NEIGHBOUR_AGING_SECS: &str = "3600";

/// Command line of the OVSDB server.
pub(crate) fn ovsdb_server_command() -> Vec<String> {
    [
        "ovsdb-server",
        DATABASE,
        &format!("--remote=punix:{SOCKET}"),
        "--remote=db:Open_vSwitch,Open_vSwitch,manager_options",
        "--pidfile=/run/openvswitch/ovsdb-server.pid",
        "-vconsole:info",
        "-vsyslog:off",
        "-vfile:off",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Command line of the switch.
pub(crate) fn vswitchd_command() -> Vec<String> {
    [
        "ovs-vswitchd",
        &format!("unix:{SOCKET}"),
        "--pidfile=/run/openvswitch/ovs-vswitchd.pid",
        "-vconsole:info",
        "-vsyslog:off",
        "-vfile:off",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Creates an empty database.
pub(crate) fn create_database() -> Result<()> {
    for directory in ["/etc/openvswitch", "/run/openvswitch"] {
        std::fs::create_dir_all(directory).map_err(Error::io(format!("create {directory}")))?;
    }
    // On a machine with an Open vSwitch of its own, the lower directory has its database.
    for file in [DATABASE, "/etc/openvswitch/.conf.db.~lock~"] {
        match std::fs::remove_file(file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io(format!("remove {file}"))(error));
            }
            _ => {}
        }
    }
    process::run(Command::new("ovsdb-tool").args(["create", DATABASE, SCHEMA]))?;
    Ok(())
}

/// Waits for the OVSDB server and tells it about this host.
pub(crate) fn initialise(host: &HostSpec) -> Result<()> {
    wait_until("the OVSDB server's socket", START_TIMEOUT, || {
        if Path::new(SOCKET).exists() { Ok(()) } else { Err("no socket".to_owned()) }
    })?;
    vsctl(["--no-wait", "init"])?;
    let hostname = format!("external_ids:hostname={}", host.name);
    let system_id = format!("external_ids:system-id={}", uuid::Uuid::new_v4());
    vsctl(["--no-wait", "set", "Open_vSwitch", ".", &hostname, &system_id])?;
    vsctl(["--no-wait", "set-manager", MANAGER])
}

/// Creates the bridges that hold the host's NICs.
pub(crate) fn create_bridges(host: &HostSpec, datapath: Datapath) -> Result<()> {
    let kind = format!("datapath_type={}", datapath.as_str());
    let add = |bridge: &str, nic: &str| {
        vsctl(
            ["--may-exist", "add-br", bridge, "--", "set", "Bridge", bridge, &kind, "--"]
                .into_iter()
                .chain(["--may-exist", "add-port", bridge, nic]),
        )
    };
    add(PROVIDER_BRIDGE, "eth2")?;
    if datapath == Datapath::Netdev {
        add(TUNNEL_NIC_BRIDGE, "eth1")?;
        // By default the bridge takes its NIC's address; then the kernel, which sees the NIC's
        // packets too, would answer for the bridge.
        let mac = format!("other-config:hwaddr=\"{}\"", host.tunnel_mac());
        vsctl(["set", "Bridge", TUNNEL_NIC_BRIDGE, &mac])?;
    }
    Ok(())
}

/// Gives the tunnel endpoint its address, also after a restart of the switch.
pub(crate) fn address_tunnel_endpoint(lab: &LabSpec, host: &HostSpec) -> Result<()> {
    let device = match lab.datapath {
        Datapath::Netdev => TUNNEL_NIC_BRIDGE,
        Datapath::System => "eth1",
    };
    let mut netlink = Netlink::open()?;
    wait_until(&format!("interface {device}"), START_TIMEOUT, || {
        match netlink.find_link(device) {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err("no such interface".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    })?;
    sysctl::disable_ipv6(device)?;
    let net = IpNet::new(IpAddr::V4(host.tunnel_ip()), 24)
        .map_err(|error| Error::Lab(error.to_string()))?;
    netlink.set_up(device)?;
    netlink.add_address(device, net)?;
    if lab.datapath == Datapath::Netdev {
        introduce(lab.hosts.iter().filter(|other| other.index != host.index))?;
    }
    Ok(())
}

/// Tells the switch who has the tunnel endpoints of `others`. A datapath in user space drops the
/// packet for which it has to ask, where the kernel keeps it until the answer: without this the
/// first packet between two hosts is lost.
fn introduce<'a>(others: impl Iterator<Item = &'a HostSpec>) -> Result<()> {
    // A switch that starts has its devices before it has all its commands.
    wait_until("the switch's neighbours", START_TIMEOUT, || {
        appctl(["tnl/neigh/aging", NEIGHBOUR_AGING_SECS]).map_err(|error| error.to_string())
    })?;
    for other in others {
        let (ip, mac) = (other.tunnel_ip().to_string(), other.tunnel_mac());
        appctl(["tnl/neigh/set", TUNNEL_NIC_BRIDGE, &ip, &mac])?;
    }
    Ok(())
}

/// Runs `ovs-appctl` on the switch.
fn appctl<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Result<()> {
    process::run(Command::new("ovs-appctl").arg("--timeout=20").args(arguments))?;
    Ok(())
}

/// Runs `ovs-vsctl`.
pub(crate) fn vsctl<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Result<()> {
    process::run(Command::new("ovs-vsctl").args(["--retry", "--timeout=20"]).args(arguments))?;
    Ok(())
}
