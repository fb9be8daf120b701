//! The first process of a lab's namespaces: builds the lab, then serves its control socket.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use neutrino_linux::{CloneFlags, NamespaceProcess, NetNs, Netlink, mount};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::control::{
    self, Answer, Channel, HostRequest, HostStatus, LabStatus, Request, ServiceAction,
};
use crate::error::{Error, Result};
use crate::host::close_on_exec;
use crate::outside::{self, OutsideStatus};
use crate::parts::{Bus, Implementation};
use crate::services::{self, NOVA_METADATA};
use crate::spec::{HostSpec, LabSpec};
use crate::wait::wait_until;
use crate::{api, backing, peers, proxy, underlay};

/// How long a server may take until it answers, also one in Python on a machine that is busy.
const SERVER_TIMEOUT: Duration = Duration::from_secs(180);

/// Descriptors that `lab up` leaves open for the supervisor.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Descriptors {
    /// Conversation with `lab up`.
    pub(crate) setup: RawFd,
    /// Bound control socket.
    pub(crate) control: RawFd,
    /// Listening socket of the network API in the user's network namespace.
    pub(crate) api: RawFd,
    /// The same for the identity API.
    pub(crate) identity: RawFd,
    /// Ends the lab when it becomes readable or is closed at its other end: a pipe or a pidfd.
    pub(crate) lifeline: Option<RawFd>,
}

/// What the supervisor tells `lab up`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Progress {
    /// A step is done.
    Step(String),
    /// The lab is up.
    Ready,
    /// It cannot be built.
    Failed(String),
}

/// A host as the supervisor knows it.
struct HostHandle {
    spec: HostSpec,
    pid: u32,
    channel: Mutex<Channel>,
}

impl HostHandle {
    fn ask<T: DeserializeOwned>(&self, request: &HostRequest) -> Result<T> {
        self.channel
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .ask(request)
            .map_err(|error| Error::Lab(format!("{}: {error}", self.spec.name)))
    }
}

impl HostHandle {
    fn start(&self, service: &str) -> Result<()> {
        let request = HostRequest::Service(service.to_owned(), ServiceAction::Start);
        self.ask::<Value>(&request).map(drop)
    }

    fn runs(&self, what: &str) -> Progress {
        Progress::Step(format!("{}: {what} runs", self.spec.name))
    }
}

/// A lab that runs.
struct Supervisor {
    lab: LabSpec,
    hosts: Vec<HostHandle>,
    outside: Vec<OutsideStatus>,
}

/// Life of the supervisor.
pub(crate) fn run(fds: Descriptors) -> Result<()> {
    for fd in [fds.setup, fds.control, fds.api, fds.identity].into_iter().chain(fds.lifeline) {
        close_on_exec(fd)?;
    }
    // SAFETY: `lab up` left these descriptors open for us, each for one use.
    let (stream, listener, api, identity) = unsafe {
        (
            UnixStream::from_raw_fd(fds.setup),
            UnixListener::from_raw_fd(fds.control),
            TcpListener::from_raw_fd(fds.api),
            TcpListener::from_raw_fd(fds.identity),
        )
    };
    if let Some(fd) = fds.lifeline {
        watch_lifeline(fd);
    }
    let mut setup = Channel::new(stream);
    let Some(lab) = setup.receive::<LabSpec>()? else {
        return Err(Error::Lab("the lab has no description".to_owned()));
    };
    let controller = lab.controller().management_ip();
    proxy::serve(api, SocketAddr::from((controller, lab.api_port)));
    proxy::serve(identity, SocketAddr::from((controller, lab.identity_port)));
    match build(lab, &mut setup) {
        Ok(supervisor) => {
            let supervisor = Arc::new(supervisor);
            listen(&listener)?;
            let server = Arc::clone(&supervisor);
            thread::spawn(move || serve(&listener, &server));
            setup.send(&Progress::Ready)?;
            drop(setup);
            reap_forever()
        }
        Err(error) => setup.send(&Progress::Failed(error.to_string())),
    }
}

/// Ends the lab when its owner is gone.
fn watch_lifeline(fd: RawFd) {
    thread::spawn(move || {
        let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid pollfd; the descriptor stays open as long as we live.
        while unsafe { libc::poll(&raw mut poll, 1, -1) } < 1 {}
        std::process::exit(0);
    });
}

/// Listens, which also makes this process the one that the socket's peers see.
fn listen(listener: &UnixListener) -> Result<()> {
    // SAFETY: listen on a bound socket that we own.
    match unsafe { libc::listen(listener.as_raw_fd(), 64) } {
        0 => Ok(()),
        _ => Err(Error::io("listen on the control socket")(std::io::Error::last_os_error())),
    }
}

/// Builds the whole lab, telling each step.
fn build(lab: LabSpec, setup: &mut Channel) -> Result<Supervisor> {
    mount::make_private()?;
    mount::tmpfs(Path::new("/run"))?;
    mount::proc_and_sys()?;
    nix::unistd::sethostname(format!("lab-{}", lab.name))
        .map_err(|errno| Error::io("set the host name")(errno.into()))?;
    let mut netlink = Netlink::open()?;
    underlay::create(&mut netlink)?;
    let outside = outside::start(&mut netlink, &lab.binary)?;
    let mut hosts = Vec::with_capacity(lab.hosts.len());
    for spec in &lab.hosts {
        let host = start_host(&lab, spec)?;
        underlay::join(&mut netlink, spec, &NetNs::of_process(host.pid)?)?;
        // Hosts set themselves up at the same time; the answers are awaited below.
        let request = HostRequest::Setup(Box::new(lab.clone()), spec.clone());
        host.channel.lock().unwrap_or_else(PoisonError::into_inner).send(&request)?;
        hosts.push(host);
    }
    for host in &hosts {
        let mut channel = host.channel.lock().unwrap_or_else(PoisonError::into_inner);
        match channel.receive::<Answer<()>>()? {
            Some(Ok(())) => {}
            Some(Err(why)) => return Err(Error::Lab(format!("{}: {why}", host.spec.name))),
            None => return Err(Error::Lab(format!("{} did not start", host.spec.name))),
        }
        let step = format!("{}: Open vSwitch runs ({})", host.spec.name, lab.datapath.as_str());
        setup.send(&Progress::Step(step))?;
    }
    let supervisor = Supervisor { lab, hosts, outside };
    if !supervisor.lab.bare {
        supervisor.start_services(setup)?;
    }
    Ok(supervisor)
}

fn start_host(lab: &LabSpec, spec: &HostSpec) -> Result<HostHandle> {
    let attempt = format!("start host {}", spec.name);
    let (ours, theirs) = UnixStream::pair().map_err(Error::io(attempt))?;
    let flags = CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWNET;
    let pid = NamespaceProcess::new(&lab.binary, flags)
        .args(["lab", "host-init", &theirs.as_raw_fd().to_string(), &spec.name])
        .keep(theirs.as_fd())
        .spawn()?;
    Ok(HostHandle { spec: spec.clone(), pid, channel: Mutex::new(Channel::new(ours)) })
}

impl Supervisor {
    /// Starts broker and database, the server, then the agents of every host.
    fn start_services(&self, setup: &mut Channel) -> Result<()> {
        let controller = &self.hosts[0];
        for backing in backing::of(&self.lab) {
            if backing.launch.helper.is_some() {
                controller.start(backing::HELPER)?;
            }
            controller.start(backing.name)?;
        }
        for backing in backing::of(&self.lab) {
            self.wait_served(backing.name, || {
                TcpStream::connect(backing.address).map(drop).map_err(|error| error.to_string())
            })?;
            setup.send(&controller.runs(backing.name))?;
        }
        if self.lab.server == Implementation::Neutron {
            controller.ask::<Value>(&HostRequest::MakeTables)?;
        }
        for service in services::server(&self.lab) {
            controller.start(service)?;
        }
        controller.start(NOVA_METADATA)?;
        let address = SocketAddr::from((controller.spec.management_ip(), self.lab.api_port));
        self.wait_served("the API", || api::probe(address).map_err(|error| error.to_string()))?;
        if self.lab.bus == Bus::Rabbitmq {
            self.wait_served("the server's queues", || self.find_queues())?;
        }
        setup.send(&controller.runs("the server"))?;
        for host in &self.hosts {
            for agent in services::agents(&host.spec) {
                host.start(agent)?;
            }
        }
        setup.send(&Progress::Step("the agents are started".to_owned()))
    }

    /// Waits for something that services of the first host are to do, unless one has ended.
    fn wait_served(&self, what: &str, look: impl Fn() -> Answer<()>) -> Result<()> {
        wait_until(what, SERVER_TIMEOUT, || {
            if let Ok(HostStatus { services, .. }) = self.hosts[0].ask(&HostRequest::Status)
                && let Some((name, ended)) =
                    services.into_iter().find_map(|s| s.ended.map(|ended| (s.name, ended)))
            {
                return Ok(Err(Error::Lab(format!("{name} ended: {ended}"))));
            }
            look().map(Ok)
        })?
    }

    /// Whether agents find whom they call.
    fn find_queues(&self) -> Answer<()> {
        let there: Vec<String> =
            self.hosts[0].ask(&HostRequest::Queues).map_err(|error| error.to_string())?;
        let missing = peers::QUEUES.iter().find(|queue| !there.iter().any(|name| name == *queue));
        missing.map_or(Ok(()), |queue| Err(format!("no {queue} among {there:?}")))
    }

    fn handle(&self, request: Request) -> Result<Value> {
        match request {
            Request::Spec => Ok(json!(self.lab)),
            Request::Status => {
                let mut hosts = Vec::with_capacity(self.hosts.len());
                for host in &self.hosts {
                    let mut status: HostStatus = host.ask(&HostRequest::Status)?;
                    status.pid = host.pid;
                    hosts.push(status);
                }
                let (name, outside) = (self.lab.name.clone(), self.outside.clone());
                Ok(json!(LabStatus { name, hosts, outside }))
            }
            Request::Host(name, request) => {
                self.lab.host(&name)?;
                let host = self.hosts.iter().find(|host| host.spec.name == name);
                host.map_or(Ok(Value::Null), |host| host.ask(&request))
            }
            // The end of pid 1 is the end of everything in the lab.
            Request::Down => std::process::exit(0),
        }
    }
}

/// Answers clients, each on a thread of its own.
fn serve(listener: &UnixListener, supervisor: &Arc<Supervisor>) {
    // SAFETY: geteuid cannot fail.
    let owner = unsafe { libc::geteuid() };
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        // Abstract sockets have no permissions: the lab's owner alone may talk to it.
        if control::peer(&stream).is_ok_and(|cred| cred.uid == owner) {
            let supervisor = Arc::clone(supervisor);
            thread::spawn(move || converse(stream, &supervisor));
        }
    }
}

fn converse(stream: UnixStream, supervisor: &Supervisor) {
    let mut channel = Channel::new(stream);
    while let Ok(Some(request)) = channel.receive::<Request>() {
        let answer: Answer<Value> = supervisor.handle(request).map_err(|error| error.to_string());
        if channel.send(&answer).is_err() {
            return;
        }
    }
}

/// Reaps hosts that ended and processes left to pid 1.
fn reap_forever() -> ! {
    loop {
        // SAFETY: waits for any child and keeps nothing of it.
        let reaped = unsafe { libc::waitpid(-1, std::ptr::null_mut(), 0) };
        if reaped < 0 {
            thread::sleep(Duration::from_secs(1));
        }
    }
}
