//! For tests: a private ovsdb-server and ovs-vswitchd that vanish with their owner.
//!
//! Owns two daemons with sockets, database and logs in a temporary directory. The switch runs in
//! user space with dummy devices, so nothing of the host is touched and no privilege is needed.
//! A small guard process removes daemons and directory when the owner ends, also by SIGKILL.
//! Owns no client: tests talk to the sockets with the real tools (helpers below) or with the code
//! under test.
//!
//! ```no_run
//! let ovs = neutrino_ovs_sandbox::Sandbox::start()?;
//! ovs.vsctl(&["add-br", "br-int"])?;
//! ovs.vsctl(&["set-controller", "br-int", "tcp:127.0.0.1:6633"])?;
//! let flows = ovs.dump_flows("br-int")?;
//! # Ok::<(), neutrino_ovs_sandbox::SandboxError>(())
//! ```

mod daemon;

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use daemon::Daemon;
use neutrino_service_sandbox::Guard;

/// How long a daemon may take to come up or a tool to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A sandbox could not be started or used.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A file or process could not be made.
    #[error("{what}: {source}")]
    Io {
        /// What was attempted.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The guard process could not be started.
    #[error(transparent)]
    Guard(#[from] neutrino_service_sandbox::SandboxError),
    /// A tool ended with a failure.
    #[error("{command}: {output}")]
    Tool {
        /// Its command line.
        command: String,
        /// What it said.
        output: String,
    },
    /// A daemon did not come up.
    #[error("{name} did not come up; its log ends in:\n{log}")]
    NotUp {
        /// The daemon.
        name: &'static str,
        /// The end of its log.
        log: String,
    },
}

/// Result of sandbox functions.
pub type Result<T> = std::result::Result<T, SandboxError>;

fn io_error(what: impl Into<String>) -> impl FnOnce(io::Error) -> SandboxError {
    let what = what.into();
    move |source| SandboxError::Io { what, source }
}

/// A running private Open vSwitch; stopped and removed when dropped.
#[derive(Debug)]
pub struct Sandbox {
    dir: PathBuf,
    ovsdb: Daemon,
    vswitchd: Daemon,
    // Last: ends and removes what the daemons leave.
    _guard: Guard,
}

impl Sandbox {
    /// Starts both daemons with an empty database.
    ///
    /// # Errors
    /// When Open vSwitch is not installed or does not come up.
    pub fn start() -> Result<Self> {
        Self::launch(false)
    }

    /// [`Sandbox::start`] with real devices in the caller's network namespace: ports of bridges
    /// with `datapath_type=netdev` carry packets. Needs root; call it in a namespace of its own.
    ///
    /// # Errors
    /// As [`Sandbox::start`].
    pub fn start_with_devices() -> Result<Self> {
        Self::launch(true)
    }

    fn launch(devices: bool) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        // Socket paths are limited to 107 bytes, so the name is kept short.
        let name = format!("ovs-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(name);
        fs::create_dir(&dir).map_err(io_error(format!("creating {}", dir.display())))?;
        let guard = Guard::over(&dir)?;
        let mut sandbox = Self {
            ovsdb: Daemon::ovsdb_server(&dir),
            vswitchd: Daemon::vswitchd(&dir, devices),
            dir,
            _guard: guard,
        };
        let schema = "/usr/share/openvswitch/vswitch.ovsschema";
        sandbox.run("ovsdb-tool", &["create", &sandbox.path("conf.db"), schema])?;
        sandbox.ovsdb.start()?;
        sandbox.run("ovs-vsctl", &["--no-wait", "init"])?;
        sandbox.vswitchd.start()?;
        Ok(sandbox)
    }

    /// The directory of sockets, database and logs.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    /// Where OVSDB clients connect (`unix:<path>`).
    #[must_use]
    pub fn db_remote(&self) -> String {
        format!("unix:{}", self.path("db.sock"))
    }

    /// Lets OVSDB be reached over TCP on the loopback as well; returns `tcp:127.0.0.1:<port>`.
    ///
    /// # Errors
    /// When ovsdb-server refuses.
    pub fn listen_tcp(&self) -> Result<String> {
        let port = free_port()?;
        let remote = format!("ptcp:{port}:127.0.0.1");
        self.appctl("ovsdb-server", &["ovsdb-server/add-remote", &remote])?;
        Ok(format!("tcp:127.0.0.1:{port}"))
    }

    /// A tool of Open vSwitch, set up to talk to this sandbox.
    #[must_use]
    pub fn command(&self, tool: &str) -> Command {
        let mut command = Command::new(tool);
        for variable in ["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR"] {
            command.env(variable, &self.dir);
        }
        command.stdin(Stdio::null());
        command
    }

    /// Runs a tool to its end and returns what it printed.
    ///
    /// # Errors
    /// When it cannot run or fails; the error holds what it said.
    pub fn run(&self, tool: &str, args: &[&str]) -> Result<String> {
        let output =
            self.command(tool).args(args).output().map_err(io_error(format!("running {tool}")))?;
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(stdout);
        }
        let stderr = String::from_utf8_lossy(&output.stderr);
        Err(SandboxError::Tool {
            command: format!("{tool} {}", args.join(" ")),
            output: format!("{stdout}{stderr}"),
        })
    }

    /// `ovs-vsctl` with these arguments.
    ///
    /// # Errors
    /// As [`Sandbox::run`].
    pub fn vsctl(&self, args: &[&str]) -> Result<String> {
        let db = format!("--db={}", self.db_remote());
        let mut all = vec!["--timeout=30", db.as_str()];
        all.extend(args);
        self.run("ovs-vsctl", &all)
    }

    /// `ovs-ofctl -O OpenFlow13` with these arguments; name a bridge as [`Sandbox::bridge`] does.
    ///
    /// # Errors
    /// As [`Sandbox::run`].
    pub fn ofctl(&self, args: &[&str]) -> Result<String> {
        let mut all = vec!["-O", "OpenFlow13"];
        all.extend(args);
        self.run("ovs-ofctl", &all)
    }

    /// The management socket of a bridge, as `ovs-ofctl` takes it.
    #[must_use]
    pub fn bridge(&self, name: &str) -> String {
        format!("unix:{}", self.path(&format!("{name}.mgmt")))
    }

    /// `ovs-appctl` to the daemon called `target` (`ovs-vswitchd` or `ovsdb-server`).
    ///
    /// # Errors
    /// As [`Sandbox::run`].
    pub fn appctl(&self, target: &str, args: &[&str]) -> Result<String> {
        let socket = self.path(&format!("{target}.ctl"));
        let mut all = vec!["-t", socket.as_str()];
        all.extend(args);
        self.run("ovs-appctl", &all)
    }

    /// The flows of a bridge as `ovs-ofctl -O OpenFlow13 --no-stats --no-names dump-flows` prints
    /// them, one per item, sorted.
    ///
    /// # Errors
    /// As [`Sandbox::run`].
    pub fn dump_flows(&self, bridge: &str) -> Result<Vec<String>> {
        let target = self.bridge(bridge);
        let text = self.ofctl(&["--no-stats", "--no-names", "dump-flows", &target])?;
        let mut flows: Vec<String> = text
            .lines()
            .map(str::trim)
            .filter(|line| line.contains("actions="))
            .map(str::to_owned)
            .collect();
        flows.sort();
        Ok(flows)
    }

    /// The OpenFlow port number of an interface; waits until it has one.
    ///
    /// # Errors
    /// When it gets none (`ofport` is -1 or stays empty), or as [`Sandbox::run`].
    pub fn ofport(&self, interface: &str) -> Result<u32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text = self.vsctl(&["get", "Interface", interface, "ofport"])?;
            if let Ok(port) = text.trim().parse() {
                return Ok(port);
            }
            if text.trim() == "-1" || Instant::now() > deadline {
                let command = format!("ofport of {interface}");
                return Err(SandboxError::Tool { command, output: text });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The datapath id of a bridge.
    ///
    /// # Errors
    /// When the bridge has none, or as [`Sandbox::run`].
    pub fn datapath_id(&self, bridge: &str) -> Result<u64> {
        let text = self.vsctl(&["get", "Bridge", bridge, "datapath_id"])?;
        u64::from_str_radix(text.trim().trim_matches('"'), 16).map_err(|_| SandboxError::Tool {
            command: format!("datapath id of {bridge}"),
            output: text,
        })
    }

    /// Kills ovs-vswitchd, as a crash would.
    ///
    /// # Errors
    /// When it does not end.
    pub fn kill_vswitchd(&mut self) -> Result<()> {
        self.vswitchd.kill()
    }

    /// Starts ovs-vswitchd again; it finds its bridges in the database and no flows.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start_vswitchd(&mut self) -> Result<()> {
        self.vswitchd.start()?;
        if self.ovsdb.pid().is_none() {
            return Ok(());
        }
        // It answers before it has made the bridges of the database again. ovs-vsctl returns
        // when ovs-vswitchd has acted on the whole of it.
        self.vsctl(&["set", "Open_vSwitch", ".", "external_ids:sandbox-starts=again"]).map(|_| ())
    }

    /// Kills ovsdb-server, as a crash would.
    ///
    /// # Errors
    /// When it does not end.
    pub fn kill_ovsdb(&mut self) -> Result<()> {
        self.ovsdb.kill()
    }

    /// Starts ovsdb-server again on the database it had.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start_ovsdb(&mut self) -> Result<()> {
        self.ovsdb.start()
    }

    /// The pids of the daemons that run.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        self.ovsdb.pid().into_iter().chain(self.vswitchd.pid()).collect()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // A daemon that does not end here is the guard's to end.
        let _ = self.vswitchd.kill();
        let _ = self.ovsdb.kill();
    }
}

/// A TCP port of the loopback that nobody listens on.
///
/// # Errors
/// When the system gives none.
pub fn free_port() -> Result<u16> {
    std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(io_error("finding a free port"))
}
