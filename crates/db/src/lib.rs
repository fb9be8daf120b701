//! Neutrino's database: schema, migrations, transactions, and the list engine.
//!
//! Owns every table and the way to run statements against it. Owns no resource's meaning: that is
//! the plugins' (`ml2`, `services`). Every statement, DDL included, is a sea-query value, so that
//! it renders for SQLite, MariaDB/MySQL and PostgreSQL; SQLite is the backend that runs today,
//! driven on threads of its own with one hop per statement.

pub mod address_groups;
pub mod address_scopes;
pub mod agent_bindings;
pub mod agents;
mod conn;
mod db;
pub mod dhcp_bindings;
pub mod dvr;
mod error;
pub mod floating_ips;
pub mod imports;
pub mod ip;
pub mod l3_bindings;

pub mod list;
pub mod migrations;
pub mod port_forwardings;
pub mod quotas;
pub mod rbac;
pub mod routers;
mod row;
pub mod schema;
pub mod security_groups;

pub mod subnetpools;
pub mod tags;
pub mod testing;
pub mod time;
mod worker;

pub use conn::{Conn, Prepared, StatementCounts, Tx};
pub use db::{DEFAULT_READERS, Db};
pub use error::{DbError, DbResult};
pub use row::{Row, RowRef};
pub use sea_query;
