CREATE TABLE "imports" (
    "id" integer NOT NULL,
    "source" varchar(255) NOT NULL,
    "finished_at" varchar(20) NOT NULL,
    "used_at" varchar(20) NULL,
    PRIMARY KEY ("id")
);
