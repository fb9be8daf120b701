CREATE TABLE `leases` (
    `name` varchar(64) NOT NULL,
    `holder` varchar(255) NOT NULL,
    `expires_at` varchar(20) NOT NULL,
    PRIMARY KEY (`name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE TABLE `write_turn` (
    `id` int NOT NULL,
    `count` bigint NOT NULL,
    PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
INSERT INTO `write_turn` (`id`, `count`) VALUES (1, 0);
