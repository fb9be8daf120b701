//! Every object that crosses the wire, as Neutron 29 defines it.

use super::{Field, Kind, ObjectType};
use crate::dispatch::Version;

const FIRST: Version = Version { major: 1, minor: 0 };

const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, nullable: false, since: FIRST }
}

const fn text(name: &'static str) -> Field {
    field(name, Kind::Text)
}

const fn int(name: &'static str) -> Field {
    field(name, Kind::Integer)
}

const fn flag(name: &'static str) -> Field {
    field(name, Kind::Boolean)
}

impl Field {
    const fn or_null(mut self) -> Self {
        self.nullable = true;
        self
    }

    const fn since(mut self, minor: u32) -> Self {
        self.since = Version { major: 1, minor };
        self
    }
}

const fn object(name: &'static str, minor: u32, fields: &'static [Field]) -> ObjectType {
    let version = Version { major: 1, minor };
    ObjectType { name, version, oldest: FIRST, fields, standard: false }
}

impl ObjectType {
    const fn not_before(mut self, minor: u32) -> Self {
        self.oldest = Version { major: 1, minor };
        self
    }

    const fn with_standard_attributes(mut self) -> Self {
        self.standard = true;
        self
    }
}

/// Fields of every object with standard attributes.
pub(super) const STANDARD: &[Field] = &[
    int("revision_number"),
    text("description").or_null(),
    text("created_at").or_null(),
    text("updated_at").or_null(),
];

/// A port.
pub const PORT: ObjectType = object(
    "Port",
    11,
    &[
        text("id"),
        text("project_id").or_null(),
        text("name").or_null(),
        text("network_id"),
        field("mac_address", Kind::Mac),
        flag("admin_state_up"),
        text("device_id"),
        text("device_owner"),
        text("status"),
        field("allowed_address_pairs", Kind::Objects("AllowedAddressPair")).or_null(),
        field("bindings", Kind::Objects("PortBinding")).or_null(),
        field("data_plane_status", Kind::Object("PortDataPlaneStatus")).or_null(),
        field("dhcp_options", Kind::Objects("ExtraDhcpOpt")).or_null(),
        field("distributed_bindings", Kind::Objects("DistributedPortBinding")).or_null(),
        field("dns", Kind::Object("PortDNS")).or_null(),
        field("fixed_ips", Kind::Objects("IPAllocation")).or_null(),
        field("hints", Kind::Object("PortHints")).or_null().since(8),
        field("security", Kind::Object("PortSecurity")).or_null(),
        field("security_group_ids", Kind::Set).or_null(),
        text("pvlan_type").or_null().since(11),
        text("pvlan_community").or_null().since(11),
        text("qos_policy_id").or_null(),
        text("qos_network_policy_id").or_null(),
        field("binding_levels", Kind::Objects("PortBindingLevel")).or_null(),
        text("numa_affinity_policy").or_null(),
        text("device_profile").or_null(),
        text("hardware_offload_type").or_null().since(9),
        flag("trusted").or_null().since(10),
    ],
)
.with_standard_attributes();

/// A network.
pub const NETWORK: ObjectType = object(
    "Network",
    3,
    &[
        text("id"),
        text("project_id").or_null(),
        text("name").or_null(),
        text("status").or_null(),
        flag("admin_state_up").or_null(),
        flag("vlan_transparent").or_null(),
        flag("qinq").or_null().since(2),
        field("availability_zone_hints", Kind::Texts).or_null(),
        flag("shared"),
        int("mtu"),
        field("security", Kind::Object("NetworkPortSecurity")).or_null(),
        field("segments", Kind::Objects("NetworkSegment")).or_null(),
        flag("pvlan").or_null().since(3),
        text("dns_domain").or_null(),
        text("qos_policy_id").or_null(),
    ],
)
.with_standard_attributes();

/// A subnet.
pub const SUBNET: ObjectType = object(
    "Subnet",
    2,
    &[
        text("id"),
        text("project_id").or_null(),
        text("name").or_null(),
        text("network_id"),
        text("segment_id").or_null(),
        text("subnetpool_id").or_null(),
        int("ip_version"),
        text("cidr"),
        text("gateway_ip").or_null(),
        field("allocation_pools", Kind::Objects("IPAllocationPool")).or_null(),
        flag("enable_dhcp").or_null(),
        flag("shared").or_null(),
        field("dns_nameservers", Kind::Objects("DNSNameServer")).or_null(),
        flag("dns_publish_fixed_ip").or_null(),
        field("host_routes", Kind::Objects("Route")).or_null(),
        text("ipv6_ra_mode").or_null(),
        text("ipv6_address_mode").or_null(),
        field("service_types", Kind::Texts).or_null(),
        flag("external").or_null().since(2),
    ],
)
.with_standard_attributes();

/// A security group.
pub const SECURITY_GROUP: ObjectType = object(
    "SecurityGroup",
    6,
    &[
        text("id"),
        text("name").or_null(),
        text("project_id").or_null(),
        flag("shared").or_null(),
        flag("stateful"),
        flag("is_default"),
        field("rules", Kind::Objects("SecurityGroupRule")).or_null(),
    ],
)
.with_standard_attributes();

/// A rule of a security group.
pub const SECURITY_GROUP_RULE: ObjectType = object(
    "SecurityGroupRule",
    3,
    &[
        text("id"),
        text("project_id").or_null(),
        text("security_group_id"),
        text("remote_group_id").or_null(),
        text("direction").or_null(),
        text("ethertype").or_null(),
        text("protocol").or_null(),
        int("port_range_min").or_null(),
        int("port_range_max").or_null(),
        text("remote_ip_prefix").or_null(),
        text("remote_address_group_id").or_null(),
        text("normalized_cidr").or_null(),
        flag("belongs_to_default_sg").since(3),
    ],
)
.with_standard_attributes();

/// An address group.
pub const ADDRESS_GROUP: ObjectType = object(
    "AddressGroup",
    2,
    &[
        text("id"),
        text("name").or_null(),
        text("project_id"),
        flag("shared"),
        field("addresses", Kind::Objects("AddressAssociation")).or_null(),
    ],
)
.with_standard_attributes();

/// A port forwarding of a floating IP.
pub const PORT_FORWARDING: ObjectType = object(
    "PortForwarding",
    3,
    &[
        text("id"),
        text("floatingip_id"),
        int("external_port").or_null(),
        text("external_port_range").or_null(),
        text("protocol"),
        text("internal_port_id"),
        text("internal_ip_address"),
        int("internal_port").or_null(),
        text("internal_port_range").or_null(),
        text("floating_ip_address"),
        text("router_id"),
    ],
)
.with_standard_attributes();

/// An agent.
pub const AGENT: ObjectType = object(
    "Agent",
    1,
    &[
        text("id"),
        text("agent_type"),
        text("binary"),
        text("topic"),
        text("host"),
        text("availability_zone").or_null(),
        flag("admin_state_up"),
        text("started_at"),
        text("created_at"),
        text("heartbeat_timestamp"),
        text("description").or_null(),
        field("configurations", Kind::Json),
        field("resource_versions", Kind::Json).or_null(),
        int("load"),
        flag("resources_synced").or_null(),
    ],
);

/// A QoS policy.
pub const QOS_POLICY: ObjectType = object(
    "QosPolicy",
    10,
    &[
        text("id"),
        text("project_id"),
        text("name"),
        flag("shared"),
        field(
            "rules",
            Kind::Variants(&[
                ("bandwidth_limit", "QosBandwidthLimitRule"),
                ("dscp_marking", "QosDscpMarkingRule"),
                ("minimum_bandwidth", "QosMinimumBandwidthRule"),
                ("packet_rate_limit", "QosPacketRateLimitRule"),
                ("minimum_packet_rate", "QosMinimumPacketRateRule"),
            ]),
        ),
        flag("is_default"),
    ],
)
.not_before(8)
.with_standard_attributes();

/// A trunk.
pub const TRUNK: ObjectType = object(
    "Trunk",
    1,
    &[
        flag("admin_state_up"),
        text("id"),
        text("project_id"),
        text("name"),
        text("port_id"),
        text("status"),
        field("sub_ports", Kind::Objects("SubPort")),
    ],
)
.with_standard_attributes();

/// A subport of a trunk.
pub const SUB_PORT: ObjectType = object(
    "SubPort",
    0,
    &[text("port_id"), text("trunk_id"), text("segmentation_type"), int("segmentation_id")],
);

/// A connection tracking helper of a router.
pub const CONNTRACK_HELPER: ObjectType = object(
    "ConntrackHelper",
    0,
    &[text("id"), text("router_id"), text("protocol"), int("port"), text("helper")],
);

/// An address of a port behind a local IP.
pub const LOCAL_IP_ASSOCIATION: ObjectType = object(
    "LocalIPAssociation",
    0,
    &[
        text("id"),
        text("local_ip_id"),
        text("fixed_port_id"),
        text("fixed_ip"),
        field("local_ip", Kind::Object("LocalIP")),
    ],
);

/// An IPv6 address that a router answers for.
pub const NDP_PROXY: ObjectType = object(
    "NDPProxy",
    0,
    &[
        text("id"),
        text("name").or_null(),
        text("project_id").or_null(),
        text("router_id"),
        text("port_id"),
        text("ip_address"),
    ],
)
.with_standard_attributes();

/// What packets are to be logged.
pub const LOG: ObjectType = object(
    "Log",
    0,
    &[
        text("id"),
        text("project_id").or_null(),
        text("name").or_null(),
        text("resource_type"),
        text("resource_id").or_null(),
        text("target_id").or_null(),
        text("event"),
        flag("enabled"),
    ],
)
.with_standard_attributes();

/// The objects that can be pulled and are pushed.
pub const RESOURCES: &[&ObjectType] = &[
    &PORT,
    &NETWORK,
    &SUBNET,
    &SECURITY_GROUP,
    &SECURITY_GROUP_RULE,
    &ADDRESS_GROUP,
    &PORT_FORWARDING,
    &AGENT,
    &QOS_POLICY,
    &TRUNK,
    &SUB_PORT,
    &CONNTRACK_HELPER,
    &LOCAL_IP_ASSOCIATION,
    &NDP_PROXY,
    &LOG,
];

/// Fields of a binding of either kind.
macro_rules! binding {
    ($($own:expr)?) => {
        &[
            text("port_id"),
            text("host"),
            field("profile", Kind::Json),
            text("vif_type"),
            field("vif_details", Kind::Json).or_null(),
            text("vnic_type"),
            text("status"),
            $($own,)?
        ]
    };
}

/// Objects that are only parts of others.
pub const PARTS: &[&ObjectType] = &[
    &object("PortBinding", 0, binding!()),
    &object("DistributedPortBinding", 0, binding!(text("router_id").or_null())),
    &object(
        "PortBindingLevel",
        1,
        &[
            text("port_id"),
            text("host"),
            int("level"),
            text("driver").or_null(),
            field("segment", Kind::Object("NetworkSegment")).or_null(),
            text("segment_id").or_null(),
        ],
    ),
    &object(
        "NetworkSegment",
        0,
        &[
            text("id"),
            text("network_id"),
            text("name").or_null(),
            text("network_type"),
            text("physical_network").or_null(),
            int("segmentation_id").or_null(),
            flag("is_dynamic"),
            int("segment_index"),
            field("hosts", Kind::Texts).or_null(),
        ],
    )
    .with_standard_attributes(),
    &object(
        "IPAllocation",
        0,
        &[text("port_id").or_null(), text("subnet_id"), text("network_id"), text("ip_address")],
    ),
    &object(
        "AllowedAddressPair",
        0,
        &[text("port_id"), field("mac_address", Kind::Mac), text("ip_address")],
    ),
    &object("PortSecurity", 0, &[text("id"), flag("port_security_enabled")]),
    &object("NetworkPortSecurity", 0, &[text("id"), flag("port_security_enabled")]),
    &object(
        "PortDNS",
        1,
        &[
            text("port_id"),
            text("current_dns_name"),
            text("current_dns_domain"),
            text("previous_dns_name"),
            text("previous_dns_domain"),
            text("dns_name"),
            text("dns_domain"),
        ],
    ),
    &object(
        "ExtraDhcpOpt",
        1,
        &[text("id"), text("port_id"), text("opt_name"), text("opt_value"), int("ip_version")],
    ),
    &object("PortDataPlaneStatus", 0, &[text("port_id"), text("data_plane_status")]),
    &object("PortHints", 0, &[text("port_id"), field("hints", Kind::Json)]),
    &object("IPAllocationPool", 0, &[text("id"), text("subnet_id"), text("start"), text("end")]),
    &object("DNSNameServer", 0, &[text("address"), text("subnet_id"), int("order")]),
    &object("Route", 0, &[text("subnet_id"), text("destination"), text("nexthop")]),
    &object("AddressAssociation", 0, &[text("address"), text("address_group_id")]),
    &object(
        "LocalIP",
        0,
        &[
            text("id"),
            text("name").or_null(),
            text("project_id").or_null(),
            text("local_port_id"),
            text("network_id"),
            text("local_ip_address"),
            text("ip_mode"),
        ],
    )
    .with_standard_attributes(),
    &qos_rule(
        "QosBandwidthLimitRule",
        &[
            text("id"),
            text("qos_policy_id"),
            int("max_kbps").or_null(),
            int("max_burst_kbps").or_null(),
            text("direction"),
        ],
    ),
    &qos_rule("QosDscpMarkingRule", &[text("id"), text("qos_policy_id"), int("dscp_mark")]),
    &qos_rule(
        "QosMinimumBandwidthRule",
        &[text("id"), text("qos_policy_id"), int("min_kbps").or_null(), text("direction")],
    ),
    &qos_rule(
        "QosPacketRateLimitRule",
        &[
            text("id"),
            text("qos_policy_id"),
            int("max_kpps").or_null(),
            int("max_burst_kpps").or_null(),
            text("direction"),
        ],
    ),
    &qos_rule(
        "QosMinimumPacketRateRule",
        &[text("id"), text("qos_policy_id"), int("min_kpps"), text("direction")],
    ),
];

const fn qos_rule(name: &'static str, fields: &'static [Field]) -> ObjectType {
    object(name, 5, fields).not_before(3)
}

/// The object of this name, one that can be pulled or a part of others.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static ObjectType> {
    RESOURCES.iter().chain(PARTS).find(|object| object.name == name).copied()
}
