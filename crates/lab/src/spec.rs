//! What a lab consists of: pure data, made once by `lab up` and read by every part.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::config::Override;
use crate::error::{Error, Result};
use crate::parts::{AgentsChoice, Bus, Database, Implementation};

/// Physical network of the provider underlay, as in OpenStack's installation guide.
pub const PHYSICAL_NETWORK: &str = "provider";
/// Bridge of the provider underlay on each host; external networks are there.
pub const PROVIDER_BRIDGE: &str = "br-ex";
/// Bridge that holds the tunnel NIC and the tunnel endpoint address in a userspace datapath.
pub const TUNNEL_NIC_BRIDGE: &str = "br-phy";
/// Port of the message bus, inside the lab only.
pub const BUS_PORT: u16 = 9697;
/// The router behind the provider underlay.
pub const UPSTREAM: &str = "upstream";
/// A host behind that router.
pub const INTERNET: &str = "internet";
/// What a lab has outside the cloud.
pub const OUTSIDE: [&str; 2] = [UPSTREAM, INTERNET];
/// Where `make peers` installs Neutron, in the checkout.
pub const PEERS: &str = ".venv-neutron";
/// Most hosts of one lab: what the underlays' /24 networks hold.
const MAX_HOSTS: usize = 200;

/// Where Open vSwitch forwards packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Datapath {
    /// In the kernel, by the `openvswitch` module.
    System,
    /// In ovs-vswitchd.
    Netdev,
}

impl Datapath {
    /// `datapath_type` of Open vSwitch and of `openvswitch_agent.ini`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Netdev => "netdev",
        }
    }
}

/// Firewall driver of a host's Open vSwitch agent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Firewall {
    /// Flows of br-int.
    #[default]
    Openvswitch,
    /// iptables on a bridge between instance and br-int.
    IptablesHybrid,
    /// None.
    Noop,
}

impl Firewall {
    /// `[securitygroup] firewall_driver`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Openvswitch => "openvswitch",
            Self::IptablesHybrid => "iptables_hybrid",
            Self::Noop => "noop",
        }
    }
}

/// What the user says about firewall drivers; later words win.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FirewallChoice {
    /// The same everywhere.
    All(Firewall),
    /// In turn: openvswitch on the first host, iptables_hybrid on the second, and so on.
    Mixed,
    /// On one host.
    Host(String, Firewall),
}

impl FromStr for FirewallChoice {
    type Err = String;

    /// `DRIVER`, `mixed` or `HOST=DRIVER`.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let driver = |name: &str| {
            [Firewall::Openvswitch, Firewall::IptablesHybrid, Firewall::Noop]
                .into_iter()
                .find(|driver| driver.as_str() == name)
                .ok_or_else(|| {
                    format!(
                        "{name:?} is not openvswitch, iptables_hybrid or noop (nor mixed, which \
                         no single host can be)"
                    )
                })
        };
        match text.split_once('=') {
            Some((host, name)) => Ok(Self::Host(host.to_owned(), driver(name)?)),
            None if text == "mixed" => Ok(Self::Mixed),
            None => driver(text).map(Self::All),
        }
    }
}

/// `agent_mode` of a host's L3 agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum L3Mode {
    /// Centralised routers.
    Legacy,
    /// The local part of distributed routers.
    Dvr,
    /// That, and their centralised SNAT.
    DvrSnat,
    /// The local part without floating IPs, which are centralised.
    DvrNoExternal,
}

impl L3Mode {
    /// `[DEFAULT] agent_mode`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Dvr => "dvr",
            Self::DvrSnat => "dvr_snat",
            Self::DvrNoExternal => "dvr_no_external",
        }
    }
}

/// An L3 agent that the user wants: `HOST=MODE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct L3Choice {
    /// Host name.
    pub host: String,
    /// Mode of its agent.
    pub mode: L3Mode,
}

impl FromStr for L3Choice {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let (host, mode) =
            text.split_once('=').ok_or_else(|| format!("{text:?} is not HOST=MODE"))?;
        let mode = clap::ValueEnum::from_str(mode, false)
            .map_err(|_| format!("{mode:?} is not legacy, dvr, dvr_snat or dvr_no_external"))?;
        Ok(Self { host: host.to_owned(), mode })
    }
}

/// What the user chooses about a lab.
#[derive(Debug, Clone)]
pub struct LabOptions {
    /// Name, unique on the machine.
    pub name: String,
    /// Host names; the first one runs the server.
    pub hosts: Vec<String>,
    /// Datapath; chosen by what the kernel has when absent.
    pub datapath: Option<Datapath>,
    /// Firewall drivers; openvswitch where nothing is said.
    pub firewall: Vec<FirewallChoice>,
    /// Hosts that run a DHCP agent and a metadata agent; the first one when absent.
    pub dhcp_hosts: Option<Vec<String>>,
    /// L3 agents; when absent a legacy one on the first host, or with `dvr` a dvr_snat one there
    /// and a dvr one on each other.
    pub l3: Option<Vec<L3Choice>>,
    /// Routers are distributed.
    pub dvr: bool,
    /// What carries messages; when absent what the parts need.
    pub bus: Option<Bus>,
    /// Where the server keeps what it knows; when absent what the server needs.
    pub database: Option<Database>,
    /// Whose server.
    pub server: Implementation,
    /// Whose agents a host runs; ours where nothing is said.
    pub agents: Vec<AgentsChoice>,
    /// Virtual environment with Neutron, for the parts that are its.
    pub peers: PathBuf,
    /// Changes to the generated configuration files.
    pub overrides: Vec<Override>,
    /// Directory that keeps logs, databases and configuration after the lab.
    pub data_dir: Option<PathBuf>,
    /// Do not start the server and the agents.
    pub bare: bool,
    /// Port on the loopback address of the user's machine for the network API; 0 for any.
    pub api_port: u16,
    /// The `neutrino` program; the running one when absent.
    pub binary: Option<PathBuf>,
}

impl Default for LabOptions {
    fn default() -> Self {
        Self {
            name: "default".to_owned(),
            hosts: ["controller0", "compute0", "compute1"].map(str::to_owned).to_vec(),
            datapath: None,
            firewall: Vec::new(),
            dhcp_hosts: None,
            l3: None,
            dvr: false,
            bus: None,
            database: None,
            server: Implementation::default(),
            agents: Vec::new(),
            peers: PathBuf::from(PEERS),
            overrides: Vec::new(),
            data_dir: None,
            bare: false,
            api_port: 0,
            binary: None,
        }
    }
}

/// An emulated host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSpec {
    /// Host name.
    pub name: String,
    /// Position in the lab, from 0.
    pub index: u8,
    /// Firewall driver of its agent.
    pub firewall: Firewall,
    /// Runs a DHCP agent.
    pub dhcp: bool,
    /// Runs an L3 agent in this mode.
    pub l3: Option<L3Mode>,
    /// Whose agents it runs.
    pub agents_by: Implementation,
}

impl HostSpec {
    /// Runs a metadata agent, which proxies of the DHCP and the L3 agent need.
    #[must_use]
    pub fn metadata(&self) -> bool {
        self.dhcp || self.l3.is_some()
    }

    /// How many agents it runs.
    #[must_use]
    pub fn agents(&self) -> usize {
        1 + usize::from(self.dhcp) + usize::from(self.l3.is_some()) + usize::from(self.metadata())
    }

    /// Runs the server.
    #[must_use]
    pub fn is_controller(&self) -> bool {
        self.index == 0
    }

    /// Address on the management underlay.
    #[must_use]
    pub fn management_ip(&self) -> Ipv4Addr {
        Ipv4Addr::new(192, 168, 100, 10 + self.index)
    }

    /// Address on the tunnel underlay: `local_ip` of the Open vSwitch agent.
    #[must_use]
    pub fn tunnel_ip(&self) -> Ipv4Addr {
        Ipv4Addr::new(192, 168, 101, 10 + self.index)
    }

    /// MAC of that address where a bridge has it (see [`TUNNEL_NIC_BRIDGE`]).
    #[must_use]
    pub fn tunnel_mac(&self) -> String {
        let [a, b, c, d] = self.tunnel_ip().octets();
        format!("02:00:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
    }
}

/// A whole lab.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LabSpec {
    /// Name, unique on the machine.
    pub name: String,
    /// Hosts in order.
    pub hosts: Vec<HostSpec>,
    /// Datapath of every Open vSwitch.
    pub datapath: Datapath,
    /// Routers are distributed.
    pub dvr: bool,
    /// What carries messages.
    pub bus: Bus,
    /// Where the server keeps what it knows.
    pub database: Database,
    /// Whose server.
    pub server: Implementation,
    /// Virtual environment with Neutron.
    pub peers: PathBuf,
    /// Port of the network API, the same inside the lab and on the user's loopback address.
    pub api_port: u16,
    /// Port of the identity API, likewise.
    pub identity_port: u16,
    /// Password of the users of the built-in identity.
    pub password: String,
    /// argon2 hash of it.
    pub password_hash: String,
    /// Secret of the message bus, and of the database where it has users.
    pub bus_secret: String,
    /// Secret of metadata agents and Nova.
    pub metadata_secret: String,
    /// Changes to the generated configuration files.
    pub overrides: Vec<Override>,
    /// Directory that keeps logs, databases and configuration after the lab.
    pub data_dir: Option<PathBuf>,
    /// Do not start the server and the agents.
    pub bare: bool,
    /// The `neutrino` program.
    pub binary: PathBuf,
}

impl LabSpec {
    /// The host that runs the server.
    #[must_use]
    pub fn controller(&self) -> &HostSpec {
        // `hosts` refuses an empty list before a spec is made.
        &self.hosts[0]
    }

    /// Whether anybody who speaks to the server is an administrator: Neutron's own runs without
    /// an identity service.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.server == Implementation::Neutron
    }

    /// Whether a part of it is Neutron's own.
    #[must_use]
    pub fn has_peers(&self) -> bool {
        self.is_open() || self.hosts.iter().any(|host| host.agents_by == Implementation::Neutron)
    }

    /// How many agents report to the server.
    #[must_use]
    pub fn agents(&self) -> usize {
        self.hosts.iter().map(HostSpec::agents).sum()
    }

    /// The host called `name`.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the hosts there are.
    pub fn host(&self, name: &str) -> Result<&HostSpec> {
        self.hosts.iter().find(|host| host.name == name).ok_or_else(|| {
            let known: Vec<&str> = self.hosts.iter().map(|host| host.name.as_str()).collect();
            Error::Usage(format!("no host {name} in this lab; there are {}", known.join(", ")))
        })
    }

    /// Variables that tell the `openstack` client where and who, `user` being admin or demo (which
    /// are one where there is no identity service).
    ///
    /// `address` is how the caller reaches the controller.
    #[must_use]
    pub fn client_environment(&self, user: &str, address: &str) -> Vec<(&'static str, String)> {
        if self.is_open() {
            let endpoint = format!("http://{address}:{}", self.api_port);
            return vec![("OS_AUTH_TYPE", "none".to_owned()), ("OS_ENDPOINT", endpoint)];
        }
        vec![
            ("OS_AUTH_TYPE", "password".to_owned()),
            ("OS_AUTH_URL", format!("http://{address}:{}/v3", self.identity_port)),
            ("OS_IDENTITY_API_VERSION", "3".to_owned()),
            ("OS_USERNAME", user.to_owned()),
            ("OS_PASSWORD", self.password.clone()),
            ("OS_PROJECT_NAME", user.to_owned()),
            ("OS_USER_DOMAIN_NAME", "Default".to_owned()),
            ("OS_PROJECT_DOMAIN_NAME", "Default".to_owned()),
            ("OS_REGION_NAME", "RegionOne".to_owned()),
        ]
    }
}

/// The hosts that `options` describe.
///
/// # Errors
/// [`Error::Usage`] saying which name is wrong.
pub(crate) fn hosts_of(options: &LabOptions) -> Result<Vec<HostSpec>> {
    let mut hosts = hosts(&options.hosts)?;
    let known = options.hosts.join(", ");
    let unknown =
        |name: &str| Error::Usage(format!("no host {name} in this lab; there are {known}"));
    for choice in &options.firewall {
        match choice {
            FirewallChoice::All(driver) => hosts.iter_mut().for_each(|h| h.firewall = *driver),
            FirewallChoice::Mixed => {
                for host in &mut hosts {
                    let even = host.index.is_multiple_of(2);
                    host.firewall =
                        if even { Firewall::Openvswitch } else { Firewall::IptablesHybrid };
                }
            }
            FirewallChoice::Host(name, driver) => {
                let host = hosts.iter_mut().find(|host| host.name == *name);
                host.ok_or_else(|| unknown(name))?.firewall = *driver;
            }
        }
    }
    for AgentsChoice { host: name, by } in &options.agents {
        let host = hosts.iter_mut().find(|host| host.name == *name);
        host.ok_or_else(|| unknown(name))?.agents_by = *by;
    }
    let first = std::slice::from_ref(&options.hosts[0]);
    for name in options.dhcp_hosts.as_deref().unwrap_or(first) {
        let host = hosts.iter_mut().find(|host| host.name == *name);
        host.ok_or_else(|| unknown(name))?.dhcp = true;
    }
    for L3Choice { host: name, mode } in l3_of(options) {
        if mode != L3Mode::Legacy && !options.dvr {
            let mode = mode.as_str();
            return Err(Error::Usage(format!("an L3 agent in mode {mode} needs --dvr")));
        }
        let host = hosts.iter_mut().find(|host| host.name == name);
        host.ok_or_else(|| unknown(&name))?.l3 = Some(mode);
    }
    Ok(hosts)
}

/// The L3 agents of a lab.
fn l3_of(options: &LabOptions) -> Vec<L3Choice> {
    if let Some(chosen) = &options.l3 {
        return chosen.clone();
    }
    let choice = |host: &String, mode| L3Choice { host: host.clone(), mode };
    let Some((first, others)) = options.hosts.split_first() else { return Vec::new() };
    if !options.dvr {
        return vec![choice(first, L3Mode::Legacy)];
    }
    let others = others.iter().map(|host| choice(host, L3Mode::Dvr));
    [choice(first, L3Mode::DvrSnat)].into_iter().chain(others).collect()
}

/// Checks the names of the hosts and numbers them.
///
/// # Errors
/// [`Error::Usage`] saying which name is wrong.
pub fn hosts(names: &[String]) -> Result<Vec<HostSpec>> {
    if names.is_empty() || names.len() > MAX_HOSTS {
        return Err(Error::Usage(format!("a lab has 1 to {MAX_HOSTS} hosts")));
    }
    let mut seen = BTreeSet::new();
    for name in names {
        check_name("host", name)?;
        if OUTSIDE.contains(&name.as_str()) {
            return Err(Error::Usage(format!("every lab has a host {name} outside already")));
        }
        if !seen.insert(name) {
            return Err(Error::Usage(format!("host {name} is named twice")));
        }
    }
    // The list is short, so the index fits.
    Ok((0..=u8::MAX)
        .zip(names)
        .map(|(index, name)| HostSpec {
            name: name.clone(),
            index,
            firewall: Firewall::default(),
            dhcp: false,
            l3: None,
            agents_by: Implementation::default(),
        })
        .collect())
}

/// Accepts what is good for a host name and for a directory.
///
/// # Errors
/// [`Error::Usage`] otherwise.
pub fn check_name(kind: &str, name: &str) -> Result<()> {
    let good = !name.is_empty()
        && name.len() <= 48
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        && !name.starts_with('-');
    if good {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "{kind} name {name:?} is not 1 to 48 letters, digits, dashes or underscores"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_bad_names_are_refused() {
        let names = |list: &[&str]| list.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        assert!(hosts(&names(&[])).is_err());
        assert!(hosts(&names(&["a", "a"])).is_err());
        assert!(hosts(&names(&["../etc"])).is_err());
        assert!(hosts(&names(&["-x"])).is_err());
        let made = hosts(&names(&["controller0", "compute0"])).expect("good names");
        assert!(made[0].is_controller() && !made[1].is_controller());
        assert_eq!(made[1].tunnel_ip().to_string(), "192.168.101.11");
    }

    #[test]
    fn hosts_have_the_drivers_and_agents_that_were_chosen() {
        let of = |firewall: &[&str], dhcp: Option<&[&str]>| {
            let options = LabOptions {
                firewall: firewall.iter().map(|text| text.parse().expect("choice")).collect(),
                dhcp_hosts: dhcp.map(|names| names.iter().map(|n| (*n).to_owned()).collect()),
                ..LabOptions::default()
            };
            let hosts = hosts_of(&options)?;
            Ok::<_, Error>(hosts.iter().map(|h| (h.firewall.as_str(), h.dhcp)).collect::<Vec<_>>())
        };
        let default = of(&[], None).expect("default");
        assert_eq!(
            default,
            [("openvswitch", true), ("openvswitch", false), ("openvswitch", false)]
        );
        let mixed = of(&["mixed", "compute1=noop"], Some(&["compute0", "compute1"]));
        assert_eq!(
            mixed.expect("mixed"),
            [("openvswitch", false), ("iptables_hybrid", true), ("noop", true)]
        );
        assert!(of(&["nowhere=noop"], None).is_err() && of(&[], Some(&["nowhere"])).is_err());
        assert!("iptables".parse::<FirewallChoice>().is_err());
    }

    #[test]
    fn hosts_have_the_l3_agents_that_were_chosen() {
        let of = |l3: Option<&[&str]>, dvr: bool| {
            let chosen = |list: &[&str]| list.iter().map(|t| t.parse().expect("choice")).collect();
            let options = LabOptions { l3: l3.map(chosen), dvr, ..LabOptions::default() };
            let modes = hosts_of(&options)?.into_iter().map(|h| h.l3.map(L3Mode::as_str));
            Ok::<_, Error>(modes.collect::<Vec<_>>())
        };
        assert_eq!(of(None, false).expect("default"), [Some("legacy"), None, None]);
        assert_eq!(of(Some(&[]), false).expect("none"), [None, None, None]);
        let distributed = [Some("dvr_snat"), Some("dvr"), Some("dvr")];
        assert_eq!(of(None, true).expect("default"), distributed);
        let chosen = of(Some(&["controller0=legacy", "compute1=dvr_no_external"]), true);
        assert_eq!(chosen.expect("chosen"), [Some("legacy"), None, Some("dvr_no_external")]);
        assert!(of(Some(&["compute0=dvr"]), false).is_err(), "without --dvr");
        assert!(of(Some(&["nowhere=legacy"]), false).is_err());
        for text in ["legacy", "compute0=ha", "compute0="] {
            assert!(text.parse::<L3Choice>().is_err(), "{text}");
        }
        assert!(hosts(&["upstream".to_owned()]).is_err());
    }
}
