//! A running lab as a value: what the subcommands and the tests use.

use std::io::PipeWriter;
use std::process::{Command, Output};
use std::time::Duration;

use neutrino_linux::Namespaces;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::Client;
use crate::control::{self, HostRequest, LabStatus, Request, ServiceAction};
use crate::error::{Error, Result};
use crate::instance::InstanceSpec;
use crate::nova::Known;
use crate::spec::{LabOptions, LabSpec};
use crate::up::{self, Owner};
use crate::wait::wait_until;

/// How long the agents may take to report after the server runs.
const AGENTS_TIMEOUT: Duration = Duration::from_secs(60);
/// The same where a part is Neutron's own.
const PEERS_TIMEOUT: Duration = Duration::from_secs(180);

/// A handle on a running lab.
pub struct Lab {
    spec: LabSpec,
    supervisor: i32,
    /// While this is held the lab lives; only in a handle made by [`Lab::up`].
    lifeline: Option<PipeWriter>,
}

impl Lab {
    /// Starts a lab that lives as long as the handle, also when this process is killed.
    ///
    /// # Errors
    /// What is missing on the machine, or what failed in the lab.
    pub fn up(options: &LabOptions) -> Result<Self> {
        let lifeline = up::up(options, &Owner::Handle, |_| {})?;
        let mut lab = Self::open(&options.name)?;
        lab.lifeline = lifeline;
        Ok(lab)
    }

    /// Starts a lab that runs on until [`Lab::down`], or until the process `owner` ends; `tell`
    /// hears of each step.
    ///
    /// # Errors
    /// What is missing on the machine, or what failed in the lab.
    pub fn start(options: &LabOptions, owner: Option<u32>, tell: impl FnMut(&str)) -> Result<Self> {
        up::up(options, &owner.map_or(Owner::Nobody, Owner::Process), tell)?;
        Self::open(&options.name)
    }

    /// Finds a running lab by its name.
    ///
    /// # Errors
    /// [`Error::Usage`] when there is none.
    pub fn open(name: &str) -> Result<Self> {
        let mut channel = control::connect(name)?;
        let supervisor = control::peer(channel.stream())?.pid;
        let spec = channel.ask(&Request::Spec)?;
        Ok(Self { spec, supervisor, lifeline: None })
    }

    /// The lab's description.
    #[must_use]
    pub fn spec(&self) -> &LabSpec {
        &self.spec
    }

    /// Process id of the supervisor, in the caller's pid namespace.
    #[must_use]
    pub fn supervisor(&self) -> i32 {
        self.supervisor
    }

    fn ask<T: DeserializeOwned>(&self, request: &Request) -> Result<T> {
        control::connect(&self.spec.name)?.ask(request)
    }

    /// What runs.
    ///
    /// # Errors
    /// [`Error::Lab`] when a host does not answer.
    pub fn status(&self) -> Result<LabStatus> {
        self.ask(&Request::Status)
    }

    /// Ends the lab; returns when nothing of it is left.
    ///
    /// # Errors
    /// [`Error::Lab`] when it does not end.
    pub fn down(self) -> Result<()> {
        let mut channel = control::connect(&self.spec.name)?;
        channel.send(&Request::Down)?;
        up::wait_gone(self.supervisor)
    }

    /// Does something to a service of a host.
    ///
    /// # Errors
    /// [`Error::Usage`] for an unknown host, else what the host reports.
    pub fn service(&self, host: &str, service: &str, action: ServiceAction) -> Result<()> {
        self.host(host, HostRequest::Service(service.to_owned(), action))
    }

    /// Starts an instance on a host and plugs it.
    ///
    /// # Errors
    /// [`Error::Usage`] for an unknown host, else what the host reports.
    pub fn plug(&self, host: &str, spec: InstanceSpec) -> Result<()> {
        self.host(host, HostRequest::Plug(Box::new(spec)))
    }

    /// Stops and unplugs an instance.
    ///
    /// # Errors
    /// [`Error::Usage`] when there is no such instance, else what the host reports.
    pub fn unplug(&self, instance: &str) -> Result<()> {
        let (host, _) = self.find_instance(instance)?;
        self.host(&host, HostRequest::Unplug(instance.to_owned()))
    }

    /// Lets the metadata service know an instance.
    pub(crate) fn remember(&self, known: Known) -> Result<()> {
        self.host(&self.spec.controller().name, HostRequest::Remember(known))
    }

    /// Lets the metadata service forget an instance.
    pub(crate) fn forget(&self, id: &str) -> Result<()> {
        self.host(&self.spec.controller().name, HostRequest::Forget(id.to_owned()))
    }

    fn host(&self, host: &str, request: HostRequest) -> Result<()> {
        self.spec.host(host)?;
        self.ask::<Value>(&Request::Host(host.to_owned(), request)).map(drop)
    }

    /// The host of an instance, and what was plugged.
    ///
    /// # Errors
    /// [`Error::Usage`] when there is no such instance.
    pub fn find_instance(&self, name: &str) -> Result<(String, InstanceSpec)> {
        let status = self.status()?;
        for host in status.hosts {
            if let Some(found) = host.instances.into_iter().find(|i| i.spec.name == name) {
                return Ok((host.name, found.spec));
            }
        }
        Err(Error::Usage(format!("no instance {name} in lab {}", self.spec.name)))
    }

    /// Makes `command` run on a host, also one of those outside the cloud.
    ///
    /// # Errors
    /// [`Error::Usage`] when there is no such host.
    pub fn enter_host(&self, host: &str, command: &mut Command) -> Result<()> {
        let status = self.status()?;
        if let Some(outside) = status.outside.iter().find(|outside| outside.name == host) {
            let directory = format!("{}/{}", self.proc_dir(), outside.pid);
            Namespaces::open(directory)?.enter(command);
            return Ok(());
        }
        self.spec.host(host)?;
        let pid = status.hosts.iter().find(|h| h.name == host).map_or(0, |h| h.pid);
        let directory = format!("{}/{pid}", self.proc_dir());
        Namespaces::open(directory)?.enter(command);
        // Inside, the controller is reached by its own address.
        let address = self.spec.controller().management_ip().to_string();
        command.envs(self.spec.client_environment("admin", &address));
        Ok(())
    }

    /// Makes `command` run in an instance.
    ///
    /// # Errors
    /// [`Error::Usage`] when there is no such instance.
    pub fn enter_instance(&self, name: &str, command: &mut Command) -> Result<()> {
        for host in self.status()?.hosts {
            if let Some(instance) = host.instances.iter().find(|i| i.spec.name == name) {
                let host_proc = format!("{}/{}/root/proc", self.proc_dir(), host.pid);
                Namespaces::open(format!("{host_proc}/{}", instance.pid))?.enter(command);
                return Ok(());
            }
        }
        Err(Error::Usage(format!("no instance {name} in lab {}", self.spec.name)))
    }

    /// The lab's own /proc, seen from outside.
    fn proc_dir(&self) -> String {
        format!("/proc/{}/root/proc", self.supervisor)
    }

    /// Runs a program on a host to its end.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be started.
    pub fn exec(&self, host: &str, command: &[&str]) -> Result<Output> {
        let mut process = to_command(command)?;
        self.enter_host(host, &mut process)?;
        process.output().map_err(Error::io(format!("run {command:?} on {host}")))
    }

    /// Runs a program in an instance to its end.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be started.
    pub fn exec_instance(&self, name: &str, command: &[&str]) -> Result<Output> {
        let mut process = to_command(command)?;
        self.enter_instance(name, &mut process)?;
        process.output().map_err(Error::io(format!("run {command:?} in {name}")))
    }

    /// Waits until the agent of every host is alive.
    ///
    /// # Errors
    /// [`Error::Lab`] with the end of its log when a service has ended, [`Error::Timeout`] when
    /// the agents do not report.
    pub fn wait_agents(&self) -> Result<()> {
        let client = self.client("admin")?;
        let expected = self.spec.agents();
        let timeout = if self.spec.has_peers() { PEERS_TIMEOUT } else { AGENTS_TIMEOUT };
        wait_until("a report of every agent", timeout, || {
            if let Some(failure) = self.ended_service().map_err(|error| error.to_string())? {
                return Ok(Err(failure));
            }
            let answer = client.get("/v2.0/agents").map_err(|error| error.to_string())?;
            let agents = answer["agents"].as_array().map_or(&[] as &[Value], Vec::as_slice);
            let alive = agents.iter().filter(|agent| agent["alive"] == true).count();
            if alive >= expected {
                return Ok(Ok(()));
            }
            Err(format!("{alive} of {expected} are alive"))
        })?
    }

    /// What to report of a service that ended by itself.
    fn ended_service(&self) -> Result<Option<Error>> {
        for host in self.status()?.hosts {
            for service in host.services {
                if let Some(ended) = service.ended {
                    let log = format!("/var/log/neutron/{}.log", service.name);
                    let tail = self.exec(&host.name, &["tail", "-n", "5", &log])?;
                    let tail = String::from_utf8_lossy(&tail.stdout).into_owned();
                    let what = format!("{}: {} ended: {ended}", host.name, service.name);
                    return Ok(Some(Error::Lab(format!("{what}\n{tail}"))));
                }
            }
        }
        Ok(None)
    }

    /// A client of the lab's APIs, with a fresh token of `user`.
    ///
    /// # Errors
    /// [`Error::Api`] when the identity service refuses.
    pub fn client(&self, user: &str) -> Result<Client> {
        Client::connect(&self.spec, user)
    }
}

fn to_command(words: &[&str]) -> Result<Command> {
    let (program, arguments) =
        words.split_first().ok_or_else(|| Error::Usage("no command given".to_owned()))?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(std::process::Stdio::null());
    Ok(command)
}
