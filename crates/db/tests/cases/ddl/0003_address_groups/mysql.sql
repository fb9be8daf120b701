CREATE TABLE `address_groups` (
    `id` varchar(36) NOT NULL,
    `project_id` varchar(255) NOT NULL DEFAULT '',
    `name` varchar(255) NOT NULL DEFAULT '',
    `description` varchar(1024) NOT NULL DEFAULT '',
    `revision_number` bigint NOT NULL DEFAULT 0,
    `created_at` varchar(20) NOT NULL,
    `updated_at` varchar(20) NOT NULL,
    PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX `ix_address_groups_project_id` ON `address_groups` (`project_id`);
CREATE TABLE `address_associations` (
    `address_group_id` varchar(36) NOT NULL,
    `address` varchar(64) NOT NULL,
    PRIMARY KEY (`address_group_id`, `address`),
    CONSTRAINT `fk_address_associations_address_group_id` FOREIGN KEY (`address_group_id`) REFERENCES `address_groups` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE TABLE `addressgrouprbacs` (
    `id` varchar(36) NOT NULL,
    `project_id` varchar(255) NOT NULL DEFAULT '',
    `object_id` varchar(36) NOT NULL,
    `target_project` varchar(255) NOT NULL,
    `action` varchar(255) NOT NULL,
    PRIMARY KEY (`id`),
    CONSTRAINT `fk_addressgrouprbacs_object_id` FOREIGN KEY (`object_id`) REFERENCES `address_groups` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE UNIQUE INDEX `ix_addressgrouprbacs_object_id_action_target_project` ON `addressgrouprbacs` (`object_id`, `action`, `target_project`);
CREATE INDEX `ix_addressgrouprbacs_target_project_action` ON `addressgrouprbacs` (`target_project`, `action`);
CREATE TABLE `securitygrouprbacs` (
    `id` varchar(36) NOT NULL,
    `project_id` varchar(255) NOT NULL DEFAULT '',
    `object_id` varchar(36) NOT NULL,
    `target_project` varchar(255) NOT NULL,
    `action` varchar(255) NOT NULL,
    PRIMARY KEY (`id`),
    CONSTRAINT `fk_securitygrouprbacs_object_id` FOREIGN KEY (`object_id`) REFERENCES `securitygroups` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE UNIQUE INDEX `ix_securitygrouprbacs_object_id_action_target_project` ON `securitygrouprbacs` (`object_id`, `action`, `target_project`);
CREATE INDEX `ix_securitygrouprbacs_target_project_action` ON `securitygrouprbacs` (`target_project`, `action`);
