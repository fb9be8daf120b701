//! The services of a host: what they are, and their processes.
//!
//! A service that ends stays ended until somebody starts it: a lab shows what a failure does.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::config::{
    DHCP_AGENT_CONF, L3_AGENT_CONF, METADATA_AGENT_CONF, ML2_CONF, NEUTRON_CONF, OVS_AGENT_CONF,
};
use crate::control::{ServiceAction, ServiceStatus};
use crate::error::{Error, Result};
use crate::parts::Implementation;
use crate::spec::{HostSpec, LabSpec};
use crate::wait::wait_until;
use crate::{backing, nova, ovs, peers};

/// How long a service may take to end after SIGTERM.
const STOP_TIMEOUT: Duration = Duration::from_secs(12);
/// How long the kernel may take to end a process after SIGKILL.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);

/// The OVSDB server.
pub(crate) const OVSDB_SERVER: &str = "ovsdb-server";
/// The switch.
pub(crate) const OVS_VSWITCHD: &str = "ovs-vswitchd";
/// The API server.
pub(crate) const SERVER: &str = "neutron-server";
/// The L2 agent.
pub(crate) const OVS_AGENT: &str = "neutron-openvswitch-agent";
/// The DHCP agent.
pub(crate) const DHCP_AGENT: &str = "neutron-dhcp-agent";
/// The L3 agent.
pub(crate) const L3_AGENT: &str = "neutron-l3-agent";
/// The metadata agent.
pub(crate) const METADATA_AGENT: &str = "neutron-metadata-agent";
/// What stands in for Nova's metadata service.
pub(crate) const NOVA_METADATA: &str = "nova-metadata";

/// A service of this host.
struct Service {
    name: &'static str,
    command: Vec<String>,
    log: &'static str,
    /// A program of Neutron's: it finds others beside it, and its workers end with it.
    peer: bool,
    child: Option<Child>,
    ended: Option<String>,
}

/// The agents of `host` in start order: name, role, configuration file.
fn all_agents(host: &HostSpec) -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    [
        (true, (OVS_AGENT, "openvswitch", OVS_AGENT_CONF)),
        (host.metadata(), (METADATA_AGENT, "metadata", METADATA_AGENT_CONF)),
        (host.dhcp, (DHCP_AGENT, "dhcp", DHCP_AGENT_CONF)),
        (host.l3.is_some(), (L3_AGENT, "l3", L3_AGENT_CONF)),
    ]
    .into_iter()
    .filter_map(|(runs, agent)| runs.then_some(agent))
}

/// Names of the agents of `host` in start order.
pub(crate) fn agents(host: &HostSpec) -> impl Iterator<Item = &'static str> {
    all_agents(host).map(|(name, _, _)| name)
}

/// Command line of our program.
fn neutrino(lab: &LabSpec, role: &[&str], files: &[&str]) -> Vec<String> {
    let mut command = vec![lab.binary.to_string_lossy().into_owned()];
    command.extend(role.iter().map(|word| (*word).to_owned()));
    for file in files {
        command.extend(["--config-file".to_owned(), (*file).to_owned()]);
    }
    command
}

/// What the first host runs beside its agents.
fn of_controller(lab: &LabSpec, host: &HostSpec) -> Vec<Service> {
    let mut list = Vec::new();
    for backing in backing::of(lab) {
        if let Some(helper) = backing.launch.helper {
            list.push(Service::new(backing::HELPER, helper.words().to_vec(), "neutron"));
        }
        let command = backing.launch.server.words().to_vec();
        list.push(Service::new(backing.name, command, "neutron"));
    }
    match lab.server {
        Implementation::Neutrino => {
            let command = neutrino(lab, &["server"], &[NEUTRON_CONF, ML2_CONF]);
            list.push(Service::new(SERVER, command, "neutron"));
        }
        Implementation::Neutron => {
            let server = peers::server(lab, &lab.peers).into_iter();
            list.extend(server.map(|(name, command)| Service::peer(name, command)));
        }
    }
    let listen = format!("{}:{}", host.management_ip(), nova::PORT);
    let command = neutrino(lab, &["lab", NOVA_METADATA, &listen], &[]);
    list.push(Service::new(NOVA_METADATA, command, "nova"));
    list
}

/// Names of what the server consists of, in start order.
pub(crate) fn server(lab: &LabSpec) -> Vec<&'static str> {
    match lab.server {
        Implementation::Neutrino => vec![SERVER],
        Implementation::Neutron => {
            peers::server(lab, &lab.peers).into_iter().map(|(name, _)| name).collect()
        }
    }
}

/// All services of this host, in start order.
pub(crate) struct Services {
    list: Vec<Service>,
    environment: BTreeMap<String, String>,
    peers_path: String,
}

impl Services {
    /// The services that `host` has; none runs yet.
    pub(crate) fn new(lab: &LabSpec, host: &HostSpec) -> Self {
        let mut list = vec![
            Service::new(OVSDB_SERVER, ovs::ovsdb_server_command(), "openvswitch"),
            Service::new(OVS_VSWITCHD, ovs::vswitchd_command(), "openvswitch"),
        ];
        if host.is_controller() && !lab.bare {
            list.extend(of_controller(lab, host));
        }
        if !lab.bare {
            list.extend(all_agents(host).map(|(name, role, file)| {
                let files = [NEUTRON_CONF, file];
                match host.agents_by {
                    Implementation::Neutrino => {
                        Service::new(name, neutrino(lab, &["agent", role], &files), "neutron")
                    }
                    Implementation::Neutron => {
                        Service::peer(name, peers::program(&lab.peers, name, &files))
                    }
                }
            }));
        }
        let environment = ["PATH", "RUST_LOG", "RUST_BACKTRACE", "LLVM_PROFILE_FILE"]
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)))
            .collect();
        Self { list, environment, peers_path: peers::path(&lab.peers) }
    }

    /// State of every service.
    pub(crate) fn status(&mut self) -> Vec<ServiceStatus> {
        self.reap();
        self.list
            .iter()
            .map(|service| ServiceStatus {
                name: service.name.to_owned(),
                pid: service.child.as_ref().map(Child::id),
                ended: service.ended.clone(),
            })
            .collect()
    }

    /// Process ids of the services that run.
    pub(crate) fn pids(&self) -> impl Iterator<Item = u32> + '_ {
        self.list.iter().filter_map(|service| service.child.as_ref().map(Child::id))
    }

    /// Takes note of services that have ended.
    pub(crate) fn reap(&mut self) {
        for service in &mut self.list {
            service.reap();
        }
    }

    /// Does `action` to the service called `name`; true when it was started.
    pub(crate) fn act(&mut self, name: &str, action: ServiceAction) -> Result<bool> {
        let known: Vec<&str> = self.list.iter().map(|service| service.name).collect();
        let unknown =
            || Error::Usage(format!("no service {name} here; there are {}", known.join(", ")));
        let service =
            self.list.iter_mut().find(|service| service.name == name).ok_or_else(unknown)?;
        service.reap();
        let mut environment = self.environment.clone();
        if service.peer {
            environment.insert("PATH".to_owned(), self.peers_path.clone());
        }
        match action {
            ServiceAction::Start => service.start(&environment),
            ServiceAction::Stop => service.stop().map(|()| false),
            ServiceAction::Restart => {
                service.stop()?;
                service.start(&environment)
            }
            ServiceAction::Signal(signal) => service.signal(signal).map(|()| false),
        }
    }
}

impl Service {
    fn new(name: &'static str, command: Vec<String>, log: &'static str) -> Self {
        Self { name, command, log, peer: false, child: None, ended: None }
    }

    fn peer(name: &'static str, command: Vec<String>) -> Self {
        Self { peer: true, ..Self::new(name, command, "neutron") }
    }

    fn start(&mut self, environment: &BTreeMap<String, String>) -> Result<bool> {
        if self.child.is_some() {
            return Ok(false);
        }
        let attempt = || format!("start {}", self.name);
        let directory = Path::new("/var/log").join(self.log);
        std::fs::create_dir_all(&directory).map_err(Error::io(attempt()))?;
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(directory.join(format!("{}.log", self.name)))
            .map_err(Error::io(attempt()))?;
        let errors = log.try_clone().map_err(Error::io(attempt()))?;
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]).env_clear().envs(environment).current_dir("/");
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        // A group of its own: a signal to the service never reaches its host's init.
        command.process_group(0);
        let child = command.spawn().map_err(Error::io(attempt()))?;
        self.child = Some(child);
        self.ended = None;
        Ok(true)
    }

    fn reap(&mut self) {
        if let Some(child) = &mut self.child
            && let Ok(Some(status)) = child.try_wait()
        {
            self.child = None;
            self.ended = Some(in_words(status));
        }
    }

    fn wait_ended(&mut self, timeout: Duration) -> Result<()> {
        let what = format!("the end of {}", self.name);
        wait_until(&what, timeout, || {
            self.reap();
            if self.child.is_none() { Ok(()) } else { Err("it runs".to_owned()) }
        })
    }

    fn stop(&mut self) -> Result<()> {
        self.signal(libc::SIGTERM)?;
        if self.wait_ended(STOP_TIMEOUT).is_err() {
            self.signal(libc::SIGKILL)?;
        }
        Ok(())
    }

    fn signal(&mut self, signal: i32) -> Result<()> {
        let Some(child) = &self.child else { return Ok(()) };
        // Workers of a master that is killed would go on beside those of the next one.
        let group = self.peer && signal == libc::SIGKILL;
        let pid = child.id().cast_signed();
        // SAFETY: the child is not reaped yet, so the id is still its own, and its group's.
        let result = unsafe { libc::kill(if group { -pid } else { pid }, signal) };
        if result != 0 {
            let attempt = format!("send signal {signal} to {}", self.name);
            return Err(Error::io(attempt)(std::io::Error::last_os_error()));
        }
        if signal == libc::SIGKILL { self.wait_ended(KILL_TIMEOUT) } else { Ok(()) }
    }
}

fn in_words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}
