//! PostgreSQL: how to connect and what a session is set to.

use sqlx::{
    ConnectOptions,
    postgres::{PgConnectOptions, PgSslMode},
};

use super::{IDLE_TIMEOUT, LOCK_TIMEOUT};
use crate::url::{Parts, readable};

/// The options of sqlx for the URL `parts`, whose query is as libpq takes it.
pub(crate) fn options(parts: &Parts) -> Result<PgConnectOptions, String> {
    let mut out = PgConnectOptions::new_without_pgpass()
        .application_name("neutrino")
        .disable_statement_logging()
        .statement_cache_capacity(0);
    if let Some(host) = &parts.host {
        out = out.host(host);
    }
    if let Some(port) = parts.port {
        out = out.port(port);
    }
    if let Some(user) = &parts.user {
        out = out.username(user);
    }
    if let Some(password) = &parts.password {
        out = out.password(password);
    }
    let mut database = parts.database.as_str();
    let (mut mode, mut authority) = (None, None);
    for (key, value) in &parts.query {
        match key.as_str() {
            // A directory of sockets, or a host.
            "host" if value.starts_with('/') => out = out.socket(value),
            "host" => out = out.host(value),
            "port" => out = out.port(value.parse().map_err(|_| format!("'{value}' is no port"))?),
            "user" => out = out.username(value),
            "password" => out = out.password(value),
            "dbname" => database = value,
            "sslmode" => {
                mode = Some(value.parse().map_err(|_| format!("there is no sslmode '{value}'"))?);
            }
            // The system's are trusted by sqlx in any case.
            "sslrootcert" if value == "system" => authority = Some(PgSslMode::VerifyFull),
            "sslrootcert" => {
                readable(key, value)?;
                out = out.ssl_root_cert(value);
                authority = Some(PgSslMode::VerifyCa);
            }
            "sslcert" => {
                readable(key, value)?;
                out = out.ssl_client_cert(value);
            }
            "sslkey" => {
                readable(key, value)?;
                out = out.ssl_client_key(value);
            }
            "application_name" => out = out.application_name(value),
            // Settings of the Python driver that have no counterpart, SQLAlchemy plugins.
            key => tracing::debug!(key, "a parameter of the database URL has no effect"),
        }
    }
    if database.is_empty() {
        return Err("it names no database".into());
    }
    out = out.ssl_mode(match (mode.unwrap_or(PgSslMode::Prefer), authority) {
        // An authority is named to be asked.
        (PgSslMode::Require, Some(strictness)) => strictness,
        // Whether the server insists shows only later; it takes TLS gladly either way.
        (PgSslMode::Allow, _) => PgSslMode::Prefer,
        (mode, _) => mode,
    });
    Ok(out.database(database))
}

/// What a session is set to: the transactions of hosts that went silent end soon.
pub(super) fn greeting() -> String {
    format!(
        "SET lock_timeout = '{LOCK_TIMEOUT}s';\
         SET idle_in_transaction_session_timeout = '{IDLE_TIMEOUT}s';\
         SET client_min_messages = warning;\
         SET standard_conforming_strings = on;\
         SET tcp_keepalives_idle = 30;SET tcp_keepalives_interval = 10;\
         SET tcp_keepalives_count = 3"
    )
}
