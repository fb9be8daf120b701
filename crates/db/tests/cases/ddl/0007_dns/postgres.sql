ALTER TABLE "ports" ADD COLUMN "dns_name" varchar(255) COLLATE "C" NOT NULL DEFAULT '';
