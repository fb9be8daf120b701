//! What the agent needs to know of its configuration, checked once at start.

use std::{net::Ipv6Addr, path::PathBuf, time::Duration};

use neutrino_agent::interface;
use neutrino_agent_metadata::proxy;
use neutrino_conf::{Conf, opts};
use neutrino_dataplane::l3::view::{AgentMode, Settings};

/// A setting the agent cannot start with. The text says what to change.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// A driver that is not there.
    #[error("interface_driver '{0}' is not in this release; use openvswitch")]
    InterfaceDriver(String),
    /// A mark that is no number.
    #[error("{option} '{value}' is no number of at most 16 bits, such as 0x1")]
    Mark {
        /// The option.
        option: &'static str,
        /// Its value.
        value: String,
    },
    /// An address that is no link-local IPv6 address.
    #[error("ipv6_gateway '{0}' is no link-local IPv6 address")]
    Ipv6Gateway(String),
    /// `min_rtr_adv_interval` above three quarters of `max_rtr_adv_interval`, which radvd refuses.
    #[error("min_rtr_adv_interval must be at most three quarters of max_rtr_adv_interval")]
    Advertisements,
}

/// What to do about a radvd that died.
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
    /// What shapes namespaces.
    pub settings: Settings,
    /// `handle_internal_only_routers`.
    pub internal_only_routers: bool,
    /// `state_path`: files of what the host chose for itself are in it.
    pub state_path: PathBuf,
    /// `ra_confs`: radvd's files.
    pub ra_confs: PathBuf,
    /// `external_pids`: process ids of daemons.
    pub external_pids: PathBuf,
    /// User that radvd changes to, if any.
    pub radvd_user: Option<String>,
    /// `cleanup_on_shutdown`.
    pub cleanup_on_shutdown: bool,
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
    /// `interface_driver`, as it is reported.
    pub interface_driver: String,
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
    /// The metadata proxies.
    pub metadata: proxy::Settings,
}

impl Config {
    /// Reads the configuration of the agent of `host`.
    ///
    /// # Errors
    /// A setting this release cannot honour.
    pub fn from_conf(host: &str, conf: &Conf) -> Result<Self, ConfigError> {
        let interface_driver = conf.get(&opts::interface::INTERFACE_DRIVER);
        if !interface::knows_driver(&interface_driver) {
            return Err(ConfigError::InterfaceDriver(interface_driver));
        }
        let check = seconds(conf.get(&opts::agent::CHECK_CHILD_PROCESSES_INTERVAL));
        let action = conf.get(&opts::agent::CHECK_CHILD_PROCESSES_ACTION);
        let report_interval = conf.get(&opts::agent::REPORT_INTERVAL).clamp(0.05, 86_400.0);
        Ok(Self {
            host: host.to_string(),
            settings: settings(host, conf)?,
            internal_only_routers: conf.get(&opts::l3::HANDLE_INTERNAL_ONLY_ROUTERS),
            state_path: conf.get(&opts::default::STATE_PATH).into(),
            ra_confs: conf.get(&opts::ra::RA_CONFS).into(),
            external_pids: conf.get(&opts::external_process::EXTERNAL_PIDS).into(),
            radvd_user: radvd_user(&conf.get(&opts::l3::RADVD_USER)),
            cleanup_on_shutdown: conf.get(&opts::l3::CLEANUP_ON_SHUTDOWN),
            integration_bridge: conf.get(&opts::ovs::INTEGRATION_BRIDGE),
            ovsdb_connection: conf.get(&opts::ovs::OVSDB_CONNECTION),
            ovsdb_timeout: seconds(conf.get(&opts::ovs::OVSDB_TIMEOUT).max(1)),
            use_veth: conf.get(&opts::interface::OVS_USE_VETH),
            netdev: conf.get(&opts::ovs::DATAPATH_TYPE) == "netdev",
            interface_driver,
            check_interval: Some(check).filter(|interval| !interval.is_zero()),
            on_death: if action == "exit" { OnDeath::Exit } else { OnDeath::Respawn },
            report_interval: Duration::from_secs_f64(report_interval),
            log_heartbeats: conf.get(&opts::agent::LOG_AGENT_HEARTBEATS),
            availability_zone: conf.get(&opts::agent::AVAILABILITY_ZONE),
            metadata: proxy::Settings::from_conf(conf),
        })
    }
}

fn settings(host: &str, conf: &Conf) -> Result<Settings, ConfigError> {
    let min_rtr_adv_interval = number(conf.get(&opts::ra::MIN_RTR_ADV_INTERVAL));
    let max_rtr_adv_interval = number(conf.get(&opts::ra::MAX_RTR_ADV_INTERVAL));
    if min_rtr_adv_interval * 4 > max_rtr_adv_interval * 3 {
        return Err(ConfigError::Advertisements);
    }
    let mode = conf.get(&opts::l3::AGENT_MODE);
    Ok(Settings {
        agent_mode: match mode.as_str() {
            "dvr" => AgentMode::Dvr,
            "dvr_snat" => AgentMode::DvrSnat,
            "dvr_no_external" => AgentMode::DvrNoExternal,
            // The option knows no other.
            _ => AgentMode::Legacy,
        },
        host: host.to_string(),
        enable_metadata_proxy: conf.get(&opts::l3::ENABLE_METADATA_PROXY),
        metadata_port: u16::try_from(conf.get(&opts::l3::METADATA_PORT)).unwrap_or(9697),
        metadata_access_mark: mark(
            "metadata_access_mark",
            conf.get(&opts::l3::METADATA_ACCESS_MARK),
        )?,
        external_ingress_mark: mark(
            "external_ingress_mark",
            conf.get(&opts::l3::EXTERNAL_INGRESS_MARK),
        )?,
        use_random_fully: conf.get(&opts::agent::USE_RANDOM_FULLY),
        ipv6_gateway: ipv6_gateway(conf.get(&opts::l3::IPV6_GATEWAY))?,
        min_rtr_adv_interval,
        max_rtr_adv_interval,
        comment_iptables_rules: conf.get(&opts::agent::COMMENT_IPTABLES_RULES),
        ipv6: interface::ipv6_enabled(),
    })
}

fn mark(option: &'static str, value: String) -> Result<u16, ConfigError> {
    let digits = value.trim();
    let number = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => u16::from_str_radix(hex, 16),
        None => digits.parse(),
    };
    number.map_err(|_| ConfigError::Mark { option, value })
}

fn ipv6_gateway(value: String) -> Result<Option<Ipv6Addr>, ConfigError> {
    if value.is_empty() {
        return Ok(None);
    }
    let ip: Option<Ipv6Addr> = value.parse().ok();
    match ip.filter(Ipv6Addr::is_unicast_link_local) {
        Some(ip) => Ok(Some(ip)),
        None => Err(ConfigError::Ipv6Gateway(value)),
    }
}

/// As Neutron: the agent's own user unless told otherwise, which is root's; asked for by name,
/// root's is radvd's own default and not said.
fn radvd_user(option: &str) -> Option<String> {
    match option {
        "" => Some("root".to_string()),
        "root" => None,
        user => Some(user.to_string()),
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
        let ipv6 = config.settings.ipv6;
        let host = "h1".to_string();
        assert_eq!(config.settings, Settings { host, ipv6, ..Settings::default() });
        assert_eq!(config.ra_confs, PathBuf::from("/s/ra"));
        assert_eq!(config.external_pids, PathBuf::from("/s/external/pids"));
        assert_eq!(config.radvd_user.as_deref(), Some("root"));
    }

    #[test]
    fn what_cannot_be_honoured_is_refused() {
        for (line, named) in [
            ("interface_driver = linuxbridge", "interface_driver"),
            ("metadata_access_mark = 0x10000", "metadata_access_mark"),
            ("external_ingress_mark = x", "external_ingress_mark"),
            ("ipv6_gateway = 2001:db8::1", "ipv6_gateway"),
            ("min_rtr_adv_interval = 80", "min_rtr_adv_interval"),
        ] {
            let error = config(&format!("[DEFAULT]\n{line}\n")).expect_err("refused");
            assert!(error.to_string().contains(named), "{error}");
        }
    }

    #[test]
    fn modes_and_marks_are_read() {
        let text = "[DEFAULT]\nagent_mode = dvr_snat\nmetadata_access_mark = 3\n\
                    external_ingress_mark = 0xff\nipv6_gateway = fe80::1\n";
        let settings = config(text).expect("valid").settings;
        assert_eq!(settings.agent_mode, AgentMode::DvrSnat);
        assert_eq!((settings.metadata_access_mark, settings.external_ingress_mark), (3, 0xff));
        assert_eq!(settings.ipv6_gateway, "fe80::1".parse().ok());
    }
}
