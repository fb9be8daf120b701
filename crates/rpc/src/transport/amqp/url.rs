//! `transport_url` of oslo.messaging: `rabbit://user:pass@h1:5672,user:pass@h2/vhost?query`. Pure.

use std::fmt;

/// Schemes that mean RabbitMQ: oslo's name, and its older alias.
pub const SCHEMES: &[&str] = &["rabbit://", "kombu://"];

const DEFAULT_PORT: u16 = 5672;
/// User and password where the URL has none, and the only ones a fresh broker knows.
const DEFAULT_USER: &str = "guest";

/// Why a `transport_url` cannot be used. Never holds the URL: it has passwords in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not one of [`SCHEMES`].
    #[error("expected rabbit://user:password@host:port/virtual_host")]
    Scheme,
    /// Text after the last colon of a host is no port.
    #[error("a port is not a number from 1 to 65535")]
    Port,
    /// A host without a name.
    #[error("a host has no name")]
    NoHost,
    /// A bracket of an IPv6 address is missing.
    #[error("an IPv6 address needs both brackets")]
    Brackets,
}

/// One broker.
#[derive(Clone, PartialEq, Eq)]
pub struct Host {
    /// Name or address, without brackets.
    pub name: String,
    /// TCP port.
    pub port: u16,
    /// User.
    pub user: String,
    /// Password.
    pub password: String,
}

impl fmt::Debug for Host {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.port)
    }
}

/// A `transport_url` taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Brokers of one cluster, at least one.
    pub hosts: Vec<Host>,
    /// Virtual host.
    pub vhost: String,
    /// Options of `[oslo_messaging_rabbit]` that the URL overrides.
    pub query: Vec<(String, String)>,
}

impl Url {
    /// Takes `text` apart.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let rest = SCHEMES.iter().find_map(|s| text.strip_prefix(s)).ok_or(UrlError::Scheme)?;
        let rest = rest.split('#').next().unwrap_or(rest);
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (netloc, path) = rest.split_once('/').unwrap_or((rest, ""));
        let mut hosts: Vec<Host> =
            netloc.split(',').filter(|h| !h.is_empty()).map(host).collect::<Result<_, _>>()?;
        if hosts.is_empty() {
            hosts.push(host("localhost")?);
        }
        let vhost = match unquote(path) {
            empty if empty.is_empty() => "/".to_string(),
            vhost => vhost,
        };
        Ok(Self { hosts, vhost, query: query_pairs(query) })
    }
}

fn host(text: &str) -> Result<Host, UrlError> {
    let (credentials, address) = match text.rsplit_once('@') {
        Some((credentials, address)) => (Some(credentials), address),
        None => (None, text),
    };
    let (user, password) = match credentials.map(|c| c.split_once(':').unwrap_or((c, ""))) {
        Some((user, password)) if !user.is_empty() => (unquote(user), unquote(password)),
        _ => (DEFAULT_USER.to_string(), DEFAULT_USER.to_string()),
    };
    let (name, port) = address_parts(address)?;
    if name.is_empty() {
        return Err(UrlError::NoHost);
    }
    let port = match port {
        None => DEFAULT_PORT,
        Some(text) => text.parse().ok().filter(|p| *p > 0).ok_or(UrlError::Port)?,
    };
    Ok(Host { name: name.to_string(), port, user, password })
}

fn address_parts(address: &str) -> Result<(&str, Option<&str>), UrlError> {
    if let Some(rest) = address.strip_prefix('[') {
        let (name, tail) = rest.split_once(']').ok_or(UrlError::Brackets)?;
        return Ok((name, tail.strip_prefix(':')));
    }
    // More than one colon is an IPv6 address without brackets, and so without a port.
    match address.split_once(':') {
        Some((name, port)) if !port.contains(':') => Ok((name, Some(port))),
        _ => Ok((address, None)),
    }
}

fn query_pairs(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (unquote(key), unquote(&value.replace('+', " "))))
        .collect()
}

/// `%41` as `A`; what is no escape stays as it is.
fn unquote(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match escape {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Url {
        Url::parse(text).expect("valid")
    }

    #[test]
    fn hosts_credentials_and_vhost() {
        let url =
            parsed("rabbit://openstack:p%40ss%2F:w@h1:5672,os@x:b@h2:5673,[::1]:1,fe80::1/nova");
        let seen: Vec<_> =
            url.hosts.iter().map(|h| (&*h.name, h.port, &*h.user, &*h.password)).collect();
        assert_eq!(
            seen,
            [
                ("h1", 5672, "openstack", "p@ss/:w"),
                ("h2", 5673, "os@x", "b"),
                ("::1", 1, "guest", "guest"),
                ("fe80::1", 5672, "guest", "guest"),
            ]
        );
        assert_eq!(url.vhost, "nova");
        assert!(!format!("{url:?}").contains("p@ss"));
    }

    #[test]
    fn absent_parts_have_oslos_defaults() {
        let url = parsed("rabbit://");
        assert_eq!((&*url.hosts[0].name, url.hosts[0].port), ("localhost", 5672));
        for (text, vhost) in [
            ("rabbit://h", "/"),
            ("rabbit://h/", "/"),
            ("rabbit://h//", "/"),
            ("kombu://h//a", "/a"),
        ] {
            assert_eq!(parsed(text).vhost, vhost, "{text}");
        }
    }

    #[test]
    fn query_overrides_options() {
        let url = parsed("rabbit://h/?ssl=1&ssl_ca_file=%2Fca.pem");
        let pair = |k: &str, v: &str| (k.to_string(), v.to_string());
        assert_eq!(url.query, [pair("ssl", "1"), pair("ssl_ca_file", "/ca.pem")]);
        assert_eq!(url.vhost, "/");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, error) in [
            ("amqp://h", UrlError::Scheme),
            ("h:5672", UrlError::Scheme),
            ("rabbit://h:", UrlError::Port),
            ("rabbit://h:0", UrlError::Port),
            ("rabbit://h:99999", UrlError::Port),
            ("rabbit://u:p@", UrlError::NoHost),
            ("rabbit://[::1", UrlError::Brackets),
        ] {
            assert_eq!(Url::parse(text), Err(error), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = Url::parse(&format!("rabbit://{text}"));
        }
    }
}
