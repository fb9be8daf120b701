//! The options of the ML2 plugin and its drivers, with Neutron's names and defaults.

use std::collections::BTreeMap;

use neutrino_conf::{Conf, opts};
use neutrino_db::quotas::{QuotaDefaults, UNLIMITED};
use neutrino_types::{MacAddr, NetworkType};

use crate::{
    mac,
    ranges::{GENEVE_SPACE, GRE_SPACE, IdRanges, RangeError, VXLAN_SPACE, VlanRanges},
};

/// What the plugin is configured to do.
#[derive(Clone, Debug)]
pub struct Ml2Config {
    /// `[ml2] type_drivers`.
    pub type_drivers: Vec<NetworkType>,
    /// `[ml2] project_network_types`, in order.
    pub project_network_types: Vec<NetworkType>,
    /// `[ml2] external_network_type`.
    pub external_network_type: Option<NetworkType>,
    /// `[ml2] mechanism_drivers`, in order.
    pub mechanism_drivers: Vec<String>,
    /// `[ml2] extension_drivers`, in order.
    pub extension_drivers: Vec<String>,
    /// `dns_domain`: see [`crate::dns::Dns`].
    pub dns_domain: String,
    /// MTU options.
    pub mtu: MtuConfig,
    /// `[ml2_type_flat] flat_networks`: `None` is any.
    pub flat_networks: Option<Vec<String>>,
    /// `[ml2_type_vlan] network_vlan_ranges`.
    pub vlan_ranges: VlanRanges,
    /// `[ml2_type_gre] tunnel_id_ranges`.
    pub gre_ranges: IdRanges,
    /// `[ml2_type_vxlan] vni_ranges`.
    pub vxlan_ranges: IdRanges,
    /// `[ml2_type_geneve] vni_ranges`.
    pub geneve_ranges: IdRanges,
    /// `base_mac`: see [`crate::mac::generate`].
    pub base_mac: MacAddr,
    /// `dvr_base_mac`, likewise, of hosts' distributed routers.
    pub dvr_base_mac: MacAddr,
    /// `host_dvr_for_dhcp`: distributed routers serve DHCP ports, too.
    pub host_dvr_for_dhcp: bool,
    /// `max_dns_nameservers` per subnet.
    pub max_dns_nameservers: usize,
    /// `max_subnet_host_routes` per subnet.
    pub max_host_routes: usize,
    /// `max_allowed_address_pair` per port; `None` is no limit.
    pub max_address_pairs: Option<usize>,
    /// `agent_down_time` in seconds.
    pub agent_down_time_secs: i64,
    /// `[quotas]` of networks, subnets and ports.
    pub quotas: QuotaDefaults,
}

/// The options network MTUs are computed from; bytes.
#[derive(Clone, Debug)]
pub struct MtuConfig {
    /// `global_physnet_mtu`.
    pub global_physnet: u32,
    /// `[ml2] path_mtu`; 0 is unlimited.
    pub path: u32,
    /// `[ml2] physical_network_mtus`.
    pub physical_networks: BTreeMap<String, u32>,
    /// `[ml2] overlay_ip_version`: 4 or 6.
    pub overlay_ip_version: u8,
    /// `[ml2_type_geneve] max_header_size`.
    pub geneve_header: u32,
}

impl Default for MtuConfig {
    fn default() -> Self {
        Self {
            global_physnet: 1500,
            path: 0,
            physical_networks: BTreeMap::new(),
            overlay_ip_version: 4,
            geneve_header: 30,
        }
    }
}

impl Default for Ml2Config {
    fn default() -> Self {
        Self {
            type_drivers: NetworkType::ALL.to_vec(),
            project_network_types: vec![NetworkType::Local],
            external_network_type: None,
            mechanism_drivers: Vec::new(),
            extension_drivers: Vec::new(),
            dns_domain: "openstacklocal".to_string(),
            mtu: MtuConfig::default(),
            flat_networks: None,
            vlan_ranges: VlanRanges::default(),
            gre_ranges: IdRanges::default(),
            vxlan_ranges: IdRanges::default(),
            geneve_ranges: IdRanges::default(),
            base_mac: MacAddr([0xfa, 0x16, 0x3e, 0, 0, 0]),
            dvr_base_mac: MacAddr([0xfa, 0x16, 0x3f, 0, 0, 0]),
            host_dvr_for_dhcp: true,
            max_dns_nameservers: 5,
            max_host_routes: 20,
            max_address_pairs: Some(10),
            agent_down_time_secs: 75,
            quotas: QuotaDefaults::default(),
        }
    }
}

/// An option whose value cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A range of segmentation ids.
    #[error(transparent)]
    Range(#[from] RangeError),
    /// A value of another kind.
    #[error("option {option}: '{value}' is not {expected}")]
    Value {
        /// Name of the option.
        option: &'static str,
        /// The value as configured.
        value: String,
        /// What it should have been.
        expected: &'static str,
    },
    /// A project network type without a type driver.
    #[error("option project_network_types: no type driver for '{0}' is loaded")]
    NoTypeDriver(NetworkType),
}

impl Ml2Config {
    /// Reads the options from `conf`.
    ///
    /// # Errors
    /// A value that cannot be used; Neutron refuses to start then, too.
    pub fn from_conf(conf: &Conf) -> Result<Self, ConfigError> {
        let type_drivers = network_types("type_drivers", &conf.get(&opts::ml2::TYPE_DRIVERS))?;
        let project_network_types =
            network_types("project_network_types", &conf.get(&opts::ml2::PROJECT_NETWORK_TYPES))?;
        if let Some(missing) = project_network_types.iter().find(|t| !type_drivers.contains(t)) {
            return Err(ConfigError::NoTypeDriver(*missing));
        }
        let external = conf.get(&opts::ml2::EXTERNAL_NETWORK_TYPE);
        let external_network_type =
            external.map(|t| network_type("external_network_type", &t)).transpose()?;
        if let Some(missing) = external_network_type.filter(|t| !type_drivers.contains(t)) {
            return Err(ConfigError::NoTypeDriver(missing));
        }
        let flat = conf.get(&opts::ml2_type_flat::FLAT_NETWORKS);
        let base_mac = mac("base_mac", conf.get(&opts::default::BASE_MAC))?;
        let dvr_base_mac = mac("dvr_base_mac", conf.get(&opts::default::DVR_BASE_MAC))?;
        if mac::overlap(base_mac, dvr_base_mac) {
            return Err(ConfigError::Value {
                option: "dvr_base_mac",
                value: dvr_base_mac.to_string(),
                expected: "another pattern than base_mac",
            });
        }
        let pairs = conf.get(&opts::default::MAX_ALLOWED_ADDRESS_PAIR);
        Ok(Self {
            type_drivers,
            project_network_types,
            external_network_type,
            mechanism_drivers: conf.get(&opts::ml2::MECHANISM_DRIVERS),
            extension_drivers: conf.get(&opts::ml2::EXTENSION_DRIVERS),
            dns_domain: conf.get(&opts::default::DNS_DOMAIN),
            mtu: MtuConfig::from_conf(conf)?,
            flat_networks: (!flat.iter().any(|n| n == "*")).then_some(flat),
            vlan_ranges: VlanRanges::parse(&conf.get(&opts::ml2_type_vlan::NETWORK_VLAN_RANGES))?,
            gre_ranges: IdRanges::parse(
                GRE_SPACE,
                &conf.get(&opts::ml2_type_gre::TUNNEL_ID_RANGES),
            )?,
            vxlan_ranges: IdRanges::parse(
                VXLAN_SPACE,
                &conf.get(&opts::ml2_type_vxlan::VNI_RANGES),
            )?,
            geneve_ranges: IdRanges::parse(
                GENEVE_SPACE,
                &conf.get(&opts::ml2_type_geneve::VNI_RANGES),
            )?,
            base_mac,
            dvr_base_mac,
            host_dvr_for_dhcp: conf.get(&opts::default::HOST_DVR_FOR_DHCP),
            max_dns_nameservers: count(conf.get(&opts::default::MAX_DNS_NAMESERVERS)),
            max_host_routes: count(conf.get(&opts::default::MAX_SUBNET_HOST_ROUTES)),
            max_address_pairs: usize::try_from(pairs).ok(),
            agent_down_time_secs: conf.get(&opts::default::AGENT_DOWN_TIME),
            quotas: quotas(conf),
        })
    }
}

impl MtuConfig {
    fn from_conf(conf: &Conf) -> Result<Self, ConfigError> {
        let mut physical_networks = BTreeMap::new();
        for (name, mtu) in conf.get(&opts::ml2::PHYSICAL_NETWORK_MTUS) {
            let bytes = mtu.parse().map_err(|_| ConfigError::Value {
                option: "physical_network_mtus",
                value: mtu,
                expected: "a number of bytes",
            })?;
            physical_networks.insert(name, bytes);
        }
        let bytes = |value: i64| u32::try_from(value.max(0)).unwrap_or(u32::MAX);
        Ok(Self {
            global_physnet: bytes(conf.get(&opts::default::GLOBAL_PHYSNET_MTU)),
            path: bytes(conf.get(&opts::ml2::PATH_MTU)),
            physical_networks,
            overlay_ip_version: if conf.get(&opts::ml2::OVERLAY_IP_VERSION) == 6 { 6 } else { 4 },
            geneve_header: bytes(conf.get(&opts::ml2_type_geneve::MAX_HEADER_SIZE)),
        })
    }
}

/// Limits of projects without limits of their own.
fn quotas(conf: &Conf) -> QuotaDefaults {
    let mut out = QuotaDefaults::default();
    let options = [
        ("network", &opts::quotas::QUOTA_NETWORK),
        ("subnet", &opts::quotas::QUOTA_SUBNET),
        ("port", &opts::quotas::QUOTA_PORT),
    ];
    for (resource, option) in options {
        out.limits.insert(resource.to_string(), conf.get(option).max(UNLIMITED));
    }
    out
}

fn mac(option: &'static str, text: String) -> Result<MacAddr, ConfigError> {
    text.parse().map_err(|_| ConfigError::Value { option, value: text, expected: "a MAC address" })
}

fn count(value: i64) -> usize {
    usize::try_from(value).unwrap_or(0)
}

fn network_type(option: &'static str, text: &str) -> Result<NetworkType, ConfigError> {
    text.trim().parse().map_err(|_| ConfigError::Value {
        option,
        value: text.to_string(),
        expected: "a network type",
    })
}

fn network_types(option: &'static str, list: &[String]) -> Result<Vec<NetworkType>, ConfigError> {
    list.iter().map(|t| network_type(option, t)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_gives_neutrons_defaults() {
        let conf = Conf::parse_str("").expect("valid");
        let config = Ml2Config::from_conf(&conf).expect("valid");
        let default = Ml2Config::default();
        assert_eq!(format!("{config:?}"), format!("{default:?}"));
    }

    #[test]
    fn a_deployment_is_read() {
        let conf = Conf::parse_str(
            "[DEFAULT]\nglobal_physnet_mtu = 1496\n[ml2]\ntype_drivers = flat,vlan,vxlan\n\
             tenant_network_types = vxlan,vlan\nmechanism_drivers = openvswitch,l2population\n\
             physical_network_mtus = a:9000\n[ml2_type_flat]\nflat_networks = a\n\
             [ml2_type_vlan]\nnetwork_vlan_ranges = a:100:199,b\n\
             [ml2_type_vxlan]\nvni_ranges = 1:16777215\n",
        )
        .expect("valid");
        let config = Ml2Config::from_conf(&conf).expect("valid");
        assert_eq!(config.project_network_types, [NetworkType::Vxlan, NetworkType::Vlan]);
        assert_eq!(config.flat_networks.as_deref(), Some(["a".to_string()].as_slice()));
        assert_eq!(config.vlan_ranges.iter().count(), 2);
        assert_eq!(config.mtu.physical_networks["a"], 9000);
    }

    #[test]
    fn macs_of_routers_and_of_ports_are_kept_apart() {
        let conf = Conf::parse_str("[DEFAULT]\ndvr_base_mac = fa:16:3e:4f:00:00\n").expect("valid");
        let error = Ml2Config::from_conf(&conf).expect_err("same pattern");
        assert!(error.to_string().contains("dvr_base_mac"), "{error}");
    }

    #[test]
    fn a_project_type_without_driver_is_refused() {
        let conf = Conf::parse_str("[ml2]\ntype_drivers = flat\nproject_network_types = vxlan\n")
            .expect("valid");
        let error = Ml2Config::from_conf(&conf).expect_err("no driver");
        assert!(error.to_string().contains("vxlan"), "{error}");
    }
}
