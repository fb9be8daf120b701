CREATE TABLE "networks" (
    "id" varchar(36) COLLATE "C" NOT NULL,
    "project_id" varchar(255) COLLATE "C" NOT NULL DEFAULT '',
    "name" varchar(255) COLLATE "C" NOT NULL DEFAULT '',
    "status" varchar(16) COLLATE "C" NOT NULL,
    "admin_state_up" bool NOT NULL,
    "mtu" integer NOT NULL,
    "vlan_transparent" bool NULL,
    "qinq" bool NULL,
    "port_security_enabled" bool NOT NULL DEFAULT TRUE,
    "external" bool NOT NULL DEFAULT FALSE,
    "is_default" bool NOT NULL DEFAULT FALSE,
    "dns_domain" varchar(255) COLLATE "C" NOT NULL DEFAULT '',
    "availability_zone_hints" varchar(255) COLLATE "C" NOT NULL DEFAULT '',
    "description" varchar(255) COLLATE "C" NOT NULL DEFAULT '',
    "revision_number" bigint NOT NULL DEFAULT 0,
    "created_at" varchar(20) COLLATE "C" NOT NULL,
    "updated_at" varchar(20) COLLATE "C" NOT NULL,
    PRIMARY KEY ("id")
);
CREATE INDEX "ix_networks_project_id" ON "networks" ("project_id");
CREATE INDEX "ix_networks_name" ON "networks" ("name");
CREATE TABLE "networkrbacs" (
    "id" varchar(36) COLLATE "C" NOT NULL,
    "project_id" varchar(255) COLLATE "C" NOT NULL DEFAULT '',
    "object_id" varchar(36) COLLATE "C" NOT NULL,
    "target_project" varchar(255) COLLATE "C" NOT NULL,
    "action" varchar(255) COLLATE "C" NOT NULL,
    PRIMARY KEY ("id"),
    CONSTRAINT "fk_networkrbacs_object_id" FOREIGN KEY ("object_id") REFERENCES "networks" ("id") ON DELETE CASCADE
);
CREATE UNIQUE INDEX "ix_networkrbacs_object_id_action_target_project" ON "networkrbacs" ("object_id", "action", "target_project");
CREATE INDEX "ix_networkrbacs_target_project_action" ON "networkrbacs" ("target_project", "action");
CREATE TABLE "networksegments" (
    "id" varchar(36) COLLATE "C" NOT NULL,
    "network_id" varchar(36) COLLATE "C" NOT NULL,
    "network_type" varchar(32) COLLATE "C" NOT NULL,
    "physical_network" varchar(64) COLLATE "C" NULL,
    "segmentation_id" bigint NULL,
    "is_dynamic" bool NOT NULL DEFAULT FALSE,
    "segment_index" integer NOT NULL DEFAULT 0,
    "name" varchar(255) COLLATE "C" NULL,
    "description" varchar(255) COLLATE "C" NOT NULL DEFAULT '',
    "revision_number" bigint NOT NULL DEFAULT 0,
    "created_at" varchar(20) COLLATE "C" NOT NULL,
    "updated_at" varchar(20) COLLATE "C" NOT NULL,
    PRIMARY KEY ("id"),
    CONSTRAINT "fk_networksegments_network_id" FOREIGN KEY ("network_id") REFERENCES "networks" ("id") ON DELETE CASCADE
);
CREATE INDEX "ix_networksegments_network_id_segment_index" ON "networksegments" ("network_id", "segment_index");
CREATE INDEX "ix_networksegments_segment" ON "networksegments" ("network_type", "physical_network", "segmentation_id");
CREATE TABLE "subnets" (
    "id" varchar(36) COLLATE "C" NOT NULL,
    "project_id" varchar(255) COLLATE "C" NOT NULL DEFAULT '',
    "network_id" varchar(36) COLLATE "C" NOT NULL,
    "segment_id" varchar(36) COLLATE "C" NULL,
    "name" varchar(255) COLLATE "C" NOT NULL DEFAULT '',
    "ip_version" integer NOT NULL,
    "cidr" varchar(64) COLLATE "C" NOT NULL,
    "first_ip" varchar(32) COLLATE "C" NOT NULL,
    "last_ip" varchar(32) COLLATE "C" NOT NULL,
    "gateway_ip" varchar(64) COLLATE "C" NULL,
    "enable_dhcp" bool NOT NULL,
    "ipv6_ra_mode" varchar(16) COLLATE "C" NULL,
    "ipv6_address_mode" varchar(16) COLLATE "C" NULL,
    "subnetpool_id" varchar(36) COLLATE "C" NULL,
    "description" varchar(255) COLLATE "C" NOT NULL DEFAULT '',
    "revision_number" bigint NOT NULL DEFAULT 0,
    "created_at" varchar(20) COLLATE "C" NOT NULL,
    "updated_at" varchar(20) COLLATE "C" NOT NULL,
    PRIMARY KEY ("id"),
    CONSTRAINT "fk_subnets_network_id" FOREIGN KEY ("network_id") REFERENCES "networks" ("id") ON DELETE RESTRICT,
    CONSTRAINT "fk_subnets_segment_id" FOREIGN KEY ("segment_id") REFERENCES "networksegments" ("id") ON DELETE RESTRICT
);
CREATE INDEX "ix_subnets_network_id" ON "subnets" ("network_id");
CREATE INDEX "ix_subnets_segment_id" ON "subnets" ("segment_id");
CREATE INDEX "ix_subnets_project_id" ON "subnets" ("project_id");
CREATE INDEX "ix_subnets_name" ON "subnets" ("name");
CREATE INDEX "ix_subnets_subnetpool_id" ON "subnets" ("subnetpool_id");
CREATE TABLE "ipallocationpools" (
    "id" varchar(36) COLLATE "C" NOT NULL,
    "subnet_id" varchar(36) COLLATE "C" NOT NULL,
    "first_ip" varchar(64) COLLATE "C" NOT NULL,
    "last_ip" varchar(64) COLLATE "C" NOT NULL,
    PRIMARY KEY ("id"),
    CONSTRAINT "fk_ipallocationpools_subnet_id" FOREIGN KEY ("subnet_id") REFERENCES "subnets" ("id") ON DELETE CASCADE
);
CREATE INDEX "ix_ipallocationpools_subnet_id" ON "ipallocationpools" ("subnet_id");
CREATE TABLE "dnsnameservers" (
    "subnet_id" varchar(36) COLLATE "C" NOT NULL,
    "address" varchar(128) COLLATE "C" NOT NULL,
    "order" integer NOT NULL DEFAULT 0,
    PRIMARY KEY ("subnet_id", "address"),
    CONSTRAINT "fk_dnsnameservers_subnet_id" FOREIGN KEY ("subnet_id") REFERENCES "subnets" ("id") ON DELETE CASCADE
);
CREATE TABLE "subnetroutes" (
    "subnet_id" varchar(36) COLLATE "C" NOT NULL,
    "destination" varchar(64) COLLATE "C" NOT NULL,
    "nexthop" varchar(64) COLLATE "C" NOT NULL,
    PRIMARY KEY ("subnet_id", "destination", "nexthop"),
    CONSTRAINT "fk_subnetroutes_subnet_id" FOREIGN KEY ("subnet_id") REFERENCES "subnets" ("id") ON DELETE CASCADE
);
CREATE TABLE "subnet_service_types" (
    "subnet_id" varchar(36) COLLATE "C" NOT NULL,
    "service_type" varchar(255) COLLATE "C" NOT NULL,
    PRIMARY KEY ("subnet_id", "service_type"),
    CONSTRAINT "fk_subnet_service_types_subnet_id" FOREIGN KEY ("subnet_id") REFERENCES "subnets" ("id") ON DELETE CASCADE
);
CREATE TABLE "ports" (
    "id" varchar(36) COLLATE "C" NOT NULL,
    "project_id" varchar(255) COLLATE "C" NOT NULL DEFAULT '',
    "network_id" varchar(36) COLLATE "C" NOT NULL,
    "name" varchar(255) COLLATE "C" NOT NULL DEFAULT '',
    "mac_address" varchar(32) COLLATE "C" NOT NULL,
    "admin_state_up" bool NOT NULL,
    "status" varchar(16) COLLATE "C" NOT NULL,
    "device_id" varchar(255) COLLATE "C" NOT NULL DEFAULT '',
    "device_owner" varchar(255) COLLATE "C" NOT NULL DEFAULT '',
    "ip_allocation" varchar(16) COLLATE "C" NULL,
    "port_security_enabled" bool NOT NULL DEFAULT TRUE,
    "propagate_uplink_status" bool NOT NULL DEFAULT TRUE,
    "description" varchar(255) COLLATE "C" NOT NULL DEFAULT '',
    "revision_number" bigint NOT NULL DEFAULT 0,
    "created_at" varchar(20) COLLATE "C" NOT NULL,
    "updated_at" varchar(20) COLLATE "C" NOT NULL,
    PRIMARY KEY ("id"),
    CONSTRAINT "fk_ports_network_id" FOREIGN KEY ("network_id") REFERENCES "networks" ("id") ON DELETE RESTRICT
);
CREATE UNIQUE INDEX "ix_ports_network_id_mac_address" ON "ports" ("network_id", "mac_address");
CREATE INDEX "ix_ports_network_id_device_owner" ON "ports" ("network_id", "device_owner");
CREATE INDEX "ix_ports_device_id" ON "ports" ("device_id");
CREATE INDEX "ix_ports_project_id" ON "ports" ("project_id");
CREATE INDEX "ix_ports_name" ON "ports" ("name");
CREATE INDEX "ix_ports_mac_address" ON "ports" ("mac_address");
CREATE TABLE "ipallocations" (
    "port_id" varchar(36) COLLATE "C" NOT NULL,
    "ip_address" varchar(64) COLLATE "C" NOT NULL,
    "ip_key" varchar(32) COLLATE "C" NOT NULL,
    "subnet_id" varchar(36) COLLATE "C" NOT NULL,
    "network_id" varchar(36) COLLATE "C" NOT NULL,
    PRIMARY KEY ("subnet_id", "ip_key"),
    CONSTRAINT "fk_ipallocations_subnet_id" FOREIGN KEY ("subnet_id") REFERENCES "subnets" ("id") ON DELETE RESTRICT,
    CONSTRAINT "fk_ipallocations_port_id" FOREIGN KEY ("port_id") REFERENCES "ports" ("id") ON DELETE CASCADE
);
CREATE INDEX "ix_ipallocations_port_id" ON "ipallocations" ("port_id");
CREATE INDEX "ix_ipallocations_network_id_ip_address" ON "ipallocations" ("network_id", "ip_address");
CREATE INDEX "ix_ipallocations_ip_address" ON "ipallocations" ("ip_address");
CREATE TABLE "allowedaddresspairs" (
    "port_id" varchar(36) COLLATE "C" NOT NULL,
    "mac_address" varchar(32) COLLATE "C" NOT NULL,
    "ip_address" varchar(64) COLLATE "C" NOT NULL,
    PRIMARY KEY ("port_id", "mac_address", "ip_address"),
    CONSTRAINT "fk_allowedaddresspairs_port_id" FOREIGN KEY ("port_id") REFERENCES "ports" ("id") ON DELETE CASCADE
);
CREATE TABLE "extradhcpopts" (
    "id" varchar(36) COLLATE "C" NOT NULL,
    "port_id" varchar(36) COLLATE "C" NOT NULL,
    "opt_name" varchar(64) COLLATE "C" NOT NULL,
    "opt_value" varchar(255) COLLATE "C" NOT NULL,
    "ip_version" integer NOT NULL DEFAULT 4,
    PRIMARY KEY ("id"),
    CONSTRAINT "fk_extradhcpopts_port_id" FOREIGN KEY ("port_id") REFERENCES "ports" ("id") ON DELETE CASCADE
);
CREATE UNIQUE INDEX "ix_extradhcpopts_port_id_opt_name_ip_version" ON "extradhcpopts" ("port_id", "opt_name", "ip_version");
CREATE TABLE "provisioningblocks" (
    "port_id" varchar(36) COLLATE "C" NOT NULL,
    "entity" varchar(255) COLLATE "C" NOT NULL,
    PRIMARY KEY ("port_id", "entity"),
    CONSTRAINT "fk_provisioningblocks_port_id" FOREIGN KEY ("port_id") REFERENCES "ports" ("id") ON DELETE CASCADE
);
CREATE TABLE "ml2_port_bindings" (
    "port_id" varchar(36) COLLATE "C" NOT NULL,
    "host" varchar(255) COLLATE "C" NOT NULL DEFAULT '',
    "vnic_type" varchar(64) COLLATE "C" NOT NULL DEFAULT 'normal',
    "profile" varchar(4095) COLLATE "C" NOT NULL DEFAULT '',
    "vif_type" varchar(64) COLLATE "C" NOT NULL,
    "vif_details" varchar(4095) COLLATE "C" NOT NULL DEFAULT '',
    "status" varchar(16) COLLATE "C" NOT NULL DEFAULT 'ACTIVE',
    PRIMARY KEY ("port_id", "host"),
    CONSTRAINT "fk_ml2_port_bindings_port_id" FOREIGN KEY ("port_id") REFERENCES "ports" ("id") ON DELETE CASCADE
);
CREATE INDEX "ix_ml2_port_bindings_host" ON "ml2_port_bindings" ("host");
CREATE TABLE "ml2_port_binding_levels" (
    "port_id" varchar(36) COLLATE "C" NOT NULL,
    "host" varchar(255) COLLATE "C" NOT NULL,
    "level" integer NOT NULL,
    "driver" varchar(64) COLLATE "C" NULL,
    "segment_id" varchar(36) COLLATE "C" NULL,
    PRIMARY KEY ("port_id", "host", "level"),
    CONSTRAINT "fk_ml2_port_binding_levels_segment_id" FOREIGN KEY ("segment_id") REFERENCES "networksegments" ("id") ON DELETE SET NULL,
    CONSTRAINT "fk_ml2_port_binding_levels_port_id" FOREIGN KEY ("port_id") REFERENCES "ports" ("id") ON DELETE CASCADE
);
CREATE INDEX "ix_ml2_port_binding_levels_segment_id" ON "ml2_port_binding_levels" ("segment_id");
CREATE TABLE "ml2_flat_allocations" (
    "physical_network" varchar(64) COLLATE "C" NOT NULL,
    PRIMARY KEY ("physical_network")
);
CREATE TABLE "ml2_vlan_allocations" (
    "physical_network" varchar(64) COLLATE "C" NOT NULL,
    "vlan_id" integer NOT NULL,
    "allocated" bool NOT NULL,
    PRIMARY KEY ("physical_network", "vlan_id")
);
CREATE TABLE "ml2_gre_allocations" (
    "gre_id" bigint NOT NULL,
    "allocated" bool NOT NULL DEFAULT FALSE,
    PRIMARY KEY ("gre_id")
);
CREATE TABLE "ml2_vxlan_allocations" (
    "vxlan_vni" bigint NOT NULL,
    "allocated" bool NOT NULL DEFAULT FALSE,
    PRIMARY KEY ("vxlan_vni")
);
CREATE TABLE "ml2_geneve_allocations" (
    "geneve_vni" bigint NOT NULL,
    "allocated" bool NOT NULL DEFAULT FALSE,
    PRIMARY KEY ("geneve_vni")
);
CREATE TABLE "ml2_gre_endpoints" (
    "ip_address" varchar(64) COLLATE "C" NOT NULL,
    "host" varchar(255) COLLATE "C" NULL,
    PRIMARY KEY ("ip_address")
);
CREATE UNIQUE INDEX "ix_ml2_gre_endpoints_host" ON "ml2_gre_endpoints" ("host");
CREATE TABLE "ml2_vxlan_endpoints" (
    "ip_address" varchar(64) COLLATE "C" NOT NULL,
    "udp_port" integer NOT NULL,
    "host" varchar(255) COLLATE "C" NULL,
    PRIMARY KEY ("ip_address")
);
CREATE UNIQUE INDEX "ix_ml2_vxlan_endpoints_host" ON "ml2_vxlan_endpoints" ("host");
CREATE TABLE "ml2_geneve_endpoints" (
    "ip_address" varchar(64) COLLATE "C" NOT NULL,
    "host" varchar(255) COLLATE "C" NULL,
    PRIMARY KEY ("ip_address")
);
CREATE UNIQUE INDEX "ix_ml2_geneve_endpoints_host" ON "ml2_geneve_endpoints" ("host");
CREATE TABLE "agents" (
    "id" varchar(36) COLLATE "C" NOT NULL,
    "agent_type" varchar(255) COLLATE "C" NOT NULL,
    "binary" varchar(255) COLLATE "C" NOT NULL,
    "topic" varchar(255) COLLATE "C" NOT NULL,
    "host" varchar(255) COLLATE "C" NOT NULL,
    "availability_zone" varchar(255) COLLATE "C" NULL,
    "admin_state_up" bool NOT NULL,
    "created_at" varchar(20) COLLATE "C" NOT NULL,
    "started_at" varchar(20) COLLATE "C" NOT NULL,
    "heartbeat_timestamp" varchar(20) COLLATE "C" NOT NULL,
    "description" varchar(255) COLLATE "C" NULL,
    "configurations" varchar(4095) COLLATE "C" NOT NULL,
    "resource_versions" varchar(8191) COLLATE "C" NULL,
    "load" integer NOT NULL DEFAULT 0,
    "resources_synced" bool NULL,
    PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "ix_agents_agent_type_host" ON "agents" ("agent_type", "host");
CREATE INDEX "ix_agents_host" ON "agents" ("host");
CREATE TABLE "quotas" (
    "project_id" varchar(255) COLLATE "C" NOT NULL,
    "resource" varchar(255) COLLATE "C" NOT NULL,
    "limit" integer NOT NULL,
    PRIMARY KEY ("project_id", "resource")
);
CREATE TABLE "tags" (
    "resource_id" varchar(36) COLLATE "C" NOT NULL,
    "tag" varchar(255) COLLATE "C" NOT NULL,
    "resource_type" varchar(64) COLLATE "C" NOT NULL,
    PRIMARY KEY ("resource_id", "tag")
);
CREATE INDEX "ix_tags_tag_resource_id" ON "tags" ("tag", "resource_id");
