//! A real Neutron 29.0.0: its API server under uWSGI on a MariaDB of its own.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use neutrino_service_sandbox::{Mariadb, Port};
use sqlx::{AssertSqlSafe, Connection, MySqlConnection, Row};

use super::http::{Api, PATIENCE, TICK};
use crate::process::{Dir, Process};

/// Where `scripts/install-peers.sh` puts it.
const VENV: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.venv-neutron");

/// Its configuration: what we have, and plugins of what we lack, whose resources must be named.
const CONF: &str = "
[DEFAULT]
core_plugin = ml2
service_plugins = router,port_forwarding,segments,qos,trunk,metering
auth_strategy = noauth
transport_url = fake://
api_paste_config = {venv}/etc/neutron/api-paste.ini
state_path = {dir}
global_physnet_mtu = 1500
# Agents that were written into the database stay alive.
agent_down_time = 7200
# There is nobody to tell, and each port would.
dhcp_agent_notification = false
notify_nova_on_port_status_changes = false
notify_nova_on_port_data_changes = false
[quotas]
{quotas}
[database]
connection = {url}
[oslo_concurrency]
lock_path = {dir}
";

/// What both servers are told about networks.
pub const ML2: &str = "
[ml2]
type_drivers = local,flat,vlan,vxlan,gre,geneve
tenant_network_types = vxlan
mechanism_drivers = openvswitch,l2population
extension_drivers = port_security,dns{qos}
[ml2_type_flat]
flat_networks = *
[ml2_type_vlan]
network_vlan_ranges = physnet1:100:199
[ml2_type_vxlan]
vni_ranges = 1:1000
[ml2_type_gre]
tunnel_id_ranges = 1:1000
[ml2_type_geneve]
vni_ranges = 1:1000
";

/// Both servers let a project have any number of anything.
pub const QUOTAS: &str = "quota_network = -1
quota_subnet = -1
quota_port = -1
quota_router = -1
quota_floatingip = -1
quota_security_group = -1
quota_security_group_rule = -1
quota_rbac_policy = -1";

/// The server, its database, and where both live.
pub struct Neutron {
    pub api: Api,
    database: Mariadb,
    dir: Dir,
    _port: Port,
}

impl Neutron {
    /// An empty database with the schema of Neutron 29.0.0, and no server yet: `facts` are written
    /// into it before the server starts.
    pub async fn start(facts: &str) -> Self {
        let dir = Dir::new("import-neutron");
        let database = Mariadb::start().expect("MariaDB");
        let fill = |text: &str| {
            text.replace("{venv}", VENV)
                .replace("{url}", &database.url())
                .replace("{quotas}", QUOTAS)
                .replace("{qos}", ",qos")
        };
        dir.write("neutron.conf", &fill(CONF));
        dir.write("ml2_conf.ini", &fill(ML2));
        let words = ["--config-file", "neutron.conf", "upgrade", "heads"];
        let upgrade = Command::new(program("neutron-db-manage"))
            .args(words)
            .current_dir(dir.path())
            .output()
            .expect("neutron-db-manage");
        assert!(upgrade.status.success(), "{}", String::from_utf8_lossy(&upgrade.stderr));
        run(&mut connect(&database.url()).await, facts).await;
        let port = Port::take().expect("port");
        let api = Api::new("Neutron", port.number());
        // Ends with its directory.
        let process = Process::start_as(&dir, "uwsgi", &mut serve(&dir, &port));
        api.await_up(&process).await;
        Self { api, database, dir, _port: port }
    }

    /// URL of its database, as its neutron.conf has it.
    pub fn url(&self) -> String {
        self.database.url()
    }

    /// Its neutron.conf.
    pub fn conf(&self) -> PathBuf {
        self.dir.path().join("neutron.conf")
    }

    /// Runs statements, separated by semicolons, in its database.
    pub async fn execute(&self, sql: &str) {
        run(&mut connect(&self.url()).await, sql).await;
    }

    /// Locks a table of its database.
    pub async fn lock(&self, table: &str) -> Lock {
        let mut connection = connect(&self.url()).await;
        run(&mut connection, &format!("LOCK TABLES {table} WRITE")).await;
        Lock(connection)
    }

    /// Checksums of all its tables, by name.
    pub async fn checksums(&self) -> BTreeMap<String, Option<i64>> {
        let mut connection = connect(&self.url()).await;
        let tables = "SELECT table_name FROM information_schema.tables \
                      WHERE table_schema = DATABASE()";
        let names: Vec<String> =
            sqlx::query_scalar(tables).fetch_all(&mut connection).await.expect("tables");
        let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
        let checksum = format!("CHECKSUM TABLE {}", quoted.join(", "));
        let rows = sqlx::query(AssertSqlSafe(checksum)).fetch_all(&mut connection).await;
        rows.expect("checksums").iter().map(|row| (row.get(0), row.get(1))).collect()
    }
}

/// A program of the environment.
pub fn program(name: &str) -> PathBuf {
    let path = Path::new(VENV).join("bin").join(name);
    assert!(path.exists(), "{} is missing: `make peers` installs it", path.display());
    path
}

fn serve(dir: &Dir, port: &Port) -> Command {
    let mut command = Command::new(program("uwsgi"));
    command
        .env("OS_NEUTRON_CONFIG_DIR", dir.path())
        .env("OS_NEUTRON_CONFIG_FILES", "neutron.conf;ml2_conf.ini")
        .args(["--http-socket", &format!("127.0.0.1:{}", port.number())])
        .args(["--module", "neutron.wsgi.api:application", "--home", VENV])
        .args(["--master", "--workers", "2", "--enable-threads", "--lazy-apps", "--need-app"])
        .args(["--die-on-term", "--buffer-size", "65535", "--listen", "100"]);
    command
}

/// A lock on a table of Neutron's: whoever reads it waits.
pub struct Lock(MySqlConnection);

impl Lock {
    /// Waits until somebody waits.
    pub async fn wait_for_waiter(&mut self) {
        let waiting = "SELECT COUNT(*) FROM information_schema.processlist \
                       WHERE state LIKE 'Waiting for table%'";
        let end = Instant::now() + PATIENCE;
        loop {
            let count: i64 =
                sqlx::query_scalar(waiting).fetch_one(&mut self.0).await.expect("processes");
            if count > 0 {
                return;
            }
            assert!(Instant::now() < end, "nobody waits for the lock");
            tokio::time::sleep(TICK).await;
        }
    }

    /// Lets them go on.
    pub async fn unlock(mut self) {
        run(&mut self.0, "UNLOCK TABLES").await;
    }
}

async fn connect(url: &str) -> MySqlConnection {
    MySqlConnection::connect(&stripped(url)).await.expect("connection")
}

/// A URL of SQLAlchemy without its driver.
pub fn stripped(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").expect("a URL");
    format!("{}://{rest}", scheme.split('+').next().unwrap_or_default())
}

async fn run(connection: &mut MySqlConnection, sql: &str) {
    let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await;
    done.unwrap_or_else(|e| panic!("{e}: {sql}"));
}
