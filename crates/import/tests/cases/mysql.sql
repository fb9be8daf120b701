-- agents
SELECT CAST(`agents`.`id` AS char), CAST(`agents`.`agent_type` AS char), CAST(`agents`.`binary` AS char), CAST(`agents`.`topic` AS char), CAST(`agents`.`host` AS char), CAST(`agents`.`availability_zone` AS char), CAST(`agents`.`admin_state_up` AS char), CAST(`agents`.`created_at` AS char), CAST(`agents`.`started_at` AS char), CAST(`agents`.`heartbeat_timestamp` AS char), CAST(`agents`.`description` AS char), CAST(`agents`.`configurations` AS char), CAST(`agents`.`resource_versions` AS char), CAST(`agents`.`load` AS char), CAST(`agents`.`resources_synced` AS char)
  FROM `agents`
  ORDER BY CAST(`agents`.`id` AS binary) ASC;
-- quotas
SELECT CAST(`quotas`.`project_id` AS char), CAST(`quotas`.`resource` AS char), CAST(`quotas`.`limit` AS char)
  FROM `quotas`
  ORDER BY CAST(`quotas`.`project_id` AS binary) ASC, CAST(`quotas`.`resource` AS binary) ASC;
-- dvr_host_macs
SELECT CAST(`dvr_host_macs`.`host` AS char), CAST(`dvr_host_macs`.`mac_address` AS char)
  FROM `dvr_host_macs`
  ORDER BY CAST(`dvr_host_macs`.`host` AS binary) ASC;
-- address_scopes
SELECT CAST(`address_scopes`.`id` AS char), CAST(`address_scopes`.`project_id` AS char), CAST(`address_scopes`.`name` AS char), CAST(`address_scopes`.`ip_version` AS char)
  FROM `address_scopes`
  ORDER BY CAST(`address_scopes`.`id` AS binary) ASC;
-- addressscoperbacs
SELECT CAST(`addressscoperbacs`.`id` AS char), CAST(`addressscoperbacs`.`project_id` AS char), CAST(`addressscoperbacs`.`object_id` AS char), CAST(`addressscoperbacs`.`target_project` AS char), CAST(`addressscoperbacs`.`action` AS char), CAST(`addressscoperbacs`.`object_id` AS char)
  FROM `addressscoperbacs`
  ORDER BY CAST(`addressscoperbacs`.`id` AS binary) ASC;
-- subnetpools
SELECT CAST(`subnetpools`.`id` AS char), CAST(`subnetpools`.`project_id` AS char), CAST(`subnetpools`.`name` AS char), CAST(`subnetpools`.`ip_version` AS char), CAST(`subnetpools`.`default_prefixlen` AS char), CAST(`subnetpools`.`min_prefixlen` AS char), CAST(`subnetpools`.`max_prefixlen` AS char), CAST(`subnetpools`.`is_default` AS char), CAST(`subnetpools`.`default_quota` AS char), CAST(`subnetpools`.`hash` AS char), CAST(`subnetpools`.`address_scope_id` AS char), CAST(`standardattributes`.`description` AS char), CAST(`standardattributes`.`revision_number` AS char), CAST(`standardattributes`.`created_at` AS char), CAST(`standardattributes`.`updated_at` AS char), CAST(`subnetpools`.`address_scope_id` AS char)
  FROM `subnetpools`
  LEFT JOIN `standardattributes` ON `standardattributes`.`id` = `subnetpools`.`standard_attr_id`
  ORDER BY CAST(`subnetpools`.`id` AS binary) ASC;
-- subnetpoolprefixes
SELECT CAST(`subnetpoolprefixes`.`subnetpool_id` AS char), CAST(`subnetpoolprefixes`.`cidr` AS char), CAST(`subnetpoolprefixes`.`subnetpool_id` AS char)
  FROM `subnetpoolprefixes`
  ORDER BY CAST(`subnetpoolprefixes`.`subnetpool_id` AS binary) ASC, CAST(`subnetpoolprefixes`.`cidr` AS binary) ASC;
-- subnetpoolrbacs
SELECT CAST(`subnetpoolrbacs`.`id` AS char), CAST(`subnetpoolrbacs`.`project_id` AS char), CAST(`subnetpoolrbacs`.`object_id` AS char), CAST(`subnetpoolrbacs`.`target_project` AS char), CAST(`subnetpoolrbacs`.`action` AS char), CAST(`subnetpoolrbacs`.`object_id` AS char)
  FROM `subnetpoolrbacs`
  ORDER BY CAST(`subnetpoolrbacs`.`id` AS binary) ASC;
-- address_groups
SELECT CAST(`address_groups`.`id` AS char), CAST(`address_groups`.`project_id` AS char), CAST(`address_groups`.`name` AS char), CAST(`standardattributes`.`description` AS char), CAST(`standardattributes`.`revision_number` AS char), CAST(`standardattributes`.`created_at` AS char), CAST(`standardattributes`.`updated_at` AS char)
  FROM `address_groups`
  LEFT JOIN `standardattributes` ON `standardattributes`.`id` = `address_groups`.`standard_attr_id`
  ORDER BY CAST(`address_groups`.`id` AS binary) ASC;
-- address_associations
SELECT CAST(`address_associations`.`address_group_id` AS char), CAST(`address_associations`.`address` AS char), CAST(`address_associations`.`address_group_id` AS char)
  FROM `address_associations`
  ORDER BY CAST(`address_associations`.`address_group_id` AS binary) ASC, CAST(`address_associations`.`address` AS binary) ASC;
-- addressgrouprbacs
SELECT CAST(`addressgrouprbacs`.`id` AS char), CAST(`addressgrouprbacs`.`project_id` AS char), CAST(`addressgrouprbacs`.`object_id` AS char), CAST(`addressgrouprbacs`.`target_project` AS char), CAST(`addressgrouprbacs`.`action` AS char), CAST(`addressgrouprbacs`.`object_id` AS char)
  FROM `addressgrouprbacs`
  ORDER BY CAST(`addressgrouprbacs`.`id` AS binary) ASC;
-- networks
SELECT CAST(`networks`.`id` AS char), CAST(`networks`.`project_id` AS char), CAST(`networks`.`name` AS char), CAST(`networks`.`status` AS char), CAST(`networks`.`admin_state_up` AS char), CAST(`networks`.`mtu` AS char), CAST(`networks`.`vlan_transparent` AS char), CAST(`networks`.`qinq` AS char), CAST(`networks`.`availability_zone_hints` AS char), CAST(`networksecuritybindings`.`port_security_enabled` AS char), CAST(`externalnetworks`.`network_id` AS char), CAST(`externalnetworks`.`is_default` AS char), CAST(`networkdnsdomains`.`dns_domain` AS char), CAST(`standardattributes`.`description` AS char), CAST(`standardattributes`.`revision_number` AS char), CAST(`standardattributes`.`created_at` AS char), CAST(`standardattributes`.`updated_at` AS char), CAST(`ha_router_networks`.`network_id` AS char)
  FROM `networks`
  LEFT JOIN `standardattributes` ON `standardattributes`.`id` = `networks`.`standard_attr_id`
  LEFT JOIN `externalnetworks` ON `externalnetworks`.`network_id` = `networks`.`id`
  LEFT JOIN `networkdnsdomains` ON `networkdnsdomains`.`network_id` = `networks`.`id`
  LEFT JOIN `networksecuritybindings` ON `networksecuritybindings`.`network_id` = `networks`.`id`
  LEFT JOIN `ha_router_networks` ON `ha_router_networks`.`network_id` = `networks`.`id`
  ORDER BY CAST(`networks`.`id` AS binary) ASC;
-- networkrbacs
SELECT CAST(`networkrbacs`.`id` AS char), CAST(`networkrbacs`.`project_id` AS char), CAST(`networkrbacs`.`object_id` AS char), CAST(`networkrbacs`.`target_project` AS char), CAST(`networkrbacs`.`action` AS char), CAST(`networkrbacs`.`object_id` AS char)
  FROM `networkrbacs`
  ORDER BY CAST(`networkrbacs`.`id` AS binary) ASC;
-- networksegments
SELECT CAST(`networksegments`.`id` AS char), CAST(`networksegments`.`network_id` AS char), CAST(`networksegments`.`network_type` AS char), CAST(`networksegments`.`physical_network` AS char), CAST(`networksegments`.`segmentation_id` AS char), CAST(`networksegments`.`is_dynamic` AS char), CAST(`networksegments`.`segment_index` AS char), CAST(`networksegments`.`name` AS char), CAST(`standardattributes`.`description` AS char), CAST(`standardattributes`.`revision_number` AS char), CAST(`standardattributes`.`created_at` AS char), CAST(`standardattributes`.`updated_at` AS char), CAST(`networksegments`.`network_id` AS char)
  FROM `networksegments`
  LEFT JOIN `standardattributes` ON `standardattributes`.`id` = `networksegments`.`standard_attr_id`
  ORDER BY CAST(`networksegments`.`id` AS binary) ASC;
-- networkdhcpagentbindings
SELECT CAST(`networkdhcpagentbindings`.`network_id` AS char), CAST(`networkdhcpagentbindings`.`dhcp_agent_id` AS char), CAST(`networkdhcpagentbindings`.`binding_index` AS char), CAST(`networkdhcpagentbindings`.`network_id` AS char), CAST(`networkdhcpagentbindings`.`dhcp_agent_id` AS char)
  FROM `networkdhcpagentbindings`
  ORDER BY CAST(`networkdhcpagentbindings`.`network_id` AS binary) ASC, CAST(`networkdhcpagentbindings`.`dhcp_agent_id` AS binary) ASC;
-- subnets
SELECT CAST(`subnets`.`id` AS char), CAST(`subnets`.`project_id` AS char), CAST(`subnets`.`network_id` AS char), CAST(`subnets`.`segment_id` AS char), CAST(`subnets`.`name` AS char), CAST(`subnets`.`ip_version` AS char), CAST(`subnets`.`cidr` AS char), CAST(`subnets`.`gateway_ip` AS char), CAST(`subnets`.`enable_dhcp` AS char), CAST(`subnets`.`ipv6_ra_mode` AS char), CAST(`subnets`.`ipv6_address_mode` AS char), CAST(`subnets`.`subnetpool_id` AS char), CAST(`subnets`.`cidr` AS char), CAST(`subnets`.`cidr` AS char), CAST(`standardattributes`.`description` AS char), CAST(`standardattributes`.`revision_number` AS char), CAST(`standardattributes`.`created_at` AS char), CAST(`standardattributes`.`updated_at` AS char), CAST(`subnets`.`network_id` AS char), CAST(`subnets`.`segment_id` AS char), CAST(`subnet_dns_publish_fixed_ips`.`dns_publish_fixed_ip` AS char)
  FROM `subnets`
  LEFT JOIN `standardattributes` ON `standardattributes`.`id` = `subnets`.`standard_attr_id`
  LEFT JOIN `subnet_dns_publish_fixed_ips` ON `subnet_dns_publish_fixed_ips`.`subnet_id` = `subnets`.`id`
  ORDER BY CAST(`subnets`.`id` AS binary) ASC;
-- ipallocationpools
SELECT CAST(`ipallocationpools`.`id` AS char), CAST(`ipallocationpools`.`subnet_id` AS char), CAST(`ipallocationpools`.`first_ip` AS char), CAST(`ipallocationpools`.`last_ip` AS char), CAST(`ipallocationpools`.`subnet_id` AS char)
  FROM `ipallocationpools`
  ORDER BY CAST(`ipallocationpools`.`id` AS binary) ASC;
-- dnsnameservers
SELECT CAST(`dnsnameservers`.`subnet_id` AS char), CAST(`dnsnameservers`.`address` AS char), CAST(`dnsnameservers`.`order` AS char), CAST(`dnsnameservers`.`subnet_id` AS char)
  FROM `dnsnameservers`
  ORDER BY CAST(`dnsnameservers`.`subnet_id` AS binary) ASC, CAST(`dnsnameservers`.`address` AS binary) ASC;
-- subnetroutes
SELECT CAST(`subnetroutes`.`subnet_id` AS char), CAST(`subnetroutes`.`destination` AS char), CAST(`subnetroutes`.`nexthop` AS char), CAST(`subnetroutes`.`subnet_id` AS char)
  FROM `subnetroutes`
  ORDER BY CAST(`subnetroutes`.`subnet_id` AS binary) ASC, CAST(`subnetroutes`.`destination` AS binary) ASC, CAST(`subnetroutes`.`nexthop` AS binary) ASC;
-- subnet_service_types
SELECT CAST(`subnet_service_types`.`subnet_id` AS char), CAST(`subnet_service_types`.`service_type` AS char), CAST(`subnet_service_types`.`subnet_id` AS char)
  FROM `subnet_service_types`
  ORDER BY CAST(`subnet_service_types`.`subnet_id` AS binary) ASC, CAST(`subnet_service_types`.`service_type` AS binary) ASC;
-- securitygroups
SELECT CAST(`securitygroups`.`id` AS char), CAST(`securitygroups`.`project_id` AS char), CAST(`securitygroups`.`name` AS char), CAST(`securitygroups`.`stateful` AS char), CAST(`standardattributes`.`description` AS char), CAST(`standardattributes`.`revision_number` AS char), CAST(`standardattributes`.`created_at` AS char), CAST(`standardattributes`.`updated_at` AS char)
  FROM `securitygroups`
  LEFT JOIN `standardattributes` ON `standardattributes`.`id` = `securitygroups`.`standard_attr_id`
  ORDER BY CAST(`securitygroups`.`id` AS binary) ASC;
-- default_security_group
SELECT CAST(`default_security_group`.`project_id` AS char), CAST(`default_security_group`.`security_group_id` AS char), CAST(`default_security_group`.`security_group_id` AS char)
  FROM `default_security_group`
  ORDER BY CAST(`default_security_group`.`project_id` AS binary) ASC;
-- securitygrouprbacs
SELECT CAST(`securitygrouprbacs`.`id` AS char), CAST(`securitygrouprbacs`.`project_id` AS char), CAST(`securitygrouprbacs`.`object_id` AS char), CAST(`securitygrouprbacs`.`target_project` AS char), CAST(`securitygrouprbacs`.`action` AS char), CAST(`securitygrouprbacs`.`object_id` AS char)
  FROM `securitygrouprbacs`
  ORDER BY CAST(`securitygrouprbacs`.`id` AS binary) ASC;
-- securitygrouprules
SELECT CAST(`securitygrouprules`.`id` AS char), CAST(`securitygrouprules`.`project_id` AS char), CAST(`securitygrouprules`.`security_group_id` AS char), CAST(`securitygrouprules`.`remote_group_id` AS char), CAST(`securitygrouprules`.`remote_address_group_id` AS char), CAST(`securitygrouprules`.`direction` AS char), CAST(`securitygrouprules`.`ethertype` AS char), CAST(`securitygrouprules`.`protocol` AS char), CAST(`securitygrouprules`.`port_range_min` AS char), CAST(`securitygrouprules`.`port_range_max` AS char), CAST(`securitygrouprules`.`remote_ip_prefix` AS char), CAST(`securitygrouprules`.`remote_ip_prefix` AS char), CAST(`standardattributes`.`description` AS char), CAST(`standardattributes`.`revision_number` AS char), CAST(`standardattributes`.`created_at` AS char), CAST(`standardattributes`.`updated_at` AS char), CAST(`securitygrouprules`.`security_group_id` AS char), CAST(`securitygrouprules`.`remote_group_id` AS char), CAST(`securitygrouprules`.`remote_address_group_id` AS char)
  FROM `securitygrouprules`
  LEFT JOIN `standardattributes` ON `standardattributes`.`id` = `securitygrouprules`.`standard_attr_id`
  ORDER BY CAST(`securitygrouprules`.`id` AS binary) ASC;
-- securitygroupdefaultrules
SELECT CAST(`securitygroupdefaultrules`.`id` AS char), CAST(`securitygroupdefaultrules`.`remote_group_id` AS char), CAST(`securitygroupdefaultrules`.`remote_address_group_id` AS char), CAST(`securitygroupdefaultrules`.`direction` AS char), CAST(`securitygroupdefaultrules`.`ethertype` AS char), CAST(`securitygroupdefaultrules`.`protocol` AS char), CAST(`securitygroupdefaultrules`.`port_range_min` AS char), CAST(`securitygroupdefaultrules`.`port_range_max` AS char), CAST(`securitygroupdefaultrules`.`remote_ip_prefix` AS char), CAST(`securitygroupdefaultrules`.`used_in_default_sg` AS char), CAST(`securitygroupdefaultrules`.`used_in_non_default_sg` AS char), CAST(`standardattributes`.`description` AS char)
  FROM `securitygroupdefaultrules`
  LEFT JOIN `standardattributes` ON `standardattributes`.`id` = `securitygroupdefaultrules`.`standard_attr_id`
  ORDER BY CAST(`securitygroupdefaultrules`.`id` AS binary) ASC;
-- ports
SELECT CAST(`ports`.`id` AS char), CAST(`ports`.`project_id` AS char), CAST(`ports`.`network_id` AS char), CAST(`ports`.`name` AS char), CAST(`ports`.`mac_address` AS char), CAST(`ports`.`admin_state_up` AS char), CAST(`ports`.`status` AS char), CAST(`ports`.`device_id` AS char), CAST(`ports`.`device_owner` AS char), CAST(`ports`.`ip_allocation` AS char), CAST(`portsecuritybindings`.`port_security_enabled` AS char), CAST(`portuplinkstatuspropagation`.`propagate_uplink_status` AS char), CAST(`portdnses`.`dns_name` AS char), CAST(`standardattributes`.`description` AS char), CAST(`standardattributes`.`revision_number` AS char), CAST(`standardattributes`.`created_at` AS char), CAST(`standardattributes`.`updated_at` AS char), CAST(`ports`.`network_id` AS char), CAST(`ports`.`device_owner` AS char), CAST(`portdnses`.`dns_domain` AS char)
  FROM `ports`
  LEFT JOIN `standardattributes` ON `standardattributes`.`id` = `ports`.`standard_attr_id`
  LEFT JOIN `portsecuritybindings` ON `portsecuritybindings`.`port_id` = `ports`.`id`
  LEFT JOIN `portuplinkstatuspropagation` ON `portuplinkstatuspropagation`.`port_id` = `ports`.`id`
  LEFT JOIN `portdnses` ON `portdnses`.`port_id` = `ports`.`id`
  ORDER BY CAST(`ports`.`id` AS binary) ASC;
-- ipallocations
SELECT CAST(`ipallocations`.`port_id` AS char), CAST(`ipallocations`.`ip_address` AS char), CAST(`ipallocations`.`subnet_id` AS char), CAST(`ipallocations`.`network_id` AS char), CAST(`ipallocations`.`ip_address` AS char), CAST(`ipallocations`.`port_id` AS char), CAST(`ipallocations`.`subnet_id` AS char)
  FROM `ipallocations`
  ORDER BY CAST(`ipallocations`.`port_id` AS binary) ASC, CAST(`ipallocations`.`subnet_id` AS binary) ASC, CAST(`ipallocations`.`ip_address` AS binary) ASC;
-- allowedaddresspairs
SELECT CAST(`allowedaddresspairs`.`port_id` AS char), CAST(`allowedaddresspairs`.`mac_address` AS char), CAST(`allowedaddresspairs`.`ip_address` AS char), CAST(`allowedaddresspairs`.`port_id` AS char)
  FROM `allowedaddresspairs`
  ORDER BY CAST(`allowedaddresspairs`.`port_id` AS binary) ASC, CAST(`allowedaddresspairs`.`mac_address` AS binary) ASC, CAST(`allowedaddresspairs`.`ip_address` AS binary) ASC;
-- extradhcpopts
SELECT CAST(`extradhcpopts`.`id` AS char), CAST(`extradhcpopts`.`port_id` AS char), CAST(`extradhcpopts`.`opt_name` AS char), CAST(`extradhcpopts`.`opt_value` AS char), CAST(`extradhcpopts`.`ip_version` AS char), CAST(`extradhcpopts`.`port_id` AS char)
  FROM `extradhcpopts`
  ORDER BY CAST(`extradhcpopts`.`id` AS binary) ASC;
-- securitygroupportbindings
SELECT CAST(`securitygroupportbindings`.`port_id` AS char), CAST(`securitygroupportbindings`.`security_group_id` AS char), CAST(`securitygroupportbindings`.`port_id` AS char), CAST(`securitygroupportbindings`.`security_group_id` AS char)
  FROM `securitygroupportbindings`
  ORDER BY CAST(`securitygroupportbindings`.`port_id` AS binary) ASC, CAST(`securitygroupportbindings`.`security_group_id` AS binary) ASC;
-- provisioningblocks
SELECT CAST(`provisioningblocks`.`entity` AS char), CAST(`ports`.`id` AS char), CAST(`ports`.`id` AS char)
  FROM `provisioningblocks`
  LEFT JOIN `ports` ON `ports`.`standard_attr_id` = `provisioningblocks`.`standard_attr_id`
  ORDER BY CAST(`ports`.`id` AS binary) ASC, CAST(`provisioningblocks`.`entity` AS binary) ASC;
-- ml2_port_bindings
SELECT CAST(`ml2_port_bindings`.`port_id` AS char), CAST(`ml2_port_bindings`.`host` AS char), CAST(`ml2_port_bindings`.`vnic_type` AS char), CAST(`ml2_port_bindings`.`profile` AS char), CAST(`ml2_port_bindings`.`vif_type` AS char), CAST(`ml2_port_bindings`.`vif_details` AS char), CAST(`ml2_port_bindings`.`status` AS char), CAST(`ml2_port_binding_levels`.`driver` AS char), CAST(`ml2_port_bindings`.`port_id` AS char)
  FROM `ml2_port_bindings`
  LEFT JOIN `ml2_port_binding_levels` ON `ml2_port_binding_levels`.`port_id` = `ml2_port_bindings`.`port_id` AND `ml2_port_binding_levels`.`host` = `ml2_port_bindings`.`host` AND `ml2_port_binding_levels`.`level` = 0
  ORDER BY CAST(`ml2_port_bindings`.`port_id` AS binary) ASC, CAST(`ml2_port_bindings`.`host` AS binary) ASC;
-- ml2_port_binding_levels
SELECT CAST(`ml2_port_binding_levels`.`port_id` AS char), CAST(`ml2_port_binding_levels`.`host` AS char), CAST(`ml2_port_binding_levels`.`level` AS char), CAST(`ml2_port_binding_levels`.`driver` AS char), CAST(`ml2_port_binding_levels`.`segment_id` AS char), CAST(`ml2_port_binding_levels`.`port_id` AS char), CAST(`ml2_port_binding_levels`.`segment_id` AS char)
  FROM `ml2_port_binding_levels`
  ORDER BY CAST(`ml2_port_binding_levels`.`port_id` AS binary) ASC, CAST(`ml2_port_binding_levels`.`host` AS binary) ASC, `ml2_port_binding_levels`.`level` ASC;
-- ml2_distributed_port_bindings
SELECT CAST(`ml2_distributed_port_bindings`.`port_id` AS char), CAST(`ml2_distributed_port_bindings`.`host` AS char), CAST(`ml2_distributed_port_bindings`.`router_id` AS char), CAST(`ml2_distributed_port_bindings`.`vif_type` AS char), CAST(`ml2_distributed_port_bindings`.`vif_details` AS char), CAST(`ml2_distributed_port_bindings`.`vnic_type` AS char), CAST(`ml2_distributed_port_bindings`.`profile` AS char), CAST(`ml2_distributed_port_bindings`.`status` AS char), CAST(`ml2_distributed_port_bindings`.`port_id` AS char)
  FROM `ml2_distributed_port_bindings`
  ORDER BY CAST(`ml2_distributed_port_bindings`.`port_id` AS binary) ASC, CAST(`ml2_distributed_port_bindings`.`host` AS binary) ASC;
-- routers
SELECT CAST(`routers`.`id` AS char), CAST(`routers`.`project_id` AS char), CAST(`routers`.`name` AS char), CAST(`routers`.`status` AS char), CAST(`routers`.`admin_state_up` AS char), CAST(`routers`.`gw_port_id` AS char), CAST(`routers`.`enable_snat` AS char), CAST(`router_extra_attributes`.`distributed` AS char), CAST(`router_extra_attributes`.`ha` AS char), CAST(`router_extra_attributes`.`availability_zone_hints` AS char), CAST(`standardattributes`.`description` AS char), CAST(`standardattributes`.`revision_number` AS char), CAST(`standardattributes`.`created_at` AS char), CAST(`standardattributes`.`updated_at` AS char), CAST(`routers`.`gw_port_id` AS char), CAST(`router_extra_attributes`.`ha` AS char), CAST(`router_extra_attributes`.`enable_default_route_ecmp` AS char), CAST(`router_extra_attributes`.`enable_default_route_bfd` AS char), CAST(`router_ndp_proxy_state`.`enable_ndp_proxy` AS char), CAST(`routers`.`flavor_id` AS char)
  FROM `routers`
  LEFT JOIN `standardattributes` ON `standardattributes`.`id` = `routers`.`standard_attr_id`
  LEFT JOIN `router_extra_attributes` ON `router_extra_attributes`.`router_id` = `routers`.`id`
  LEFT JOIN `router_ndp_proxy_state` ON `router_ndp_proxy_state`.`router_id` = `routers`.`id`
  ORDER BY CAST(`routers`.`id` AS binary) ASC;
-- routerports
SELECT CAST(`routerports`.`router_id` AS char), CAST(`routerports`.`port_id` AS char), CAST(`routerports`.`port_type` AS char), CAST(`routerports`.`router_id` AS char), CAST(`routerports`.`port_id` AS char), CAST(`routerports`.`port_type` AS char)
  FROM `routerports`
  ORDER BY CAST(`routerports`.`router_id` AS binary) ASC, CAST(`routerports`.`port_id` AS binary) ASC;
-- routerroutes
SELECT CAST(`routerroutes`.`router_id` AS char), CAST(`routerroutes`.`destination` AS char), CAST(`routerroutes`.`nexthop` AS char), CAST(`routerroutes`.`router_id` AS char)
  FROM `routerroutes`
  ORDER BY CAST(`routerroutes`.`router_id` AS binary) ASC, CAST(`routerroutes`.`destination` AS binary) ASC, CAST(`routerroutes`.`nexthop` AS binary) ASC;
-- floatingips
SELECT CAST(`floatingips`.`id` AS char), CAST(`floatingips`.`project_id` AS char), CAST(`floatingips`.`floating_ip_address` AS char), CAST(`floatingips`.`floating_network_id` AS char), CAST(`floatingips`.`floating_port_id` AS char), CAST(`floatingips`.`fixed_port_id` AS char), CAST(`floatingips`.`fixed_ip_address` AS char), CAST(`floatingips`.`router_id` AS char), CAST(`floatingips`.`last_known_router_id` AS char), CAST(`floatingips`.`status` AS char), CAST(`floatingips`.`floating_ip_address` AS char), CAST(`floatingipdnses`.`dns_name` AS char), CAST(`floatingipdnses`.`dns_domain` AS char), CAST(`standardattributes`.`description` AS char), CAST(`standardattributes`.`revision_number` AS char), CAST(`standardattributes`.`created_at` AS char), CAST(`standardattributes`.`updated_at` AS char), CAST(`floatingips`.`floating_port_id` AS char), CAST(`floatingips`.`fixed_port_id` AS char), CAST(`floatingips`.`router_id` AS char)
  FROM `floatingips`
  LEFT JOIN `standardattributes` ON `standardattributes`.`id` = `floatingips`.`standard_attr_id`
  LEFT JOIN `floatingipdnses` ON `floatingipdnses`.`floatingip_id` = `floatingips`.`id`
  ORDER BY CAST(`floatingips`.`id` AS binary) ASC;
-- portforwardings
SELECT CAST(`portforwardings`.`id` AS char), CAST(`portforwardings`.`floatingip_id` AS char), CAST(`portforwardings`.`internal_neutron_port_id` AS char), CAST(`portforwardings`.`protocol` AS char), CAST(`portforwardings`.`internal_ip_address` AS char), CAST(`portforwardings`.`internal_port_start` AS char), CAST(`portforwardings`.`internal_port_end` AS char), CAST(`portforwardings`.`external_port_start` AS char), CAST(`portforwardings`.`external_port_end` AS char), CAST(`standardattributes`.`description` AS char), CAST(`standardattributes`.`revision_number` AS char), CAST(`standardattributes`.`created_at` AS char), CAST(`standardattributes`.`updated_at` AS char), CAST(`portforwardings`.`floatingip_id` AS char), CAST(`portforwardings`.`internal_neutron_port_id` AS char)
  FROM `portforwardings`
  LEFT JOIN `standardattributes` ON `standardattributes`.`id` = `portforwardings`.`standard_attr_id`
  ORDER BY CAST(`portforwardings`.`id` AS binary) ASC;
-- routerl3agentbindings
SELECT CAST(`routerl3agentbindings`.`router_id` AS char), CAST(`routerl3agentbindings`.`l3_agent_id` AS char), CAST(`routerl3agentbindings`.`binding_index` AS char), CAST(`routerl3agentbindings`.`router_id` AS char), CAST(`routerl3agentbindings`.`l3_agent_id` AS char), CAST(`router_extra_attributes`.`ha` AS char), CAST(`routerl3agentbindings`.`binding_index` AS char)
  FROM `routerl3agentbindings`
  LEFT JOIN `router_extra_attributes` ON `router_extra_attributes`.`router_id` = `routerl3agentbindings`.`router_id`
  ORDER BY CAST(`routerl3agentbindings`.`router_id` AS binary) ASC, CAST(`routerl3agentbindings`.`l3_agent_id` AS binary) ASC;
-- dvr_fip_gateway_port_network
SELECT CAST(`dvr_fip_gateway_port_network`.`network_id` AS char), CAST(`dvr_fip_gateway_port_network`.`agent_id` AS char), CAST(`dvr_fip_gateway_port_network`.`network_id` AS char), CAST(`dvr_fip_gateway_port_network`.`agent_id` AS char)
  FROM `dvr_fip_gateway_port_network`
  ORDER BY CAST(`dvr_fip_gateway_port_network`.`network_id` AS binary) ASC, CAST(`dvr_fip_gateway_port_network`.`agent_id` AS binary) ASC;
-- ml2_flat_allocations
SELECT CAST(`networksegments`.`physical_network` AS char), CAST(`networksegments`.`network_id` AS char)
  FROM `networksegments`
  WHERE `networksegments`.`network_type` = 'flat'
  ORDER BY CAST(`networksegments`.`physical_network` AS binary) ASC;
-- ml2_vlan_allocations
SELECT CAST(`networksegments`.`physical_network` AS char), CAST(`networksegments`.`segmentation_id` AS char), CAST(`networksegments`.`id` AS char), CAST(`networksegments`.`network_id` AS char)
  FROM `networksegments`
  WHERE `networksegments`.`network_type` = 'vlan'
  ORDER BY CAST(`networksegments`.`physical_network` AS binary) ASC, `networksegments`.`segmentation_id` ASC;
-- ml2_gre_allocations
SELECT CAST(`networksegments`.`segmentation_id` AS char), CAST(`networksegments`.`id` AS char), CAST(`networksegments`.`network_id` AS char)
  FROM `networksegments`
  WHERE `networksegments`.`network_type` = 'gre'
  ORDER BY `networksegments`.`segmentation_id` ASC;
-- ml2_vxlan_allocations
SELECT CAST(`networksegments`.`segmentation_id` AS char), CAST(`networksegments`.`id` AS char), CAST(`networksegments`.`network_id` AS char)
  FROM `networksegments`
  WHERE `networksegments`.`network_type` = 'vxlan'
  ORDER BY `networksegments`.`segmentation_id` ASC;
-- ml2_geneve_allocations
SELECT CAST(`networksegments`.`segmentation_id` AS char), CAST(`networksegments`.`id` AS char), CAST(`networksegments`.`network_id` AS char)
  FROM `networksegments`
  WHERE `networksegments`.`network_type` = 'geneve'
  ORDER BY `networksegments`.`segmentation_id` ASC;
-- ml2_gre_endpoints
SELECT CAST(`ml2_gre_endpoints`.`ip_address` AS char), CAST(`ml2_gre_endpoints`.`host` AS char)
  FROM `ml2_gre_endpoints`
  ORDER BY CAST(`ml2_gre_endpoints`.`ip_address` AS binary) ASC;
-- ml2_vxlan_endpoints
SELECT CAST(`ml2_vxlan_endpoints`.`ip_address` AS char), CAST(`ml2_vxlan_endpoints`.`udp_port` AS char), CAST(`ml2_vxlan_endpoints`.`host` AS char)
  FROM `ml2_vxlan_endpoints`
  ORDER BY CAST(`ml2_vxlan_endpoints`.`ip_address` AS binary) ASC;
-- ml2_geneve_endpoints
SELECT CAST(`ml2_geneve_endpoints`.`ip_address` AS char), CAST(`ml2_geneve_endpoints`.`host` AS char)
  FROM `ml2_geneve_endpoints`
  ORDER BY CAST(`ml2_geneve_endpoints`.`ip_address` AS binary) ASC;
-- tags
SELECT CAST(COALESCE(`networks`.`id`, `subnets`.`id`, `ports`.`id`, `subnetpools`.`id`, `routers`.`id`, `floatingips`.`id`, `securitygroups`.`id`) AS char), CAST(`tags`.`tag` AS char), CAST(`standardattributes`.`resource_type` AS char), CAST(`networks`.`id` AS char), CAST(`ports`.`id` AS char), CAST(`subnets`.`id` AS char), CAST(`routers`.`id` AS char), CAST(`floatingips`.`id` AS char), CAST(`standardattributes`.`resource_type` AS char)
  FROM `tags`
  LEFT JOIN `standardattributes` ON `standardattributes`.`id` = `tags`.`standard_attr_id`
  LEFT JOIN `networks` ON `networks`.`standard_attr_id` = `tags`.`standard_attr_id`
  LEFT JOIN `subnets` ON `subnets`.`standard_attr_id` = `tags`.`standard_attr_id`
  LEFT JOIN `ports` ON `ports`.`standard_attr_id` = `tags`.`standard_attr_id`
  LEFT JOIN `subnetpools` ON `subnetpools`.`standard_attr_id` = `tags`.`standard_attr_id`
  LEFT JOIN `routers` ON `routers`.`standard_attr_id` = `tags`.`standard_attr_id`
  LEFT JOIN `floatingips` ON `floatingips`.`standard_attr_id` = `tags`.`standard_attr_id`
  LEFT JOIN `securitygroups` ON `securitygroups`.`standard_attr_id` = `tags`.`standard_attr_id`
  ORDER BY CAST(COALESCE(`networks`.`id`, `subnets`.`id`, `ports`.`id`, `subnetpools`.`id`, `routers`.`id`, `floatingips`.`id`, `securitygroups`.`id`) AS binary) ASC, CAST(`tags`.`tag` AS binary) ASC;
