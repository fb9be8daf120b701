//! Neutron's default rules for the resources of this server, as data.
//!
//! `check` is what Neutron 29 ships; `legacy` is the rule of the time before default roles, which
//! counts as well (OR) when `[oslo_policy] enforce_new_defaults` is off.

mod l3;

/// One default rule.
#[derive(Debug, Clone, Copy)]
pub struct DefaultRule {
    /// Name, e.g. `create_network:shared`.
    pub name: &'static str,
    /// Expression.
    pub check: &'static str,
    /// Name the rule had before; an override under that name still counts.
    pub old_name: Option<&'static str>,
    /// Expression of the time before default roles.
    pub legacy: Option<&'static str>,
}

impl DefaultRule {
    /// Whether it is about a request, and so for tokens of projects only (Neutron's
    /// `scope_types`). Those that others are made of hold for any token.
    #[must_use]
    pub fn is_for_projects(&self) -> bool {
        const ACTIONS: &[&str] = &["create_", "get_", "update_", "delete_", "add_", "remove_"];
        self.name == "activate" || ACTIONS.iter().any(|action| self.name.starts_with(action))
    }
}

/// A rule without a past.
const fn rule(name: &'static str, check: &'static str) -> DefaultRule {
    DefaultRule { name, check, old_name: None, legacy: None }
}

/// A rule with its legacy expression.
const fn since(name: &'static str, check: &'static str, legacy: &'static str) -> DefaultRule {
    DefaultRule { name, check, old_name: None, legacy: Some(legacy) }
}

/// A rule that was renamed.
const fn renamed(name: &'static str, check: &'static str, old_name: &'static str) -> DefaultRule {
    DefaultRule { name, check, old_name: Some(old_name), legacy: None }
}

/// Every default rule.
pub fn all() -> impl Iterator<Item = &'static DefaultRule> {
    DEFAULTS.iter().chain(l3::RULES)
}

/// The rules of everything but routers and what hangs on them.
const DEFAULTS: &[DefaultRule] = &[
    // Shared by the others.
    rule("context_is_admin", "role:admin"),
    rule("service_api", "role:service"),
    rule("owner", "project_id:%(project_id)s"),
    rule("admin_or_owner", "rule:context_is_admin or rule:owner"),
    rule("context_is_advsvc", "role:advsvc"),
    rule("admin_or_network_owner", "rule:context_is_admin or project_id:%(network:project_id)s"),
    rule("admin_owner_or_network_owner", "rule:owner or rule:admin_or_network_owner"),
    rule("network_owner", "project_id:%(network:project_id)s"),
    rule("sg_owner", "project_id:%(security_group:project_id)s"),
    rule("admin_only", "rule:context_is_admin"),
    rule("regular_user", ""),
    rule("shared", "field:networks:shared=True"),
    rule("default", "rule:admin_or_owner"),
    rule(
        "admin_or_ext_parent_owner",
        "rule:context_is_admin or project_id:%(ext_parent:project_id)s",
    ),
    rule("ext_parent_owner", "project_id:%(ext_parent:project_id)s"),
    // Networks.
    rule("external", "field:networks:router:external=True"),
    since(
        "create_network",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "rule:regular_user",
    ),
    rule("create_network:shared", "rule:admin_only"),
    rule("create_network:router:external", "rule:admin_only"),
    rule("create_network:is_default", "rule:admin_only"),
    since(
        "create_network:port_security_enabled",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "rule:regular_user",
    ),
    rule("create_network:segments", "rule:admin_only"),
    rule("create_network:provider:network_type", "rule:admin_only"),
    rule("create_network:provider:physical_network", "rule:admin_only"),
    rule("create_network:provider:segmentation_id", "rule:admin_only"),
    renamed(
        "create_network:tags",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "create_networks_tags",
    ),
    since(
        "get_network",
        "(rule:admin_only) or (role:reader and project_id:%(project_id)s) or rule:service_api or rule:shared or rule:external or rule:context_is_advsvc",
        "rule:admin_or_owner or rule:shared or rule:external or rule:context_is_advsvc",
    ),
    rule("get_network:segments", "rule:admin_only"),
    rule("get_network:provider:network_type", "rule:admin_only"),
    rule("get_network:provider:physical_network", "rule:admin_only"),
    rule("get_network:provider:segmentation_id", "rule:admin_only"),
    renamed(
        "get_network:tags",
        "(rule:admin_only) or (role:reader and project_id:%(project_id)s) or rule:shared or rule:external or rule:context_is_advsvc",
        "get_networks_tags",
    ),
    since(
        "update_network",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "rule:admin_or_owner",
    ),
    rule("update_network:segments", "rule:admin_only"),
    rule("update_network:shared", "rule:admin_only"),
    rule("update_network:provider:network_type", "rule:admin_only"),
    rule("update_network:provider:physical_network", "rule:admin_only"),
    rule("update_network:provider:segmentation_id", "rule:admin_only"),
    rule("update_network:is_default", "rule:admin_only"),
    rule("update_network:router:external", "rule:admin_only"),
    since(
        "update_network:port_security_enabled",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "rule:admin_or_owner",
    ),
    renamed(
        "update_network:tags",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "update_networks_tags",
    ),
    since(
        "delete_network",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "rule:admin_or_owner",
    ),
    renamed(
        "delete_network:tags",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "delete_networks_tags",
    ),
    // Subnets.
    rule("external_network", "field:subnets:router:external=True"),
    since(
        "create_subnet",
        "(rule:admin_only) or (role:member and rule:network_owner)",
        "rule:admin_or_network_owner",
    ),
    renamed(
        "create_subnet:tags",
        "role:member and project_id:%(project_id)s or (rule:admin_only) or (role:member and rule:network_owner)",
        "create_subnets_tags",
    ),
    since(
        "get_subnet",
        "role:reader and project_id:%(project_id)s or rule:shared or rule:external_network or (rule:admin_only) or (role:reader and rule:network_owner) or rule:service_api",
        "rule:shared or rule:external_network or rule:admin_or_owner",
    ),
    renamed(
        "get_subnet:tags",
        "role:reader and project_id:%(project_id)s or rule:shared or rule:external_network or (rule:admin_only) or (role:reader and rule:network_owner)",
        "get_subnets_tags",
    ),
    since(
        "update_subnet",
        "role:member and project_id:%(project_id)s or (rule:admin_only) or (role:member and rule:network_owner)",
        "rule:admin_or_network_owner",
    ),
    renamed(
        "update_subnet:tags",
        "role:member and project_id:%(project_id)s or (rule:admin_only) or (role:member and rule:network_owner)",
        "update_subnets_tags",
    ),
    since(
        "delete_subnet",
        "role:member and project_id:%(project_id)s or (rule:admin_only) or (role:member and rule:network_owner)",
        "rule:admin_or_network_owner",
    ),
    renamed(
        "delete_subnet:tags",
        "role:member and project_id:%(project_id)s or (rule:admin_only) or (role:member and rule:network_owner)",
        "delete_subnets_tags",
    ),
    // Ports.
    rule("network_device", "field:port:device_owner=~^network:"),
    since(
        "create_port",
        "(rule:admin_only) or (rule:service_api) or role:member and rule:network_owner or rule:shared",
        "rule:regular_user",
    ),
    since(
        "create_port:device_id",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s) or rule:service_api",
        "rule:regular_user",
    ),
    since(
        "create_port:device_owner",
        "not rule:network_device or (rule:admin_only) or (rule:service_api) or role:member and rule:network_owner",
        "not rule:network_device or rule:context_is_advsvc or rule:admin_or_network_owner",
    ),
    since(
        "create_port:mac_address",
        "(rule:admin_only) or (rule:service_api) or role:member and rule:network_owner",
        "rule:context_is_advsvc or rule:admin_or_network_owner",
    ),
    since(
        "create_port:fixed_ips",
        "(rule:admin_only) or (rule:service_api) or role:member and rule:network_owner or rule:shared",
        "rule:context_is_advsvc or rule:admin_or_network_owner or rule:shared",
    ),
    since(
        "create_port:fixed_ips:ip_address",
        "(rule:admin_only) or (rule:service_api) or role:member and rule:network_owner",
        "rule:context_is_advsvc or rule:admin_or_network_owner",
    ),
    since(
        "create_port:fixed_ips:subnet_id",
        "(rule:admin_only) or (rule:service_api) or role:member and rule:network_owner or rule:shared",
        "rule:context_is_advsvc or rule:admin_or_network_owner or rule:shared",
    ),
    since(
        "create_port:port_security_enabled",
        "(rule:admin_only) or (rule:service_api) or role:member and rule:network_owner",
        "rule:context_is_advsvc or rule:admin_or_network_owner",
    ),
    since(
        "create_port:binding:host_id",
        "(rule:admin_only) or (rule:service_api)",
        "rule:admin_only",
    ),
    since("create_port:binding:profile", "rule:service_api", "rule:admin_only"),
    since(
        "create_port:binding:vnic_type",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s) or rule:service_api",
        "rule:regular_user",
    ),
    since(
        "create_port:allowed_address_pairs",
        "(rule:admin_only) or (role:member and rule:network_owner) or rule:service_api",
        "rule:admin_or_network_owner",
    ),
    since(
        "create_port:allowed_address_pairs:mac_address",
        "(rule:admin_only) or (role:member and rule:network_owner) or rule:service_api",
        "rule:admin_or_network_owner",
    ),
    since(
        "create_port:allowed_address_pairs:ip_address",
        "(rule:admin_only) or (role:member and rule:network_owner) or rule:service_api",
        "rule:admin_or_network_owner",
    ),
    renamed(
        "create_port:tags",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s) or rule:context_is_advsvc",
        "create_ports_tags",
    ),
    since(
        "get_port",
        "(rule:admin_only) or (rule:service_api) or role:reader and rule:network_owner or role:reader and project_id:%(project_id)s",
        "rule:context_is_advsvc or rule:admin_owner_or_network_owner",
    ),
    since(
        "get_port:binding:vif_type",
        "(rule:admin_only) or (rule:service_api)",
        "rule:admin_only",
    ),
    since(
        "get_port:binding:vif_details",
        "(rule:admin_only) or (rule:service_api)",
        "rule:admin_only",
    ),
    since("get_port:binding:host_id", "(rule:admin_only) or (rule:service_api)", "rule:admin_only"),
    since("get_port:binding:profile", "(rule:admin_only) or (rule:service_api)", "rule:admin_only"),
    renamed(
        "get_port:tags",
        "rule:context_is_advsvc or (rule:admin_only) or (role:reader and rule:network_owner) or role:reader and project_id:%(project_id)s",
        "get_ports_tags",
    ),
    since(
        "update_port",
        "(rule:admin_only) or (rule:service_api) or role:member and project_id:%(project_id)s",
        "rule:admin_or_owner or rule:context_is_advsvc",
    ),
    since(
        "update_port:device_id",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s) or rule:service_api",
        "rule:regular_user",
    ),
    since(
        "update_port:device_owner",
        "not rule:network_device or (rule:admin_only) or (rule:service_api) or role:member and rule:network_owner",
        "not rule:network_device or rule:context_is_advsvc or rule:admin_or_network_owner",
    ),
    since(
        "update_port:mac_address",
        "(rule:admin_only) or (rule:service_api) or role:manager and rule:network_owner",
        "rule:admin_only or rule:context_is_advsvc",
    ),
    since(
        "update_port:fixed_ips",
        "(rule:admin_only) or (rule:service_api) or role:member and rule:network_owner",
        "rule:context_is_advsvc or rule:admin_or_network_owner",
    ),
    since(
        "update_port:fixed_ips:ip_address",
        "(rule:admin_only) or (rule:service_api) or role:member and rule:network_owner",
        "rule:context_is_advsvc or rule:admin_or_network_owner",
    ),
    since(
        "update_port:fixed_ips:subnet_id",
        "(rule:admin_only) or (rule:service_api) or role:member and rule:network_owner or rule:shared",
        "rule:context_is_advsvc or rule:admin_or_network_owner or rule:shared",
    ),
    since(
        "update_port:port_security_enabled",
        "(rule:admin_only) or (rule:service_api) or role:member and rule:network_owner",
        "rule:context_is_advsvc or rule:admin_or_network_owner",
    ),
    since(
        "update_port:binding:host_id",
        "(rule:admin_only) or (rule:service_api)",
        "rule:admin_only",
    ),
    since("update_port:binding:profile", "rule:service_api", "rule:admin_only"),
    since(
        "update_port:binding:vnic_type",
        "(rule:admin_only) or (rule:service_api) or role:member and project_id:%(project_id)s",
        "rule:admin_or_owner or rule:context_is_advsvc",
    ),
    since(
        "update_port:allowed_address_pairs",
        "(rule:admin_only) or (role:member and rule:network_owner) or rule:service_api",
        "rule:admin_or_network_owner",
    ),
    since(
        "update_port:allowed_address_pairs:mac_address",
        "(rule:admin_only) or (role:member and rule:network_owner) or rule:service_api",
        "rule:admin_or_network_owner",
    ),
    since(
        "update_port:allowed_address_pairs:ip_address",
        "(rule:admin_only) or (role:member and rule:network_owner) or rule:service_api",
        "rule:admin_or_network_owner",
    ),
    renamed(
        "update_port:tags",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s) or rule:context_is_advsvc",
        "update_ports_tags",
    ),
    since(
        "delete_port",
        "(rule:admin_only) or (rule:service_api) or role:member and rule:network_owner or role:member and project_id:%(project_id)s",
        "rule:context_is_advsvc or rule:admin_owner_or_network_owner",
    ),
    renamed(
        "delete_port:tags",
        "rule:context_is_advsvc or role:member and project_id:%(project_id)s or (rule:admin_only) or (role:member and rule:network_owner)",
        "delete_ports_tags",
    ),
    // Port bindings.
    rule("get_port_binding", "(rule:admin_only) or (rule:service_api)"),
    rule("create_port_binding", "rule:service_api"),
    rule("delete_port_binding", "rule:service_api"),
    rule("activate", "rule:service_api"),
    // Address scopes.
    rule("shared_address_scopes", "field:address_scopes:shared=True"),
    since(
        "create_address_scope",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "rule:regular_user",
    ),
    since("create_address_scope:shared", "rule:admin_only", "rule:admin_only"),
    since(
        "get_address_scope",
        "(rule:admin_only) or (role:reader and project_id:%(project_id)s) or rule:shared_address_scopes",
        "rule:admin_or_owner or rule:shared_address_scopes",
    ),
    since(
        "update_address_scope",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "rule:admin_or_owner",
    ),
    since("update_address_scope:shared", "rule:admin_only", "rule:admin_only"),
    since(
        "delete_address_scope",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "rule:admin_or_owner",
    ),
    // Subnet pools.
    rule("shared_subnetpools", "field:subnetpools:shared=True"),
    since(
        "create_subnetpool",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "rule:regular_user",
    ),
    since("create_subnetpool:shared", "rule:admin_only", "rule:admin_only"),
    since("create_subnetpool:is_default", "rule:admin_only", "rule:admin_only"),
    renamed(
        "create_subnetpool:tags",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "create_subnetpools_tags",
    ),
    since(
        "get_subnetpool",
        "(rule:admin_only) or (role:reader and project_id:%(project_id)s) or rule:shared_subnetpools",
        "rule:admin_or_owner or rule:shared_subnetpools",
    ),
    renamed(
        "get_subnetpool:tags",
        "(rule:admin_only) or (role:reader and project_id:%(project_id)s) or rule:shared_subnetpools",
        "get_subnetpools_tags",
    ),
    since(
        "update_subnetpool",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "rule:admin_or_owner",
    ),
    since("update_subnetpool:is_default", "rule:admin_only", "rule:admin_only"),
    renamed(
        "update_subnetpool:tags",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "update_subnetpools_tags",
    ),
    since(
        "delete_subnetpool",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "rule:admin_or_owner",
    ),
    renamed(
        "delete_subnetpool:tags",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "delete_subnetpools_tags",
    ),
    since(
        "add_prefixes",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "rule:admin_or_owner",
    ),
    since(
        "remove_prefixes",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "rule:admin_or_owner",
    ),
    // Address groups.
    rule("shared_address_groups", "field:address_groups:shared=True"),
    since(
        "create_address_group",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "rule:regular_user",
    ),
    since(
        "get_address_group",
        "(rule:admin_only) or (role:reader and project_id:%(project_id)s) or rule:shared_address_groups",
        "rule:admin_or_owner or rule:shared_address_groups",
    ),
    since(
        "update_address_group",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "rule:admin_or_owner",
    ),
    since(
        "delete_address_group",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "rule:admin_or_owner",
    ),
    since(
        "add_addresses",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "rule:admin_or_owner",
    ),
    since(
        "remove_addresses",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "rule:admin_or_owner",
    ),
    // RBAC policies.
    rule(
        "restrict_wildcard",
        "(not field:rbac_policy:target_tenant=* and not field:rbac_policy:target_project=*) or rule:admin_only",
    ),
    since(
        "create_rbac_policy",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "rule:regular_user",
    ),
    since(
        "create_rbac_policy:target_tenant",
        "rule:admin_only or (not field:rbac_policy:target_tenant=* and not field:rbac_policy:target_project=*)",
        "rule:restrict_wildcard",
    ),
    rule(
        "create_rbac_policy:target_project",
        "rule:admin_only or not field:rbac_policy:target_project=*",
    ),
    since(
        "update_rbac_policy",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "rule:admin_or_owner",
    ),
    since(
        "update_rbac_policy:target_tenant",
        "rule:admin_only or (not field:rbac_policy:target_tenant=* and not field:rbac_policy:target_project=*)",
        "rule:restrict_wildcard and rule:admin_or_owner",
    ),
    rule(
        "update_rbac_policy:target_project",
        "rule:admin_only or not field:rbac_policy:target_project=*",
    ),
    since(
        "get_rbac_policy",
        "(rule:admin_only) or (role:reader and project_id:%(project_id)s)",
        "rule:admin_or_owner",
    ),
    since(
        "delete_rbac_policy",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "rule:admin_or_owner",
    ),
    // Security groups.
    rule("admin_or_sg_owner", "rule:context_is_admin or project_id:%(security_group:project_id)s"),
    rule("admin_owner_or_sg_owner", "rule:owner or rule:admin_or_sg_owner"),
    rule("shared_security_group", "field:security_groups:shared=True"),
    rule("rule_default_sg", "field:security_group_rules:belongs_to_default_sg=True"),
    since(
        "create_security_group",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "rule:admin_or_owner",
    ),
    renamed(
        "create_security_group:tags",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "create_security_groups_tags",
    ),
    since(
        "get_security_group",
        "(rule:admin_only) or (role:reader and project_id:%(project_id)s) or rule:shared_security_group",
        "rule:regular_user",
    ),
    renamed(
        "get_security_group:tags",
        "(rule:admin_only) or (role:reader and project_id:%(project_id)s) or rule:shared_security_group",
        "get_security_groups_tags",
    ),
    since(
        "update_security_group",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "rule:admin_or_owner",
    ),
    renamed(
        "update_security_group:tags",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "update_security_groups_tags",
    ),
    since(
        "delete_security_group",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "rule:admin_or_owner",
    ),
    renamed(
        "delete_security_group:tags",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "delete_security_groups_tags",
    ),
    since(
        "create_security_group_rule",
        "(rule:admin_only) or (role:member and rule:sg_owner)",
        "rule:admin_or_owner",
    ),
    since(
        "get_security_group_rule",
        "(rule:admin_only) or (role:reader and rule:sg_owner)",
        "rule:admin_owner_or_sg_owner",
    ),
    since(
        "delete_security_group_rule",
        "(rule:admin_only) or (role:member and rule:sg_owner)",
        "rule:admin_or_owner",
    ),
    // Default security group rules.
    rule("create_default_security_group_rule", "rule:admin_only"),
    since("get_default_security_group_rule", "role:reader", "rule:regular_user"),
    rule("delete_default_security_group_rule", "rule:admin_only"),
    // Agents.
    rule("create_agent", "rule:admin_only"),
    rule("get_agent", "rule:admin_only"),
    rule("update_agent", "rule:admin_only"),
    rule("delete_agent", "rule:admin_only"),
    rule("create_l3-router", "rule:admin_only"),
    rule("get_l3-routers", "rule:admin_only"),
    rule("update_l3-router", "rule:admin_only"),
    rule("delete_l3-router", "rule:admin_only"),
    rule("get_l3-agents", "rule:admin_only"),
    rule("create_dhcp-network", "rule:admin_only"),
    rule("get_dhcp-networks", "rule:admin_only"),
    rule("delete_dhcp-network", "rule:admin_only"),
    rule("get_dhcp-agents", "rule:admin_only"),
    // Quotas.
    since(
        "get_quota",
        "(rule:admin_only) or (role:manager and project_id:%(project_id)s)",
        "rule:admin_only",
    ),
    rule("update_quota", "rule:admin_only"),
    rule("delete_quota", "rule:admin_only"),
    // Availability zones.
    since("get_availability_zone", "role:reader", "rule:regular_user"),
    // Service providers.
    since("get_service_provider", "role:reader", "rule:regular_user"),
];
