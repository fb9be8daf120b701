//! How the parts of a lab talk: JSON lines over unix sockets.
//!
//! The control socket lies in the abstract namespace, so that a killed lab leaves no file. Its
//! peer credentials also say which process the supervisor is.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::error::{Error, Result};
use crate::instance::InstanceSpec;
use crate::nova::Known;
use crate::outside::OutsideStatus;
use crate::spec::{HostSpec, LabSpec};

/// What a client asks of the supervisor.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// The lab's description.
    Spec,
    /// What runs.
    Status,
    /// Something for one host.
    Host(String, HostRequest),
    /// End the lab.
    Down,
}

/// What the supervisor asks of a host.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum HostRequest {
    /// Become this host: mounts, addresses, Open vSwitch, configuration files.
    Setup(Box<LabSpec>, HostSpec),
    /// What runs.
    Status,
    /// Make the database's tables as Neutron's own server wants them.
    MakeTables,
    /// Names of the broker's queues.
    Queues,
    /// Act on a service.
    Service(String, ServiceAction),
    /// Start an instance and plug it.
    Plug(Box<InstanceSpec>),
    /// Stop and unplug an instance.
    Unplug(String),
    /// Let the metadata service know an instance.
    Remember(Known),
    /// Let the metadata service forget an instance.
    Forget(String),
}

/// What can be done with a service of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServiceAction {
    /// Start it if it does not run.
    Start,
    /// End it with SIGTERM, after a while with SIGKILL.
    Stop,
    /// Stop and start.
    Restart,
    /// Send a signal; after SIGKILL wait for the end.
    Signal(i32),
}

/// An answer: what was asked for or why not.
pub(crate) type Answer<T> = std::result::Result<T, String>;

/// What runs in a lab.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LabStatus {
    /// Name of the lab.
    pub name: String,
    /// Hosts in order.
    pub hosts: Vec<HostStatus>,
    /// What is outside the cloud.
    pub outside: Vec<OutsideStatus>,
}

/// What runs on a host.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct HostStatus {
    /// Host name.
    pub name: String,
    /// Process id of the host's init in the lab's pid namespace.
    pub pid: u32,
    /// Services in start order.
    pub services: Vec<ServiceStatus>,
    /// Instances by name.
    pub instances: Vec<InstanceStatus>,
}

/// State of a service.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// Name, such as `ovs-vswitchd`.
    pub name: String,
    /// Process id in the host's pid namespace while it runs.
    pub pid: Option<u32>,
    /// How it ended last, in words.
    pub ended: Option<String>,
}

/// State of an instance.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InstanceStatus {
    /// What was plugged.
    pub spec: InstanceSpec,
    /// Process id of the instance's init in the host's pid namespace.
    pub pid: u32,
}

/// One end of a conversation.
pub(crate) struct Channel {
    reader: BufReader<UnixStream>,
}

impl Channel {
    /// Talks over `stream`.
    pub(crate) fn new(stream: UnixStream) -> Self {
        Self { reader: BufReader::new(stream) }
    }

    /// The socket, for polling.
    pub(crate) fn stream(&self) -> &UnixStream {
        self.reader.get_ref()
    }

    /// Sends one message.
    pub(crate) fn send(&mut self, message: &impl Serialize) -> Result<()> {
        let attempt = "send a message within the lab";
        let mut line = serde_json::to_vec(message).map_err(|e| Error::io(attempt)(e.into()))?;
        line.push(b'\n');
        self.reader.get_mut().write_all(&line).map_err(Error::io(attempt))
    }

    /// Receives one message; `None` when the other side has closed.
    pub(crate) fn receive<T: DeserializeOwned>(&mut self) -> Result<Option<T>> {
        let attempt = "read a message within the lab";
        let mut line = String::new();
        if self.reader.read_line(&mut line).map_err(Error::io(attempt))? == 0 {
            return Ok(None);
        }
        serde_json::from_str(&line).map(Some).map_err(|e| Error::io(attempt)(e.into()))
    }

    /// Sends a question and waits for its answer.
    pub(crate) fn ask<T: DeserializeOwned>(&mut self, question: &impl Serialize) -> Result<T> {
        self.send(question)?;
        match self.receive::<Answer<T>>()? {
            Some(answer) => answer.map_err(Error::Lab),
            None => Err(Error::Lab("the lab ended before it answered".to_owned())),
        }
    }
}

/// Address of a lab's control socket.
pub(crate) fn address(name: &str) -> Result<SocketAddr> {
    SocketAddr::from_abstract_name(format!("{PREFIX}{name}"))
        .map_err(Error::io(format!("form the control address of lab {name}")))
}

/// What abstract socket names of labs start with.
const PREFIX: &str = "neutrino-lab/";

/// Connects to the supervisor of a running lab.
pub(crate) fn connect(name: &str) -> Result<Channel> {
    UnixStream::connect_addr(&address(name)?)
        .map(Channel::new)
        .map_err(|_| Error::Usage(format!("no lab named {name} is running (see: neutrino lab up)")))
}

/// The process and user at the other end of a socket.
pub(crate) fn peer(stream: &UnixStream) -> Result<libc::ucred> {
    let mut cred = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = libc::socklen_t::try_from(size_of::<libc::ucred>()).unwrap_or_default();
    // SAFETY: the kernel writes at most `length` bytes into `cred`.
    let result = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut cred).cast(),
            &raw mut length,
        )
    };
    if result == 0 {
        return Ok(cred);
    }
    Err(Error::io("learn who is at the other end")(std::io::Error::last_os_error()))
}

/// Names of the labs that run on this machine.
pub(crate) fn running() -> Result<Vec<String>> {
    let table = std::fs::read_to_string("/proc/net/unix")
        .map_err(Error::io("list unix sockets in /proc/net/unix"))?;
    let mut names: Vec<String> = table
        .lines()
        .filter_map(|line| line.split_whitespace().last()?.strip_prefix('@')?.strip_prefix(PREFIX))
        .map(str::to_owned)
        .collect();
    names.sort();
    // A socket is listed once more for each open connection.
    names.dedup();
    Ok(names)
}
