CREATE TABLE `routers` (
    `id` varchar(36) NOT NULL,
    `project_id` varchar(255) NOT NULL DEFAULT '',
    `name` varchar(255) NOT NULL DEFAULT '',
    `status` varchar(40) NOT NULL,
    `admin_state_up` bool NOT NULL,
    `gw_port_id` varchar(36) NULL,
    `enable_snat` bool NOT NULL,
    `distributed` bool NOT NULL,
    `ha` bool NOT NULL,
    `availability_zone_hints` varchar(255) NOT NULL DEFAULT '',
    `description` varchar(255) NOT NULL DEFAULT '',
    `revision_number` bigint NOT NULL DEFAULT 0,
    `created_at` varchar(20) NOT NULL,
    `updated_at` varchar(20) NOT NULL,
    PRIMARY KEY (`id`),
    CONSTRAINT `fk_routers_gw_port_id` FOREIGN KEY (`gw_port_id`) REFERENCES `ports` (`id`) ON DELETE RESTRICT
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX `ix_routers_project_id` ON `routers` (`project_id`);
CREATE INDEX `ix_routers_gw_port_id` ON `routers` (`gw_port_id`);
CREATE TABLE `routerports` (
    `router_id` varchar(36) NOT NULL,
    `port_id` varchar(36) NOT NULL,
    `port_type` varchar(255) NOT NULL,
    PRIMARY KEY (`router_id`, `port_id`),
    CONSTRAINT `fk_routerports_router_id` FOREIGN KEY (`router_id`) REFERENCES `routers` (`id`) ON DELETE CASCADE,
    CONSTRAINT `fk_routerports_port_id` FOREIGN KEY (`port_id`) REFERENCES `ports` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE UNIQUE INDEX `ix_routerports_port_id` ON `routerports` (`port_id`);
CREATE TABLE `routerroutes` (
    `router_id` varchar(36) NOT NULL,
    `destination` varchar(64) NOT NULL,
    `nexthop` varchar(64) NOT NULL,
    PRIMARY KEY (`router_id`, `destination`, `nexthop`),
    CONSTRAINT `fk_routerroutes_router_id` FOREIGN KEY (`router_id`) REFERENCES `routers` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE TABLE `floatingips` (
    `id` varchar(36) NOT NULL,
    `project_id` varchar(255) NOT NULL DEFAULT '',
    `floating_ip_address` varchar(64) NOT NULL,
    `floating_ip_key` varchar(32) NOT NULL,
    `floating_network_id` varchar(36) NOT NULL,
    `floating_port_id` varchar(36) NOT NULL,
    `fixed_port_id` varchar(36) NULL,
    `fixed_ip_address` varchar(64) NULL,
    `router_id` varchar(36) NULL,
    `last_known_router_id` varchar(36) NULL,
    `status` varchar(40) NOT NULL,
    `dns_name` varchar(255) NOT NULL DEFAULT '',
    `dns_domain` varchar(255) NOT NULL DEFAULT '',
    `description` varchar(255) NOT NULL DEFAULT '',
    `revision_number` bigint NOT NULL DEFAULT 0,
    `created_at` varchar(20) NOT NULL,
    `updated_at` varchar(20) NOT NULL,
    PRIMARY KEY (`id`),
    CONSTRAINT `fk_floatingips_floating_port_id` FOREIGN KEY (`floating_port_id`) REFERENCES `ports` (`id`) ON DELETE CASCADE,
    CONSTRAINT `fk_floatingips_fixed_port_id` FOREIGN KEY (`fixed_port_id`) REFERENCES `ports` (`id`) ON DELETE RESTRICT,
    CONSTRAINT `fk_floatingips_router_id` FOREIGN KEY (`router_id`) REFERENCES `routers` (`id`) ON DELETE RESTRICT
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE UNIQUE INDEX `ix_floatingips_floating_port_id` ON `floatingips` (`floating_port_id`);
CREATE UNIQUE INDEX `ix_floatingips_fixed_address` ON `floatingips` (`floating_network_id`, `fixed_port_id`, `fixed_ip_address`);
CREATE INDEX `ix_floatingips_fixed_port_id` ON `floatingips` (`fixed_port_id`);
CREATE INDEX `ix_floatingips_router_id` ON `floatingips` (`router_id`);
CREATE INDEX `ix_floatingips_project_id` ON `floatingips` (`project_id`);
CREATE TABLE `portforwardings` (
    `id` varchar(36) NOT NULL,
    `floatingip_id` varchar(36) NOT NULL,
    `internal_neutron_port_id` varchar(36) NOT NULL,
    `protocol` varchar(40) NOT NULL,
    `internal_ip_address` varchar(64) NOT NULL,
    `internal_port_start` int NOT NULL,
    `internal_port_end` int NOT NULL,
    `external_port_start` int NOT NULL,
    `external_port_end` int NOT NULL,
    `description` varchar(255) NOT NULL DEFAULT '',
    `revision_number` bigint NOT NULL DEFAULT 0,
    `created_at` varchar(20) NOT NULL,
    `updated_at` varchar(20) NOT NULL,
    PRIMARY KEY (`id`),
    CONSTRAINT `fk_portforwardings_floatingip_id` FOREIGN KEY (`floatingip_id`) REFERENCES `floatingips` (`id`) ON DELETE CASCADE,
    CONSTRAINT `fk_portforwardings_internal_neutron_port_id` FOREIGN KEY (`internal_neutron_port_id`) REFERENCES `ports` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX `ix_portforwardings_floatingip_id` ON `portforwardings` (`floatingip_id`);
CREATE INDEX `ix_portforwardings_internal_neutron_port_id` ON `portforwardings` (`internal_neutron_port_id`);
CREATE TABLE `routerl3agentbindings` (
    `router_id` varchar(36) NOT NULL,
    `l3_agent_id` varchar(36) NOT NULL,
    `binding_index` int NOT NULL,
    PRIMARY KEY (`router_id`, `l3_agent_id`),
    CONSTRAINT `fk_routerl3agentbindings_router_id` FOREIGN KEY (`router_id`) REFERENCES `routers` (`id`) ON DELETE CASCADE,
    CONSTRAINT `fk_routerl3agentbindings_l3_agent_id` FOREIGN KEY (`l3_agent_id`) REFERENCES `agents` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE UNIQUE INDEX `ix_routerl3agentbindings_router_id_binding_index` ON `routerl3agentbindings` (`router_id`, `binding_index`);
CREATE INDEX `ix_routerl3agentbindings_l3_agent_id` ON `routerl3agentbindings` (`l3_agent_id`);
CREATE TABLE `dvr_host_macs` (
    `host` varchar(255) NOT NULL,
    `mac_address` varchar(40) NOT NULL,
    PRIMARY KEY (`host`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE UNIQUE INDEX `ix_dvr_host_macs_mac_address` ON `dvr_host_macs` (`mac_address`);
CREATE TABLE `dvr_fip_gateway_port_network` (
    `network_id` varchar(36) NOT NULL,
    `agent_id` varchar(36) NOT NULL,
    PRIMARY KEY (`network_id`, `agent_id`),
    CONSTRAINT `fk_dvr_fip_gateway_port_network_network_id` FOREIGN KEY (`network_id`) REFERENCES `networks` (`id`) ON DELETE CASCADE,
    CONSTRAINT `fk_dvr_fip_gateway_port_network_agent_id` FOREIGN KEY (`agent_id`) REFERENCES `agents` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE TABLE `ml2_distributed_port_bindings` (
    `port_id` varchar(36) NOT NULL,
    `host` varchar(255) NOT NULL,
    `router_id` varchar(36) NULL,
    `vif_type` varchar(64) NOT NULL,
    `vif_details` varchar(4095) NOT NULL DEFAULT '',
    `vnic_type` varchar(64) NOT NULL DEFAULT 'normal',
    `profile` varchar(4095) NOT NULL DEFAULT '',
    `status` varchar(16) NOT NULL,
    PRIMARY KEY (`port_id`, `host`),
    CONSTRAINT `fk_ml2_distributed_port_bindings_port_id` FOREIGN KEY (`port_id`) REFERENCES `ports` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX `ix_ml2_distributed_port_bindings_host` ON `ml2_distributed_port_bindings` (`host`);
CREATE INDEX `ix_ml2_distributed_port_bindings_router_id` ON `ml2_distributed_port_bindings` (`router_id`);
