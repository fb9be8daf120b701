//! A real Neutron 29.0.0: its API server under uWSGI on a MariaDB of its own.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use neutrino_service_sandbox::{Mariadb, Port};
use sqlx::{Connection, MySqlConnection};

use super::http::Api;
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
dhcp_agents_per_network = 2
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
        let dir = Dir::new("neutron");
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
        execute(&database.url(), facts).await;
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

    /// Runs statements in its database.
    pub async fn execute(&self, sql: &str) {
        execute(&self.url(), sql).await;
    }
}

fn program(name: &str) -> PathBuf {
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

/// Runs statements, separated by semicolons, in the database at `url`.
async fn execute(url: &str, sql: &str) {
    let url = url.replace("mysql+pymysql://", "mysql://");
    let mut connection = MySqlConnection::connect(&url).await.expect("connection");
    let done = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut connection).await;
    done.unwrap_or_else(|e| panic!("{e}: {sql}"));
}
