ALTER TABLE "ports" ADD COLUMN "dns_name" varchar(255) NOT NULL DEFAULT '';
