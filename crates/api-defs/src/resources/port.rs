//! `ports` and their sub-collection `bindings`.

use super::standard::{
    CHANGED_SINCE, CREATED_AT, DESCRIPTION, FQDN_MAX, ID, NAME, NOT_TAGS, NOT_TAGS_ANY, PORT_TAGS,
    PROJECT_ID, PROJECT_ID_MAX, REVISION_NUMBER, TAGS_ANY, TENANT_ID, UPDATED_AT,
};
use crate::{
    attribute::{Attribute, Convert, Initial, Shape, Validate},
    resource::{Operations, Parent, resource},
};

/// Values of `binding:vnic_type`.
pub const VNIC_TYPES: &[&str] = &[
    "normal",
    "direct",
    "macvtap",
    "baremetal",
    "direct-physical",
    "virtio-forwarder",
    "smart-nic",
    "vdpa",
    "accelerator-direct",
    "accelerator-direct-physical",
    "remote-managed",
];

/// Longest host name, in characters.
const HOST_MAX: usize = 255;

resource! {
    /// Attachment points of networks.
    PORTS: [
        ID,
        NAME,
        Attribute::create_only("network_id", Shape::Uuid, "Network of the port.")
            .validate(Validate::Uuid).required_by_policy().listed(),
        Attribute::writable("admin_state_up", Shape::Bool, "Whether the port carries traffic.")
            .default(Initial::Bool(true)).convert(Convert::Boolean).listed(),
        Attribute::writable("mac_address", Shape::Text, "MAC address; generated when left out or null.")
            .unset().convert(Convert::Mac).validate(Validate::MacOrNone).listed().enforce_policy(),
        Attribute::writable("fixed_ips", Shape::ObjectList, "Addresses; chosen when left out.")
            .unset().validate(Validate::FixedIps).filter_pairs().enforce_policy(),
        Attribute::writable("device_id", Shape::Text, "What uses the port, e.g. an instance.")
            .default(Initial::Text("")).validate(Validate::Text(255)).listed().enforce_policy(),
        Attribute::writable("device_owner", Shape::Text, "Kind of the device, e.g. compute:nova.")
            .default(Initial::Text("")).validate(Validate::Text(255)).listed().enforce_policy(),
        TENANT_ID,
        Attribute::read_only("status", Shape::Text, "State.").listed(),
        Attribute::read_only("binding:vif_type", Shape::Text, "How the host plugs the port.")
            .unset().enforce_policy().extension("binding"),
        Attribute::read_only("binding:vif_details", Shape::Object, "Details of the plugging.")
            .unset().enforce_policy().extension("binding"),
        Attribute::writable("binding:vnic_type", Shape::Text, "Kind of virtual NIC.")
            .default(Initial::Text("normal")).validate(Validate::OneOf(VNIC_TYPES))
            .enforce_policy().extension("binding"),
        Attribute::writable("binding:host_id", Shape::Text, "Host the port is bound on.")
            .unset().validate(Validate::TextOrNone(HOST_MAX)).filter().enforce_policy()
            .extension("binding"),
        Attribute::writable("binding:profile", Shape::Object, "What the compute service says of the port.")
            .unset().validate(Validate::ObjectOrNone).enforce_policy().extension("binding"),
        Attribute::writable("allowed_address_pairs", Shape::ObjectList, "Further addresses the port may use.")
            .unset().convert(Convert::NoneToEmptyList).validate(Validate::AddressPairs)
            .enforce_policy().extension("allowed-address-pairs"),
        Attribute::writable("extra_dhcp_opts", Shape::ObjectList, "DHCP options of this port.")
            .default(Initial::Null).validate(Validate::ExtraDhcpOpts).extension("extra_dhcp_opt"),
        Attribute::writable("security_groups", Shape::TextList, "Security groups; the project's default one when left out.")
            .unset().convert(Convert::NoneToEmptyList).validate(Validate::Uuids).filter()
            .extension("security-group"),
        Attribute::writable("port_security_enabled", Shape::Bool, "Whether addresses are enforced.")
            .unset().convert(Convert::Boolean).enforce_policy().extension("port-security"),
        Attribute::writable("dns_name", Shape::Text, "Name of the port in DNS.")
            .default(Initial::Text("")).convert(Convert::LowerCase)
            .validate(Validate::DnsName(FQDN_MAX)).extension("dns-integration"),
        Attribute::read_only("dns_assignment", Shape::ObjectList, "Names of its addresses.")
            .extension("dns-integration"),
        DESCRIPTION,
        REVISION_NUMBER,
        CREATED_AT,
        UPDATED_AT,
        CHANGED_SINCE,
        PORT_TAGS,
        TAGS_ANY,
        NOT_TAGS,
        NOT_TAGS_ANY,
        PROJECT_ID,
    ], {
        collection: "ports",
        extension: "",
        member: "port",
        path: "ports",
        parent: None,
        operations: Operations::ALL,
        validates_filters: true,
        standard_attributes: true,
    }
}

resource! {
    /// Bindings of a port, one per host: `/ports/{id}/bindings`.
    PORT_BINDINGS: [
        Attribute::writable("host", Shape::Text, "Host of the binding.")
            .validate(Validate::Text(HOST_MAX)).filter().primary_key(),
        Attribute::read_only("vif_type", Shape::Text, "How the host plugs the port.")
            .unset().filter().enforce_policy(),
        Attribute::read_only("vif_details", Shape::Object, "Details of the plugging.")
            .unset().enforce_policy(),
        Attribute::writable("vnic_type", Shape::Text, "Kind of virtual NIC.")
            .default(Initial::Text("normal")).validate(Validate::OneOf(VNIC_TYPES)).filter()
            .enforce_policy(),
        Attribute::writable("profile", Shape::Object, "What the compute service says of the port.")
            .unset().validate(Validate::ObjectOrNone).enforce_policy(),
        Attribute::read_only("status", Shape::Text, "ACTIVE or INACTIVE.").filter(),
        Attribute::create_only("project_id", Shape::Text, "Project that owns the port.")
            .validate(Validate::Text(PROJECT_ID_MAX)).required_by_policy(),
        Attribute::create_only("tenant_id", Shape::Text, "Owner, under its old name.")
            .validate(Validate::Text(PROJECT_ID_MAX)).required_by_policy(),
    ], {
        collection: "bindings",
        extension: "binding-extended",
        member: "binding",
        path: "bindings",
        parent: Some(Parent { collection: "ports", member: "port" }),
        operations: Operations { bulk: false, ..Operations::ALL },
        validates_filters: true,
        standard_attributes: false,
    }
}
