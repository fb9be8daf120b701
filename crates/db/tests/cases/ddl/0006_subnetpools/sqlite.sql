CREATE TABLE "address_scopes" (
    "id" varchar(36) NOT NULL,
    "project_id" varchar(255) NOT NULL DEFAULT '',
    "name" varchar(255) NOT NULL,
    "ip_version" integer NOT NULL,
    PRIMARY KEY ("id")
);
CREATE INDEX "ix_address_scopes_project_id" ON "address_scopes" ("project_id");
CREATE TABLE "subnetpools" (
    "id" varchar(36) NOT NULL,
    "project_id" varchar(255) NOT NULL DEFAULT '',
    "name" varchar(255) NOT NULL,
    "ip_version" integer NOT NULL,
    "default_prefixlen" integer NOT NULL,
    "min_prefixlen" integer NOT NULL,
    "max_prefixlen" integer NOT NULL,
    "is_default" boolean NOT NULL,
    "default_quota" integer NULL,
    "hash" varchar(36) NOT NULL,
    "address_scope_id" varchar(36) NULL,
    "description" varchar(255) NOT NULL DEFAULT '',
    "revision_number" integer NOT NULL DEFAULT 0,
    "created_at" varchar(20) NOT NULL,
    "updated_at" varchar(20) NOT NULL,
    PRIMARY KEY ("id"),
    FOREIGN KEY ("address_scope_id") REFERENCES "address_scopes" ("id") ON DELETE RESTRICT
);
CREATE INDEX "ix_subnetpools_project_id" ON "subnetpools" ("project_id");
CREATE INDEX "ix_subnetpools_address_scope_id" ON "subnetpools" ("address_scope_id");
CREATE TABLE "subnetpoolprefixes" (
    "subnetpool_id" varchar(36) NOT NULL,
    "cidr" varchar(64) NOT NULL,
    PRIMARY KEY ("subnetpool_id", "cidr"),
    FOREIGN KEY ("subnetpool_id") REFERENCES "subnetpools" ("id") ON DELETE CASCADE
);
CREATE TABLE "addressscoperbacs" (
    "id" varchar(36) NOT NULL,
    "project_id" varchar(255) NOT NULL DEFAULT '',
    "object_id" varchar(36) NOT NULL,
    "target_project" varchar(255) NOT NULL,
    "action" varchar(255) NOT NULL,
    PRIMARY KEY ("id"),
    FOREIGN KEY ("object_id") REFERENCES "address_scopes" ("id") ON DELETE CASCADE
);
CREATE UNIQUE INDEX "ix_addressscoperbacs_object_id_action_target_project" ON "addressscoperbacs" ("object_id", "action", "target_project");
CREATE INDEX "ix_addressscoperbacs_target_project_action" ON "addressscoperbacs" ("target_project", "action");
CREATE TABLE "subnetpoolrbacs" (
    "id" varchar(36) NOT NULL,
    "project_id" varchar(255) NOT NULL DEFAULT '',
    "object_id" varchar(36) NOT NULL,
    "target_project" varchar(255) NOT NULL,
    "action" varchar(255) NOT NULL,
    PRIMARY KEY ("id"),
    FOREIGN KEY ("object_id") REFERENCES "subnetpools" ("id") ON DELETE CASCADE
);
CREATE UNIQUE INDEX "ix_subnetpoolrbacs_object_id_action_target_project" ON "subnetpoolrbacs" ("object_id", "action", "target_project");
CREATE INDEX "ix_subnetpoolrbacs_target_project_action" ON "subnetpoolrbacs" ("target_project", "action");
