//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// OpenStack Networking: server, agents and lab in one binary.
#[derive(Debug, Parser)]
#[command(name = "neutrino", version)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the API server (neutron-server).
    Server(Common),
    /// Run an agent of this host.
    #[command(subcommand)]
    Agent(AgentRole),
    /// Emulate a datacentre on this machine.
    Lab(neutrino_lab::Cli),
    /// Look after the database (neutron-db-manage).
    Db {
        #[command(flatten)]
        common: Common,
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

#[derive(Debug, Subcommand)]
pub enum AgentRole {
    /// Wire the ports of Open vSwitch (neutron-openvswitch-agent).
    Openvswitch(Common),
}

#[derive(Debug, Clone, Subcommand)]
pub enum DbAction {
    /// Bring the schema to the newest version.
    Upgrade {
        /// As neutron-db-manage has it; only head is known.
        #[arg(default_value = "head", value_parser = ["head", "heads"])]
        revision: String,
    },
    /// Print the version of the schema.
    Current,
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
}

impl SampleFile {
    /// The groups of the file.
    pub fn groups(self) -> &'static [&'static str] {
        match self {
            Self::Neutron => {
                &["DEFAULT", "database", "embedded_bus", "local_identity", "oslo_policy", "quotas"]
            }
            Self::Ml2 => &[
                "ml2",
                "ml2_type_flat",
                "ml2_type_vlan",
                "ml2_type_gre",
                "ml2_type_vxlan",
                "ml2_type_geneve",
            ],
            Self::OpenvswitchAgent => &["ovs", "agent", "securitygroup"],
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn command_tree_is_sound() {
        super::Cli::command().debug_assert();
    }
}
