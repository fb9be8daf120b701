//! The metadata proxy: what Neutron starts a haproxy per network for, in one process.
//!
//! A [`MetadataProxy`] serves any number of networks and routers. [`MetadataProxy::listen`] opens
//! sockets inside a namespace; they belong to it for good, so connections are accepted and served
//! from outside without entering it again. Each request is passed to the metadata agent's unix
//! socket, which may as well be Neutron's, with the network's or router's id and the instance's
//! address added and everything taken out by which an instance could pass for another.
//!
//! - [`headers`] and [`rate`]: what passes, pure;
//! - [`socket`]: the sockets in namespaces;
//! - [`serve`]: connections and requests.

pub mod headers;
pub mod rate;
mod serve;
mod socket;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use hyper::header::{HeaderName, HeaderValue};
use neutrino_conf::{Conf, opts};
use tokio::{sync::Semaphore, task::JoinHandle};

use rate::{Rate, RateLimit, RateLimiter};

/// Connections of one network or router at a time (haproxy's `maxconn`): one network full of them
/// does not keep others from their metadata.
const MAX_CONNECTIONS: usize = 1024;

/// A proxy cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// An id that is no header value.
    #[error("{0:?} cannot be sent as the id of a network or router")]
    Id(String),
    /// The namespace, or the device in it.
    #[error("opening metadata sockets in {namespace}")]
    Namespace {
        /// File of the namespace.
        namespace: PathBuf,
        /// Why.
        #[source]
        source: neutrino_linux::Error,
    },
}

/// How every proxy of this process behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The metadata agent's socket.
    pub socket: PathBuf,
    /// To wait for a connection to it.
    pub connect: Duration,
    /// An instance may take to send a body or to take an answer.
    pub client: Duration,
    /// To wait for the metadata agent's answer.
    pub server: Duration,
    /// An instance may take to send the head of its first request.
    pub http_request: Duration,
    /// A connection may be idle between two requests.
    pub keep_alive: Duration,
    /// Limits per address; `None` for none.
    pub rate_limit: Option<RateLimit>,
}

impl Settings {
    /// As configured for the DHCP or L3 agent.
    #[must_use]
    pub fn from_conf(conf: &Conf) -> Self {
        use opts::metadata_haproxy as haproxy;
        let secs = |value: i64| Duration::from_secs(u64::try_from(value).unwrap_or(1));
        Self {
            socket: conf.get(&opts::metadata_proxy::METADATA_PROXY_SOCKET).into(),
            connect: secs(conf.get(&haproxy::TIMEOUT_CONNECT)),
            client: secs(conf.get(&haproxy::TIMEOUT_CLIENT)),
            server: secs(conf.get(&haproxy::TIMEOUT_SERVER)),
            http_request: secs(conf.get(&haproxy::TIMEOUT_HTTP_REQUEST)),
            keep_alive: secs(conf.get(&haproxy::TIMEOUT_HTTP_KEEP_ALIVE)),
            rate_limit: rate_limit(conf),
        }
    }
}

/// The configured limits; none, with a warning, for IP versions that Neutron refuses too.
fn rate_limit(conf: &Conf) -> Option<RateLimit> {
    use opts::metadata_rate_limiting as limiting;
    if !conf.get(&limiting::RATE_LIMIT_ENABLED) {
        return None;
    }
    let versions = conf.get(&limiting::IP_VERSIONS);
    let ipv6 = match versions.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["4"] => false,
        ["6"] => true,
        _ => {
            tracing::warn!(
                ip_versions = versions.join(","),
                "metadata is not rate limited: ip_versions must be 4 or 6"
            );
            return None;
        }
    };
    let rate = |window: i64, queries: i64| Rate {
        window: Duration::from_secs(u64::try_from(window).unwrap_or(1)),
        queries: u32::try_from(queries).unwrap_or(u32::MAX),
    };
    Some(RateLimit {
        ipv6,
        base: rate(
            conf.get(&limiting::BASE_WINDOW_DURATION),
            conf.get(&limiting::BASE_QUERY_RATE_LIMIT),
        ),
        burst: rate(
            conf.get(&limiting::BURST_WINDOW_DURATION),
            conf.get(&limiting::BURST_QUERY_RATE_LIMIT),
        ),
    })
}

/// Whose instances a proxy serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Served {
    /// The network of this id (`qdhcp-` namespaces).
    Network(String),
    /// Networks behind the router of this id (`qrouter-` namespaces).
    Router(String),
}

impl Served {
    /// The header that tells the metadata agent.
    fn header(&self) -> Result<(HeaderName, HeaderValue), ProxyError> {
        let (name, id) = match self {
            Self::Network(id) => (headers::NETWORK_ID, id),
            Self::Router(id) => (headers::ROUTER_ID, id),
        };
        let value = HeaderValue::from_str(id).map_err(|_| ProxyError::Id(id.clone()))?;
        Ok((name, value))
    }
}

/// Where to listen in a namespace. The address need not be there yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// Address and port, e.g. `169.254.169.254:80` or `[fe80::a9fe:a9fe]:80`.
    pub address: SocketAddr,
    /// The device to listen on; link-local addresses need one. A device that was replaced by one
    /// of the same name must be listened on anew.
    pub device: Option<String>,
}

/// All metadata proxies of this process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct MetadataProxy(Arc<Settings>);

impl MetadataProxy {
    /// A proxy that listens nowhere yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(settings))
    }

    /// Listens on `binds` inside the namespace whose file is `namespace` (`/run/netns/<name>`)
    /// until the answered guard is dropped. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The namespace or the device is not there, or an address is in use.
    pub async fn listen(
        &self,
        namespace: &Path,
        binds: &[Bind],
        served: Served,
    ) -> Result<Listening, ProxyError> {
        let fail = |source| ProxyError::Namespace { namespace: namespace.to_owned(), source };
        let header = served.header()?;
        let listeners = socket::open(namespace, binds).await.map_err(fail)?;
        let site = Arc::new(serve::Site {
            settings: Arc::clone(&self.0),
            header,
            slots: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
            limiter: self.0.rate_limit.map(|limit| Mutex::new(RateLimiter::new(limit))),
        });
        tracing::info!(?served, namespace = %namespace.display(), ?binds, "metadata proxy listens");
        let tasks = listeners
            .into_iter()
            .map(|listener| tokio::spawn(serve::accept(listener, Arc::clone(&site))))
            .collect();
        Ok(Listening { tasks })
    }
}

/// Sockets that are listened on; dropped, they are closed with all their connections.
///
/// An open socket keeps its namespace alive: end this before deleting the namespace, with
/// [`Listening::stop`] where the namespace's name is used again.
#[derive(Debug)]
pub struct Listening {
    tasks: Vec<JoinHandle<()>>,
}

impl Listening {
    /// Closes everything and returns when it is closed.
    pub async fn stop(mut self) {
        for task in &mut self.tasks {
            task.abort();
            // Being cancelled is what was asked for.
            let _ = task.await;
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}
