//! `neutrino` as a process of a test.

use std::{
    fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use neutrino_service_sandbox::Guard;

/// How long anything awaited here may take, on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Polls `look` until it answers; panics with `what` and what `seen` says after [`LIMIT`].
pub fn await_some<T>(
    what: &str,
    mut look: impl FnMut() -> Option<T>,
    seen: impl Fn() -> String,
) -> T {
    let end = Instant::now() + LIMIT;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "{what}: {}", seen());
        thread::sleep(Duration::from_millis(20));
    }
}

/// A directory that is gone with the test, like every process that works in it.
pub struct Dir {
    path: PathBuf,
    _guard: Guard,
}

impl Dir {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("neutrino-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("directory");
        let guard = Guard::over(&path).expect("guard");
        Self { path, _guard: guard }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the file `name`; `{dir}` in `text` stands for this directory.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path.join(name);
        let text = text.replace("{dir}", &self.path.display().to_string());
        fs::write(&path, text).expect("file");
        path
    }
}

/// A running `neutrino`, that logs to a file of its own.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `neutrino ARGS` in `dir`; what it says goes to `NAME.log` there.
    pub fn start(dir: &Dir, name: &str, args: &[&str]) -> Self {
        Self::start_as(dir, name, Command::new(env!("CARGO_BIN_EXE_neutrino")).args(args))
    }

    /// Starts `command` in `dir`; what it says goes to `NAME.log` there.
    pub fn start_as(dir: &Dir, name: &str, command: &mut Command) -> Self {
        let log = dir.path().join(format!("{name}.log"));
        let out = fs::OpenOptions::new().create(true).append(true).open(&log).expect("log");
        let child = command
            .current_dir(dir.path())
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(out)
            .spawn()
            .unwrap_or_else(|e| panic!("{command:?}: {e}"));
        Self { child, log }
    }

    /// What it has said.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The rest of the first line after `skip` bytes that has `text`, once there is one.
    pub fn await_line(&mut self, skip: usize, text: &str) -> String {
        let log = self.log.clone();
        let said = || fs::read_to_string(&log).unwrap_or_default();
        let find = || {
            let all = said();
            let new = all.get(skip..).unwrap_or_default();
            // A line that is being written is not looked at.
            let whole = &new[..new.rfind('\n').map_or(0, |end| end + 1)];
            whole.lines().find_map(|line| line.split_once(text).map(|(_, rest)| rest.to_string()))
        };
        await_some(&format!("'{text}' in {}", log.display()), find, said)
    }

    /// Sends a signal, as `kill` names it.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().expect("kill");
        assert!(sent.success(), "kill -s {name} {pid}");
    }

    /// How it ended, once it has.
    pub fn ended(mut self) -> ExitStatus {
        let log = self.log.clone();
        await_some(
            "the process ends",
            || self.child.try_wait().expect("wait"),
            || fs::read_to_string(&log).unwrap_or_default(),
        )
    }

    /// Ends it as a crash would.
    pub fn kill(mut self) {
        self.child.kill().expect("kill");
        let status = self.child.wait().expect("wait");
        assert_eq!(status.signal(), Some(9));
    }
}
