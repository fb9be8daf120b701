-- agents
SELECT CAST("agents"."id" AS text), CAST("agents"."agent_type" AS text), CAST("agents"."binary" AS text), CAST("agents"."topic" AS text), CAST("agents"."host" AS text), CAST("agents"."availability_zone" AS text), CAST("agents"."admin_state_up" AS text), CAST("agents"."created_at" AS text), CAST("agents"."started_at" AS text), CAST("agents"."heartbeat_timestamp" AS text), CAST("agents"."description" AS text), CAST("agents"."configurations" AS text), CAST("agents"."resource_versions" AS text), CAST("agents"."load" AS text), CAST("agents"."resources_synced" AS text)
  FROM "agents"
  ORDER BY convert_to("agents"."id", 'UTF8') ASC;
-- quotas
SELECT CAST("quotas"."project_id" AS text), CAST("quotas"."resource" AS text), CAST("quotas"."limit" AS text)
  FROM "quotas"
  ORDER BY convert_to("quotas"."project_id", 'UTF8') ASC, convert_to("quotas"."resource", 'UTF8') ASC;
-- dvr_host_macs
SELECT CAST("dvr_host_macs"."host" AS text), CAST("dvr_host_macs"."mac_address" AS text)
  FROM "dvr_host_macs"
  ORDER BY convert_to("dvr_host_macs"."host", 'UTF8') ASC;
-- address_scopes
SELECT CAST("address_scopes"."id" AS text), CAST("address_scopes"."project_id" AS text), CAST("address_scopes"."name" AS text), CAST("address_scopes"."ip_version" AS text)
  FROM "address_scopes"
  ORDER BY convert_to("address_scopes"."id", 'UTF8') ASC;
-- addressscoperbacs
SELECT CAST("addressscoperbacs"."id" AS text), CAST("addressscoperbacs"."project_id" AS text), CAST("addressscoperbacs"."object_id" AS text), CAST("addressscoperbacs"."target_project" AS text), CAST("addressscoperbacs"."action" AS text), CAST("addressscoperbacs"."object_id" AS text)
  FROM "addressscoperbacs"
  ORDER BY convert_to("addressscoperbacs"."id", 'UTF8') ASC;
-- subnetpools
SELECT CAST("subnetpools"."id" AS text), CAST("subnetpools"."project_id" AS text), CAST("subnetpools"."name" AS text), CAST("subnetpools"."ip_version" AS text), CAST("subnetpools"."default_prefixlen" AS text), CAST("subnetpools"."min_prefixlen" AS text), CAST("subnetpools"."max_prefixlen" AS text), CAST("subnetpools"."is_default" AS text), CAST("subnetpools"."default_quota" AS text), CAST("subnetpools"."hash" AS text), CAST("subnetpools"."address_scope_id" AS text), CAST("standardattributes"."description" AS text), CAST("standardattributes"."revision_number" AS text), CAST("standardattributes"."created_at" AS text), CAST("standardattributes"."updated_at" AS text), CAST("subnetpools"."address_scope_id" AS text)
  FROM "subnetpools"
  LEFT JOIN "standardattributes" ON "standardattributes"."id" = "subnetpools"."standard_attr_id"
  ORDER BY convert_to("subnetpools"."id", 'UTF8') ASC;
-- subnetpoolprefixes
SELECT CAST("subnetpoolprefixes"."subnetpool_id" AS text), CAST("subnetpoolprefixes"."cidr" AS text), CAST("subnetpoolprefixes"."subnetpool_id" AS text)
  FROM "subnetpoolprefixes"
  ORDER BY convert_to("subnetpoolprefixes"."subnetpool_id", 'UTF8') ASC, convert_to("subnetpoolprefixes"."cidr", 'UTF8') ASC;
-- subnetpoolrbacs
SELECT CAST("subnetpoolrbacs"."id" AS text), CAST("subnetpoolrbacs"."project_id" AS text), CAST("subnetpoolrbacs"."object_id" AS text), CAST("subnetpoolrbacs"."target_project" AS text), CAST("subnetpoolrbacs"."action" AS text), CAST("subnetpoolrbacs"."object_id" AS text)
  FROM "subnetpoolrbacs"
  ORDER BY convert_to("subnetpoolrbacs"."id", 'UTF8') ASC;
-- address_groups
SELECT CAST("address_groups"."id" AS text), CAST("address_groups"."project_id" AS text), CAST("address_groups"."name" AS text), CAST("standardattributes"."description" AS text), CAST("standardattributes"."revision_number" AS text), CAST("standardattributes"."created_at" AS text), CAST("standardattributes"."updated_at" AS text)
  FROM "address_groups"
  LEFT JOIN "standardattributes" ON "standardattributes"."id" = "address_groups"."standard_attr_id"
  ORDER BY convert_to("address_groups"."id", 'UTF8') ASC;
-- address_associations
SELECT CAST("address_associations"."address_group_id" AS text), CAST("address_associations"."address" AS text), CAST("address_associations"."address_group_id" AS text)
  FROM "address_associations"
  ORDER BY convert_to("address_associations"."address_group_id", 'UTF8') ASC, convert_to("address_associations"."address", 'UTF8') ASC;
-- addressgrouprbacs
SELECT CAST("addressgrouprbacs"."id" AS text), CAST("addressgrouprbacs"."project_id" AS text), CAST("addressgrouprbacs"."object_id" AS text), CAST("addressgrouprbacs"."target_project" AS text), CAST("addressgrouprbacs"."action" AS text), CAST("addressgrouprbacs"."object_id" AS text)
  FROM "addressgrouprbacs"
  ORDER BY convert_to("addressgrouprbacs"."id", 'UTF8') ASC;
-- networks
SELECT CAST("networks"."id" AS text), CAST("networks"."project_id" AS text), CAST("networks"."name" AS text), CAST("networks"."status" AS text), CAST("networks"."admin_state_up" AS text), CAST("networks"."mtu" AS text), CAST("networks"."vlan_transparent" AS text), CAST("networks"."qinq" AS text), CAST("networks"."availability_zone_hints" AS text), CAST("networksecuritybindings"."port_security_enabled" AS text), CAST("externalnetworks"."network_id" AS text), CAST("externalnetworks"."is_default" AS text), CAST("networkdnsdomains"."dns_domain" AS text), CAST("standardattributes"."description" AS text), CAST("standardattributes"."revision_number" AS text), CAST("standardattributes"."created_at" AS text), CAST("standardattributes"."updated_at" AS text), CAST("ha_router_networks"."network_id" AS text)
  FROM "networks"
  LEFT JOIN "standardattributes" ON "standardattributes"."id" = "networks"."standard_attr_id"
  LEFT JOIN "externalnetworks" ON "externalnetworks"."network_id" = "networks"."id"
  LEFT JOIN "networkdnsdomains" ON "networkdnsdomains"."network_id" = "networks"."id"
  LEFT JOIN "networksecuritybindings" ON "networksecuritybindings"."network_id" = "networks"."id"
  LEFT JOIN "ha_router_networks" ON "ha_router_networks"."network_id" = "networks"."id"
  ORDER BY convert_to("networks"."id", 'UTF8') ASC;
-- networkrbacs
SELECT CAST("networkrbacs"."id" AS text), CAST("networkrbacs"."project_id" AS text), CAST("networkrbacs"."object_id" AS text), CAST("networkrbacs"."target_project" AS text), CAST("networkrbacs"."action" AS text), CAST("networkrbacs"."object_id" AS text)
  FROM "networkrbacs"
  ORDER BY convert_to("networkrbacs"."id", 'UTF8') ASC;
-- networksegments
SELECT CAST("networksegments"."id" AS text), CAST("networksegments"."network_id" AS text), CAST("networksegments"."network_type" AS text), CAST("networksegments"."physical_network" AS text), CAST("networksegments"."segmentation_id" AS text), CAST("networksegments"."is_dynamic" AS text), CAST("networksegments"."segment_index" AS text), CAST("networksegments"."name" AS text), CAST("standardattributes"."description" AS text), CAST("standardattributes"."revision_number" AS text), CAST("standardattributes"."created_at" AS text), CAST("standardattributes"."updated_at" AS text), CAST("networksegments"."network_id" AS text)
  FROM "networksegments"
  LEFT JOIN "standardattributes" ON "standardattributes"."id" = "networksegments"."standard_attr_id"
  ORDER BY convert_to("networksegments"."id", 'UTF8') ASC;
-- networkdhcpagentbindings
SELECT CAST("networkdhcpagentbindings"."network_id" AS text), CAST("networkdhcpagentbindings"."dhcp_agent_id" AS text), CAST("networkdhcpagentbindings"."binding_index" AS text), CAST("networkdhcpagentbindings"."network_id" AS text), CAST("networkdhcpagentbindings"."dhcp_agent_id" AS text)
  FROM "networkdhcpagentbindings"
  ORDER BY convert_to("networkdhcpagentbindings"."network_id", 'UTF8') ASC, convert_to("networkdhcpagentbindings"."dhcp_agent_id", 'UTF8') ASC;
-- subnets
SELECT CAST("subnets"."id" AS text), CAST("subnets"."project_id" AS text), CAST("subnets"."network_id" AS text), CAST("subnets"."segment_id" AS text), CAST("subnets"."name" AS text), CAST("subnets"."ip_version" AS text), CAST("subnets"."cidr" AS text), CAST("subnets"."gateway_ip" AS text), CAST("subnets"."enable_dhcp" AS text), CAST("subnets"."ipv6_ra_mode" AS text), CAST("subnets"."ipv6_address_mode" AS text), CAST("subnets"."subnetpool_id" AS text), CAST("subnets"."cidr" AS text), CAST("subnets"."cidr" AS text), CAST("standardattributes"."description" AS text), CAST("standardattributes"."revision_number" AS text), CAST("standardattributes"."created_at" AS text), CAST("standardattributes"."updated_at" AS text), CAST("subnets"."network_id" AS text), CAST("subnets"."segment_id" AS text), CAST("subnet_dns_publish_fixed_ips"."dns_publish_fixed_ip" AS text)
  FROM "subnets"
  LEFT JOIN "standardattributes" ON "standardattributes"."id" = "subnets"."standard_attr_id"
  LEFT JOIN "subnet_dns_publish_fixed_ips" ON "subnet_dns_publish_fixed_ips"."subnet_id" = "subnets"."id"
  ORDER BY convert_to("subnets"."id", 'UTF8') ASC;
-- ipallocationpools
SELECT CAST("ipallocationpools"."id" AS text), CAST("ipallocationpools"."subnet_id" AS text), CAST("ipallocationpools"."first_ip" AS text), CAST("ipallocationpools"."last_ip" AS text), CAST("ipallocationpools"."subnet_id" AS text)
  FROM "ipallocationpools"
  ORDER BY convert_to("ipallocationpools"."id", 'UTF8') ASC;
-- dnsnameservers
SELECT CAST("dnsnameservers"."subnet_id" AS text), CAST("dnsnameservers"."address" AS text), CAST("dnsnameservers"."order" AS text), CAST("dnsnameservers"."subnet_id" AS text)
  FROM "dnsnameservers"
  ORDER BY convert_to("dnsnameservers"."subnet_id", 'UTF8') ASC, convert_to("dnsnameservers"."address", 'UTF8') ASC;
-- subnetroutes
SELECT CAST("subnetroutes"."subnet_id" AS text), CAST("subnetroutes"."destination" AS text), CAST("subnetroutes"."nexthop" AS text), CAST("subnetroutes"."subnet_id" AS text)
  FROM "subnetroutes"
  ORDER BY convert_to("subnetroutes"."subnet_id", 'UTF8') ASC, convert_to("subnetroutes"."destination", 'UTF8') ASC, convert_to("subnetroutes"."nexthop", 'UTF8') ASC;
-- subnet_service_types
SELECT CAST("subnet_service_types"."subnet_id" AS text), CAST("subnet_service_types"."service_type" AS text), CAST("subnet_service_types"."subnet_id" AS text)
  FROM "subnet_service_types"
  ORDER BY convert_to("subnet_service_types"."subnet_id", 'UTF8') ASC, convert_to("subnet_service_types"."service_type", 'UTF8') ASC;
-- securitygroups
SELECT CAST("securitygroups"."id" AS text), CAST("securitygroups"."project_id" AS text), CAST("securitygroups"."name" AS text), CAST("securitygroups"."stateful" AS text), CAST("standardattributes"."description" AS text), CAST("standardattributes"."revision_number" AS text), CAST("standardattributes"."created_at" AS text), CAST("standardattributes"."updated_at" AS text)
  FROM "securitygroups"
  LEFT JOIN "standardattributes" ON "standardattributes"."id" = "securitygroups"."standard_attr_id"
  ORDER BY convert_to("securitygroups"."id", 'UTF8') ASC;
-- default_security_group
SELECT CAST("default_security_group"."project_id" AS text), CAST("default_security_group"."security_group_id" AS text), CAST("default_security_group"."security_group_id" AS text)
  FROM "default_security_group"
  ORDER BY convert_to("default_security_group"."project_id", 'UTF8') ASC;
-- securitygrouprbacs
SELECT CAST("securitygrouprbacs"."id" AS text), CAST("securitygrouprbacs"."project_id" AS text), CAST("securitygrouprbacs"."object_id" AS text), CAST("securitygrouprbacs"."target_project" AS text), CAST("securitygrouprbacs"."action" AS text), CAST("securitygrouprbacs"."object_id" AS text)
  FROM "securitygrouprbacs"
  ORDER BY convert_to("securitygrouprbacs"."id", 'UTF8') ASC;
-- securitygrouprules
SELECT CAST("securitygrouprules"."id" AS text), CAST("securitygrouprules"."project_id" AS text), CAST("securitygrouprules"."security_group_id" AS text), CAST("securitygrouprules"."remote_group_id" AS text), CAST("securitygrouprules"."remote_address_group_id" AS text), CAST("securitygrouprules"."direction" AS text), CAST("securitygrouprules"."ethertype" AS text), CAST("securitygrouprules"."protocol" AS text), CAST("securitygrouprules"."port_range_min" AS text), CAST("securitygrouprules"."port_range_max" AS text), CAST("securitygrouprules"."remote_ip_prefix" AS text), CAST("securitygrouprules"."remote_ip_prefix" AS text), CAST("standardattributes"."description" AS text), CAST("standardattributes"."revision_number" AS text), CAST("standardattributes"."created_at" AS text), CAST("standardattributes"."updated_at" AS text), CAST("securitygrouprules"."security_group_id" AS text), CAST("securitygrouprules"."remote_group_id" AS text), CAST("securitygrouprules"."remote_address_group_id" AS text)
  FROM "securitygrouprules"
  LEFT JOIN "standardattributes" ON "standardattributes"."id" = "securitygrouprules"."standard_attr_id"
  ORDER BY convert_to("securitygrouprules"."id", 'UTF8') ASC;
-- securitygroupdefaultrules
SELECT CAST("securitygroupdefaultrules"."id" AS text), CAST("securitygroupdefaultrules"."remote_group_id" AS text), CAST("securitygroupdefaultrules"."remote_address_group_id" AS text), CAST("securitygroupdefaultrules"."direction" AS text), CAST("securitygroupdefaultrules"."ethertype" AS text), CAST("securitygroupdefaultrules"."protocol" AS text), CAST("securitygroupdefaultrules"."port_range_min" AS text), CAST("securitygroupdefaultrules"."port_range_max" AS text), CAST("securitygroupdefaultrules"."remote_ip_prefix" AS text), CAST("securitygroupdefaultrules"."used_in_default_sg" AS text), CAST("securitygroupdefaultrules"."used_in_non_default_sg" AS text), CAST("standardattributes"."description" AS text)
  FROM "securitygroupdefaultrules"
  LEFT JOIN "standardattributes" ON "standardattributes"."id" = "securitygroupdefaultrules"."standard_attr_id"
  ORDER BY convert_to("securitygroupdefaultrules"."id", 'UTF8') ASC;
-- ports
SELECT CAST("ports"."id" AS text), CAST("ports"."project_id" AS text), CAST("ports"."network_id" AS text), CAST("ports"."name" AS text), CAST("ports"."mac_address" AS text), CAST("ports"."admin_state_up" AS text), CAST("ports"."status" AS text), CAST("ports"."device_id" AS text), CAST("ports"."device_owner" AS text), CAST("ports"."ip_allocation" AS text), CAST("portsecuritybindings"."port_security_enabled" AS text), CAST("portuplinkstatuspropagation"."propagate_uplink_status" AS text), CAST("portdnses"."dns_name" AS text), CAST("standardattributes"."description" AS text), CAST("standardattributes"."revision_number" AS text), CAST("standardattributes"."created_at" AS text), CAST("standardattributes"."updated_at" AS text), CAST("ports"."network_id" AS text), CAST("ports"."device_owner" AS text), CAST("portdnses"."dns_domain" AS text)
  FROM "ports"
  LEFT JOIN "standardattributes" ON "standardattributes"."id" = "ports"."standard_attr_id"
  LEFT JOIN "portsecuritybindings" ON "portsecuritybindings"."port_id" = "ports"."id"
  LEFT JOIN "portuplinkstatuspropagation" ON "portuplinkstatuspropagation"."port_id" = "ports"."id"
  LEFT JOIN "portdnses" ON "portdnses"."port_id" = "ports"."id"
  ORDER BY convert_to("ports"."id", 'UTF8') ASC;
-- ipallocations
SELECT CAST("ipallocations"."port_id" AS text), CAST("ipallocations"."ip_address" AS text), CAST("ipallocations"."subnet_id" AS text), CAST("ipallocations"."network_id" AS text), CAST("ipallocations"."ip_address" AS text), CAST("ipallocations"."port_id" AS text), CAST("ipallocations"."subnet_id" AS text)
  FROM "ipallocations"
  ORDER BY convert_to("ipallocations"."port_id", 'UTF8') ASC, convert_to("ipallocations"."subnet_id", 'UTF8') ASC, convert_to("ipallocations"."ip_address", 'UTF8') ASC;
-- allowedaddresspairs
SELECT CAST("allowedaddresspairs"."port_id" AS text), CAST("allowedaddresspairs"."mac_address" AS text), CAST("allowedaddresspairs"."ip_address" AS text), CAST("allowedaddresspairs"."port_id" AS text)
  FROM "allowedaddresspairs"
  ORDER BY convert_to("allowedaddresspairs"."port_id", 'UTF8') ASC, convert_to("allowedaddresspairs"."mac_address", 'UTF8') ASC, convert_to("allowedaddresspairs"."ip_address", 'UTF8') ASC;
-- extradhcpopts
SELECT CAST("extradhcpopts"."id" AS text), CAST("extradhcpopts"."port_id" AS text), CAST("extradhcpopts"."opt_name" AS text), CAST("extradhcpopts"."opt_value" AS text), CAST("extradhcpopts"."ip_version" AS text), CAST("extradhcpopts"."port_id" AS text)
  FROM "extradhcpopts"
  ORDER BY convert_to("extradhcpopts"."id", 'UTF8') ASC;
-- securitygroupportbindings
SELECT CAST("securitygroupportbindings"."port_id" AS text), CAST("securitygroupportbindings"."security_group_id" AS text), CAST("securitygroupportbindings"."port_id" AS text), CAST("securitygroupportbindings"."security_group_id" AS text)
  FROM "securitygroupportbindings"
  ORDER BY convert_to("securitygroupportbindings"."port_id", 'UTF8') ASC, convert_to("securitygroupportbindings"."security_group_id", 'UTF8') ASC;
-- provisioningblocks
SELECT CAST("provisioningblocks"."entity" AS text), CAST("ports"."id" AS text), CAST("ports"."id" AS text)
  FROM "provisioningblocks"
  LEFT JOIN "ports" ON "ports"."standard_attr_id" = "provisioningblocks"."standard_attr_id"
  ORDER BY convert_to("ports"."id", 'UTF8') ASC, convert_to("provisioningblocks"."entity", 'UTF8') ASC;
-- ml2_port_bindings
SELECT CAST("ml2_port_bindings"."port_id" AS text), CAST("ml2_port_bindings"."host" AS text), CAST("ml2_port_bindings"."vnic_type" AS text), CAST("ml2_port_bindings"."profile" AS text), CAST("ml2_port_bindings"."vif_type" AS text), CAST("ml2_port_bindings"."vif_details" AS text), CAST("ml2_port_bindings"."status" AS text), CAST("ml2_port_binding_levels"."driver" AS text), CAST("ml2_port_bindings"."port_id" AS text)
  FROM "ml2_port_bindings"
  LEFT JOIN "ml2_port_binding_levels" ON "ml2_port_binding_levels"."port_id" = "ml2_port_bindings"."port_id" AND "ml2_port_binding_levels"."host" = "ml2_port_bindings"."host" AND "ml2_port_binding_levels"."level" = 0
  ORDER BY convert_to("ml2_port_bindings"."port_id", 'UTF8') ASC, convert_to("ml2_port_bindings"."host", 'UTF8') ASC;
-- ml2_port_binding_levels
SELECT CAST("ml2_port_binding_levels"."port_id" AS text), CAST("ml2_port_binding_levels"."host" AS text), CAST("ml2_port_binding_levels"."level" AS text), CAST("ml2_port_binding_levels"."driver" AS text), CAST("ml2_port_binding_levels"."segment_id" AS text), CAST("ml2_port_binding_levels"."port_id" AS text), CAST("ml2_port_binding_levels"."segment_id" AS text)
  FROM "ml2_port_binding_levels"
  ORDER BY convert_to("ml2_port_binding_levels"."port_id", 'UTF8') ASC, convert_to("ml2_port_binding_levels"."host", 'UTF8') ASC, "ml2_port_binding_levels"."level" ASC;
-- ml2_distributed_port_bindings
SELECT CAST("ml2_distributed_port_bindings"."port_id" AS text), CAST("ml2_distributed_port_bindings"."host" AS text), CAST("ml2_distributed_port_bindings"."router_id" AS text), CAST("ml2_distributed_port_bindings"."vif_type" AS text), CAST("ml2_distributed_port_bindings"."vif_details" AS text), CAST("ml2_distributed_port_bindings"."vnic_type" AS text), CAST("ml2_distributed_port_bindings"."profile" AS text), CAST("ml2_distributed_port_bindings"."status" AS text), CAST("ml2_distributed_port_bindings"."port_id" AS text)
  FROM "ml2_distributed_port_bindings"
  ORDER BY convert_to("ml2_distributed_port_bindings"."port_id", 'UTF8') ASC, convert_to("ml2_distributed_port_bindings"."host", 'UTF8') ASC;
-- routers
SELECT CAST("routers"."id" AS text), CAST("routers"."project_id" AS text), CAST("routers"."name" AS text), CAST("routers"."status" AS text), CAST("routers"."admin_state_up" AS text), CAST("routers"."gw_port_id" AS text), CAST("routers"."enable_snat" AS text), CAST("router_extra_attributes"."distributed" AS text), CAST("router_extra_attributes"."ha" AS text), CAST("router_extra_attributes"."availability_zone_hints" AS text), CAST("standardattributes"."description" AS text), CAST("standardattributes"."revision_number" AS text), CAST("standardattributes"."created_at" AS text), CAST("standardattributes"."updated_at" AS text), CAST("routers"."gw_port_id" AS text), CAST("router_extra_attributes"."ha" AS text), CAST("router_extra_attributes"."enable_default_route_ecmp" AS text), CAST("router_extra_attributes"."enable_default_route_bfd" AS text), CAST("router_ndp_proxy_state"."enable_ndp_proxy" AS text), CAST("routers"."flavor_id" AS text)
  FROM "routers"
  LEFT JOIN "standardattributes" ON "standardattributes"."id" = "routers"."standard_attr_id"
  LEFT JOIN "router_extra_attributes" ON "router_extra_attributes"."router_id" = "routers"."id"
  LEFT JOIN "router_ndp_proxy_state" ON "router_ndp_proxy_state"."router_id" = "routers"."id"
  ORDER BY convert_to("routers"."id", 'UTF8') ASC;
-- routerports
SELECT CAST("routerports"."router_id" AS text), CAST("routerports"."port_id" AS text), CAST("routerports"."port_type" AS text), CAST("routerports"."router_id" AS text), CAST("routerports"."port_id" AS text), CAST("routerports"."port_type" AS text)
  FROM "routerports"
  ORDER BY convert_to("routerports"."router_id", 'UTF8') ASC, convert_to("routerports"."port_id", 'UTF8') ASC;
-- routerroutes
SELECT CAST("routerroutes"."router_id" AS text), CAST("routerroutes"."destination" AS text), CAST("routerroutes"."nexthop" AS text), CAST("routerroutes"."router_id" AS text)
  FROM "routerroutes"
  ORDER BY convert_to("routerroutes"."router_id", 'UTF8') ASC, convert_to("routerroutes"."destination", 'UTF8') ASC, convert_to("routerroutes"."nexthop", 'UTF8') ASC;
-- floatingips
SELECT CAST("floatingips"."id" AS text), CAST("floatingips"."project_id" AS text), CAST("floatingips"."floating_ip_address" AS text), CAST("floatingips"."floating_network_id" AS text), CAST("floatingips"."floating_port_id" AS text), CAST("floatingips"."fixed_port_id" AS text), CAST("floatingips"."fixed_ip_address" AS text), CAST("floatingips"."router_id" AS text), CAST("floatingips"."last_known_router_id" AS text), CAST("floatingips"."status" AS text), CAST("floatingips"."floating_ip_address" AS text), CAST("floatingipdnses"."dns_name" AS text), CAST("floatingipdnses"."dns_domain" AS text), CAST("standardattributes"."description" AS text), CAST("standardattributes"."revision_number" AS text), CAST("standardattributes"."created_at" AS text), CAST("standardattributes"."updated_at" AS text), CAST("floatingips"."floating_port_id" AS text), CAST("floatingips"."fixed_port_id" AS text), CAST("floatingips"."router_id" AS text)
  FROM "floatingips"
  LEFT JOIN "standardattributes" ON "standardattributes"."id" = "floatingips"."standard_attr_id"
  LEFT JOIN "floatingipdnses" ON "floatingipdnses"."floatingip_id" = "floatingips"."id"
  ORDER BY convert_to("floatingips"."id", 'UTF8') ASC;
-- portforwardings
SELECT CAST("portforwardings"."id" AS text), CAST("portforwardings"."floatingip_id" AS text), CAST("portforwardings"."internal_neutron_port_id" AS text), CAST("portforwardings"."protocol" AS text), CAST("portforwardings"."internal_ip_address" AS text), CAST("portforwardings"."internal_port_start" AS text), CAST("portforwardings"."internal_port_end" AS text), CAST("portforwardings"."external_port_start" AS text), CAST("portforwardings"."external_port_end" AS text), CAST("standardattributes"."description" AS text), CAST("standardattributes"."revision_number" AS text), CAST("standardattributes"."created_at" AS text), CAST("standardattributes"."updated_at" AS text), CAST("portforwardings"."floatingip_id" AS text), CAST("portforwardings"."internal_neutron_port_id" AS text)
  FROM "portforwardings"
  LEFT JOIN "standardattributes" ON "standardattributes"."id" = "portforwardings"."standard_attr_id"
  ORDER BY convert_to("portforwardings"."id", 'UTF8') ASC;
-- routerl3agentbindings
SELECT CAST("routerl3agentbindings"."router_id" AS text), CAST("routerl3agentbindings"."l3_agent_id" AS text), CAST("routerl3agentbindings"."binding_index" AS text), CAST("routerl3agentbindings"."router_id" AS text), CAST("routerl3agentbindings"."l3_agent_id" AS text), CAST("router_extra_attributes"."ha" AS text), CAST("routerl3agentbindings"."binding_index" AS text)
  FROM "routerl3agentbindings"
  LEFT JOIN "router_extra_attributes" ON "router_extra_attributes"."router_id" = "routerl3agentbindings"."router_id"
  ORDER BY convert_to("routerl3agentbindings"."router_id", 'UTF8') ASC, convert_to("routerl3agentbindings"."l3_agent_id", 'UTF8') ASC;
-- dvr_fip_gateway_port_network
SELECT CAST("dvr_fip_gateway_port_network"."network_id" AS text), CAST("dvr_fip_gateway_port_network"."agent_id" AS text), CAST("dvr_fip_gateway_port_network"."network_id" AS text), CAST("dvr_fip_gateway_port_network"."agent_id" AS text)
  FROM "dvr_fip_gateway_port_network"
  ORDER BY convert_to("dvr_fip_gateway_port_network"."network_id", 'UTF8') ASC, convert_to("dvr_fip_gateway_port_network"."agent_id", 'UTF8') ASC;
-- ml2_flat_allocations
SELECT CAST("networksegments"."physical_network" AS text), CAST("networksegments"."network_id" AS text)
  FROM "networksegments"
  WHERE "networksegments"."network_type" = 'flat'
  ORDER BY convert_to("networksegments"."physical_network", 'UTF8') ASC;
-- ml2_vlan_allocations
SELECT CAST("networksegments"."physical_network" AS text), CAST("networksegments"."segmentation_id" AS text), CAST("networksegments"."id" AS text), CAST("networksegments"."network_id" AS text)
  FROM "networksegments"
  WHERE "networksegments"."network_type" = 'vlan'
  ORDER BY convert_to("networksegments"."physical_network", 'UTF8') ASC, "networksegments"."segmentation_id" ASC;
-- ml2_gre_allocations
SELECT CAST("networksegments"."segmentation_id" AS text), CAST("networksegments"."id" AS text), CAST("networksegments"."network_id" AS text)
  FROM "networksegments"
  WHERE "networksegments"."network_type" = 'gre'
  ORDER BY "networksegments"."segmentation_id" ASC;
-- ml2_vxlan_allocations
SELECT CAST("networksegments"."segmentation_id" AS text), CAST("networksegments"."id" AS text), CAST("networksegments"."network_id" AS text)
  FROM "networksegments"
  WHERE "networksegments"."network_type" = 'vxlan'
  ORDER BY "networksegments"."segmentation_id" ASC;
-- ml2_geneve_allocations
SELECT CAST("networksegments"."segmentation_id" AS text), CAST("networksegments"."id" AS text), CAST("networksegments"."network_id" AS text)
  FROM "networksegments"
  WHERE "networksegments"."network_type" = 'geneve'
  ORDER BY "networksegments"."segmentation_id" ASC;
-- ml2_gre_endpoints
SELECT CAST("ml2_gre_endpoints"."ip_address" AS text), CAST("ml2_gre_endpoints"."host" AS text)
  FROM "ml2_gre_endpoints"
  ORDER BY convert_to("ml2_gre_endpoints"."ip_address", 'UTF8') ASC;
-- ml2_vxlan_endpoints
SELECT CAST("ml2_vxlan_endpoints"."ip_address" AS text), CAST("ml2_vxlan_endpoints"."udp_port" AS text), CAST("ml2_vxlan_endpoints"."host" AS text)
  FROM "ml2_vxlan_endpoints"
  ORDER BY convert_to("ml2_vxlan_endpoints"."ip_address", 'UTF8') ASC;
-- ml2_geneve_endpoints
SELECT CAST("ml2_geneve_endpoints"."ip_address" AS text), CAST("ml2_geneve_endpoints"."host" AS text)
  FROM "ml2_geneve_endpoints"
  ORDER BY convert_to("ml2_geneve_endpoints"."ip_address", 'UTF8') ASC;
-- tags
SELECT CAST(COALESCE("networks"."id", "subnets"."id", "ports"."id", "subnetpools"."id", "routers"."id", "floatingips"."id", "securitygroups"."id") AS text), CAST("tags"."tag" AS text), CAST("standardattributes"."resource_type" AS text), CAST("networks"."id" AS text), CAST("ports"."id" AS text), CAST("subnets"."id" AS text), CAST("routers"."id" AS text), CAST("floatingips"."id" AS text), CAST("standardattributes"."resource_type" AS text)
  FROM "tags"
  LEFT JOIN "standardattributes" ON "standardattributes"."id" = "tags"."standard_attr_id"
  LEFT JOIN "networks" ON "networks"."standard_attr_id" = "tags"."standard_attr_id"
  LEFT JOIN "subnets" ON "subnets"."standard_attr_id" = "tags"."standard_attr_id"
  LEFT JOIN "ports" ON "ports"."standard_attr_id" = "tags"."standard_attr_id"
  LEFT JOIN "subnetpools" ON "subnetpools"."standard_attr_id" = "tags"."standard_attr_id"
  LEFT JOIN "routers" ON "routers"."standard_attr_id" = "tags"."standard_attr_id"
  LEFT JOIN "floatingips" ON "floatingips"."standard_attr_id" = "tags"."standard_attr_id"
  LEFT JOIN "securitygroups" ON "securitygroups"."standard_attr_id" = "tags"."standard_attr_id"
  ORDER BY convert_to(COALESCE("networks"."id", "subnets"."id", "ports"."id", "subnetpools"."id", "routers"."id", "floatingips"."id", "securitygroups"."id"), 'UTF8') ASC, convert_to("tags"."tag", 'UTF8') ASC;
