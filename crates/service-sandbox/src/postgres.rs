//! PostgreSQL.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
};

use neutrino_linux::process::Signal;

use crate::{
    CommandLine, Database, Launch, PASSWORD, Result, USER, certificates::Tls, launch::is_root,
    server::Kind,
};

/// Where Debian has the server's programs.
const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";
/// The system user of Debian's package: the server refuses to run as root.
const SYSTEM_USER: &str = "postgres";
/// The port the protocol has by default.
pub const DEFAULT_PORT: u16 = 5432;

const KIND: Kind = Kind {
    name: "postgres",
    // SIGTERM would wait for clients to leave.
    stop: Signal::SIGINT,
    is_ready: |dir, pid, _| is_ready(dir, pid),
    log: "output",
};

/// The server says in its pid file when it serves.
fn is_ready(dir: &Path, pid: u32) -> bool {
    let text = fs::read_to_string(dir.join("data/postmaster.pid")).unwrap_or_default();
    let mut lines = text.lines();
    lines.next() == Some(pid.to_string().as_str())
        && lines.last().is_some_and(|state| state.trim() == "ready")
}

/// What a server is to be.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Directory of configuration, data and socket. Its parents must let other users through.
    pub dir: PathBuf,
    /// The address clients connect to.
    pub listen: IpAddr,
    /// The port clients connect to.
    pub port: u16,
    /// The superuser, and the name of that user's database.
    pub user: String,
    /// That user's password; local clients (socket in `dir`) need none.
    pub password: String,
}

impl Settings {
    /// Files and command lines of the server.
    #[must_use]
    pub fn launch(&self) -> Launch {
        self.launch_with(None)
    }

    /// The same with TLS, and clients from elsewhere only so.
    pub(crate) fn launch_with(&self, tls: Option<&Tls>) -> Launch {
        let path = |name: &str| self.dir.join(name);
        let script = path("prepare.sh");
        let prepare = ["sh".to_owned(), script.display().to_string()];
        Launch {
            dir: self.dir.clone(),
            owner: is_root().then_some(SYSTEM_USER),
            files: vec![
                (path("password"), self.password.clone()),
                (path("pg_hba.conf"), if tls.is_some() { HBA_TLS } else { HBA }.to_owned()),
                (path("postgresql.conf"), self.configuration() + &self.tls_configuration(tls)),
                (script, self.preparation(tls)),
            ],
            prepare: Some(unprivileged(prepare.into())),
            helper: None,
            server: unprivileged(vec![
                format!("{PROGRAMS}/postgres"),
                "-D".to_owned(),
                path("data").display().to_string(),
                format!("--config-file={}", path("postgresql.conf").display()),
            ]),
        }
    }

    /// Nothing here is meant to survive the machine, so nothing waits for a disk.
    fn configuration(&self) -> String {
        let Self { dir, listen, port, .. } = self;
        let dir = dir.display();
        format!(
            "hba_file = '{dir}/pg_hba.conf'\n\
             unix_socket_directories = '{dir}'\n\
             listen_addresses = '{listen}'\n\
             port = {port}\n\
             password_encryption = md5\n\
             dynamic_shared_memory_type = mmap\n\
             max_connections = 600\n\
             shared_buffers = 128MB\n\
             fsync = off\n\
             full_page_writes = off\n\
             synchronous_commit = off\n\
             wal_level = minimal\n\
             max_wal_senders = 0\n\
             max_wal_size = 256MB\n\
             log_checkpoints = off\n"
        )
    }

    fn tls_configuration(&self, tls: Option<&Tls>) -> String {
        let Some(tls) = tls else { return String::new() };
        format!(
            "ssl = on\n\
             ssl_ca_file = '{}'\n\
             ssl_cert_file = '{}'\n\
             ssl_key_file = '{}/server.key'\n",
            tls.authority.display(),
            tls.identity.certificate.display(),
            self.dir.display(),
        )
    }

    /// The script that makes the data and the user's database.
    fn preparation(&self, tls: Option<&Tls>) -> String {
        let Self { dir, user, .. } = self;
        let dir = dir.display();
        // A key that others may read is refused.
        let key = tls.map_or_else(String::new, |tls| {
            format!("install -m 600 '{}' '{dir}/server.key'\n", tls.identity.key.display())
        });
        // The programs must not find the caller's standard input.
        format!(
            "set -e\n\
             {key}{PROGRAMS}/initdb --no-sync --pgdata '{dir}/data' --username '{user}' \
             --pwfile '{dir}/password' --auth md5 \
             --encoding UTF8 --locale C.UTF-8\n\
             echo 'CREATE DATABASE \"{user}\"' | {PROGRAMS}/postgres --single \
             -c fsync=off -D '{dir}/data' postgres\n"
        )
    }
}

/// `md5` also admits users whose password is stored for SCRAM, by SCRAM. The default would be
/// SCRAM, whose cost, meant to be high, is paid once per connection: too dear for unoptimised tests.
const HBA: &str = "\
local all all trust
host all all all md5
";

/// The same over TLS only, and to the database `postgres` only with a client certificate.
const HBA_TLS: &str = "\
local all all trust
hostssl postgres all all md5 clientcert=verify-ca
hostssl all all all md5
";

/// `words`, as the server's own user where the caller is root.
fn unprivileged(words: Vec<String>) -> CommandLine {
    let switch = is_root().then(|| {
        let user = |flag: &str| format!("--{flag}={SYSTEM_USER}");
        ["setpriv".to_owned(), user("reuid"), user("regid"), "--clear-groups".to_owned()]
    });
    CommandLine::new([], switch.into_iter().flatten().chain(words))
}

/// The kind of server this is about.
#[derive(Debug)]
pub enum Engine {}

/// A private PostgreSQL server; ended and removed when dropped.
pub type Postgres = Database<Engine>;

impl Postgres {
    /// Starts a server with one empty database.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or does not come up.
    pub fn start() -> Result<Self> {
        Self::start_with(None)
    }

    /// Starts a server that takes clients over TLS only, and those of its database `postgres` only
    /// with a certificate of their own.
    ///
    /// # Errors
    /// As [`Postgres::start`].
    pub fn start_with_tls(tls: &Tls) -> Result<Self> {
        Self::start_with(Some(tls))
    }

    fn start_with(tls: Option<&Tls>) -> Result<Self> {
        Self::start_as(KIND, "postgres", "postgresql+psycopg2", |dir, port| {
            let listen = Ipv4Addr::LOCALHOST.into();
            let (user, password) = (USER.to_owned(), PASSWORD.to_owned());
            Settings { dir, listen, port, user, password }.launch_with(tls)
        })
    }
}
