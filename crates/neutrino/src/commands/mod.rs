//! One module per subcommand that is more than a call.

mod agents;
mod db;
mod service;

use std::{error::Error, io::Read, process::ExitCode};

use neutrino_conf::Role;

use crate::cli::{Cli, Command};

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
