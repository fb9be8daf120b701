//! An emulated host: the first process of its namespaces.
//!
//! Owns the host's mounts, addresses, Open vSwitch, services and instances, and does what the
//! supervisor asks, one request at a time.

use std::net::IpAddr;
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use ipnet::IpNet;
use neutrino_linux::{Netlink, mount, process, sysctl};
use serde_json::{Value, json};

use crate::control::{Answer, Channel, HostRequest, HostStatus, ServiceAction};
use crate::dhcp;
use crate::error::{Error, Result};
use crate::instance::Instances;
use crate::nova;
use crate::ovs;
use crate::services::{OVS_VSWITCHD, OVSDB_SERVER, Services};
use crate::spec::{HostSpec, LabSpec};
use crate::{backing, config, peers};

/// How often ended processes are looked for while nothing is asked, in milliseconds.
const REAP_INTERVAL_MS: libc::c_int = 200;

/// Directories a host has for itself, laid over the machine's.
const OVERLAID: [&str; 2] = ["/etc", "/var"];

/// A host that has been set up.
struct Host {
    lab: LabSpec,
    spec: HostSpec,
    services: Services,
    instances: Instances,
}

/// Life of a host's init; `fd` is its end of the conversation with the supervisor.
pub(crate) fn init(fd: RawFd) -> Result<()> {
    // SAFETY: the supervisor left this descriptor open for us and nothing else uses it.
    let stream = unsafe { UnixStream::from_raw_fd(fd) };
    close_on_exec(fd)?;
    let mut channel = Channel::new(stream);
    let Some(HostRequest::Setup(lab, spec)) = channel.receive()? else {
        return Err(Error::Lab("the supervisor did not say which host this is".to_owned()));
    };
    let mut host = match Host::set_up(*lab, spec) {
        Ok(host) => host,
        Err(error) => return channel.send(&Answer::<()>::Err(error.to_string())),
    };
    channel.send(&Answer::Ok(()))?;
    loop {
        host.reap();
        if !readable(channel.stream())? {
            continue;
        }
        let Some(request) = channel.receive::<HostRequest>()? else { return Ok(()) };
        let answer: Answer<Value> = host.handle(request).map_err(|error| error.to_string());
        channel.send(&answer)?;
    }
}

/// Waits a little for a message.
fn readable(stream: &UnixStream) -> Result<bool> {
    let mut poll = libc::pollfd { fd: stream.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one valid pollfd.
    match unsafe { libc::poll(&raw mut poll, 1, REAP_INTERVAL_MS) } {
        0 => Ok(false),
        1.. => Ok(true),
        _ => match std::io::Error::last_os_error() {
            error if error.kind() == std::io::ErrorKind::Interrupted => Ok(false),
            error => Err(Error::io("wait for the supervisor")(error)),
        },
    }
}

/// Keeps a descriptor from leaking into the programs that are started.
pub(crate) fn close_on_exec(fd: RawFd) -> Result<()> {
    // SAFETY: fcntl on a descriptor that is open.
    match unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) } {
        0 => Ok(()),
        _ => Err(Error::io("mark a descriptor close-on-exec")(std::io::Error::last_os_error())),
    }
}

impl Host {
    fn set_up(lab: LabSpec, spec: HostSpec) -> Result<Self> {
        mounts(&lab, &spec)?;
        nix::unistd::sethostname(&spec.name)
            .map_err(|errno| Error::io("set the host name")(errno.into()))?;
        network(&spec)?;
        write_files(&lab, &spec)?;
        dhcp::prepare_host()?;
        ovs::create_database()?;
        if spec.is_controller() && !lab.bare {
            for backing in backing::of(&lab) {
                backing.launch.prepare()?;
            }
        }
        let services = Services::new(&lab, &spec);
        let mut host = Self { lab, spec, services, instances: Instances::default() };
        host.services.act(OVSDB_SERVER, ServiceAction::Start)?;
        ovs::initialise(&host.spec)?;
        host.services.act(OVS_VSWITCHD, ServiceAction::Start)?;
        ovs::create_bridges(&host.spec, host.lab.datapath)?;
        ovs::address_tunnel_endpoint(&host.lab, &host.spec)?;
        Ok(host)
    }

    fn handle(&mut self, request: HostRequest) -> Result<Value> {
        match request {
            HostRequest::Setup(..) => Err(Error::Lab("this host is set up already".to_owned())),
            HostRequest::Status => {
                let status = HostStatus {
                    name: self.spec.name.clone(),
                    pid: 0,
                    services: self.services.status(),
                    instances: self.instances.status(),
                };
                Ok(json!(status))
            }
            HostRequest::MakeTables => {
                let words = peers::upgrade_database(&self.lab.peers);
                process::run(Command::new(&words[0]).args(&words[1..]))?;
                Ok(Value::Null)
            }
            HostRequest::Queues => {
                let text = process::run(&mut backing::list_queues(&self.lab))?;
                Ok(json!(text.lines().collect::<Vec<_>>()))
            }
            HostRequest::Service(name, action) => {
                let started = self.services.act(&name, action)?;
                if started && name == OVS_VSWITCHD {
                    // A userspace datapath takes its devices and their addresses with it.
                    ovs::address_tunnel_endpoint(&self.lab, &self.spec)?;
                }
                Ok(Value::Null)
            }
            HostRequest::Plug(spec) => {
                self.instances.plug(&self.lab.binary, *spec)?;
                Ok(Value::Null)
            }
            HostRequest::Unplug(name) => {
                self.instances.unplug(&name)?;
                Ok(Value::Null)
            }
            HostRequest::Remember(known) => nova::remember(&known).map(|()| Value::Null),
            HostRequest::Forget(id) => nova::forget(&id).map(|()| Value::Null),
        }
    }

    /// Reaps services and processes that were left to us; instances stay for `unplug`.
    fn reap(&mut self) {
        self.services.reap();
        loop {
            // SAFETY: siginfo is plain data; WNOWAIT leaves the child to be reaped below.
            let pid = unsafe {
                let mut info: libc::siginfo_t = std::mem::zeroed();
                let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
                match libc::waitid(libc::P_ALL, 0, &raw mut info, flags) {
                    0 => info.si_pid(),
                    _ => 0,
                }
            };
            let ours = |pid: u32| {
                self.services.pids().any(|known| known == pid)
                    || self.instances.pids().any(|known| known == pid)
            };
            if pid <= 0 || ours(pid.cast_unsigned()) {
                return;
            }
            // SAFETY: a zombie child that nothing else waits for.
            unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::WNOHANG) };
        }
    }
}

/// Gives the host its own /run, /etc, /var, /proc and /sys.
fn mounts(lab: &LabSpec, host: &HostSpec) -> Result<()> {
    mount::make_private()?;
    let run = Path::new("/run");
    mount::tmpfs(run)?;
    let create = |directory: &Path| {
        std::fs::create_dir_all(directory)
            .map_err(Error::io(format!("create {}", directory.display())))
    };
    for target in OVERLAID {
        let base = run.join("neutrino/overlay").join(target.trim_start_matches('/'));
        let (upper, work) = (base.join("upper"), base.join("work"));
        create(&upper)?;
        create(&work)?;
        mount::overlay(Path::new(target), &upper, &work)?;
    }
    for directory in
        ["/run/lock", "/var/lib/neutron", "/etc/neutron/plugins/ml2", "/etc/nova", "/var/log"]
    {
        create(Path::new(directory))?;
    }
    if let Some(data) = &lab.data_dir {
        for (part, target) in
            [("log", "/var/log"), ("lib", "/var/lib/neutron"), ("etc", "/etc/neutron")]
        {
            let source = data.join(&host.name).join(part);
            create(&source)?;
            mount::bind(&source, Path::new(target))?;
        }
        create(Path::new("/etc/neutron/plugins/ml2"))?;
    }
    mount::proc_and_sys()?;
    Ok(())
}

/// Addresses and kernel parameters of the host's NICs.
fn network(host: &HostSpec) -> Result<()> {
    // The kernel sees what arrives at NICs and taps that belong to Open vSwitch; it must answer
    // ARP only where the address really is.
    sysctl::set(&["net", "ipv4", "conf", "all", "arp_ignore"], "1")?;
    let mut netlink = Netlink::open()?;
    for nic in ["eth1", "eth2"] {
        sysctl::disable_ipv6(nic)?;
    }
    for nic in ["lo", "eth0", "eth1", "eth2"] {
        netlink.set_up(nic)?;
    }
    let management = IpNet::new(IpAddr::V4(host.management_ip()), 24)
        .map_err(|error| Error::Lab(error.to_string()))?;
    netlink.add_address("eth0", management)?;
    Ok(())
}

/// Configuration of the services, and names of the other hosts.
fn write_files(lab: &LabSpec, host: &HostSpec) -> Result<()> {
    let mut names = String::from("127.0.0.1 localhost\n::1 localhost\n");
    for other in &lab.hosts {
        names.push_str(&format!("{} {}\n", other.management_ip(), other.name));
    }
    let mut files = config::files(lab, host);
    files.push(("/etc/hosts", names));
    files.push(("/etc/hostname", format!("{}\n", host.name)));
    for (path, text) in files {
        std::fs::write(path, text).map_err(Error::io(format!("write {path}")))?;
    }
    Ok(())
}
