//! What the three handles have in common: directory, guard, helper and server process.

use std::{
    fs,
    io::{self, Read, Write},
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use neutrino_linux::process::Signal;

use crate::{
    CommandLine, Guard, Launch, Result, SandboxError,
    daemon::{Daemon, GRACE, TICK, working_in},
    io_error,
};

/// How long a server may take to come up on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);
/// File names of what the processes print.
const OUTPUT: &str = "output";
const HELPER_OUTPUT: &str = "helper-output";
/// Room in memory that makes it worth to put the data there, in bytes.
const ROOM: u64 = 1 << 30;

/// A private directory and its guard; the directory does not outlive them.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) dir: PathBuf,
    _guard: Guard,
}

impl Place {
    pub(crate) fn new(what: &str) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        // Socket paths are limited to 107 bytes, so the name is kept short.
        let dir = base_dir().join(format!("neutrino-{what}-{}-{n}", std::process::id()));
        fs::create_dir(&dir).map_err(io_error(format!("creating {}", dir.display())))?;
        let guard = Guard::over(&dir)?;
        Ok(Self { dir, _guard: guard })
    }
}

/// Memory where there is enough of it.
fn base_dir() -> PathBuf {
    let shm = Path::new("/dev/shm");
    let roomy = nix::sys::statvfs::statvfs(shm)
        .is_ok_and(|space| space.blocks_available() * space.fragment_size() >= ROOM);
    if roomy { shm.to_owned() } else { std::env::temp_dir() }
}

/// What differs between the servers while they run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// The signal that ends it in its own way without waiting for clients.
    pub(crate) stop: Signal,
    /// Whether it is ready, given its directory, process id and port.
    pub(crate) is_ready: fn(&Path, u32, u16) -> bool,
    /// Where it logs, below its directory.
    pub(crate) log: &'static str,
}

/// A server and its data: what the handles of all kinds can do.
#[derive(Debug)]
pub struct Server {
    kind: Kind,
    port: u16,
    launch: Launch,
    helper: Option<Daemon>,
    server: Option<Daemon>,
    // Last: removes what the processes above leave.
    place: Place,
}

impl Server {
    /// Makes the data and starts.
    pub(crate) fn start(kind: Kind, place: Place, port: u16, launch: Launch) -> Result<Self> {
        launch.prepare()?;
        let mut server = Self { kind, port, launch, helper: None, server: None, place };
        if let Some(helper) = &server.launch.helper {
            server.helper = Some(Daemon::start(helper, &server.place.dir, HELPER_OUTPUT)?);
        }
        server.start_again()?;
        Ok(server)
    }

    /// The directory of its configuration, data and log.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.place.dir
    }

    /// The port of the loopback it listens on, also while it is stopped.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The server's process while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(Daemon::pid)
    }

    /// Starts it on the data and the port it had, after ending it at once should it run.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start_again(&mut self) -> Result<()> {
        self.kill()?;
        let mut daemon = Daemon::start(&self.launch.server, &self.place.dir, OUTPUT)?;
        let deadline = Instant::now() + PATIENCE;
        let state = loop {
            if let Some(status) = daemon.ended()? {
                break status;
            }
            if (self.kind.is_ready)(&self.place.dir, daemon.pid(), self.port) {
                self.server = Some(daemon);
                return Ok(());
            }
            if Instant::now() > deadline {
                daemon.kill()?;
                break format!("not ready after {} s", PATIENCE.as_secs());
            }
            std::thread::sleep(TICK);
        };
        Err(SandboxError::NotUp { name: self.kind.name, state, log: self.last_words() })
    }

    /// Replaces the command line it is started with from now on.
    pub(crate) fn next_line(&mut self, line: CommandLine) {
        self.launch.server = line;
    }

    /// Ends it in its own way, without waiting for clients, and starts it again.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        self.start_again()
    }

    /// Ends it in its own way, without waiting for clients; returns when it has ended.
    ///
    /// # Errors
    /// When it cannot be ended.
    pub fn stop(&mut self) -> Result<()> {
        self.server.take().map_or(Ok(()), |daemon| daemon.stop(self.kind.stop))
    }

    /// Ends it at once, as a crash would; returns when its children have noticed.
    ///
    /// # Errors
    /// When it cannot be ended.
    pub fn kill(&mut self) -> Result<()> {
        let Some(daemon) = self.server.take() else { return Ok(()) };
        daemon.kill()?;
        let helper = self.helper.as_ref().map(Daemon::pid);
        let deadline = Instant::now() + GRACE;
        loop {
            let left: Vec<u32> =
                working_in(self.dir()).into_iter().filter(|pid| Some(*pid) != helper).collect();
            if left.is_empty() {
                return Ok(());
            }
            if Instant::now() > deadline {
                let what = format!("awaiting the end of {}'s processes {left:?}", self.kind.name);
                return Err(io_error(what)(io::ErrorKind::TimedOut.into()));
            }
            std::thread::sleep(TICK);
        }
    }

    fn last_words(&self) -> String {
        let tail = |path: PathBuf| {
            let text = fs::read(path).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            let skip = text.lines().count().saturating_sub(20);
            text.lines().skip(skip).collect::<Vec<_>>().join("\n")
        };
        let output = tail(self.place.dir.join(OUTPUT));
        format!("{output}\n{}", tail(self.place.dir.join(self.kind.log)))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // What does not end here is the guard's to end.
        let _ = self.kill();
        if let Some(helper) = self.helper.take() {
            let _ = helper.kill();
        }
    }
}

/// The first `count` bytes that a server at `port` of the loopback answers `greeting` with.
pub(crate) fn first_bytes(port: u16, greeting: &[u8], count: usize) -> Option<Vec<u8>> {
    let address = (Ipv4Addr::LOCALHOST, port).into();
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    stream.write_all(greeting).ok()?;
    let mut found = vec![0; count];
    stream.read_exact(&mut found).ok()?;
    Some(found)
}
