//! The command line.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use neutrino_conf::{AnyOpt, opts};

/// OpenStack Networking: server, agents and lab in one binary.
#[derive(Debug, Parser)]
#[command(name = "neutrino", version)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    /// Further agents, each with options of their own.
    #[arg(skip)]
    pub more_agents: Vec<AgentGroup>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the API server (neutron-server).
    Server(Common),
    /// Serve agents without the API, beside servers that have it (neutron-rpc-server).
    RpcServer(Common),
    /// Do the work by the clock alone, beside other servers (neutron-periodic-workers).
    PeriodicWorkers(Common),
    /// Run agents of this host, one or several in one process: AGENT... OPTIONS [AGENT... OPTIONS]...
    ///
    /// Options belong to the agents named right before them. When one agent fails the process
    /// ends; the host stays as it is, and all agents adopt it when they are started again.
    Agent(AgentGroup),
    /// Emulate a datacentre on this machine.
    Lab(neutrino_lab::Cli),
    /// Look after the database (neutron-db-manage).
    Db {
        #[command(flatten)]
        common: Common,
        /// As neutron-db-manage has it; there is one.
        #[arg(long, value_parser = ["neutron"])]
        subproject: Option<String>,
        #[command(subcommand)]
        action: DbAction,
    },
    /// Print a sample configuration file with every option and its default.
    ConfigSample {
        /// Which file.
        file: SampleFile,
    },
    /// Print the argon2 hash of a password read from standard input, for the identity file.
    HashPassword,
}

/// Agents that share the options after them.
#[derive(Debug, Args)]
pub struct AgentGroup {
    /// Which agents.
    #[arg(required = true, value_enum, value_name = "AGENT")]
    pub roles: Vec<AgentRole>,
    #[command(flatten)]
    pub common: Common,
}

/// What an agent does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AgentRole {
    /// Wire the ports of Open vSwitch (neutron-openvswitch-agent).
    Openvswitch,
    /// Serve DHCP to networks (neutron-dhcp-agent).
    Dhcp,
    /// Forward between networks and to the outside (neutron-l3-agent).
    L3,
    /// Tell Nova which instance asks for metadata (neutron-metadata-agent).
    Metadata,
}

#[derive(Debug, Clone, Subcommand)]
pub enum DbAction {
    /// Bring the schema to the newest version.
    Upgrade {
        /// As neutron-db-manage has it; only head is known.
        #[arg(default_value = "head", value_parser = ["head", "heads"])]
        revision: String,
        /// As neutron-db-manage has it: the additive half of an upgrade, here all of it.
        #[arg(long, conflicts_with = "contract")]
        expand: bool,
        /// As neutron-db-manage has it: the other half, here nothing that is not done yet.
        #[arg(long)]
        contract: bool,
    },
    /// Print the version of the schema.
    Current,
    /// Print every version of the schema, newest first, and which one this is.
    History,
    /// Exit with 1 when the schema must be upgraded, for which servers are stopped, else with 0.
    #[command(name = "has_offline_migrations")]
    HasOfflineMigrations,
    /// Take over everything from a Neutron 29.0.0 database, which is only read.
    ///
    /// Can be run again until a server has run on what it brought.
    Import(ImportArgs),
}

/// What is taken over, and how.
#[derive(Debug, Clone, Args)]
pub struct ImportArgs {
    /// URL of the Neutron database, as its neutron.conf has it.
    #[arg(long, value_name = "URL", required_unless_present = "from_config")]
    pub from: Option<String>,
    /// Neutron's neutron.conf, which has the URL: no password on the command line.
    #[arg(long, value_name = "PATH", conflicts_with = "from")]
    pub from_config: Option<PathBuf>,
    /// Also when a server has run on the last import: what it changed is lost.
    #[arg(long)]
    pub overwrite: bool,
}

/// Files a sample can be printed of.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum SampleFile {
    /// neutron.conf
    #[value(name = "neutron.conf")]
    Neutron,
    /// ml2_conf.ini
    #[value(name = "ml2_conf.ini")]
    Ml2,
    /// openvswitch_agent.ini
    #[value(name = "openvswitch_agent.ini")]
    OpenvswitchAgent,
    /// dhcp_agent.ini
    #[value(name = "dhcp_agent.ini")]
    DhcpAgent,
    /// l3_agent.ini
    #[value(name = "l3_agent.ini")]
    L3Agent,
    /// metadata_agent.ini
    #[value(name = "metadata_agent.ini")]
    MetadataAgent,
}

impl SampleFile {
    /// The options of the file.
    pub fn options(self) -> Vec<&'static dyn AnyOpt> {
        match self {
            Self::Neutron => opts::neutron_conf(),
            Self::Ml2 => opts::ml2_conf(),
            Self::OpenvswitchAgent => opts::openvswitch_agent_ini(),
            Self::DhcpAgent => opts::dhcp_agent_ini(),
            Self::L3Agent => opts::l3_agent_ini(),
            Self::MetadataAgent => opts::metadata_agent_ini(),
        }
    }
}

/// What every service accepts, as oslo.config and oslo.log do.
#[derive(Debug, Clone, Default, Args)]
pub struct Common {
    /// Configuration file; may be given several times, later ones win.
    #[arg(long, value_name = "PATH")]
    pub config_file: Vec<PathBuf>,
    /// Directory whose *.conf files are read in name order, after the files.
    #[arg(long, value_name = "DIR")]
    pub config_dir: Vec<PathBuf>,
    /// Log to this file instead of standard error.
    #[arg(long, value_name = "PATH")]
    pub log_file: Option<PathBuf>,
    /// Log to a file named after the command in this directory.
    #[arg(long, value_name = "DIR")]
    pub log_dir: Option<PathBuf>,
    /// Log debug messages.
    #[arg(short, long)]
    pub debug: bool,
}

/// The command line as a value. Ends the process where clap does: on an error and for `--help`.
pub fn parse(args: Vec<OsString>) -> Cli {
    let mut lines = command_lines(args).into_iter();
    let mut cli = Cli::parse_from(lines.next().unwrap_or_default());
    cli.more_agents = lines
        .filter_map(|line| match Cli::parse_from(line).command {
            Command::Agent(group) => Some(group),
            _ => None,
        })
        .collect();
    cli
}

/// One command line per group of agents, split where an agent is named after an option; any other
/// command line stays whole.
fn command_lines(args: Vec<OsString>) -> Vec<Vec<OsString>> {
    if args.get(1).is_none_or(|word| word != "agent") {
        return vec![args];
    }
    let options = Common::augment_args(clap::Command::new(""));
    let takes_value = |word: &str| {
        options.get_arguments().any(|option| {
            option.get_action().takes_values()
                && option.get_long().is_some_and(|long| word.strip_prefix("--") == Some(long))
        })
    };
    let start = args[..2].to_vec();
    let mut lines = vec![start.clone()];
    let (mut had_option, mut value_follows) = (false, false);
    for word in args.into_iter().skip(2) {
        let text = word.to_str().unwrap_or_default();
        if !value_follows && had_option && AgentRole::from_str(text, false).is_ok() {
            lines.push(start.clone());
            had_option = false;
        }
        had_option |= text.starts_with('-');
        value_follows = !value_follows && takes_value(text);
        if let Some(line) = lines.last_mut() {
            line.push(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn command_tree_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn an_import_has_one_source() {
        let parsed = |line: &str| {
            let words = ["neutrino", "db", "import"].into_iter().chain(line.split_whitespace());
            Cli::try_parse_from(words).is_ok()
        };
        assert!(parsed("--from mysql://a/b --overwrite") && parsed("--from-config c"));
        assert!(!parsed("--overwrite") && !parsed("--from mysql://a/b --from-config c"));
    }

    fn agents(line: &str) -> Vec<(Vec<AgentRole>, Vec<PathBuf>)> {
        let args = ["neutrino", "agent"].into_iter().chain(line.split(' '));
        let cli = parse(args.map(OsString::from).collect());
        let Command::Agent(first) = cli.command else { panic!("not agents") };
        let groups = std::iter::once(first).chain(cli.more_agents);
        groups.map(|group| (group.roles, group.common.config_file)).collect()
    }

    #[test]
    fn options_belong_to_the_agents_before_them() {
        use AgentRole::{L3, Metadata, Openvswitch};
        let files = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        assert_eq!(
            agents("openvswitch --config-file a --config-file b"),
            [(vec![Openvswitch], files(&["a", "b"]))]
        );
        assert_eq!(
            agents("openvswitch metadata --debug --config-file metadata"),
            [(vec![Openvswitch, Metadata], files(&["metadata"]))]
        );
        assert_eq!(
            agents("openvswitch --config-file a metadata --config-file=b"),
            [(vec![Openvswitch], files(&["a"])), (vec![Metadata], files(&["b"]))]
        );
        assert_eq!(agents("l3 openvswitch --debug"), [(vec![L3, Openvswitch], files(&[]))]);
    }
}
