//! RabbitMQ: a node of its own with an epmd of its own.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    ops::{Deref, DerefMut},
    path::PathBuf,
};

use neutrino_linux::process::{self, Signal};

use crate::{
    CommandLine, Launch, PASSWORD, Port, Result, USER,
    certificates::Tls,
    server::{Kind, Place, Server, first_bytes},
};

/// Where Debian has RabbitMQ's programs; those in PATH change the user first.
const PROGRAMS: &str = "/usr/lib/rabbitmq/bin";
/// The port the protocol has by default.
pub const DEFAULT_PORT: u16 = 5672;
/// What a client says first (AMQP 0-9-1).
const GREETING: &[u8] = b"AMQP\0\0\x09\x01";
/// How Connection.Start begins: a method frame on channel 0.
const ANSWER: &[u8] = &[1, 0, 0];

const KIND: Kind = Kind {
    name: "rabbitmq-server",
    stop: Signal::SIGTERM,
    is_ready: |_, _, port| first_bytes(port, GREETING, ANSWER.len()).as_deref() == Some(ANSWER),
    log: "log/rabbit.log",
};

/// The node answers what is no TLS with an alert.
const TLS_KIND: Kind = Kind {
    is_ready: |_, _, port| first_bytes(port, GREETING, 1).as_deref() == Some(ALERT),
    ..KIND
};
/// How a TLS alert begins.
const ALERT: &[u8] = &[21];

/// What a node is to be.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Directory of configuration, data and log.
    pub dir: PathBuf,
    /// The address clients connect to.
    pub listen: IpAddr,
    /// The port clients connect to.
    pub port: u16,
    /// Port of the node's epmd, on the loopback.
    pub epmd_port: u16,
    /// Port for `rabbitmqctl` to reach the node, on the loopback.
    pub distribution_port: u16,
    /// The one user, administrator of virtual host `/`.
    pub user: String,
    /// That user's password.
    pub password: String,
}

impl Settings {
    /// Files and command lines of the node.
    #[must_use]
    pub fn launch(&self) -> Launch {
        let address = SocketAddr::new(self.listen, self.port);
        self.launch_listening(&format!("listeners.tcp.1 = {address}\n"))
    }

    fn launch_with_tls(&self, tls: &Tls) -> Launch {
        self.launch_listening(&format!(
            "listeners.tcp = none\n\
             listeners.ssl.1 = {}\n\
             ssl_options.cacertfile = {}\n\
             ssl_options.certfile = {}\n\
             ssl_options.keyfile = {}\n\
             ssl_options.verify = verify_peer\n\
             ssl_options.fail_if_no_peer_cert = true\n",
            SocketAddr::new(self.listen, self.port),
            tls.authority.display(),
            tls.identity.certificate.display(),
            tls.identity.key.display(),
        ))
    }

    fn launch_listening(&self, listeners: &str) -> Launch {
        let file = |name: &str, text: String| (self.dir.join(name), text);
        let epmd = ["epmd", "-port", &self.epmd_port.to_string(), "-address", "127.0.0.1"];
        Launch {
            dir: self.dir.clone(),
            owner: None,
            files: vec![
                file("rabbitmq.conf", listeners.to_owned() + &self.configuration()),
                file("enabled_plugins", "[].\n".to_owned()),
                // Instead of the system's, which would override the environment below.
                file("rabbitmq-env.conf", String::new()),
            ],
            prepare: None,
            helper: Some(CommandLine::new([], epmd.map(str::to_owned))),
            server: self.program("rabbitmq-server"),
        }
    }

    /// `rabbitmqctl` for this node; it takes some seconds.
    #[must_use]
    pub fn ctl(&self) -> CommandLine {
        self.program("rabbitmqctl")
    }

    fn configuration(&self) -> String {
        let Self { user, password, .. } = self;
        // The limits let a node run on a machine that is full of tests.
        format!(
            "loopback_users = none\n\
             default_user = {user}\n\
             default_pass = {password}\n\
             log.file = rabbit.log\n\
             log.console = false\n\
             vm_memory_high_watermark.absolute = 1GB\n\
             disk_free_limit.absolute = 50MB\n",
        )
    }

    fn program(&self, name: &str) -> CommandLine {
        let path = |name: &str| self.dir.join(name).display().to_string();
        let environment = [
            // Where the cookie is that the node and rabbitmqctl share.
            ("HOME", self.dir.display().to_string()),
            ("ERL_EPMD_PORT", self.epmd_port.to_string()),
            ("ERL_EPMD_ADDRESS", "127.0.0.1".to_owned()),
            ("ERL_CRASH_DUMP_SECONDS", "0".to_owned()),
            ("RABBITMQ_NODENAME", "rabbit@localhost".to_owned()),
            ("RABBITMQ_DIST_PORT", self.distribution_port.to_string()),
            ("RABBITMQ_CONF_ENV_FILE", path("rabbitmq-env.conf")),
            ("RABBITMQ_CONFIG_FILE", path("rabbitmq.conf")),
            ("RABBITMQ_ADVANCED_CONFIG_FILE", path("advanced.config")),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", path("enabled_plugins")),
            ("RABBITMQ_MNESIA_BASE", path("mnesia")),
            ("RABBITMQ_LOG_BASE", path("log")),
            ("RABBITMQ_PID_FILE", path("rabbit.pid")),
            // Makes the script become the node instead of watching over it; the arguments close
            // the standard input that this would leave open.
            ("RABBITMQ_ALLOW_INPUT", "true".to_owned()),
            (
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-noinput -kernel inet_dist_use_interface {127,0,0,1} +S 2:2".to_owned(),
            ),
        ];
        CommandLine::new(environment, [format!("{PROGRAMS}/{name}")])
    }
}

/// A private RabbitMQ node; ended and removed when dropped. Starting takes some seconds.
#[derive(Debug)]
pub struct Rabbitmq {
    server: Server,
    settings: Settings,
    _ports: [Port; 3],
}

impl Rabbitmq {
    /// Starts an empty node.
    ///
    /// # Errors
    /// When RabbitMQ is not installed or does not come up.
    pub fn start() -> Result<Self> {
        Self::start_with(None)
    }

    /// Starts an empty node that takes clients over TLS only, with a certificate of their own.
    ///
    /// # Errors
    /// As [`Rabbitmq::start`].
    pub fn start_with_tls(tls: &Tls) -> Result<Self> {
        Self::start_with(Some(tls))
    }

    fn start_with(tls: Option<&Tls>) -> Result<Self> {
        let ports = [Port::take()?, Port::take()?, Port::take()?];
        let [port, epmd_port, distribution_port] = ports.each_ref().map(Port::number);
        let place = Place::new("rabbitmq")?;
        let settings = Settings {
            dir: place.dir.clone(),
            listen: Ipv4Addr::LOCALHOST.into(),
            port,
            epmd_port,
            distribution_port,
            user: USER.to_owned(),
            password: PASSWORD.to_owned(),
        };
        let (kind, launch) = match tls {
            Some(tls) => (TLS_KIND, settings.launch_with_tls(tls)),
            None => (KIND, settings.launch()),
        };
        let server = Server::start(kind, place, port, launch)?;
        Ok(Self { server, settings, _ports: ports })
    }

    /// Its `transport_url`: virtual host `/`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("rabbit://{USER}:{PASSWORD}@127.0.0.1:{}/", self.port())
    }

    /// Runs `rabbitmqctl` with these arguments; answers what it printed.
    ///
    /// # Errors
    /// When it fails; the error holds what it said.
    pub fn ctl(&self, arguments: &[&str]) -> Result<String> {
        let line = self.settings.ctl().with(arguments);
        Ok(process::run(line.command().current_dir(self.dir()))?)
    }
}

impl Deref for Rabbitmq {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl DerefMut for Rabbitmq {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.server
    }
}
