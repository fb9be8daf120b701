//! The metadata agent's settings, checked once.

use std::{path::PathBuf, sync::Arc, time::Duration};

use neutrino_conf::{Conf, opts, opts::metadata_agent as agent};
use neutrino_rpc::shapes::AgentState;
use neutrino_types::constants::agent_type;
use nix::unistd::{Gid, Group, Uid, User, getegid, geteuid};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde_json::json;

use super::insecure::AnyCertificate;

/// The authorities a Debian system trusts, where `auth_ca_cert` is not set.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A setting cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingError {
    /// A PEM file.
    #[error("reading {option} {path}")]
    Pem {
        /// The option that names it.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// A certificate or key that cannot be used.
    #[error("preparing https to Nova")]
    Tls(#[from] rustls::Error),
    /// Only one of certificate and key is set.
    #[error("nova_client_cert and nova_client_priv_key go together")]
    HalfClientCert,
    /// A port that nothing listens on.
    #[error("nova_metadata_port must be from 1 to 65535")]
    Port,
}

/// Where Nova is and how it is spoken to.
#[derive(Clone)]
pub struct Nova {
    /// Name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// For https.
    pub tls: Option<Arc<ClientConfig>>,
    /// Key of the signature.
    pub secret: String,
}

/// Settings of the metadata agent.
#[derive(Clone)]
pub struct Config {
    /// The unix socket.
    pub socket: PathBuf,
    /// Its access bits.
    pub socket_mode: u32,
    /// Connections that may wait on it.
    pub backlog: u32,
    /// Nova's metadata service.
    pub nova: Nova,
    /// `[AGENT] report_interval`.
    pub report_interval: Duration,
    /// `[AGENT] log_agent_heartbeats`.
    pub log_heartbeats: bool,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// A file that cannot be read, or settings that do not fit together.
    pub fn from_conf(conf: &Conf, report_interval: Duration) -> Result<Self, SettingError> {
        let host = conf.get(&agent::NOVA_METADATA_HOST);
        let https = conf.get(&agent::NOVA_METADATA_PROTOCOL) == "https";
        let port = u16::try_from(conf.get(&agent::NOVA_METADATA_PORT)).ok();
        Ok(Self {
            socket: conf.get(&opts::metadata_proxy::METADATA_PROXY_SOCKET).into(),
            socket_mode: socket_mode(conf),
            backlog: u32::try_from(conf.get(&agent::METADATA_BACKLOG)).unwrap_or(4096),
            nova: Nova {
                host: host.trim_start_matches('[').trim_end_matches(']').to_string(),
                port: port.filter(|port| *port > 0).ok_or(SettingError::Port)?,
                tls: https.then(|| tls(conf)).transpose()?.map(Arc::new),
                secret: conf.get(&agent::METADATA_PROXY_SHARED_SECRET),
            },
            report_interval,
            log_heartbeats: conf.get(&opts::agent::LOG_AGENT_HEARTBEATS),
        })
    }

    /// What the agent on `host` reports of itself.
    #[must_use]
    pub fn agent_state(&self, host: &str) -> AgentState {
        let configurations = json!({
            "metadata_proxy_socket": self.socket,
            "nova_metadata_host": self.nova.host,
            "nova_metadata_port": self.nova.port,
            "log_agent_heartbeats": self.log_heartbeats,
        });
        AgentState {
            binary: "neutron-metadata-agent".into(),
            host: host.into(),
            topic: "N/A".into(),
            agent_type: agent_type::METADATA.into(),
            configurations: configurations.as_object().cloned().unwrap_or_default(),
            start_flag: true,
            availability_zone: None,
            resource_versions: None,
            uuid: String::new(),
        }
    }
}

/// The socket's access bits: as configured, or by who runs the proxies.
fn socket_mode(conf: &Conf) -> u32 {
    let user = conf.get(&opts::metadata_proxy::METADATA_PROXY_USER);
    let group = conf.get(&opts::metadata_proxy::METADATA_PROXY_GROUP);
    match conf.get(&agent::METADATA_PROXY_SOCKET_MODE).as_str() {
        "user" => 0o644,
        "group" => 0o664,
        "all" => 0o666,
        _ if user.is_empty() || user == "0" || user == "root" || is_our_user(&user) => 0o644,
        _ if group.is_empty() || is_our_group(&group) => 0o664,
        _ => 0o666,
    }
}

fn is_our_user(user: &str) -> bool {
    let id = match user.parse() {
        Ok(id) => Some(Uid::from_raw(id)),
        Err(_) => User::from_name(user).ok().flatten().map(|user| user.uid),
    };
    id == Some(geteuid())
}

fn is_our_group(group: &str) -> bool {
    let id = match group.parse() {
        Ok(id) => Some(Gid::from_raw(id)),
        Err(_) => Group::from_name(group).ok().flatten().map(|group| group.gid),
    };
    id == Some(getegid())
}

fn tls(conf: &Conf) -> Result<ClientConfig, SettingError> {
    let builder = ClientConfig::builder_with_provider(provider().into())
        .with_safe_default_protocol_versions()?;
    let builder = if conf.get(&agent::NOVA_METADATA_INSECURE) {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider())))
    } else {
        let configured = conf.get(&agent::AUTH_CA_CERT);
        let mut roots = RootCertStore::empty();
        let path = configured.unwrap_or_else(|| SYSTEM_AUTHORITIES.into());
        for certificate in certificates("auth_ca_cert", &path)? {
            roots.add(certificate)?;
        }
        builder.with_root_certificates(roots)
    };
    let cert = conf.get(&agent::NOVA_CLIENT_CERT);
    let key = conf.get(&agent::NOVA_CLIENT_PRIV_KEY);
    match (cert.is_empty(), key.is_empty()) {
        (true, true) => Ok(builder.with_no_client_auth()),
        (false, false) => {
            let chain = certificates("nova_client_cert", &cert)?;
            let option = "nova_client_priv_key";
            let key = PrivateKeyDer::from_pem_file(&key).map_err(|source| SettingError::Pem {
                option,
                path: key.into(),
                source,
            })?;
            Ok(builder.with_client_auth_cert(chain, key)?)
        }
        _ => Err(SettingError::HalfClientCert),
    }
}

fn provider() -> rustls::crypto::CryptoProvider {
    rustls::crypto::ring::default_provider()
}

fn certificates(
    option: &'static str,
    path: &str,
) -> Result<Vec<CertificateDer<'static>>, SettingError> {
    let fail = |source| SettingError::Pem { option, path: path.into(), source };
    CertificateDer::pem_file_iter(path).map_err(fail)?.collect::<Result<_, _>>().map_err(fail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(text: &str) -> u32 {
        socket_mode(&Conf::parse_str(&format!("[DEFAULT]\n{text}\n")).expect("valid"))
    }

    #[test]
    fn socket_mode_is_deduced_from_who_runs_the_proxies() {
        let (us, our_group) = (geteuid(), getegid());
        assert_eq!(mode(""), 0o644);
        assert_eq!(mode("metadata_proxy_user = root"), 0o644);
        assert_eq!(mode(&format!("metadata_proxy_user = {us}")), 0o644);
        assert_eq!(mode("metadata_proxy_user = 4242"), 0o664);
        let both = "metadata_proxy_user = 4242\nmetadata_proxy_group = ";
        assert_eq!(mode(&format!("{both}{our_group}")), 0o664);
        assert_eq!(mode(&format!("{both}4242")), 0o666);
        assert_eq!(mode("metadata_proxy_socket_mode = all"), 0o666);
    }

    #[test]
    fn settings_that_do_not_fit_are_refused() {
        let read = |text: &str| {
            let text = format!("[DEFAULT]\n{text}\n");
            Config::from_conf(&Conf::parse_str(&text).expect("valid"), Duration::from_secs(30))
        };
        let half = "nova_metadata_protocol = https\nnova_metadata_insecure = true\n\
            nova_client_cert = /x";
        assert!(matches!(read(half), Err(SettingError::HalfClientCert)));
        let missing = "nova_metadata_protocol = https\nauth_ca_cert = /nonexistent";
        assert!(matches!(read(missing), Err(SettingError::Pem { option: "auth_ca_cert", .. })));
        assert!(matches!(read("nova_metadata_port = 0"), Err(SettingError::Port)));
        assert_eq!(read("nova_metadata_host = [::1]").expect("valid").nova.host, "::1");
    }
}
