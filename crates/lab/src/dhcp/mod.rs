//! The DHCP client of an instance: ISC's dhclient with a script that takes all Neutron offers.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use neutrino_linux::{Namespaces, mount, process};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};

/// Directory of the client's files in an instance.
pub(crate) const STATE: &str = "/run/dhcp";
const SCRIPT: &str = include_str!("dhclient-script");
const CONFIG: &str = include_str!("dhclient.conf");
/// The resolver's file; an instance has one of its own.
pub(crate) const RESOLV_CONF: &str = "/etc/resolv.conf";

/// A client that an instance runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DhcpClient {
    /// DHCPv4.
    V4,
    /// DHCPv6 for an address. No router advertises the prefix yet, so the lab tells its length.
    V6Stateful {
        /// Prefix length of the subnet.
        prefix: u8,
    },
    /// DHCPv6 for all but the address, which comes from a router's advertisement.
    V6Stateless,
}

impl DhcpClient {
    /// The client that a subnet, as the API shows it, wants its instances to run.
    pub(crate) fn of_subnet(subnet: &Value) -> Option<Self> {
        if subnet["enable_dhcp"] != true {
            return None;
        }
        let prefix = subnet["cidr"].as_str()?.split('/').next_back()?.parse().ok()?;
        let modes = ["ipv6_address_mode", "ipv6_ra_mode"].map(|key| subnet[key].as_str());
        match (subnet["ip_version"].as_u64(), modes) {
            (Some(4), _) => Some(Self::V4),
            // Without modes Neutron's dnsmasq serves addresses too.
            (Some(6), [Some("dhcpv6-stateful"), _] | [None, None]) => {
                Some(Self::V6Stateful { prefix })
            }
            (Some(6), [Some("dhcpv6-stateless"), _]) => Some(Self::V6Stateless),
            _ => None,
        }
    }

    /// Whether it brings addresses of that family, so that none is assigned by hand.
    #[must_use]
    pub fn serves(self, ipv6: bool) -> bool {
        ipv6 != (self == Self::V4)
    }

    /// File in [`STATE`] that tells of the lease.
    pub(crate) fn lease_file(self) -> &'static str {
        if self == Self::V4 { "lease4" } else { "lease6" }
    }

    /// Whether a lease can be had without a router.
    pub(crate) fn needs_no_router(self) -> bool {
        self != Self::V6Stateless
    }

    /// Command line of the client on `interface`.
    fn command(self, interface: &str) -> Command {
        let (family, number) = if self == Self::V4 { ("-4", 4) } else { ("-6", 6) };
        let mut command = Command::new("dhclient");
        command.args([family, "-nw", "-cf", &format!("{STATE}/dhclient.conf")]);
        command.args(["-sf", &format!("{STATE}/dhclient-script")]);
        command.args(["-lf", &format!("{STATE}/leases{number}")]);
        command.args(["-pf", &format!("{STATE}/pid{number}")]);
        match self {
            Self::V4 => {}
            Self::V6Stateful { prefix } => {
                command.args(["-e", &format!("lab_prefix6={prefix}")]);
            }
            Self::V6Stateless => {
                command.arg("-S");
            }
        }
        command.arg(interface).stdin(Stdio::null());
        command
    }
}

/// Gives the calling instance a /run and a resolver's file of its own, with the client's files.
pub(crate) fn prepare() -> Result<()> {
    mount::tmpfs(Path::new("/run"))?;
    let state = Path::new(STATE);
    let write = |name: &str, text: &str| {
        let file = state.join(name);
        fs::write(&file, text).map_err(Error::io(format!("write {}", file.display())))
    };
    fs::create_dir_all(state).map_err(Error::io(format!("create {STATE}")))?;
    write("dhclient.conf", CONFIG)?;
    write("dhclient-script", SCRIPT)?;
    let script = state.join("dhclient-script");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))
        .map_err(Error::io(format!("make {} executable", script.display())))?;
    write("resolv.conf", "")?;
    mount::bind(&state.join("resolv.conf"), Path::new(RESOLV_CONF))?;
    Ok(())
}

/// Makes sure that the calling host has a plain resolver's file for instances to cover.
pub(crate) fn prepare_host() -> Result<()> {
    // It may be a link to a file that the lab's /run does not have.
    match fs::remove_file(RESOLV_CONF) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(Error::io(format!("remove {RESOLV_CONF}"))(error));
        }
        _ => {}
    }
    fs::write(RESOLV_CONF, "").map_err(Error::io(format!("write {RESOLV_CONF}")))
}

/// Starts `client` on the `eth0` of the instance whose first process is `pid`; it goes on by
/// itself and ends with the instance.
pub(crate) fn start(client: DhcpClient, pid: u32) -> Result<()> {
    let namespaces = Namespaces::open(format!("/proc/{pid}"))?;
    if client == DhcpClient::V6Stateless {
        // dhclient -S needs a link-local address at once and does not call its script for it.
        let mut script = Command::new(format!("{STATE}/dhclient-script"));
        script.envs([("reason", "PREINIT6"), ("interface", "eth0")]);
        process::run(namespaces.enter(&mut script))?;
    }
    let mut command = client.command("eth0");
    process::run(namespaces.enter(&mut command))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn client_follows_the_subnet() {
        let of = |version: u8, dhcp: bool, mode: Value| {
            let cidr = if version == 4 { "10.0.0.0/24" } else { "fd00::/64" };
            DhcpClient::of_subnet(&json!({"ip_version": version, "enable_dhcp": dhcp,
                "cidr": cidr, "ipv6_address_mode": mode, "ipv6_ra_mode": mode}))
        };
        assert_eq!(of(4, true, Value::Null), Some(DhcpClient::V4));
        assert_eq!(of(4, false, Value::Null), None);
        let stateful = Some(DhcpClient::V6Stateful { prefix: 64 });
        assert_eq!(of(6, true, json!("dhcpv6-stateful")), stateful);
        assert_eq!(of(6, true, Value::Null), stateful);
        assert_eq!(of(6, true, json!("dhcpv6-stateless")), Some(DhcpClient::V6Stateless));
        assert_eq!(of(6, true, json!("slaac")), None);
        assert!(DhcpClient::V4.serves(false) && !DhcpClient::V4.serves(true));
        assert!(DhcpClient::V6Stateless.serves(true));
    }
}
