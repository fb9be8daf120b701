//! Which programs play the parts of a lab: broker, database, and whose server and agents.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::spec::{HostSpec, LabOptions};

/// What carries messages between server and agents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Bus {
    /// The server itself.
    Embedded,
    /// A RabbitMQ node on the first host.
    Rabbitmq,
}

/// Where the server keeps what it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Database {
    /// A file.
    Sqlite,
    /// A MariaDB server on the first host.
    Mariadb,
    /// A PostgreSQL server on the first host.
    Postgresql,
}

/// Whose program plays a part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Implementation {
    /// Ours.
    #[default]
    Neutrino,
    /// Neutron's own, in Python.
    Neutron,
}

/// Whose agents a host runs: `HOST=neutrino` or `HOST=neutron`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentsChoice {
    /// Host name.
    pub host: String,
    /// Whose agents, all of them.
    pub by: Implementation,
}

impl FromStr for AgentsChoice {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let (host, by) =
            text.split_once('=').ok_or_else(|| format!("{text:?} is not HOST=neutrino|neutron"))?;
        let by = clap::ValueEnum::from_str(by, false)
            .map_err(|_| format!("{by:?} is not neutrino or neutron"))?;
        Ok(Self { host: host.to_owned(), by })
    }
}

/// Broker and database of a lab with `hosts`: what the user chose, else what its parts need.
///
/// # Errors
/// [`Error::Usage`] when a part of Neutron's could not work with what was chosen.
pub(crate) fn backing_of(options: &LabOptions, hosts: &[HostSpec]) -> Result<(Bus, Database)> {
    let neutron = Implementation::Neutron;
    let any = options.server == neutron || hosts.iter().any(|host| host.agents_by == neutron);
    let bus = options.bus.unwrap_or(if any { Bus::Rabbitmq } else { Bus::Embedded });
    let usual = if options.server == neutron { Database::Mariadb } else { Database::Sqlite };
    let database = options.database.unwrap_or(usual);
    let refuse = |why: &str| Err(Error::Usage(why.to_owned()));
    if any && bus == Bus::Embedded {
        return refuse("Neutron's server and agents need --bus rabbitmq");
    }
    if options.server == neutron && database == Database::Sqlite {
        return refuse("Neutron's server needs --database mariadb or postgresql");
    }
    Ok((bus, database))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::hosts_of;

    #[test]
    fn backing_follows_the_parts() {
        let of = |change: &dyn Fn(&mut LabOptions)| {
            let mut options = LabOptions::default();
            change(&mut options);
            backing_of(&options, &hosts_of(&options)?)
        };
        let agents = || vec!["compute0=neutron".parse().expect("choice")];
        let ours = of(&|_| {}).expect("ours");
        assert_eq!(ours, (Bus::Embedded, Database::Sqlite));
        let mixed = of(&|options| options.agents = agents()).expect("their agents");
        assert_eq!(mixed, (Bus::Rabbitmq, Database::Sqlite));
        let theirs = of(&|options| options.server = Implementation::Neutron);
        assert_eq!(theirs.expect("their server"), (Bus::Rabbitmq, Database::Mariadb));
        let impossible: [&dyn Fn(&mut LabOptions); 3] = [
            &|options| (options.agents, options.bus) = (agents(), Some(Bus::Embedded)),
            &|options| {
                options.server = Implementation::Neutron;
                options.database = Some(Database::Sqlite);
            },
            &|options| options.agents = vec!["nowhere=neutron".parse().expect("choice")],
        ];
        for (number, change) in impossible.iter().enumerate() {
            assert!(matches!(of(change), Err(Error::Usage(_))), "{number}");
        }
        for text in ["compute0", "compute0=", "compute0=nova"] {
            assert!(text.parse::<AgentsChoice>().is_err(), "{text}");
        }
    }
}
