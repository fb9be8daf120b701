//! Rules of routers and what hangs on them.

use super::{DefaultRule, renamed, rule, since};

/// These rules.
pub(super) const RULES: &[DefaultRule] = &[
    // Routers.
    since(
        "create_router",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "rule:regular_user",
    ),
    rule("create_router:distributed", "rule:admin_only"),
    rule("create_router:ha", "rule:admin_only"),
    since(
        "create_router:external_gateway_info",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "rule:admin_or_owner",
    ),
    since(
        "create_router:external_gateway_info:network_id",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "rule:admin_or_owner",
    ),
    rule("create_router:external_gateway_info:enable_snat", "rule:admin_only"),
    rule("create_router:external_gateway_info:external_fixed_ips", "rule:admin_only"),
    renamed(
        "create_router:tags",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "create_routers_tags",
    ),
    since(
        "get_router",
        "(rule:admin_only) or (role:reader and project_id:%(project_id)s)",
        "rule:admin_or_owner",
    ),
    rule("get_router:distributed", "rule:admin_only"),
    rule("get_router:ha", "rule:admin_only"),
    renamed(
        "get_router:tags",
        "(rule:admin_only) or (role:reader and project_id:%(project_id)s)",
        "get_routers_tags",
    ),
    since(
        "update_router",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "rule:admin_or_owner",
    ),
    rule("update_router:distributed", "rule:admin_only"),
    rule("update_router:ha", "rule:admin_only"),
    since(
        "update_router:external_gateway_info",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "rule:admin_or_owner",
    ),
    since(
        "update_router:external_gateway_info:network_id",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "rule:admin_or_owner",
    ),
    rule("update_router:external_gateway_info:enable_snat", "rule:admin_only"),
    rule("update_router:external_gateway_info:external_fixed_ips", "rule:admin_only"),
    renamed(
        "update_router:tags",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "update_routers_tags",
    ),
    since(
        "delete_router",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "rule:admin_or_owner",
    ),
    renamed(
        "delete_router:tags",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "delete_routers_tags",
    ),
    since(
        "add_router_interface",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "rule:admin_or_owner",
    ),
    since(
        "remove_router_interface",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "rule:admin_or_owner",
    ),
    since(
        "add_extraroutes",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "rule:admin_or_owner",
    ),
    since(
        "remove_extraroutes",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "rule:admin_or_owner",
    ),
    // Floating IPs.
    since(
        "create_floatingip",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "rule:regular_user",
    ),
    since(
        "create_floatingip:floating_ip_address",
        "(rule:admin_only) or (role:manager and project_id:%(project_id)s)",
        "rule:admin_only",
    ),
    renamed(
        "create_floatingip:tags",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "create_floatingips_tags",
    ),
    since(
        "get_floatingip",
        "(rule:admin_only) or (role:reader and project_id:%(project_id)s)",
        "rule:admin_or_owner",
    ),
    renamed(
        "get_floatingip:tags",
        "(rule:admin_only) or (role:reader and project_id:%(project_id)s)",
        "get_floatingips_tags",
    ),
    since(
        "update_floatingip",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "rule:admin_or_owner",
    ),
    renamed(
        "update_floatingip:tags",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "update_floatingips_tags",
    ),
    since(
        "delete_floatingip",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "rule:admin_or_owner",
    ),
    renamed(
        "delete_floatingip:tags",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "delete_floatingips_tags",
    ),
    since(
        "get_floatingip_pool",
        "(rule:admin_only) or (role:reader and project_id:%(project_id)s)",
        "rule:regular_user",
    ),
    // Port forwardings of floating IPs.
    since(
        "create_floatingip_port_forwarding",
        "(rule:admin_only) or (role:member and rule:ext_parent_owner)",
        "rule:admin_or_ext_parent_owner",
    ),
    since(
        "get_floatingip_port_forwarding",
        "(rule:admin_only) or (role:reader and rule:ext_parent_owner)",
        "rule:admin_or_ext_parent_owner",
    ),
    since(
        "update_floatingip_port_forwarding",
        "(rule:admin_only) or (role:member and rule:ext_parent_owner)",
        "rule:admin_or_ext_parent_owner",
    ),
    since(
        "delete_floatingip_port_forwarding",
        "(rule:admin_only) or (role:member and rule:ext_parent_owner)",
        "rule:admin_or_ext_parent_owner",
    ),
];
