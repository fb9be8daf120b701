CREATE TABLE "securitygroups" (
    "id" varchar(36) NOT NULL,
    "project_id" varchar(255) NOT NULL DEFAULT '',
    "name" varchar(255) NOT NULL DEFAULT '',
    "stateful" boolean NOT NULL DEFAULT TRUE,
    "description" varchar(255) NOT NULL DEFAULT '',
    "revision_number" integer NOT NULL DEFAULT 0,
    "created_at" varchar(20) NOT NULL,
    "updated_at" varchar(20) NOT NULL,
    PRIMARY KEY ("id")
);
CREATE INDEX "ix_securitygroups_project_id" ON "securitygroups" ("project_id");
CREATE TABLE "default_security_group" (
    "project_id" varchar(255) NOT NULL,
    "security_group_id" varchar(36) NOT NULL,
    PRIMARY KEY ("project_id"),
    FOREIGN KEY ("security_group_id") REFERENCES "securitygroups" ("id") ON DELETE CASCADE
);
CREATE INDEX "ix_default_security_group_security_group_id" ON "default_security_group" ("security_group_id");
CREATE TABLE "securitygrouprules" (
    "id" varchar(36) NOT NULL,
    "project_id" varchar(255) NOT NULL DEFAULT '',
    "security_group_id" varchar(36) NOT NULL,
    "remote_group_id" varchar(36) NULL,
    "remote_address_group_id" varchar(36) NULL,
    "direction" varchar(16) NOT NULL,
    "ethertype" varchar(16) NOT NULL,
    "protocol" varchar(40) NULL,
    "port_range_min" integer NULL,
    "port_range_max" integer NULL,
    "remote_ip_prefix" varchar(64) NULL,
    "normalized_cidr" varchar(64) NULL,
    "description" varchar(255) NULL,
    "revision_number" integer NOT NULL DEFAULT 0,
    "created_at" varchar(20) NOT NULL,
    "updated_at" varchar(20) NOT NULL,
    PRIMARY KEY ("id"),
    FOREIGN KEY ("security_group_id") REFERENCES "securitygroups" ("id") ON DELETE CASCADE,
    FOREIGN KEY ("remote_group_id") REFERENCES "securitygroups" ("id") ON DELETE CASCADE
);
CREATE INDEX "ix_securitygrouprules_security_group_id" ON "securitygrouprules" ("security_group_id");
CREATE INDEX "ix_securitygrouprules_remote_group_id" ON "securitygrouprules" ("remote_group_id");
CREATE INDEX "ix_securitygrouprules_remote_address_group_id" ON "securitygrouprules" ("remote_address_group_id");
CREATE INDEX "ix_securitygrouprules_project_id" ON "securitygrouprules" ("project_id");
CREATE TABLE "securitygroupportbindings" (
    "port_id" varchar(36) NOT NULL,
    "security_group_id" varchar(36) NOT NULL,
    PRIMARY KEY ("port_id", "security_group_id"),
    FOREIGN KEY ("port_id") REFERENCES "ports" ("id") ON DELETE CASCADE,
    FOREIGN KEY ("security_group_id") REFERENCES "securitygroups" ("id") ON DELETE RESTRICT
);
CREATE INDEX "ix_securitygroupportbindings_security_group_id" ON "securitygroupportbindings" ("security_group_id");
CREATE TABLE "securitygroupdefaultrules" (
    "id" varchar(36) NOT NULL,
    "remote_group_id" varchar(36) NULL,
    "remote_address_group_id" varchar(36) NULL,
    "direction" varchar(16) NOT NULL,
    "ethertype" varchar(16) NOT NULL,
    "protocol" varchar(40) NULL,
    "port_range_min" integer NULL,
    "port_range_max" integer NULL,
    "remote_ip_prefix" varchar(64) NULL,
    "description" varchar(1024) NOT NULL DEFAULT '',
    "used_in_default_sg" boolean NOT NULL DEFAULT FALSE,
    "used_in_non_default_sg" boolean NOT NULL DEFAULT FALSE,
    PRIMARY KEY ("id")
);
INSERT INTO "securitygroupdefaultrules" ("id", "remote_group_id", "direction", "ethertype", "description", "used_in_default_sg", "used_in_non_default_sg") VALUES ('6b2e0f0e-5a0b-4c2b-8f7e-0d3b6a4f9a01', NULL, 'egress', 'IPv4', 'Legacy default SG rule for egress traffic', TRUE, TRUE), ('6b2e0f0e-5a0b-4c2b-8f7e-0d3b6a4f9a02', NULL, 'egress', 'IPv6', 'Legacy default SG rule for egress traffic', TRUE, TRUE), ('6b2e0f0e-5a0b-4c2b-8f7e-0d3b6a4f9a03', 'PARENT', 'ingress', 'IPv4', 'Legacy default SG rule for ingress traffic', TRUE, FALSE), ('6b2e0f0e-5a0b-4c2b-8f7e-0d3b6a4f9a04', 'PARENT', 'ingress', 'IPv6', 'Legacy default SG rule for ingress traffic', TRUE, FALSE);
