//! One module per subcommand that is more than a call.

mod agents;
mod db;
mod service;

use std::{error::Error, io::Read, process::ExitCode};

use neutrino_conf::Role;
use neutrino_server::app::Duty;

use crate::cli::{Cli, Command, Common};

/// Any command's failure, to be printed by `main`.
pub type Failure = Box<dyn Error + Send + Sync>;

/// Does what the command line says.
pub fn run(cli: Cli) -> Result<ExitCode, Failure> {
    match cli.command {
        Command::Server(common) => {
            service::run("neutron-server", Role::Server, &common, |conf, reloads| async {
                neutrino_server::run(conf, reloads).await.map_err(Failure::from)
            })
        }
        Command::RpcServer(common) => worker("neutron-rpc-server", Duty::Agents, &common),
        Command::PeriodicWorkers(common) => {
            worker("neutron-periodic-workers", Duty::Clock, &common)
        }
        Command::Agent(first) => {
            let groups: Vec<_> = std::iter::once(first).chain(cli.more_agents).collect();
            agents::run(&groups)
        }
        Command::Lab(lab) => Ok(neutrino_lab::run(lab)?),
        Command::Db { common, action, .. } => db::run(&common, &action),
        Command::ConfigSample { file } => {
            print!("{}", neutrino_conf::sample(&file.options()));
            Ok(ExitCode::SUCCESS)
        }
        Command::HashPassword => {
            let mut password = String::new();
            std::io::stdin().read_to_string(&mut password)?;
            let password = password.trim_end_matches(['\r', '\n']);
            println!("{}", neutrino_server::identity::hash_password(password)?);
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Runs a server without API, which reads nothing again but what it logs.
fn worker(name: &str, duty: Duty, common: &Common) -> Result<ExitCode, Failure> {
    service::run(name, Role::Server, common, |conf, _| async move {
        neutrino_server::run_worker(conf, duty).await.map_err(Failure::from)
    })
}
