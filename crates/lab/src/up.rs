//! `lab up`: checks the machine, opens the sockets of the user's side, starts the supervisor.

use std::fs::File;
use std::io::PipeWriter;
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use argon2::password_hash::PasswordHasher;
use argon2::password_hash::phc::PasswordHash;
use neutrino_linux::{CloneFlags, NamespaceProcess};
use uuid::Uuid;

use crate::control::{self, Channel};
use crate::error::{Error, Result};
use crate::spec::{Datapath, LabOptions, LabSpec, check_name, hosts_of};
use crate::supervisor::{Descriptors, Progress};
use crate::{parts, peers};

/// Programs that a lab runs.
const PROGRAMS: [&str; 5] = ["ovsdb-server", "ovsdb-tool", "ovs-vswitchd", "ovs-vsctl", "ip"];

/// Whose end is the lab's end.
pub(crate) enum Owner {
    /// Nobody's: the lab runs until it is told to end.
    Nobody,
    /// Of the handle that [`up`] returns.
    Handle,
    /// Of a process.
    Process(u32),
}

/// Starts a lab and waits until it is up; `tell` hears of each step.
///
/// With [`Owner::Handle`] the lab ends when the returned pipe is closed.
pub(crate) fn up(
    options: &LabOptions,
    owner: &Owner,
    mut tell: impl FnMut(&str),
) -> Result<Option<PipeWriter>> {
    check_machine()?;
    check_name("lab", &options.name)?;
    let control = bind_control(&options.name)?;
    let api = listen(options.api_port)?;
    let identity = listen(0)?;
    let lab = specify(options, &api, &identity)?;

    let attempt = || format!("start lab {}", lab.name);
    let (ours, theirs) = UnixStream::pair().map_err(Error::io(attempt()))?;
    let (lifeline, handle) = lifeline(owner)?;
    let fds = Descriptors {
        setup: theirs.as_raw_fd(),
        control: control.as_raw_fd(),
        api: api.as_raw_fd(),
        identity: identity.as_raw_fd(),
        lifeline: lifeline.as_ref().map(AsRawFd::as_raw_fd),
    };
    let arguments = serde_json::to_string(&fds).map_err(|e| Error::io(attempt())(e.into()))?;
    let null = File::options().read(true).write(true).open("/dev/null");
    let null = null.map_err(Error::io("open /dev/null"))?;
    let flags = CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWNET;
    let mut process = NamespaceProcess::new(&lab.binary, flags)
        .args(["lab", "supervise", &arguments, &lab.name])
        .new_session()
        .keep(theirs.as_fd())
        .keep(control.as_fd())
        .keep(api.as_fd())
        .keep(identity.as_fd())
        .stdio(0, null.as_fd())
        .stdio(1, null.as_fd())
        .stdio(2, null.as_fd());
    if let Some(lifeline) = &lifeline {
        process = process.keep(lifeline.as_fd());
    }
    process.spawn()?;
    drop(theirs);

    let mut channel = Channel::new(ours);
    channel.send(&lab)?;
    loop {
        match channel.receive()? {
            Some(Progress::Step(step)) => tell(&step),
            Some(Progress::Ready) => return Ok(handle),
            Some(Progress::Failed(why)) => return Err(Error::Lab(why)),
            None => return Err(Error::Lab("the lab's supervisor ended unexpectedly".to_owned())),
        }
    }
}

/// What the supervisor watches, and what the owner must hold.
fn lifeline(owner: &Owner) -> Result<(Option<OwnedFd>, Option<PipeWriter>)> {
    match owner {
        Owner::Nobody => Ok((None, None)),
        Owner::Handle => {
            let (reader, writer) = std::io::pipe().map_err(Error::io("make a pipe"))?;
            Ok((Some(reader.into()), Some(writer)))
        }
        Owner::Process(pid) => match open_process(pid.cast_signed()) {
            Some(fd) => Ok((Some(fd), None)),
            None => Err(Error::Usage(format!("there is no process {pid} to own the lab"))),
        },
    }
}

/// A descriptor that becomes readable when the process ends; `None` when it has ended.
fn open_process(pid: i32) -> Option<OwnedFd> {
    // SAFETY: pidfd_open takes a pid and flags and returns a new descriptor.
    let raw = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let raw = i32::try_from(raw).ok().filter(|raw| *raw >= 0)?;
    // SAFETY: the descriptor is new and ours.
    Some(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// Says what is missing on this machine before anything is started.
fn check_machine() -> Result<()> {
    // SAFETY: geteuid cannot fail.
    if unsafe { libc::geteuid() } != 0 {
        return Err(Error::Usage(
            "a lab needs root: it makes namespaces and interfaces".to_owned(),
        ));
    }
    if !Path::new("/dev/net/tun").exists() {
        return Err(Error::Usage(
            "there is no /dev/net/tun, which Open vSwitch needs (modprobe tun)".to_owned(),
        ));
    }
    for program in PROGRAMS {
        if find_program(program).is_none() {
            return Err(Error::Usage(format!(
                "{program} is not in PATH (make deps installs it; it may lie in /usr/sbin)"
            )));
        }
    }
    Ok(())
}

fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
}

/// Binds the control socket, which also reserves the lab's name.
fn bind_control(name: &str) -> Result<OwnedFd> {
    let address = control::address(name)?;
    // The supervisor listens once more, for clients learn the id of the process that listened.
    let listener = std::os::unix::net::UnixListener::bind_addr(&address);
    match listener {
        Ok(listener) => Ok(OwnedFd::from(listener)),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            Err(Error::Usage(format!("a lab named {name} is running already")))
        }
        Err(error) => Err(Error::io("open the control socket")(error)),
    }
}

fn listen(port: u16) -> Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", port))
        .map_err(Error::io(format!("listen on port {port} of 127.0.0.1")))
}

fn specify(options: &LabOptions, api: &TcpListener, identity: &TcpListener) -> Result<LabSpec> {
    let port = |listener: &TcpListener| {
        listener.local_addr().map(|a| a.port()).map_err(Error::io("read a socket's port"))
    };
    let binary = match &options.binary {
        Some(binary) => binary.clone(),
        None => std::env::current_exe().map_err(Error::io("find the running program"))?,
    };
    let absolute = |path: &Path| {
        std::path::absolute(path).map_err(Error::io(format!("resolve {}", path.display())))
    };
    let password = Uuid::new_v4().simple().to_string();
    let hash: PasswordHash = argon2::Argon2::default()
        .hash_password(password.as_bytes())
        .map_err(|error| Error::Lab(format!("cannot hash a password: {error}")))?;
    let hosts = hosts_of(options)?;
    let (bus, database) = parts::backing_of(options, &hosts)?;
    let lab = LabSpec {
        name: options.name.clone(),
        hosts,
        datapath: options.datapath.unwrap_or_else(datapath),
        dvr: options.dvr,
        bus,
        database,
        server: options.server,
        peers: absolute(&options.peers)?,
        api_port: port(api)?,
        identity_port: port(identity)?,
        password,
        password_hash: hash.to_string(),
        bus_secret: Uuid::new_v4().simple().to_string(),
        metadata_secret: Uuid::new_v4().simple().to_string(),
        overrides: options.overrides.clone(),
        data_dir: options.data_dir.as_deref().map(absolute).transpose()?,
        bare: options.bare,
        binary: absolute(&binary)?,
    };
    if lab.has_peers() && !lab.bare {
        peers::check(&lab.peers)?;
    }
    Ok(lab)
}

/// The kernel's datapath where there is one, else the one in user space.
fn datapath() -> Datapath {
    let module = Path::new("/sys/module/openvswitch");
    if !module.exists() {
        // Loads it if it is installed; that it is not is no error.
        let _ = Command::new("modprobe")
            .args(["--quiet", "openvswitch"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
    if module.exists() { Datapath::System } else { Datapath::Netdev }
}

/// Waits until the process behind a control connection is gone, with all of its lab.
pub(crate) fn wait_gone(pid: i32) -> Result<()> {
    let Some(fd) = open_process(pid) else { return Ok(()) };
    let mut poll = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one valid pollfd.
    match unsafe { libc::poll(&raw mut poll, 1, 20_000) } {
        1 => Ok(()),
        _ => Err(Error::Lab(format!("the lab's supervisor (pid {pid}) does not end"))),
    }
}
