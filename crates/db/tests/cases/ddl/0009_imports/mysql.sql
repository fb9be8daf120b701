CREATE TABLE `imports` (
    `id` int NOT NULL,
    `source` varchar(255) NOT NULL,
    `finished_at` varchar(20) NOT NULL,
    `used_at` varchar(20) NULL,
    PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
