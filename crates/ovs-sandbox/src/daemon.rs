//! One daemon of the sandbox: start, await readiness, kill.

use std::{
    fs,
    os::unix::{net::UnixStream, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::{PATIENCE, Result, SandboxError, io_error};

/// A daemon that can be started again after it was killed.
#[derive(Debug)]
pub(crate) struct Daemon {
    name: &'static str,
    dir: PathBuf,
    args: Vec<String>,
    child: Option<Child>,
}

impl Daemon {
    /// ovsdb-server on `<dir>/conf.db`, listening on `<dir>/db.sock`.
    pub(crate) fn ovsdb_server(dir: &Path) -> Self {
        let args = vec![
            dir.join("conf.db").display().to_string(),
            format!("--remote=punix:{}", dir.join("db.sock").display()),
        ];
        Self { name: "ovsdb-server", dir: dir.to_owned(), args, child: None }
    }

    /// ovs-vswitchd, with every device replaced by a dummy unless `devices` are wanted.
    pub(crate) fn vswitchd(dir: &Path, devices: bool) -> Self {
        let mut args = vec![format!("unix:{}", dir.join("db.sock").display())];
        if !devices {
            // Before the system datapath is disabled, or there is nothing to put dummies in place of.
            args.push("--enable-dummy=override".to_owned());
        }
        args.extend(["--disable-system", "--disable-system-route"].map(str::to_owned));
        Self { name: "ovs-vswitchd", dir: dir.to_owned(), args, child: None }
    }

    fn file(&self, suffix: &str) -> PathBuf {
        self.dir.join(format!("{}.{suffix}", self.name))
    }

    /// Starts the daemon and waits until it answers.
    pub(crate) fn start(&mut self) -> Result<()> {
        self.kill()?;
        let mut command = Command::new(self.name);
        for variable in ["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR"] {
            command.env(variable, &self.dir);
        }
        let child = command
            .args(&self.args)
            .arg(format!("--unixctl={}", self.file("ctl").display()))
            .arg(format!("--pidfile={}", self.file("pid").display()))
            .arg(format!("--log-file={}", self.file("log").display()))
            .args(["--no-chdir", "-vconsole:off", "-vsyslog:off"])
            // Tells the guard whose it is.
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(io_error(format!("starting {}", self.name)))?;
        self.child = Some(child);
        self.await_ready()
    }

    fn await_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let ctl = self.file("ctl");
        loop {
            let ended = match &mut self.child {
                Some(child) => child.try_wait().map_err(io_error(self.name))?.is_some(),
                None => true,
            };
            if !ended && UnixStream::connect(&ctl).is_ok() {
                return Ok(());
            }
            if ended || Instant::now() > deadline {
                let log = fs::read_to_string(self.file("log")).unwrap_or_default();
                let tail: Vec<&str> = log.lines().rev().take(10).collect();
                let log = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
                return Err(SandboxError::NotUp { name: self.name, log });
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends the daemon at once, if it runs.
    pub(crate) fn kill(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        child.kill().map_err(io_error(format!("killing {}", self.name)))?;
        child.wait().map_err(io_error(format!("awaiting the end of {}", self.name)))?;
        // A killed daemon leaves these; stale ones would mislead the guard and the next start.
        for suffix in ["pid", "ctl"] {
            let _ = fs::remove_file(self.file(suffix));
        }
        Ok(())
    }

    /// Its process id while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }
}
