//! The `neutrino lab` subcommands.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, ExitCode, ExitStatus};

use clap::{Args, Subcommand, ValueEnum};

use crate::cli_instance::{self, InstanceCommand};
use crate::config::Override;
use crate::control::{self, LabStatus, ServiceAction};
use crate::error::{Error, Result};
use crate::lab::Lab;
use crate::parts::{AgentsChoice, Bus, Database, Implementation};
use crate::spec::{Datapath, FirewallChoice, L3Choice, LabOptions, PEERS};
use crate::{host, instance, nova, outside, supervisor};

/// A datacentre on this machine: hosts with Open vSwitch, server, agents, instances.
#[derive(Debug, Args)]
pub struct Cli {
    #[command(subcommand)]
    command: LabCommand,
}

/// Which lab.
#[derive(Debug, Args)]
pub(crate) struct Name {
    /// Name of the lab; by default what NEUTRINO_LAB says, else "default"
    #[arg(long, default_value_t = default_name(), hide_default_value = true)]
    pub(crate) name: String,
}

fn default_name() -> String {
    std::env::var("NEUTRINO_LAB").unwrap_or_else(|_| "default".to_owned())
}

#[derive(Debug, Subcommand)]
enum LabCommand {
    /// Start a lab
    Up(Up),
    /// End a lab; nothing of it is left
    Down {
        #[command(flatten)]
        lab: Name,
    },
    /// List the labs that run
    List,
    /// Show what runs in a lab
    Status {
        #[command(flatten)]
        lab: Name,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the variables the openstack client needs: eval "$(neutrino lab env)"
    Env {
        #[command(flatten)]
        lab: Name,
        /// Who to be
        #[arg(long, value_enum, default_value = "admin")]
        user: User,
    },
    /// Run a command on a host
    Exec {
        #[command(flatten)]
        lab: Name,
        /// Host; upstream and internet are those outside the cloud
        host: String,
        /// Command and arguments
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Start, stop, restart or kill a service of a host
    Service {
        #[command(flatten)]
        lab: Name,
        /// What to do
        #[arg(value_enum)]
        action: Action,
        /// Host
        host: String,
        /// Service, such as neutron-server, neutron-dhcp-agent, ovs-vswitchd
        service: String,
        /// Signal number for kill
        #[arg(long, default_value_t = libc::SIGKILL)]
        signal: i32,
    },
    /// Create and use instances
    #[command(subcommand)]
    Instance(InstanceCommand),
    /// Life of a lab's supervisor
    #[command(hide = true)]
    Supervise { descriptors: String, name: String },
    /// Life of a host's init
    #[command(hide = true)]
    HostInit { fd: i32, name: String },
    /// Life of the controller's stand-in for Nova's metadata service
    #[command(hide = true)]
    NovaMetadata { listen: SocketAddr },
    /// Life of the init of a host outside the cloud
    #[command(hide = true)]
    OutsideInit { name: String },
    /// Life of an instance's init
    #[command(hide = true)]
    InstanceInit { name: String },
}

#[derive(Debug, Args)]
struct Up {
    #[command(flatten)]
    lab: Name,
    /// Hosts; the first one runs the server
    #[arg(long, value_delimiter = ',', default_value = "controller0,compute0,compute1")]
    hosts: Vec<String>,
    /// Change a generated configuration file: FILE:SECTION.KEY=VALUE (repeatable)
    #[arg(long = "config", value_name = "FILE:SECTION.KEY=VALUE")]
    overrides: Vec<Override>,
    /// Firewall driver: openvswitch, iptables_hybrid, noop or mixed, or HOST=DRIVER (repeatable)
    #[arg(long, value_name = "DRIVER", value_delimiter = ',')]
    firewall: Vec<FirewallChoice>,
    /// Hosts with a DHCP agent and a metadata agent; by default the first one
    #[arg(long, value_delimiter = ',', value_name = "HOSTS")]
    dhcp_hosts: Option<Vec<String>>,
    /// No DHCP agent and no metadata agent
    #[arg(long, conflicts_with = "dhcp_hosts")]
    no_dhcp: bool,
    /// L3 agents, each HOST=MODE (legacy, dvr, dvr_snat, dvr_no_external); by default legacy on
    /// the first host, with --dvr dvr_snat there and dvr on the others
    #[arg(long, value_delimiter = ',', value_name = "HOST=MODE")]
    l3: Option<Vec<L3Choice>>,
    /// No L3 agent
    #[arg(long, conflicts_with = "l3")]
    no_l3: bool,
    /// Routers are distributed
    #[arg(long)]
    dvr: bool,
    /// What carries messages; by default rabbitmq where a part is Neutron's, else embedded
    #[arg(long, value_enum)]
    bus: Option<Bus>,
    /// Where the server keeps what it knows; by default mariadb where the server is Neutron's,
    /// else sqlite
    #[arg(long, value_enum)]
    database: Option<Database>,
    /// Whose server
    #[arg(long, value_enum, default_value = "neutrino")]
    server: Implementation,
    /// Whose agents a host runs, each HOST=neutrino or HOST=neutron; ours by default
    #[arg(long, value_delimiter = ',', value_name = "HOST=WHOSE")]
    agents: Vec<AgentsChoice>,
    /// Virtual environment with Neutron, which make peers installs
    #[arg(long, default_value = PEERS)]
    peers: PathBuf,
    /// Keep logs, database and configuration of each host under this directory
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Datapath of Open vSwitch; by default system where the kernel has it
    #[arg(long, value_enum)]
    datapath: Option<Datapath>,
    /// Port of the network API on 127.0.0.1; 0 for any
    #[arg(long, default_value_t = 0)]
    api_port: u16,
    /// Start neither server nor agents
    #[arg(long)]
    bare: bool,
    /// End the lab when this process ends
    #[arg(long, value_name = "PID")]
    owner: Option<u32>,
    /// Do not wait until the agents are alive
    #[arg(long)]
    no_wait: bool,
}

/// Users of the lab's identity service.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum User {
    /// Administrator of project admin
    Admin,
    /// Member of project demo
    Demo,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Action {
    Start,
    Stop,
    Restart,
    Kill,
}

/// Runs a subcommand; the exit code is the one of the command run inside, where there is one.
///
/// Must be called before the process has started threads: some of these enter namespaces.
///
/// # Errors
/// What went wrong, for the user to read.
pub fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        LabCommand::Up(up) => run_up(up),
        LabCommand::Down { lab } => Lab::open(&lab.name)?.down().map(|()| ExitCode::SUCCESS),
        LabCommand::List => {
            for name in control::running()? {
                println!("{name}");
            }
            Ok(ExitCode::SUCCESS)
        }
        LabCommand::Status { lab, json } => {
            let status = Lab::open(&lab.name)?.status()?;
            if json {
                println!("{}", serde_json::json!(status));
            } else {
                print!("{}", table(&status));
            }
            Ok(ExitCode::SUCCESS)
        }
        LabCommand::Env { lab, user } => {
            let user = match user {
                User::Admin => "admin",
                User::Demo => "demo",
            };
            for (name, value) in Lab::open(&lab.name)?.spec().client_environment(user, "127.0.0.1")
            {
                println!("export {name}={value}");
            }
            Ok(ExitCode::SUCCESS)
        }
        LabCommand::Exec { lab, host, command } => {
            let mut process = to_command(&command)?;
            Lab::open(&lab.name)?.enter_host(&host, &mut process)?;
            run_inside(process)
        }
        LabCommand::Service { lab, action, host, service, signal } => {
            let action = match action {
                Action::Start => ServiceAction::Start,
                Action::Stop => ServiceAction::Stop,
                Action::Restart => ServiceAction::Restart,
                Action::Kill => ServiceAction::Signal(signal),
            };
            Lab::open(&lab.name)?.service(&host, &service, action)?;
            Ok(ExitCode::SUCCESS)
        }
        LabCommand::Instance(command) => cli_instance::run(command),
        LabCommand::Supervise { descriptors, .. } => {
            let parsed = serde_json::from_str(&descriptors)
                .map_err(|error| Error::Usage(format!("descriptors: {error}")))?;
            supervisor::run(parsed).map(|()| ExitCode::SUCCESS)
        }
        LabCommand::HostInit { fd, .. } => host::init(fd).map(|()| ExitCode::SUCCESS),
        LabCommand::NovaMetadata { listen } => nova::serve(listen).map(|()| ExitCode::SUCCESS),
        LabCommand::OutsideInit { name } => outside::init(&name).map(|()| ExitCode::SUCCESS),
        LabCommand::InstanceInit { name } => instance::init(&name).map(|()| ExitCode::SUCCESS),
    }
}

fn run_up(up: Up) -> Result<ExitCode> {
    let options = LabOptions {
        name: up.lab.name,
        hosts: up.hosts,
        datapath: up.datapath,
        firewall: up.firewall,
        dhcp_hosts: if up.no_dhcp { Some(Vec::new()) } else { up.dhcp_hosts },
        l3: if up.no_l3 { Some(Vec::new()) } else { up.l3 },
        dvr: up.dvr,
        bus: up.bus,
        database: up.database,
        server: up.server,
        agents: up.agents,
        peers: up.peers,
        overrides: up.overrides,
        data_dir: up.data_dir,
        bare: up.bare,
        api_port: up.api_port,
        binary: None,
    };
    let lab = Lab::start(&options, up.owner, |step| println!("{step}"))?;
    if !up.bare && !up.no_wait {
        lab.wait_agents().inspect_err(|_| {
            eprintln!("the lab is left running for a look; end it with: neutrino lab down");
        })?;
        println!("all agents are alive");
    }
    let name = &lab.spec().name;
    let flag = if name == "default" { String::new() } else { format!(" --name {name}") };
    println!("lab {name} is up; for the openstack client: eval \"$(neutrino lab env{flag})\"");
    Ok(ExitCode::SUCCESS)
}

/// A command from the words of the command line.
pub(crate) fn to_command(words: &[String]) -> Result<Command> {
    let (program, arguments) =
        words.split_first().ok_or_else(|| Error::Usage("no command given".to_owned()))?;
    let mut command = Command::new(program);
    command.args(arguments);
    Ok(command)
}

/// Runs a command that enters namespaces; its exit code becomes ours.
pub(crate) fn run_inside(mut command: Command) -> Result<ExitCode> {
    let line = neutrino_linux::process::command_line(&command);
    let status: ExitStatus = command.status().map_err(Error::io(format!("run `{line}`")))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Ok(ExitCode::from(code))
}

fn table(status: &LabStatus) -> String {
    let mut text = format!("lab {}\n", status.name);
    for host in &status.hosts {
        text.push_str(&format!("  {}\n", host.name));
        for service in &host.services {
            let state = match (&service.pid, &service.ended) {
                (Some(pid), _) => format!("running (pid {pid} on the host)"),
                (None, Some(ended)) => format!("ended: {ended}"),
                (None, None) => "not started".to_owned(),
            };
            text.push_str(&format!("    {:<26} {state}\n", service.name));
        }
        for instance in &host.instances {
            let addresses: Vec<String> =
                instance.spec.addresses.iter().map(ToString::to_string).collect();
            text.push_str(&format!(
                "    instance {:<17} port {} {}\n",
                instance.spec.name,
                instance.spec.port_id,
                addresses.join(" ")
            ));
        }
    }
    text
}
