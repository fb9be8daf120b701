//! What the agent needs to know of its configuration, checked once at start.

use std::{path::PathBuf, time::Duration};

use neutrino_agent::interface;
use neutrino_agent_metadata::proxy;
use neutrino_conf::{Conf, opts};
use neutrino_dataplane::dhcp::view::Settings;

/// A setting the agent cannot start with. The text says what to change.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// `resync_throttle` above `resync_interval`.
    #[error("resync_throttle must be at most resync_interval")]
    Throttle,
    /// A driver that is not there.
    #[error("interface_driver '{0}' is not in this release; use openvswitch")]
    InterfaceDriver(String),
    /// A driver that is not there.
    #[error("dhcp_driver '{0}' is not in this release; use neutron.agent.linux.dhcp.Dnsmasq")]
    DhcpDriver(String),
}

/// What to do about a dnsmasq that died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDeath {
    /// Start it again.
    Respawn,
    /// End the agent, for a supervisor to notice.
    Exit,
}

/// The agent's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name of this host.
    pub host: String,
    /// What shapes dnsmasq and its files.
    pub settings: Settings,
    /// `dhcp_confs`: one directory per network in it.
    pub confs: PathBuf,
    /// `integration_bridge`.
    pub integration_bridge: String,
    /// Where OVSDB listens.
    pub ovsdb_connection: String,
    /// How long the database may take to answer.
    pub ovsdb_timeout: Duration,
    /// `ovs_use_veth`.
    pub use_veth: bool,
    /// `datapath_type` is netdev.
    pub netdev: bool,
    /// Longest pause before a network that failed is tried again.
    pub resync_interval: Duration,
    /// Shortest time between two readings of all networks.
    pub resync_throttle: Duration,
    /// Networks worked on at a time after a start or reconnect.
    pub num_sync_threads: usize,
    /// Shortest time between two changes of one network's dnsmasq.
    pub bulk_reload_interval: Duration,
    /// How often daemons are looked after; never if `None`.
    pub check_interval: Option<Duration>,
    /// What to do about a dead one.
    pub on_death: OnDeath,
    /// How often the agent reports its state.
    pub report_interval: Duration,
    /// `log_agent_heartbeats`.
    pub log_heartbeats: bool,
    /// `availability_zone`.
    pub availability_zone: String,
    /// `dhcp_driver`, as it is reported.
    pub dhcp_driver: String,
    /// The metadata proxy of networks that need one.
    pub metadata: proxy::Settings,
}

impl Config {
    /// Reads the configuration of the agent of `host`. Whether this dnsmasq knows tags in its
    /// hosts file is not in it; `settings.host_tag` says yes.
    ///
    /// # Errors
    /// A setting this release cannot honour.
    pub fn from_conf(host: &str, conf: &Conf) -> Result<Self, ConfigError> {
        let resync_interval = seconds(conf.get(&opts::dhcp::RESYNC_INTERVAL));
        let resync_throttle = seconds(conf.get(&opts::dhcp::RESYNC_THROTTLE));
        if resync_throttle > resync_interval {
            return Err(ConfigError::Throttle);
        }
        let interface_driver = conf.get(&opts::interface::INTERFACE_DRIVER);
        if !interface::knows_driver(&interface_driver) {
            return Err(ConfigError::InterfaceDriver(interface_driver));
        }
        let dhcp_driver = conf.get(&opts::dhcp::DHCP_DRIVER);
        if !dhcp_driver.to_ascii_lowercase().ends_with("dnsmasq") {
            return Err(ConfigError::DhcpDriver(dhcp_driver));
        }
        let check = seconds(conf.get(&opts::agent::CHECK_CHILD_PROCESSES_INTERVAL));
        let action = conf.get(&opts::agent::CHECK_CHILD_PROCESSES_ACTION);
        let report_interval = conf.get(&opts::agent::REPORT_INTERVAL).clamp(0.05, 86_400.0);
        Ok(Self {
            host: host.to_string(),
            settings: settings(conf),
            confs: conf.get(&opts::dhcp::DHCP_CONFS).into(),
            integration_bridge: conf.get(&opts::ovs::INTEGRATION_BRIDGE),
            ovsdb_connection: conf.get(&opts::ovs::OVSDB_CONNECTION),
            ovsdb_timeout: seconds(conf.get(&opts::ovs::OVSDB_TIMEOUT).max(1)),
            use_veth: conf.get(&opts::interface::OVS_USE_VETH),
            netdev: conf.get(&opts::ovs::DATAPATH_TYPE) == "netdev",
            resync_interval,
            resync_throttle,
            num_sync_threads: usize::try_from(conf.get(&opts::dhcp::NUM_SYNC_THREADS)).unwrap_or(4),
            bulk_reload_interval: seconds(conf.get(&opts::dhcp::BULK_RELOAD_INTERVAL)),
            check_interval: Some(check).filter(|interval| !interval.is_zero()),
            on_death: if action == "exit" { OnDeath::Exit } else { OnDeath::Respawn },
            report_interval: Duration::from_secs_f64(report_interval),
            log_heartbeats: conf.get(&opts::agent::LOG_AGENT_HEARTBEATS),
            availability_zone: conf.get(&opts::agent::AVAILABILITY_ZONE),
            dhcp_driver,
            metadata: proxy::Settings::from_conf(conf),
        })
    }
}

fn settings(conf: &Conf) -> Settings {
    Settings {
        // -1 is for ever.
        dhcp_lease_duration: u32::try_from(conf.get(&opts::dhcp::DHCP_LEASE_DURATION)).ok(),
        dhcp_renewal_time: number(conf.get(&opts::dhcp::DHCP_RENEWAL_TIME)),
        dhcp_rebinding_time: number(conf.get(&opts::dhcp::DHCP_REBINDING_TIME)),
        dnsmasq_lease_max: number(conf.get(&opts::dhcp::DNSMASQ_LEASE_MAX)),
        dnsmasq_dns_servers: conf.get(&opts::dhcp::DNSMASQ_DNS_SERVERS),
        dnsmasq_local_resolv: conf.get(&opts::dhcp::DNSMASQ_LOCAL_RESOLV),
        dnsmasq_config_file: conf.get(&opts::dhcp::DNSMASQ_CONFIG_FILE),
        dnsmasq_txt_record: conf.get(&opts::dhcp::DNSMASQ_TXT_RECORD),
        dnsmasq_base_log_dir: conf.get(&opts::dhcp::DNSMASQ_BASE_LOG_DIR),
        dnsmasq_enable_addr6_list: conf.get(&opts::dhcp::DNSMASQ_ENABLE_ADDR6_LIST),
        dhcp_broadcast_reply: conf.get(&opts::dhcp::DHCP_BROADCAST_REPLY),
        dns_domain: conf.get(&opts::default::DNS_DOMAIN),
        force_metadata: conf.get(&opts::dhcp::FORCE_METADATA),
        enable_isolated_metadata: conf.get(&opts::dhcp::ENABLE_ISOLATED_METADATA),
        enable_metadata_network: conf.get(&opts::dhcp::ENABLE_METADATA_NETWORK),
        host_tag: true,
    }
}

fn number(value: i64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn seconds(value: i64) -> Duration {
    Duration::from_secs(u64::try_from(value).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Result<Config, ConfigError> {
        Config::from_conf("h1", &Conf::parse_str(text).expect("valid INI"))
    }

    #[test]
    fn defaults_are_neutrons() {
        let config = config("[DEFAULT]\nstate_path = /s\n").expect("valid");
        assert_eq!(config.settings, Settings::default());
        assert_eq!(config.confs, PathBuf::from("/s/dhcp"));
        assert_eq!(config.check_interval, Some(Duration::from_secs(60)));
        assert_eq!((config.num_sync_threads, config.on_death), (4, OnDeath::Respawn));
    }

    #[test]
    fn what_cannot_be_honoured_is_refused() {
        let throttle = config("[DEFAULT]\nresync_interval = 1\nresync_throttle = 2\n");
        assert_eq!(throttle.err(), Some(ConfigError::Throttle));
        let bridge = config("[DEFAULT]\ninterface_driver = linuxbridge\n");
        assert_eq!(bridge.err(), Some(ConfigError::InterfaceDriver("linuxbridge".into())));
    }

    #[test]
    fn leases_may_be_for_ever() {
        let config = config("[DEFAULT]\ndhcp_lease_duration = -1\n").expect("valid");
        assert_eq!(config.settings.dhcp_lease_duration, None);
    }
}
