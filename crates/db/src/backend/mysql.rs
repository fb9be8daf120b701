//! MariaDB and MySQL: how to connect and what a session is set to.

use sqlx::{
    ConnectOptions,
    mysql::{MySqlConnectOptions, MySqlSslMode},
};

use super::{IDLE_TIMEOUT, LOCK_TIMEOUT};
use crate::{
    options::DbOptions,
    url::{Parts, readable, truth},
};

/// The options of sqlx for the URL `parts`, whose query is as PyMySQL takes it.
pub(crate) fn options(parts: &Parts) -> Result<MySqlConnectOptions, String> {
    if parts.database.is_empty() {
        return Err("it names no database".into());
    }
    let mut out = MySqlConnectOptions::new()
        .host(parts.host.as_deref().unwrap_or("localhost"))
        .port(parts.port.unwrap_or(3306))
        .database(&parts.database)
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
    let mut tls = Tls::default();
    for (key, value) in &parts.query {
        match key.as_str() {
            "charset" if value.starts_with("utf8") => {}
            "charset" => return Err(format!("charset {value}: only utf8mb4 is used")),
            "unix_socket" => {
                out = out.socket(value);
                tls.local = true;
            }
            "ssl_ca" | "ssl_cert" | "ssl_key" => {
                readable(key, value)?;
                tls.asked = true;
                match key.as_str() {
                    "ssl_ca" => tls.ca = Some(value),
                    "ssl_cert" => tls.cert = Some(value),
                    _ => tls.key = Some(value),
                }
            }
            "ssl_capath" => return Err("ssl_capath: put the certificates in ssl_ca".into()),
            "ssl_check_hostname" => tls.checks_host = Some(truth(key, value)?),
            "ssl_verify_cert" => tls.verifies = Some(truth(key, value)?),
            "ssl_verify_identity" => tls.verifies_host = truth(key, value)?,
            "ssl_disabled" => tls.disabled = truth(key, value)?,
            "ssl" => tls.asked |= truth(key, value)?,
            // Settings of the Python driver that have no counterpart, SQLAlchemy plugins.
            key => tracing::debug!(key, "a parameter of the database URL has no effect"),
        }
    }
    out = out.ssl_mode(tls.mode());
    if let Some(ca) = tls.ca {
        out = out.ssl_ca(ca);
    }
    if let Some(cert) = tls.cert.or(tls.key) {
        // The key may be in the certificate's file, as OpenSSL finds it.
        out = out.ssl_client_cert(cert).ssl_client_key(tls.key.unwrap_or(cert));
    }
    Ok(out)
}

/// What the query says of TLS.
#[derive(Default)]
struct Tls<'a> {
    ca: Option<&'a str>,
    cert: Option<&'a str>,
    key: Option<&'a str>,
    checks_host: Option<bool>,
    verifies: Option<bool>,
    verifies_host: bool,
    asked: bool,
    disabled: bool,
    local: bool,
}

impl Tls<'_> {
    /// What PyMySQL 1.2 does: encrypts where the server can, insists where anything of TLS is said,
    /// checks the certificate where an authority is named, and its name unless told otherwise.
    fn mode(&self) -> MySqlSslMode {
        if self.disabled {
            return MySqlSslMode::Disabled;
        }
        if self.verifies_host {
            return MySqlSslMode::VerifyIdentity;
        }
        match (self.verifies, self.ca.is_some()) {
            // ssl_verify_cert is of the certificate, and of no name.
            (Some(true), _) if self.checks_host == Some(true) => MySqlSslMode::VerifyIdentity,
            (Some(true), _) => MySqlSslMode::VerifyCa,
            (Some(false), _) => MySqlSslMode::Required,
            (None, true) if self.checks_host == Some(false) => MySqlSslMode::VerifyCa,
            (None, true) => MySqlSslMode::VerifyIdentity,
            (None, false) if self.asked => MySqlSslMode::Required,
            (None, false) if self.local => MySqlSslMode::Disabled,
            (None, false) => MySqlSslMode::Preferred,
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_is_as_strict_as_pymysql() {
        use MySqlSslMode::{Disabled, Preferred, Required, VerifyCa, VerifyIdentity};
        let file = ("ssl_ca", "/dev/null");
        let mode = |query: &[(&str, &str)]| {
            let query = query.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
            let parts = Parts { database: "neutron".into(), query, ..Parts::default() };
            options(&parts).map(|options| format!("{:?}", options.get_ssl_mode()))
        };
        for (query, wanted) in [
            (&[][..], Preferred),
            (&[("unix_socket", "/s")], Disabled),
            (&[("ssl_disabled", "1"), file], Disabled),
            (&[("ssl", "true")], Required),
            (&[("ssl_cert", "/dev/null")], Required),
            (&[file], VerifyIdentity),
            (&[file, ("ssl_check_hostname", "False")], VerifyCa),
            (&[("ssl_verify_cert", "true"), file], VerifyCa),
            (&[("ssl_verify_cert", "true"), ("ssl_verify_identity", "true")], VerifyIdentity),
        ] {
            assert_eq!(mode(query), Ok(format!("{wanted:?}")), "{query:?}");
        }
        for (query, named) in [
            (("ssl_ca", "/none.pem"), "ssl_ca: /none.pem"),
            (("ssl_capath", "/etc"), "ssl_ca"),
            (("ssl_check_hostname", "perhaps"), "ssl_check_hostname"),
        ] {
            let error = mode(&[query]).expect_err(named);
            assert!(error.contains(named), "{error}");
        }
    }
}
