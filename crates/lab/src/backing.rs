//! The broker and the database server that a lab's server and agents use: how they run on the
//! first host, and how one reaches them.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::Command;

use neutrino_service_sandbox::{Launch, mariadb, postgres, rabbitmq};

use crate::parts::{Bus, Database};
use crate::spec::{BUS_PORT, LabSpec};

/// The user of broker and database, and the database's name.
const USER: &str = "neutron";
/// Where Erlang's nodes ask for each other; a host of a lab has one node.
const EPMD_PORT: u16 = 4369;
/// Where `rabbitmqctl` reaches the node.
const DISTRIBUTION_PORT: u16 = 25672;
/// Directory of everything of theirs, kept with the lab's data directory.
const STATE: &str = "/var/lib/neutron";

/// Service that RabbitMQ needs: where Erlang's nodes find each other.
pub(crate) const HELPER: &str = "epmd";
/// The broker's service.
const BROKER: &str = "rabbitmq-server";

/// A server that the first host runs before Neutron's parts.
pub(crate) struct Backing {
    /// Name of its service.
    pub(crate) name: &'static str,
    /// Its files and commands.
    pub(crate) launch: Launch,
    /// Where it listens when it can be used.
    pub(crate) address: SocketAddr,
}

/// The servers that a lab needs, in start order.
pub(crate) fn of(lab: &LabSpec) -> Vec<Backing> {
    let listen = IpAddr::V4(lab.controller().management_ip());
    let mut list = Vec::new();
    if lab.bus == Bus::Rabbitmq {
        let launch = broker(lab).launch();
        let address = SocketAddr::new(listen, rabbitmq::DEFAULT_PORT);
        list.push(Backing { name: BROKER, launch, address });
    }
    let (user, password) = (USER.to_owned(), lab.bus_secret.clone());
    match lab.database {
        Database::Sqlite => {}
        Database::Mariadb => {
            let dir = Path::new(STATE).join("mariadb");
            let port = mariadb::DEFAULT_PORT;
            let launch = mariadb::Settings { dir, listen, port, user, password }.launch();
            let address = SocketAddr::new(listen, port);
            list.push(Backing { name: "mariadbd", launch, address });
        }
        Database::Postgresql => {
            let dir = Path::new(STATE).join("postgresql");
            let port = postgres::DEFAULT_PORT;
            let launch = postgres::Settings { dir, listen, port, user, password }.launch();
            let address = SocketAddr::new(listen, port);
            list.push(Backing { name: "postgres", launch, address });
        }
    }
    list
}

fn broker(lab: &LabSpec) -> rabbitmq::Settings {
    rabbitmq::Settings {
        dir: Path::new(STATE).join("rabbitmq"),
        listen: IpAddr::V4(lab.controller().management_ip()),
        port: rabbitmq::DEFAULT_PORT,
        epmd_port: EPMD_PORT,
        distribution_port: DISTRIBUTION_PORT,
        user: USER.to_owned(),
        password: lab.bus_secret.clone(),
    }
}

/// Prints the names of the broker's queues.
pub(crate) fn list_queues(lab: &LabSpec) -> Command {
    let mut command = broker(lab).ctl().command();
    command.args(["--quiet", "list_queues", "--no-table-headers", "name"]);
    command
}

/// `[DEFAULT] transport_url`.
pub(crate) fn transport_url(lab: &LabSpec) -> String {
    let controller = lab.controller().management_ip();
    match lab.bus {
        Bus::Embedded => format!("embedded://{controller}:{BUS_PORT}"),
        Bus::Rabbitmq => {
            let (secret, port) = (&lab.bus_secret, rabbitmq::DEFAULT_PORT);
            format!("rabbit://{USER}:{secret}@{controller}:{port}/")
        }
    }
}

/// `[database] connection`.
pub(crate) fn database_url(lab: &LabSpec) -> String {
    let controller = lab.controller().management_ip();
    let secret = &lab.bus_secret;
    match lab.database {
        Database::Sqlite => format!("sqlite:///{STATE}/neutron.sqlite"),
        Database::Mariadb => {
            format!("mysql+pymysql://{USER}:{secret}@{controller}/{USER}?charset=utf8mb4")
        }
        Database::Postgresql => format!("postgresql://{USER}:{secret}@{controller}/{USER}"),
    }
}
