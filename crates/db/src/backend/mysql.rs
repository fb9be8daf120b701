//! MariaDB and MySQL: how to connect and what a session is set to.

use sqlx::{
    ConnectOptions,
    mysql::{MySqlConnectOptions, MySqlSslMode},
};

use super::{IDLE_TIMEOUT, LOCK_TIMEOUT};
use crate::{options::DbOptions, url::Parts};

/// The options of sqlx for the URL `parts`, whose query is as PyMySQL takes it.
pub(crate) fn options(parts: &Parts) -> Result<MySqlConnectOptions, String> {
    if parts.database.is_empty() {
        return Err("it names no database".into());
    }
    let mut out = MySqlConnectOptions::new()
        .host(parts.host.as_deref().unwrap_or("localhost"))
        .port(parts.port.unwrap_or(3306))
        .database(&parts.database)
        // No encryption unless asked for, as PyMySQL.
        .ssl_mode(MySqlSslMode::Disabled)
        .disable_statement_logging()
        .statement_cache_capacity(0)
        // The session is set up by `greeting`.
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .timezone(None)
        .set_names(false);
    if let Some(user) = &parts.user {
        out = out.username(user);
    }
    if let Some(password) = &parts.password {
        out = out.password(password);
    }
    let mut mode = None;
    let mut checks_host = true;
    for (key, value) in &parts.query {
        match key.as_str() {
            "charset" if value.starts_with("utf8") => {}
            "charset" => return Err(format!("charset {value}: only utf8mb4 is used")),
            "unix_socket" => out = out.socket(value),
            "ssl_ca" => {
                out = out.ssl_ca(value);
                mode = Some(MySqlSslMode::VerifyIdentity);
            }
            "ssl_cert" => out = out.ssl_client_cert(value),
            "ssl_key" => out = out.ssl_client_key(value),
            "ssl_check_hostname" => checks_host = value != "false",
            "ssl" if value == "true" => mode = mode.or(Some(MySqlSslMode::Required)),
            // Settings of the Python driver that have no counterpart, SQLAlchemy plugins.
            key => tracing::debug!(key, "a parameter of the database URL has no effect"),
        }
    }
    match mode {
        Some(MySqlSslMode::VerifyIdentity) if !checks_host => {
            out = out.ssl_mode(MySqlSslMode::VerifyCa);
        }
        Some(mode) => out = out.ssl_mode(mode),
        None => {}
    }
    Ok(out)
}

/// What a session is set to. The comment is read by MariaDB only, which then ends the transactions
/// of hosts that went silent; MySQL has TCP keepalive for them.
pub(super) fn greeting(options: &DbOptions) -> String {
    let mode = match options.mysql_sql_mode.as_str() {
        "" => String::new(),
        mode => format!(", SESSION sql_mode = '{}'", mode.replace('\'', "")),
    };
    let wait = match options.mysql_wsrep_sync_wait {
        Some(n) => format!(", SESSION wsrep_sync_wait = {n}"),
        None => String::new(),
    };
    format!(
        "SET NAMES utf8mb4 COLLATE utf8mb4_bin;\
         SET SESSION autocommit = 1, SESSION innodb_lock_wait_timeout = {LOCK_TIMEOUT}{mode}{wait} \
         /*M!100300 , SESSION idle_transaction_timeout = {IDLE_TIMEOUT} */;\
         SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"
    )
}
