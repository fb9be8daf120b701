CREATE TABLE "leases" (
    "name" varchar(64) COLLATE "C" NOT NULL,
    "holder" varchar(255) COLLATE "C" NOT NULL,
    "expires_at" varchar(20) COLLATE "C" NOT NULL,
    PRIMARY KEY ("name")
);
CREATE TABLE "write_turn" (
    "id" integer NOT NULL,
    "count" bigint NOT NULL,
    PRIMARY KEY ("id")
);
INSERT INTO "write_turn" ("id", "count") VALUES (1, 0);
