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
use crate::nova;
use crate::ovs;
use crate::spec::{HostSpec, LabSpec};
use crate::wait::wait_until;

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
    child: Option<Child>,
    ended: Option<String>,
}

/// What `host` runs beside its L2 agent, in start order: name, role, configuration file.
fn other_agents(
    host: &HostSpec,
) -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    [
        (host.metadata(), (METADATA_AGENT, "metadata", METADATA_AGENT_CONF)),
        (host.dhcp, (DHCP_AGENT, "dhcp", DHCP_AGENT_CONF)),
        (host.l3.is_some(), (L3_AGENT, "l3", L3_AGENT_CONF)),
    ]
    .into_iter()
    .filter_map(|(runs, agent)| runs.then_some(agent))
}

/// Names of the agents of `host` in start order.
pub(crate) fn agents(host: &HostSpec) -> impl Iterator<Item = &'static str> {
    [OVS_AGENT].into_iter().chain(other_agents(host).map(|(name, _, _)| name))
}

/// All services of this host, in start order.
pub(crate) struct Services {
    list: Vec<Service>,
    environment: BTreeMap<String, String>,
}

impl Services {
    /// The services that `host` has; none runs yet.
    pub(crate) fn new(lab: &LabSpec, host: &HostSpec) -> Self {
        let mut list = vec![
            Service::new(OVSDB_SERVER, ovs::ovsdb_server_command(), "openvswitch"),
            Service::new(OVS_VSWITCHD, ovs::vswitchd_command(), "openvswitch"),
        ];
        let neutrino = |role: &[&str], files: &[&str]| {
            let mut command = vec![lab.binary.to_string_lossy().into_owned()];
            command.extend(role.iter().map(|word| (*word).to_owned()));
            for file in files {
                command.extend(["--config-file".to_owned(), (*file).to_owned()]);
            }
            command
        };
        if host.is_controller() && !lab.bare {
            let command = neutrino(&["server"], &[NEUTRON_CONF, ML2_CONF]);
            list.push(Service::new(SERVER, command, "neutron"));
            let listen = format!("{}:{}", host.management_ip(), nova::PORT);
            let command = neutrino(&["lab", NOVA_METADATA, &listen], &[]);
            list.push(Service::new(NOVA_METADATA, command, "nova"));
        }
        if !lab.bare {
            let command = neutrino(&["agent", "openvswitch"], &[NEUTRON_CONF, OVS_AGENT_CONF]);
            list.push(Service::new(OVS_AGENT, command, "neutron"));
        }
        if !lab.bare {
            for (name, role, file) in other_agents(host) {
                let command = neutrino(&["agent", role], &[NEUTRON_CONF, file]);
                list.push(Service::new(name, command, "neutron"));
            }
        }
        let environment = ["PATH", "RUST_LOG", "RUST_BACKTRACE", "LLVM_PROFILE_FILE"]
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)))
            .collect();
        Self { list, environment }
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
        match action {
            ServiceAction::Start => service.start(&self.environment),
            ServiceAction::Stop => service.stop().map(|()| false),
            ServiceAction::Restart => {
                service.stop()?;
                service.start(&self.environment)
            }
            ServiceAction::Signal(signal) => service.signal(signal).map(|()| false),
        }
    }
}

impl Service {
    fn new(name: &'static str, command: Vec<String>, log: &'static str) -> Self {
        Self { name, command, log, child: None, ended: None }
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
        // SAFETY: the child is not reaped yet, so the id is still its own.
        let result = unsafe { libc::kill(child.id().cast_signed(), signal) };
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
