//! What the server itself takes from the configuration; plugins read their own options.

use std::{fs, net::SocketAddr, path::PathBuf, time::Duration};

use neutrino_conf::{Conf, opts};
use neutrino_db::{DbOptions, Retries};

use crate::ServerError;

/// Who may use the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthStrategy {
    /// Tokens of a Keystone.
    Keystone,
    /// Everybody is an administrator.
    NoAuth,
    /// The identity service built in.
    Local,
}

impl AuthStrategy {
    /// Files that were Neutron's name a Keystone and no strategy, since keystone is its default.
    fn from_conf(conf: &Conf) -> Self {
        match conf.get(&opts::default::AUTH_STRATEGY).as_deref() {
            Some("keystone") => Self::Keystone,
            Some("noauth") => Self::NoAuth,
            None if conf.get(&opts::keystone_authtoken::AUTH.auth_url).is_some() => Self::Keystone,
            _ => Self::Local,
        }
    }
}

/// Options of the built-in identity service.
#[derive(Clone)]
pub struct IdentityConfig {
    /// The TOML file of users and projects.
    pub file: PathBuf,
    /// Where the identity API listens.
    pub bind: SocketAddr,
    /// Key that signs tokens; without it one is kept in `state_path`.
    pub secret: Option<String>,
    /// Directory of the generated key.
    pub state_path: PathBuf,
    /// Catalog and token lifetime.
    pub settings: crate::identity::local::LocalSettings,
}

impl std::fmt::Debug for IdentityConfig {
    /// Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IdentityConfig").field("bind", &self.bind).finish_non_exhaustive()
    }
}

/// `[database]`.
#[derive(Clone)]
pub struct DatabaseConfig {
    /// Which database; holds a password.
    pub url: String,
    /// How to connect to it.
    pub options: DbOptions,
}

impl DatabaseConfig {
    /// Reads `[database]`.
    #[must_use]
    pub fn from_conf(conf: &Conf) -> Self {
        use opts::database as of;
        let mut url = conf.get(&of::CONNECTION);
        let more = conf.get(&of::CONNECTION_PARAMETERS);
        if !more.is_empty() {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(&more);
        }
        let count = |n: i64| usize::try_from(n).ok();
        let times = |n: i64| u32::try_from(n).ok();
        let seconds = |n: i64| u64::try_from(n).ok().map(Duration::from_secs);
        let wait = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or_default();
        let defaults = DbOptions::default();
        let options = DbOptions {
            sqlite_readers: count(conf.get(&of::READERS)).unwrap_or(defaults.sqlite_readers),
            max_pool_size: count(conf.get(&of::MAX_POOL_SIZE)).filter(|n| *n > 0),
            max_overflow: count(conf.get(&of::MAX_OVERFLOW)),
            pool_timeout: seconds(conf.get(&of::POOL_TIMEOUT)).unwrap_or(defaults.pool_timeout),
            connection_recycle_time: seconds(conf.get(&of::CONNECTION_RECYCLE_TIME)),
            max_retries: times(conf.get(&of::MAX_RETRIES)),
            retry_interval: seconds(conf.get(&of::RETRY_INTERVAL))
                .unwrap_or(defaults.retry_interval),
            retries: Retries {
                most: times(conf.get(&of::DB_MAX_RETRIES)),
                first: wait(conf.get(&of::DB_RETRY_INTERVAL)),
                doubling: conf.get(&of::DB_INC_RETRY_INTERVAL),
                longest: wait(conf.get(&of::DB_MAX_RETRY_INTERVAL)),
            },
            mysql_sql_mode: conf.get(&of::MYSQL_SQL_MODE),
            mysql_wsrep_sync_wait: conf.get(&of::MYSQL_WSREP_SYNC_WAIT).and_then(times),
        };
        Self { url, options }
    }
}

impl std::fmt::Debug for DatabaseConfig {
    /// Without the URL's password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DatabaseConfig").field("options", &self.options).finish_non_exhaustive()
    }
}

/// Options of the server process.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Where the network API listens.
    pub bind: SocketAddr,
    /// Who may use it.
    pub auth_strategy: AuthStrategy,
    /// Present with [`AuthStrategy::Local`].
    pub identity: Option<IdentityConfig>,
    /// Largest page of a list; `None` for no cap.
    pub pagination_max_limit: Option<u64>,
    /// Whether a create request may hold several resources.
    pub allow_bulk: bool,
    /// Files that override policy defaults, in the order they are read.
    pub policy_files: Vec<PathBuf>,
    /// Whether what a proxy says about a request is believed.
    pub behind_proxy: bool,
    /// How long requests under way may take to finish once the server is told to stop; `None` as
    /// long as they take.
    pub grace: Option<Duration>,
    /// Whether the rules from before the default roles are left out.
    pub enforce_new_defaults: bool,
}

impl ServerConfig {
    /// Reads the server's options.
    ///
    /// # Errors
    /// [`ServerError::Config`] when an address is not an IP address.
    pub fn from_conf(conf: &Conf) -> Result<Self, ServerError> {
        let bind = address(
            &conf.get(&opts::default::BIND_HOST),
            conf.get(&opts::default::BIND_PORT),
            "bind_host",
        )?;
        let auth_strategy = AuthStrategy::from_conf(conf);
        let identity = match auth_strategy {
            AuthStrategy::NoAuth | AuthStrategy::Keystone => None,
            AuthStrategy::Local => Some(identity(conf, bind.port())?),
        };
        Ok(Self {
            bind,
            auth_strategy,
            identity,
            pagination_max_limit: max_limit(&conf.get(&opts::default::PAGINATION_MAX_LIMIT)),
            allow_bulk: conf.get(&opts::default::ALLOW_BULK),
            policy_files: policy_files(conf),
            behind_proxy: conf.get(&opts::oslo_middleware::ENABLE_PROXY_HEADERS_PARSING),
            grace: u64::try_from(conf.get(&opts::default::GRACEFUL_SHUTDOWN_TIMEOUT))
                .ok()
                .filter(|seconds| *seconds > 0)
                .map(Duration::from_secs),
            enforce_new_defaults: conf.get(&opts::oslo_policy::ENFORCE_NEW_DEFAULTS),
        })
    }
}

/// `policy_file`, then the files of `policy_dirs`, as far as they exist.
fn policy_files(conf: &Conf) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        conf.find_file(&conf.get(&opts::oslo_policy::POLICY_FILE)).into_iter().collect();
    for dir in conf.get(&opts::oslo_policy::POLICY_DIRS).0 {
        let Some(entries) = conf.find_file(&dir).and_then(|dir| fs::read_dir(dir).ok()) else {
            continue;
        };
        let is_shown = |path: &PathBuf| {
            path.is_file()
                && !path.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b"."))
        };
        let mut found: Vec<_> =
            entries.filter_map(|e| e.ok().map(|e| e.path())).filter(is_shown).collect();
        found.sort();
        files.extend(found);
    }
    files
}

fn identity(conf: &Conf, network_port: u16) -> Result<IdentityConfig, ServerError> {
    let bind = address(
        &conf.get(&opts::identity::BIND_HOST),
        conf.get(&opts::identity::BIND_PORT),
        "[local_identity] bind_host",
    )?;
    let trimmed = |url: Option<String>| url.map(|u| u.trim_end_matches('/').to_string());
    Ok(IdentityConfig {
        file: PathBuf::from(conf.get(&opts::identity::CONFIG_FILE)),
        bind,
        secret: conf.get(&opts::identity::SECRET),
        state_path: PathBuf::from(conf.get(&opts::default::STATE_PATH)),
        settings: crate::identity::local::LocalSettings {
            region: conf.get(&opts::identity::REGION),
            token_expiration_secs: conf.get(&opts::identity::TOKEN_EXPIRATION),
            identity_endpoint: trimmed(conf.get(&opts::identity::IDENTITY_ENDPOINT)),
            network_endpoint: trimmed(conf.get(&opts::identity::NETWORK_ENDPOINT)),
            network_port,
        },
    })
}

fn address(host: &str, port: i64, option: &str) -> Result<SocketAddr, ServerError> {
    let ip = host
        .trim_matches(['[', ']'])
        .parse()
        .map_err(|_| ServerError::Config(format!("{option}: '{host}' is not an IP address")))?;
    let port = u16::try_from(port)
        .map_err(|_| ServerError::Config(format!("{option}: port {port} is out of range")))?;
    Ok(SocketAddr::new(ip, port))
}

/// Neutron ignores what is not a positive number (and says so once).
fn max_limit(text: &str) -> Option<u64> {
    match text.trim() {
        "-1" => None,
        t if t.eq_ignore_ascii_case("infinite") => None,
        t => match t.parse() {
            Ok(n) if n > 0 => Some(n),
            _ => {
                tracing::warn!(pagination_max_limit = t, "not an integer greater than 0, ignored");
                None
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keystone_is_used_where_one_is_named() {
        let strategy =
            |text: &str| AuthStrategy::from_conf(&Conf::parse_str(text).expect("configuration"));
        let keystone = "[keystone_authtoken]\nauth_url = http://192.0.2.1:5000\n";
        assert_eq!(strategy(""), AuthStrategy::Local);
        assert_eq!(strategy(keystone), AuthStrategy::Keystone);
        let noauth = format!("[DEFAULT]\nauth_strategy = noauth\n{keystone}");
        assert_eq!(strategy(&noauth), AuthStrategy::NoAuth);
    }
}
