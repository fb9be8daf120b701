//! The server's groups.

use super::{
    Accept::{Blank, Off, Words},
    Row, SERVER, ignored, ignored_group, only,
};

const NO_OVN: &str = "of ML2/OVN, which mechanism_drivers cannot name";
const NO_PLACEMENT: &str = "of minimum bandwidth (QoS) and routed networks (segments), which \
                            service_plugins cannot name";

pub(super) const ROWS: &[Row] = &[
    only(
        SERVER,
        "experimental",
        &["ipv6_pd_enabled"],
        Off,
        "IPv6 prefix delegation is not in this release; set it to false",
    ),
    ignored(
        "experimental",
        "of the Linux bridge driver, which mechanism_drivers cannot name",
        &["linuxbridge"],
    ),
    only(
        SERVER,
        "ovs_driver",
        &["vnic_type_prohibit_list"],
        Blank,
        "no VNIC type can be prohibited; take it out",
    ),
    ignored(
        "ovs_driver",
        "TAP devices are made by whoever plugs the instance",
        &["ovs_create_tap"],
    ),
    ignored_group("sriov_driver", "mechanism_drivers cannot name sriovnicswitch"),
    ignored("ml2", NO_PLACEMENT, &["tunnelled_network_rp_name"]),
    ignored(
        "ml2_type_vxlan",
        "of the Linux bridge agent; the Open vSwitch agent never used it",
        &["vxlan_group"],
    ),
    only(
        SERVER,
        "quotas",
        &["quota_driver"],
        Words(&[
            "neutron.db.quota.driver_nolock.DbQuotaNoLockDriver",
            "neutron.db.quota.driver.DbQuotaDriver",
        ]),
        "limits are counted in the database; take it out",
    ),
    ignored("quotas", "usage is counted when it is asked for", &["track_quota_usage"]),
    ignored_group("service_providers", "providers of services are built in"),
    only(
        SERVER,
        "ironic",
        &["enable_notifications"],
        Off,
        "Ironic is not told of ports in this release; set it to false",
    ),
    ignored_group("ironic", "of notifications to Ironic, which are off"),
    ignored_group("designate", "of external_dns_driver = designate, which is refused"),
    ignored_group("placement", NO_PLACEMENT),
    ignored_group("ovn", NO_OVN),
    ignored_group("ovn_nb_global", NO_OVN),
    ignored_group("network_log", "of the service plugin log, which service_plugins cannot name"),
];
