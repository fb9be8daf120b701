CREATE TABLE "leases" (
    "name" varchar(64) NOT NULL,
    "holder" varchar(255) NOT NULL,
    "expires_at" varchar(20) NOT NULL,
    PRIMARY KEY ("name")
);
CREATE TABLE "write_turn" (
    "id" integer NOT NULL,
    "count" integer NOT NULL,
    PRIMARY KEY ("id")
);
INSERT INTO "write_turn" ("id", "count") VALUES (1, 0);
