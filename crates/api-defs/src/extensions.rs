//! The extensions this server offers: what `GET /v2.0/extensions` answers.
//!
//! Aliases, names and dates are Neutron's; clients look features up by alias. An extension stands
//! here only when what it promises works, so the list grows with the server.

use serde_json::{Value, json};

/// One extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extension {
    /// What clients look for.
    pub alias: &'static str,
    /// Title.
    pub name: &'static str,
    /// What it offers.
    pub description: &'static str,
    /// Date of its definition, in Neutron's spelling.
    pub updated: &'static str,
}

impl Extension {
    /// The item of the extension list.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "alias": self.alias,
            "name": self.name,
            "description": self.description,
            "updated": self.updated,
            "links": [],
        })
    }
}

const fn extension(
    alias: &'static str,
    name: &'static str,
    updated: &'static str,
    description: &'static str,
) -> Extension {
    Extension { alias, name, description, updated }
}

/// Aliases of the extensions that are offered only when a driver brings them: see
/// [`crate::Offer`].
pub const BY_DRIVER: &[&str] = &["dns-integration"];

/// Every extension, ordered by alias.
#[must_use]
pub fn all() -> &'static [Extension] {
    ALL
}

/// The extension `alias`.
#[must_use]
pub fn find(alias: &str) -> Option<&'static Extension> {
    ALL.binary_search_by(|e| e.alias.cmp(alias)).ok().map(|i| &ALL[i])
}

const ALL: &[Extension] = &[
    extension(
        "aap-reject-multicast",
        "Allowed address pairs reject multicast extension",
        "2026-04-01T00:00:00-00:00",
        "Allowed address pairs must not be multicast.",
    ),
    extension(
        "address-group",
        "Address group",
        "2020-07-15T10:00:00-00:00",
        "Named sets of addresses for security group rules.",
    ),
    extension(
        "address-scope",
        "Address scope",
        "2015-07-26T10:00:00-00:00",
        "Address scopes: addresses are unique within one.",
    ),
    extension("agent", "agent", "2013-02-03T10:00:00-00:00", "Agents and their state."),
    extension(
        "agent-resources-synced",
        "Agent's Resource View Synced to Placement",
        "2018-12-19T00:00:00-00:00",
        "Whether Placement knows the resources an agent reports.",
    ),
    extension(
        "agent_sort_key",
        "Agents Sort Key",
        "2013-02-03T10:00:00-00:00",
        "Sorting of the agent list.",
    ),
    extension(
        "allowed-address-pairs",
        "Allowed Address Pairs",
        "2013-07-23T10:00:00-00:00",
        "Further addresses a port may send from.",
    ),
    extension(
        "availability_zone",
        "Availability Zone",
        "2015-01-01T10:00:00-00:00",
        "Availability zones of agents.",
    ),
    extension(
        "availability_zone_filter",
        "Availability Zone Filter Extension",
        "2018-06-22T10:00:00-00:00",
        "Filters of the availability zone list.",
    ),
    extension(
        "binding",
        "Port Binding",
        "2014-02-03T10:00:00-00:00",
        "Host, VIF type and VNIC type of ports.",
    ),
    extension(
        "binding-extended",
        "Port Bindings Extended",
        "2017-07-17T10:00:00-00:00",
        "Several bindings of one port, for live migration.",
    ),
    extension(
        "default-subnetpools",
        "Default Subnetpools",
        "2016-02-18T18:00:00-00:00",
        "A subnet pool may be the default one.",
    ),
    extension(
        "dhcp_agent_scheduler",
        "DHCP Agent Scheduler",
        "2013-02-07T10:00:00-00:00",
        "Which DHCP agents serve which networks.",
    ),
    extension(
        "dns-integration",
        "DNS Integration",
        "2015-08-15T18:00:00-00:00",
        "Names of ports and floating IPs, domains of networks.",
    ),
    extension(
        "dvr",
        "Distributed Virtual Router",
        "2014-06-1T10:00:00-00:00",
        "Routers that every host carries its part of.",
    ),
    extension(
        "empty-string-filtering",
        "Empty String Filtering Extension",
        "2018-05-01T10:00:00-00:00",
        "Filters that match the empty string.",
    ),
    extension(
        "expose-port-forwarding-in-fip",
        "Expose Floating IP port forwardings",
        "2018-06-28T16:00:00-00:00",
        "Floating IPs show their port forwardings.",
    ),
    extension(
        "ext-gw-mode",
        "Neutron L3 Configurable external gateway mode",
        "2013-03-28T10:00:00-00:00",
        "Gateways with or without address translation.",
    ),
    extension(
        "external-net",
        "Neutron external network",
        "2013-01-14T10:00:00-00:00",
        "Networks that routers may use as gateway.",
    ),
    extension(
        "extra_dhcp_opt",
        "Neutron Extra DHCP options",
        "2013-03-17T12:00:00-00:00",
        "DHCP options of single ports.",
    ),
    extension(
        "extraroute",
        "Neutron Extra Route",
        "2013-02-01T10:00:00-00:00",
        "Routes of routers besides those to their subnets.",
    ),
    extension(
        "extraroute-atomic",
        "Atomically add/remove extra routes",
        "2019-07-10T00:00:00+00:00",
        "Single routes added and removed.",
    ),
    extension(
        "filter-validation",
        "Filter parameters validation",
        "2018-07-04T10:00:00-00:00",
        "Unknown filters are refused.",
    ),
    extension(
        "fip-port-details",
        "Floating IP Port Details Extension",
        "2018-04-09T10:00:00-00:00",
        "The ports that floating IPs lead to.",
    ),
    extension(
        "floating-ip-port-forwarding",
        "Floating IP Port Forwarding",
        "2018-01-19T10:00:00-00:00",
        "Ports of floating IPs that lead to different ports.",
    ),
    extension(
        "floating-ip-port-forwarding-description",
        "Floating IP Port Forwarding new attribute description",
        "2019-11-01T10:00:00-00:00",
        "Descriptions of port forwardings.",
    ),
    extension(
        "floating-ip-port-forwarding-detail",
        "Floating IP port forwarding detail",
        "2022-05-06T10:00:00-00:00",
        "Floating IPs show ids and ports of their port forwardings.",
    ),
    extension(
        "floating-ip-port-forwarding-port-ranges",
        "Floating IP Port Forwarding support port ranges",
        "2020-07-01T10:00:00-00:00",
        "Port forwardings of several ports at once.",
    ),
    extension(
        "floatingip-pools",
        "Floating IP Pools Extension",
        "2018-03-21T10:00:00-00:00",
        "The subnets floating IPs can be taken from.",
    ),
    extension(
        "ip-substring-filtering",
        "IP address substring filtering",
        "2017-11-28T09:00:00-00:00",
        "Ports by a part of their address.",
    ),
    extension(
        "l3_agent_scheduler",
        "L3 Agent Scheduler",
        "2013-02-07T10:00:00-00:00",
        "Which L3 agents have which routers.",
    ),
    extension(
        "multi-provider",
        "Multi Provider Network",
        "2013-06-27T10:00:00-00:00",
        "Networks of several segments.",
    ),
    extension("net-mtu", "Network MTU", "2015-03-25T10:00:00-00:00", "MTU of networks."),
    extension(
        "net-mtu-writable",
        "Network MTU (writable)",
        "2017-07-12T00:00:00-00:00",
        "MTU of networks, to be set by users.",
    ),
    extension(
        "network_availability_zone",
        "Network Availability Zone",
        "2015-01-01T10:00:00-00:00",
        "Availability zones of networks.",
    ),
    extension("pagination", "Pagination support", "2016-06-12T00:00:00-00:00", "Lists in pages."),
    extension(
        "port-mac-address-regenerate",
        "Neutron Port MAC address regenerate",
        "2018-05-03T10:00:00-00:00",
        "A null MAC address asks for a new one.",
    ),
    extension(
        "port-security",
        "Port Security",
        "2012-07-23T10:00:00-00:00",
        "Enforcement of a port's addresses, to be switched per port.",
    ),
    extension(
        "port-security-groups-filtering",
        "Port filtering on security groups",
        "2018-01-09T09:00:00-00:00",
        "Ports by their security groups.",
    ),
    extension(
        "project-id",
        "project_id field enabled",
        "2016-09-09T09:09:09-09:09",
        "Owners are named project_id as well as tenant_id.",
    ),
    extension(
        "provider",
        "Provider Network",
        "2012-09-07T10:00:00-00:00",
        "How networks map to physical networks and segments.",
    ),
    extension(
        "quota-check-limit",
        "Quota engine limit check",
        "2021-09-08T16:00:00-00:00",
        "New limits may be checked against usage.",
    ),
    extension(
        "quota-check-limit-default",
        "Quota engine limit check by default",
        "2024-08-21T16:00:00-00:00",
        "New limits are checked against usage unless forced.",
    ),
    extension(
        "quota_details",
        "Quota details management support",
        "2017-02-10T10:00:00-00:00",
        "Usage of quotas per project.",
    ),
    extension(
        "quotas",
        "Quota management support",
        "2012-07-29T10:00:00-00:00",
        "Quotas per project.",
    ),
    extension(
        "rbac-address-group",
        "Add address_group type to RBAC",
        "2021-01-20T00:00:00-00:00",
        "Address groups may be shared with single projects.",
    ),
    extension(
        "rbac-address-scope",
        "Add address_scope type to RBAC",
        "2020-02-12T00:00:00-00:00",
        "Address scopes may be shared with single projects.",
    ),
    extension(
        "rbac-policies",
        "RBAC Policies",
        "2015-06-17T12:15:12-00:00",
        "Who besides its owner may use a resource.",
    ),
    extension(
        "rbac-security-groups",
        "Add security_group type to network RBAC",
        "2019-02-14T00:00:00-00:00",
        "Security groups may be shared with single projects.",
    ),
    extension(
        "rbac-subnetpool",
        "Add subnetpool type to RBAC",
        "2020-02-05T00:00:00-00:00",
        "Subnet pools may be shared with single projects.",
    ),
    extension(
        "revision-if-match",
        "If-Match constraints based on revision_number",
        "2016-12-11T00:00:00-00:00",
        "Changes bound to a revision number.",
    ),
    extension(
        "router",
        "Neutron L3 Router",
        "2012-07-20T10:00:00-00:00",
        "Routers between networks, and from them to external networks.",
    ),
    extension(
        "router_availability_zone",
        "Router Availability Zone",
        "2015-01-01T10:00:00-00:00",
        "Availability zones of routers.",
    ),
    extension(
        "security-group",
        "security-group",
        "2012-10-05T10:00:00-00:00",
        "Security groups and their rules.",
    ),
    extension(
        "security-groups-default-rules",
        "Default rules for security groups",
        "2022-12-19T10:00:00-00:00",
        "Rules that new security groups start with.",
    ),
    extension(
        "security-groups-normalized-cidr",
        "Normalized CIDR field for security group rules",
        "2020-07-28T10:00:00-00:00",
        "The network of a rule's remote prefix.",
    ),
    extension(
        "security-groups-remote-address-group",
        "Remote address group id field for security group rules",
        "2020-08-25T10:00:00-00:00",
        "Rules about the addresses of an address group.",
    ),
    extension(
        "security-groups-rules-belongs-to-default-sg",
        "Security group rule belongs to the project's default security group",
        "2023-05-23T10:00:00-00:00",
        "Whether a rule is one of a project's default group.",
    ),
    extension(
        "security-groups-shared-filtering",
        "Security group filtering on the shared field",
        "2021-10-05T09:00:00-00:00",
        "Security groups by whether they are shared.",
    ),
    extension(
        "service-type",
        "Neutron Service Type Management",
        "2013-01-20T00:00:00-00:00",
        "Providers of advanced services.",
    ),
    extension("sorting", "Sorting support", "2016-06-12T00:00:00-00:00", "Sorted lists."),
    extension(
        "standard-attr-description",
        "standard-attr-description",
        "2016-02-10T10:00:00-00:00",
        "Descriptions of resources.",
    ),
    extension(
        "standard-attr-revisions",
        "Resource revision numbers",
        "2016-04-11T10:00:00-00:00",
        "Revision numbers of resources.",
    ),
    // The title names the resources that carry tags.
    extension(
        "standard-attr-tag",
        "Tag support for resources with standard attribute: port, subnet, network, router, floatingip, security_group",
        "2017-01-01T00:00:00-00:00",
        "Tags of resources.",
    ),
    extension(
        "standard-attr-timestamp",
        "Resource timestamps",
        "2016-09-12T10:00:00-00:00",
        "Times of creation and last change.",
    ),
    extension(
        "stateful-security-group",
        "Stateful security group",
        "2019-11-26T09:00:00-00:00",
        "Groups whose rules track connections or do not.",
    ),
    extension(
        "subnet-external-network",
        "Subnet belongs to an external network",
        "2024-02-05T18:00:00-00:00",
        "Whether a subnet's network is external.",
    ),
    extension(
        "subnet_allocation",
        "Subnet Allocation",
        "2015-03-30T10:00:00-00:00",
        "Subnets take their block from subnet pools.",
    ),
    extension(
        "subnetpool-prefix-ops",
        "Subnet Pool Prefix Operations",
        "2019-02-08T10:00:00-00:00",
        "Prefixes come to subnet pools and go.",
    ),
    extension(
        "tag-creation",
        "Tag creation extension",
        "2024-23-07T10:00:00-00:00",
        "Several tags added at once.",
    ),
    extension(
        "tag-ports-during-bulk-creation",
        "Tag Ports During Bulk Creation",
        "2019-12-29T19:00:00-00:00",
        "Ports get their tags as they are created.",
    ),
];
