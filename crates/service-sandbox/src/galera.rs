//! A Galera cluster: MariaDB nodes of which every one takes writes.

use std::{
    net::Ipv4Addr,
    ops::{Deref, DerefMut},
    path::Path,
};

use neutrino_linux::process::Signal;

use crate::{
    PASSWORD, Port, Result, USER,
    mariadb::{LOG, SOCKET, Settings, client},
    server::{Kind, Place, Server},
};

/// Nodes of a cluster. Of two, the first has a vote more: it goes on when the other one is gone.
const NODES: usize = 2;
/// The system user of Debian's package: the transfer of data to a node that joins does not work
/// as root.
const SYSTEM_USER: &str = "mysql";
/// Where Debian has Galera.
const PROVIDER: &str = "/usr/lib/galera/libgalera_smm.so";

const KIND: Kind = Kind {
    name: "mariadbd (Galera)",
    stop: Signal::SIGTERM,
    is_ready: |dir, _, _| is_synced(dir),
    log: LOG,
};

/// Whether the node takes statements and has all that was written before it joined.
fn is_synced(dir: &Path) -> bool {
    const QUESTION: &str = "SELECT COUNT(*) FROM information_schema.global_status \
        WHERE (variable_name = 'WSREP_READY' AND variable_value = 'ON') \
        OR (variable_name = 'WSREP_LOCAL_STATE_COMMENT' AND variable_value = 'Synced')";
    let socket = dir.join(SOCKET);
    socket.exists() && client(&socket, QUESTION).is_ok_and(|answer| answer.trim() == "2")
}

/// A private cluster; ended and removed when dropped.
#[derive(Debug)]
pub struct Galera {
    nodes: Vec<Node>,
}

/// One of its nodes.
#[derive(Debug)]
pub struct Node {
    server: Server,
    _ports: Ports,
}

/// What a node listens on.
#[derive(Debug)]
struct Ports {
    /// Of clients.
    sql: Port,
    /// Of the other nodes.
    group: Port,
    /// For all data, and for what was missed.
    transfers: [Port; 2],
}

impl Ports {
    fn take() -> Result<Self> {
        Ok(Self {
            sql: Port::take()?,
            group: Port::take()?,
            transfers: [Port::take()?, Port::take()?],
        })
    }
}

impl Galera {
    /// Starts a cluster with one empty database. It takes some seconds.
    ///
    /// # Errors
    /// When MariaDB or Galera is not installed or a node does not come up.
    pub fn start() -> Result<Self> {
        let ports: Vec<Ports> = (0..NODES).map(|_| Ports::take()).collect::<Result<_>>()?;
        let members: Vec<String> =
            ports.iter().map(|ports| format!("127.0.0.1:{}", ports.group.number())).collect();
        let members = members.join(",");
        let mut nodes = Vec::new();
        for (number, ports) in ports.into_iter().enumerate() {
            nodes.push(Node::start(number, ports, &members)?);
        }
        Ok(Self { nodes })
    }

    /// Its nodes: two, of which the first stays in service when the second is killed.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Its nodes, to be stopped and started.
    #[must_use]
    pub fn nodes_mut(&mut self) -> &mut [Node] {
        &mut self.nodes
    }
}

impl Node {
    /// Starts node `number` of the cluster whose nodes talk at `members`; the first one begins it.
    fn start(number: usize, ports: Ports, members: &str) -> Result<Self> {
        let place = Place::new("galera")?;
        let settings = Settings {
            dir: place.dir.clone(),
            listen: Ipv4Addr::LOCALHOST.into(),
            port: ports.sql.number(),
            user: USER.to_owned(),
            password: PASSWORD.to_owned(),
        };
        let mut launch = settings.launch_as(SYSTEM_USER, &configuration(number, &ports, members));
        let joining = launch.server.clone().without("--init-file=");
        launch.server = if number == 0 {
            launch.server.with(&["--wsrep-new-cluster"])
        } else {
            // Database and user come with the data.
            joining.clone()
        };
        let mut server = Server::start(KIND, place, ports.sql.number(), launch)?;
        server.next_line(joining);
        Ok(Self { server, _ports: ports })
    }

    /// `[database] connection` of the cluster's database `neutron` at this node; the user may make
    /// others.
    #[must_use]
    pub fn url(&self) -> String {
        format!("mysql+pymysql://{USER}:{PASSWORD}@127.0.0.1:{}/{USER}", self.port())
    }

    /// Runs `statements` at this node as its administrator; answers the rows, without headings.
    ///
    /// # Errors
    /// When a statement is refused.
    pub fn sql(&self, statements: &str) -> Result<String> {
        client(&self.dir().join(SOCKET), statements)
    }
}

fn configuration(number: usize, ports: &Ports, members: &str) -> String {
    let (sql, group) = (ports.sql.number(), ports.group.number());
    let [all, missed] = ports.transfers.each_ref().map(Port::number);
    let weight = NODES - number;
    format!(
        "wsrep-on = ON\n\
         wsrep-provider = {PROVIDER}\n\
         wsrep-cluster-name = sandbox\n\
         wsrep-cluster-address = gcomm://{members}\n\
         wsrep-node-name = node{number}\n\
         wsrep-node-address = 127.0.0.1:{group}\n\
         wsrep-node-incoming-address = 127.0.0.1:{sql}\n\
         wsrep-sst-method = rsync\n\
         wsrep-sst-receive-address = 127.0.0.1:{all}\n\
         wsrep-provider-options = \"base_host=127.0.0.1;base_port={group};\
         gmcast.listen_addr=tcp://127.0.0.1:{group};ist.recv_addr=127.0.0.1:{missed};\
         gcache.size=16M;gcache.page_size=16M;pc.weight={weight}\"\n\
         binlog-format = ROW\n\
         default-storage-engine = InnoDB\n\
         innodb-autoinc-lock-mode = 2\n"
    )
}

impl Deref for Node {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl DerefMut for Node {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.server
    }
}
