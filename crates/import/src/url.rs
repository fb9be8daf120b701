//! The URL of the source, as `[database] connection` in neutron.conf has it.

use std::{fmt, str::FromStr};

use sqlx::{mysql::MySqlConnectOptions, postgres::PgConnectOptions};

use crate::ImportError;

/// Where the source is. Shown without its password.
#[derive(Clone, Debug)]
pub enum SourceUrl {
    /// MariaDB or MySQL.
    Mysql(Box<MySqlConnectOptions>),
    /// PostgreSQL.
    Postgres(Box<PgConnectOptions>),
}

impl FromStr for SourceUrl {
    type Err = ImportError;

    /// Reads SQLAlchemy's form, `dialect+driver://user:password@host:port/database?options`. Of the
    /// options those count that say where the server is and how to trust it.
    fn from_str(url: &str) -> Result<Self, ImportError> {
        let wrong = |reason: String| ImportError::Url { reason };
        let (scheme, rest) =
            url.split_once("://").ok_or_else(|| wrong("it has no '://'".into()))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let known = |names: &[(&str, &str)]| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            let ours = pairs.filter_map(|(name, value)| {
                let (_, ours) = names.iter().find(|(theirs, _)| *theirs == name)?;
                Some(format!("{ours}={value}"))
            });
            ours.collect::<Vec<_>>().join("&")
        };
        let bad = |e: sqlx::Error| wrong(e.to_string());
        match scheme.split('+').next().unwrap_or_default() {
            "mysql" | "mariadb" => {
                let query = known(&[("unix_socket", "socket"), ("ssl_ca", "ssl-ca")]);
                let url = format!("mysql://{rest}?{query}");
                url.parse().map(|options| Self::Mysql(Box::new(options))).map_err(bad)
            }
            "postgresql" | "postgres" => {
                let query = known(&[
                    ("host", "host"),
                    ("sslmode", "sslmode"),
                    ("sslrootcert", "sslrootcert"),
                ]);
                let url = format!("postgresql://{rest}?{query}");
                url.parse().map(|options| Self::Postgres(Box::new(options))).map_err(bad)
            }
            other => Err(wrong(format!(
                "its kind is '{other}'; Neutron keeps its data in mysql:// or postgresql://"
            ))),
        }
    }
}

impl fmt::Display for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mysql(o) => write!(
                f,
                "mysql://{}@{}:{}/{}",
                o.get_username(),
                o.get_host(),
                o.get_port(),
                o.get_database().unwrap_or_default()
            ),
            Self::Postgres(o) => write!(
                f,
                "postgresql://{}@{}:{}/{}",
                o.get_username(),
                o.get_host(),
                o.get_port(),
                o.get_database().unwrap_or_default()
            ),
        }
    }
}
