CREATE TABLE "imports" (
    "id" integer NOT NULL,
    "source" varchar(255) COLLATE "C" NOT NULL,
    "finished_at" varchar(20) COLLATE "C" NOT NULL,
    "used_at" varchar(20) COLLATE "C" NULL,
    PRIMARY KEY ("id")
);
