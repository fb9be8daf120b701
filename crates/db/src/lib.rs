//! Neutrino's database: schema, migrations, transactions, and the list engine.
//!
//! Owns every table and the way to run statements against it. Owns no resource's meaning: that is
//! the plugins' (`ml2`, `services`). Every statement, DDL included, is a sea-query value, so that
//! it renders for SQLite (driven on threads of its own, one hop per statement), MariaDB/MySQL and
//! PostgreSQL (through sqlx, one message per hop).

pub mod address_groups;
pub mod address_scopes;
pub mod agent_bindings;
pub mod agents;
mod backend;
mod conn;
mod db;
pub mod dhcp_bindings;
mod dialect;
pub mod dvr;
mod error;
pub mod floating_ips;
pub mod imports;
pub mod ip;
pub mod l3_bindings;
pub mod leases;

pub mod list;
pub mod migrations;
mod options;
pub mod port_forwardings;
pub mod quotas;
pub mod rbac;
mod retry;
pub mod routers;
mod row;
pub mod schema;
pub mod security_groups;
mod statement;

pub mod subnetpools;
pub mod tags;
pub mod testing;
pub mod time;
pub mod url;

pub use conn::{CHOSEN, Conn, StatementCounts, Tx};
pub use db::Db;
pub use dialect::Dialect;
pub use error::{DbError, DbResult};
pub use options::{DEFAULT_READERS, DbOptions};
pub use retry::{Retriable, Retries, retrying};
pub use row::{Row, RowRef};
pub use sea_query;
pub use statement::Prepared;
