//! Private RabbitMQ, MariaDB and PostgreSQL servers from Debian's packages: each on ports of its own, in a
//! directory of its own, gone with its handle and also when its owner is killed.
