//! MariaDB.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    process::Command,
};

use neutrino_linux::process::{self, Signal};

use crate::{
    CommandLine, Database, Launch, PASSWORD, Result, USER,
    certificates::Tls,
    launch::is_root,
    server::{Kind, first_bytes},
};

/// The port the protocol has by default.
pub const DEFAULT_PORT: u16 = 3306;
/// Socket of local clients, below the directory; `root` needs no password there.
pub const SOCKET: &str = "socket";

/// What the server makes of `log-error`, below the directory.
pub(crate) const LOG: &str = "log.err";

const KIND: Kind = Kind {
    name: "mariadbd",
    stop: Signal::SIGTERM,
    // It speaks first, once it serves: the fifth byte is the version of the protocol.
    is_ready: |_, _, port| first_bytes(port, b"", 5).is_some_and(|bytes| bytes[4] == 10),
    log: LOG,
};

/// What a server is to be.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Directory of configuration, data, socket and log.
    pub dir: PathBuf,
    /// The address clients connect to.
    pub listen: IpAddr,
    /// The port clients connect to.
    pub port: u16,
    /// The user who may do everything from everywhere, and the name of that user's database.
    pub user: String,
    /// That user's password.
    pub password: String,
}

impl Settings {
    /// Files and command lines of the server.
    #[must_use]
    pub fn launch(&self) -> Launch {
        self.launch_as("root", "")
    }

    /// The same with `more` lines of configuration, run as `user` where the caller is root.
    pub(crate) fn launch_as(&self, user: &'static str, more: &str) -> Launch {
        let path = |name: &str| self.dir.join(name);
        let defaults = format!("--defaults-file={}", path("my.cnf").display());
        let program = |name: &str, more: &[&str]| {
            let mut words = vec![name.to_owned(), defaults.clone()];
            words.extend(is_root().then(|| format!("--user={user}")));
            words.extend(more.iter().map(|&word| word.to_owned()));
            CommandLine::new([], words)
        };
        let install = ["--auth-root-authentication-method=normal", "--skip-test-db"];
        Launch {
            dir: self.dir.clone(),
            owner: (is_root() && user != "root").then_some(user),
            files: vec![
                (path("my.cnf"), self.configuration() + more),
                (path("init.sql"), self.initial_statements()),
            ],
            prepare: Some(program("mariadb-install-db", &install)),
            helper: None,
            server: program("mariadbd", &[&format!("--init-file={}", path("init.sql").display())]),
        }
    }

    /// Nothing here is meant to survive the machine, so nothing waits for a disk.
    fn configuration(&self) -> String {
        let Self { dir, listen, port, .. } = self;
        let dir = dir.display();
        format!(
            "[mariadbd]\n\
             datadir = {dir}/data\n\
             socket = {dir}/{SOCKET}\n\
             pid-file = {dir}/pid\n\
             log-error = {dir}/{LOG}\n\
             bind-address = {listen}\n\
             port = {port}\n\
             skip-name-resolve\n\
             skip-log-bin\n\
             character-set-server = utf8mb4\n\
             max-connections = 1000\n\
             table-open-cache = 8000\n\
             performance-schema = 0\n\
             innodb-buffer-pool-size = 128M\n\
             innodb-log-file-size = 32M\n\
             innodb-flush-log-at-trx-commit = 0\n\
             innodb-doublewrite = 0\n\
             innodb-stats-persistent = 0\n\
             innodb-use-native-aio = 0\n\
             key-buffer-size = 1M\n\
             aria-pagecache-buffer-size = 1M\n"
        )
    }

    /// Run at each start; a statement per line.
    fn initial_statements(&self) -> String {
        let Self { user, password, .. } = self;
        format!(
            "CREATE DATABASE IF NOT EXISTS `{user}`;\n\
             CREATE USER IF NOT EXISTS '{user}'@'%' IDENTIFIED BY '{password}';\n\
             GRANT ALL ON *.* TO '{user}'@'%' WITH GRANT OPTION;\n"
        )
    }
}

/// Runs `statements` as the administrator of the server whose socket this is.
pub(crate) fn client(socket: &Path, statements: &str) -> Result<String> {
    let mut command = Command::new("mariadb");
    // The client would wait for a server that is there and does not answer.
    command.args(["--no-defaults", "--connect-timeout=2", "-N", "-u", "root", "-S"]).arg(socket);
    Ok(process::run(command.args(["-e", statements]))?)
}

/// The kind of server this is about.
#[derive(Debug)]
pub enum Engine {}

/// A private MariaDB server; ended and removed when dropped.
pub type Mariadb = Database<Engine>;

impl Mariadb {
    /// Starts a server with one empty database.
    ///
    /// # Errors
    /// When MariaDB is not installed or does not come up.
    pub fn start() -> Result<Self> {
        Self::start_with("")
    }

    /// Starts a server that takes clients over TLS only.
    ///
    /// # Errors
    /// As [`Mariadb::start`].
    pub fn start_with_tls(tls: &Tls) -> Result<Self> {
        let Tls { authority, identity } = tls;
        Self::start_with(&format!(
            "ssl-ca = {}\nssl-cert = {}\nssl-key = {}\nrequire-secure-transport = ON\n",
            authority.display(),
            identity.certificate.display(),
            identity.key.display(),
        ))
    }

    /// Starts a server with `more` lines of configuration.
    fn start_with(more: &str) -> Result<Self> {
        Self::start_as(KIND, "mariadb", "mysql+pymysql", |dir, port| {
            let listen = Ipv4Addr::LOCALHOST.into();
            let (user, password) = (USER.to_owned(), PASSWORD.to_owned());
            Settings { dir, listen, port, user, password }.launch_as("root", more)
        })
    }

    /// Runs `statements` as the administrator; answers the rows, without headings.
    ///
    /// # Errors
    /// When a statement is refused.
    pub fn sql(&self, statements: &str) -> Result<String> {
        client(&self.dir().join(SOCKET), statements)
    }
}
