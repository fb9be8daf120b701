//! Ports and what hangs on them.

use neutrino_db::schema::{
    AllowedAddressPairs as A, ExtraDhcpOpts as E, IpAllocations as I, Networks, Ports as P,
    ProvisioningBlocks as B, SecurityGroupPortBindings as S, SecurityGroups, Subnets,
};

use super::{Equal, Join, Mapping, PLAIN, Verdict, columns, one_of, standard};
use crate::convert;

pub(super) const MAPPINGS: &[Mapping] = &[PORTS, ADDRESSES, PAIRS, OPTIONS, GROUPS, BLOCKS];

const PORTS: Mapping = Mapping {
    target: P::Table.name(),
    key: &[P::Id.name()],
    from: "ports",
    joins: &[
        standard!("ports"),
        one_of!("portsecuritybindings"."port_id" of "ports"),
        one_of!("portuplinkstatuspropagation"."port_id" of "ports"),
        one_of!("portdnses"."port_id" of "ports"),
    ],
    columns: columns!(P with standard from "ports":
        Id TEXT, ProjectId OR_EMPTY, NetworkId TEXT, Name OR_EMPTY, MacAddress TEXT,
        AdminStateUp FLAG, Status TEXT, DeviceId OR_EMPTY, DeviceOwner DEVICE_OWNER,
        IpAllocation OPTIONAL;
        PortSecurityEnabled ("portsecuritybindings"."port_security_enabled") FLAG_OR_TRUE,
        PropagateUplinkStatus
            ("portuplinkstatuspropagation"."propagate_uplink_status") FLAG_OR_TRUE,
        DnsName ("portdnses"."dns_name") OR_EMPTY),
    refers: &[(("ports", "network_id"), Networks::Table.name())],
    looks_at: &[("ports", "device_owner"), ("portdnses", "dns_domain")],
    judge: |seen| match seen {
        [Some(owner), _] if owner == convert::HA_INTERFACE => {
            Verdict::CarryWithout(format!("device_owner {owner}: it is a plain interface now"))
        }
        [_, Some(domain)] if !domain.is_empty() => {
            Verdict::CarryWithout(format!("dns_domain {domain}"))
        }
        _ => Verdict::Carry,
    },
    ..PLAIN
};

const ADDRESSES: Mapping = Mapping {
    target: I::Table.name(),
    key: &[I::PortId.name(), I::SubnetId.name(), I::IpAddress.name()],
    from: "ipallocations",
    columns: columns!(I from "ipallocations":
        PortId TEXT, IpAddress TEXT, SubnetId TEXT, NetworkId TEXT;
        IpKey ("ipallocations"."ip_address") ADDRESS_KEY),
    refers: &[
        (("ipallocations", "port_id"), P::Table.name()),
        (("ipallocations", "subnet_id"), Subnets::Table.name()),
    ],
    replace: true,
    ..PLAIN
};

const PAIRS: Mapping = Mapping {
    target: A::Table.name(),
    key: &[A::PortId.name(), A::MacAddress.name(), A::IpAddress.name()],
    from: "allowedaddresspairs",
    columns: columns!(A from "allowedaddresspairs": PortId TEXT, MacAddress TEXT, IpAddress TEXT;),
    refers: &[(("allowedaddresspairs", "port_id"), P::Table.name())],
    ..PLAIN
};

const OPTIONS: Mapping = Mapping {
    target: E::Table.name(),
    key: &[E::Id.name()],
    from: "extradhcpopts",
    columns: columns!(E from "extradhcpopts":
        Id TEXT, PortId TEXT, OptName TEXT, OptValue TEXT, IpVersion INT;),
    refers: &[(("extradhcpopts", "port_id"), P::Table.name())],
    replace: true,
    ..PLAIN
};

const GROUPS: Mapping = Mapping {
    target: S::Table.name(),
    key: &[S::PortId.name(), S::SecurityGroupId.name()],
    from: "securitygroupportbindings",
    columns: columns!(S from "securitygroupportbindings": PortId TEXT, SecurityGroupId TEXT;),
    refers: &[
        (("securitygroupportbindings", "port_id"), P::Table.name()),
        (("securitygroupportbindings", "security_group_id"), SecurityGroups::Table.name()),
    ],
    ..PLAIN
};

const BLOCKS: Mapping = Mapping {
    target: B::Table.name(),
    key: &[B::PortId.name(), B::Entity.name()],
    from: "provisioningblocks",
    joins: &[Join {
        table: "ports",
        on: &[("standard_attr_id", Equal::To(("provisioningblocks", "standard_attr_id")))],
    }],
    columns: columns!(B from "provisioningblocks": Entity TEXT; PortId ("ports"."id") TEXT),
    refers: &[(("ports", "id"), P::Table.name())],
    ..PLAIN
};
