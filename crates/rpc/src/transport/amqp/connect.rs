//! One AMQP connection: opened in bounded time, watched, and closed for certain.

use std::{
    io,
    net::Shutdown,
    os::fd::AsFd,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::StreamExt;
use lapin::{
    Connection, ConnectionProperties, Event,
    uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo},
};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

use super::{
    config::Config,
    runtime,
    tls::{NO_IDENTITY, Tls, advice},
    url::Host,
};
use crate::envelope::hex_id;

/// Time for connecting, TLS and authentication. A broker that accepts and then says nothing (its
/// machine is out of memory, say) must not keep the next one from being tried.
const CONNECT: Duration = Duration::from_secs(10);
/// Time for a goodbye.
const CLOSE: Duration = Duration::from_secs(1);

/// Why there is no connection, or no longer.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    #[error(transparent)]
    Amqp(#[from] lapin::Error),
    #[error(transparent)]
    Config(#[from] crate::error::RpcError),
    #[error("{reason}; {advice}")]
    Tls { reason: String, advice: &'static str },
    #[error("no answer within {0:?}")]
    Silent(Duration),
    #[error("the broker cancelled the consumer of {0}")]
    Cancelled(String),
    #[error("the connection was closed")]
    Closed,
}

/// An open connection.
pub(super) struct Wire {
    pub(super) connection: Connection,
    socket: Socket,
    purpose: &'static str,
}

/// The socket below a connection, to be shut whatever the connection thinks: a peer that does not
/// read would keep it, its thread and its buffers.
#[derive(Clone, Default)]
struct Socket(Arc<Mutex<Option<std::net::TcpStream>>>);

impl Socket {
    fn keep(&self, stream: &impl AsFd) -> io::Result<()> {
        let copy = std::net::TcpStream::from(stream.as_fd().try_clone_to_owned()?);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(copy);
        Ok(())
    }

    fn shut(&self) {
        if let Some(stream) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Fails only when the other end was first.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Wire {
    /// Connects to `host`; `purpose` tells this connection apart in the broker's list.
    pub(super) async fn open(
        config: &Config,
        host: &Host,
        purpose: &'static str,
    ) -> Result<Self, LinkError> {
        let tls = match &config.tls {
            Some(tls) => Some(TlsConnector::from(Arc::new(tls.client_config()?))),
            None => None,
        };
        let socket = Socket::default();
        let kept = socket.clone();
        let name = format!("{}:{}:{purpose}:{}", config.process, std::process::id(), hex_id());
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let opening = Connection::connector(
            uri(config, host),
            runtime::current(),
            async move |uri, _| {
                let AMQPAuthority { host, port, .. } = uri.authority;
                let stream = TcpStream::connect((host.as_str(), port)).await?;
                stream.set_nodelay(true)?;
                kept.keep(&stream)?;
                let Some(tls) = &tls else { return Ok(runtime::wire(Box::new(stream))) };
                let name = ServerName::try_from(host).map_err(io::Error::other)?;
                Ok(runtime::wire(Box::new(tls.connect(name, stream).await?)))
            },
            properties,
        );
        match timeout(CONNECT, opening).await {
            Ok(Ok(connection)) => Ok(Self { connection, socket, purpose }),
            Ok(Err(error)) => {
                socket.shut();
                Err(config
                    .tls
                    .as_ref()
                    .and_then(|tls| refusal(&error, tls))
                    .unwrap_or(error.into()))
            }
            Err(_) => {
                socket.shut();
                Err(LinkError::Silent(CONNECT))
            }
        }
    }

    /// Watches the connection until it fails; says why. Logs when the broker blocks it.
    pub(super) async fn watch(&self) -> LinkError {
        let mut events = std::pin::pin!(self.connection.events_listener());
        if !self.connection.status().connected() {
            return LinkError::Closed;
        }
        while let Some(event) = events.next().await {
            match event {
                // What is wrong with a channel only is told to those who use it.
                Event::Error(error) if !self.connection.status().connected() => {
                    return error.into();
                }
                Event::ConnectionBlocked(reason) => {
                    tracing::warn!(purpose = self.purpose, reason, "the broker blocks publishing");
                }
                Event::ConnectionUnblocked => {
                    tracing::info!(purpose = self.purpose, "the broker takes messages again");
                }
                _ => {}
            }
        }
        LinkError::Closed
    }

    /// Says goodbye, for a moment, and closes.
    pub(super) async fn close(&self) {
        // What is left unsaid by then is said by the closed socket.
        let _ = timeout(CLOSE, self.connection.close(200, "OK".into())).await;
        self.socket.shut();
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.socket.shut();
    }
}

/// What TLS, with these options, has against a connection that ended with `error`, if that is why.
fn refusal(error: &lapin::Error, tls: &Tls) -> Option<LinkError> {
    let first: &(dyn std::error::Error + 'static) = error;
    for cause in std::iter::successors(Some(first), |cause| cause.source()) {
        let io = cause.downcast_ref::<io::Error>();
        let inside = io.and_then(io::Error::get_ref);
        let refused = inside.and_then(|inside| inside.downcast_ref::<rustls::Error>());
        if let Some(refused) = refused.or_else(|| cause.downcast_ref()) {
            let advice = advice(refused);
            return Some(LinkError::Tls { reason: refused.to_string(), advice });
        }
        // The broker says in an alert that it wants a certificate, and resets the connection, which
        // may overtake the alert.
        let ended = io.filter(|_| tls.identity.is_none()).filter(|io| is_end(io.kind()));
        if let Some(io) = ended {
            return Some(LinkError::Tls { reason: io.to_string(), advice: NO_IDENTITY });
        }
    }
    None
}

fn is_end(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

fn uri(config: &Config, host: &Host) -> AMQPUri {
    // A peer is dead for lapin after twice the negotiated time.
    let seconds = config.heartbeat.as_secs().div_ceil(2);
    AMQPUri {
        scheme: if config.tls.is_some() { AMQPScheme::AMQPS } else { AMQPScheme::AMQP },
        authority: AMQPAuthority {
            userinfo: AMQPUserInfo { username: host.user.clone(), password: host.password.clone() },
            host: host.name.clone(),
            port: host.port,
        },
        vhost: config.vhost.clone(),
        query: AMQPQueryString {
            heartbeat: Some(u16::try_from(seconds).unwrap_or(u16::MAX)),
            auth_mechanism: Some(config.login),
            ..AMQPQueryString::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use neutrino_conf::Conf;
    use neutrino_service_sandbox::{Authority, Guard, Rabbitmq, certificates::Tls};

    use super::*;
    use crate::error::chain;

    /// Opens a connection with the options `text` of `[oslo_messaging_rabbit]`.
    async fn open(url: &str, text: &str) -> Result<(), String> {
        let conf = Conf::parse_str(&format!("[oslo_messaging_rabbit]\n{text}\n")).expect("valid");
        let config = Config::from_conf(&conf, url, "test").expect("valid");
        let wire = Wire::open(&config, &config.hosts[0], "test").await;
        let wire = wire.map_err(|error| chain(&error))?;
        wire.close().await;
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_broker_that_speaks_tls_only() {
        let dir = std::env::temp_dir().join(format!("neutrino-amqps-{}", std::process::id()));
        std::fs::create_dir(&dir).expect("a directory");
        let _guard = Guard::over(&dir).expect("a guard");
        let authority = Authority::new(&dir, "ours").expect("openssl");
        let other = Authority::new(&dir, "other").expect("openssl");
        let identity = authority.issue("broker", "127.0.0.1").expect("a certificate");
        let client = authority.issue("client", "neutron").expect("a certificate");
        let tls = Tls { authority: authority.certificate(), identity };
        let broker = tokio::task::block_in_place(|| Rabbitmq::start_with_tls(&tls)).expect("up");

        let (url, by_name) = (broker.url(), broker.url().replace("127.0.0.1", "localhost"));
        let option = |name: &str, path: &Path| format!("{name} = {}\n", path.display());
        let own =
            option("ssl_cert_file", &client.certificate) + &option("ssl_key_file", &client.key);
        let ours = "ssl = true\n".to_owned() + &option("ssl_ca_file", &authority.certificate());
        let other = "ssl = true\n".to_owned() + &option("ssl_ca_file", &other.certificate());
        let no_name = "ssl_enforce_hostname_verification = false\n";

        open(&url, &(ours.clone() + &own)).await.expect("as the options say");
        open(&url, &("ssl = true\n".to_owned() + &own)).await.expect("nothing is checked");
        open(&by_name, &(ours.clone() + &own + no_name)).await.expect("no name is checked");
        for (url, text, named) in [
            (&url, other + &own, "ssl_ca_file must hold"),
            (&by_name, ours.clone() + &own, "ssl_enforce_hostname_verification"),
            (&url, ours, "ssl_cert_file"),
            (&url, String::new(), ""),
        ] {
            let error = open(url, &text).await.expect_err(named);
            assert!(error.contains(named) && !error.contains("sandbox"), "{error}");
        }
    }
}
