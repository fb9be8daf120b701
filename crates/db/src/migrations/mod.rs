//! Migrations: numbered steps from nothing to the newest schema, recorded in the database.
//!
//! Each is a module that answers its statements as sea-query values; a migration that has been
//! released never changes, the next one corrects it. Their rendering for every backend is kept
//! as golden files.

use sea_query::{
    IndexCreateStatement, InsertStatement, MysqlQueryBuilder, PostgresQueryBuilder,
    SqliteQueryBuilder, TableAlterStatement, TableCreateStatement, TableName, TableRef,
};

use crate::{DbError, DbResult, Dialect};

mod apply;
mod claim;
mod ddl;
mod m0001_first_light;
mod m0002_security_groups;
mod m0003_address_groups;
mod m0004_dhcp_scheduling;
mod m0005_l3;
mod m0006_subnetpools;
mod m0007_dns;
mod m0008_servers;
mod m0009_imports;

pub(crate) use apply::{current, upgrade};

/// One step of the schema.
pub struct Migration {
    /// Its name, recorded in the database; sorts by age.
    pub revision: &'static str,
    /// What it does, for people.
    pub title: &'static str,
    /// Its statements, in order.
    pub steps: fn() -> Vec<Step>,
}

/// Every migration, oldest first.
pub const ALL: &[Migration] = &[
    Migration {
        revision: "0001_first_light",
        title: "networks, subnets, ports, ML2, agents, quotas, tags",
        steps: m0001_first_light::steps,
    },
    Migration {
        revision: "0002_security_groups",
        title: "security groups, their rules, what new groups start with",
        steps: m0002_security_groups::steps,
    },
    Migration {
        revision: "0003_address_groups",
        title: "address groups, sharing of address groups and security groups",
        steps: m0003_address_groups::steps,
    },
    Migration {
        revision: "0004_dhcp_scheduling",
        title: "scheduling of networks to DHCP agents",
        steps: m0004_dhcp_scheduling::steps,
    },
    Migration {
        revision: "0005_l3",
        title: "routers, floating IPs, port forwardings, distributed routing",
        steps: m0005_l3::steps,
    },
    Migration {
        revision: "0006_subnetpools",
        title: "subnet pools, address scopes",
        steps: m0006_subnetpools::steps,
    },
    Migration { revision: "0007_dns", title: "names of ports", steps: m0007_dns::steps },
    Migration {
        revision: "0008_servers",
        title: "several servers on one database",
        steps: m0008_servers::steps,
    },
    Migration {
        revision: "0009_imports",
        title: "what was taken over from a Neutron database",
        steps: m0009_imports::steps,
    },
];

/// A statement of a migration. Boxed: a table statement is large.
pub enum Step {
    /// CREATE TABLE.
    Table(Box<TableCreateStatement>),
    /// ALTER TABLE.
    Alter(Box<TableAlterStatement>),
    /// CREATE INDEX.
    Index(Box<IndexCreateStatement>),
    /// INSERT of rows that every deployment has.
    Rows(Box<InsertStatement>),
}

impl Step {
    /// The statement in `dialect`.
    #[must_use]
    pub fn render(&self, dialect: Dialect) -> String {
        match (self, dialect) {
            (Self::Table(t), Dialect::Sqlite) => t.to_string(SqliteQueryBuilder),
            (Self::Table(t), Dialect::Mysql) => {
                // Neutron's collation ignores case; text filters here are exact on every backend.
                let mut t = t.as_ref().clone();
                t.engine("InnoDB").character_set("utf8mb4").collate("utf8mb4_bin");
                t.to_string(MysqlQueryBuilder)
            }
            (Self::Table(t), Dialect::Postgres) => collated(&t.to_string(PostgresQueryBuilder)),
            (Self::Alter(a), Dialect::Sqlite) => a.to_string(SqliteQueryBuilder),
            (Self::Alter(a), Dialect::Mysql) => a.to_string(MysqlQueryBuilder),
            (Self::Alter(a), Dialect::Postgres) => collated(&a.to_string(PostgresQueryBuilder)),
            (Self::Index(i), Dialect::Sqlite) => i.to_string(SqliteQueryBuilder),
            (Self::Index(i), Dialect::Mysql) => i.to_string(MysqlQueryBuilder),
            (Self::Index(i), Dialect::Postgres) => i.to_string(PostgresQueryBuilder),
            (Self::Rows(r), Dialect::Sqlite) => r.to_string(SqliteQueryBuilder),
            (Self::Rows(r), Dialect::Mysql) => r.to_string(MysqlQueryBuilder),
            (Self::Rows(r), Dialect::Postgres) => r.to_string(PostgresQueryBuilder),
        }
    }
}

/// PostgreSQL's text columns sort by byte, as the other backends' do, whatever the database's own
/// collation: sea-query has no word for that.
fn collated(sql: &str) -> String {
    let mut parts = sql.split("varchar(");
    let mut out = parts.next().unwrap_or_default().to_string();
    for part in parts {
        out.push_str("varchar(");
        out.push_str(&part.replacen(')', ") COLLATE \"C\"", 1));
    }
    out
}

/// The tables that the migrations make, in that order.
pub(crate) fn tables() -> Vec<String> {
    let steps = ALL.iter().flat_map(|migration| (migration.steps)());
    steps
        .filter_map(|step| match step {
            Step::Table(table) => match table.get_table_name()? {
                TableRef::Table(TableName(_, name), _) => Some(name.to_string()),
                _ => None,
            },
            _ => None,
        })
        .collect()
}

/// The newest revision.
#[must_use]
pub fn head() -> &'static str {
    ALL.last().map_or("base", |m| m.revision)
}

/// The migrations still to be applied to a schema at `current`.
///
/// # Errors
/// [`DbError::UnknownRevision`].
pub fn pending(current: Option<&str>) -> DbResult<&'static [Migration]> {
    let Some(current) = current else { return Ok(ALL) };
    match ALL.iter().position(|m| m.revision == current) {
        Some(at) => Ok(&ALL[at + 1..]),
        None => Err(DbError::UnknownRevision { found: current.to_string() }),
    }
}
