//! A plugin on a private database, agents that report, and short words for requests.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use neutrino_callbacks::Registry;
use neutrino_db::{
    Db,
    agents::{self, Agent},
    time,
};
use neutrino_ml2::{AgentNotifier, Ml2Config, Ml2Plugin};
use neutrino_rpc::shapes::{FdbEntries, FdbUpdate};
use neutrino_types::{
    ApiError, Attrs, Context, ListQuery, NetworkType, ResourcePlugin, constants::agent_type, new_id,
};
use serde_json::{Value, json};

/// What agents were told, in order, as text that reads well in a test.
#[derive(Default)]
pub struct Told {
    all: Mutex<Vec<(String, Value)>>,
    /// Groups whose members changed: every port is in one, so they would be everywhere.
    members: Mutex<Vec<Vec<String>>>,
}

impl Told {
    fn push(&self, what: impl Into<String>, detail: Value) {
        self.all.lock().expect("not poisoned").push((what.into(), detail));
    }

    /// Everything told since the last call.
    pub fn take(&self) -> Vec<(String, Value)> {
        std::mem::take(&mut self.all.lock().expect("not poisoned"))
    }

    /// The groups whose members changed, by message, since the last call.
    pub fn members(&self) -> Vec<Vec<String>> {
        std::mem::take(&mut self.members.lock().expect("not poisoned"))
    }

    /// The kinds of messages told since the last call.
    pub fn kinds(&self) -> Vec<String> {
        self.take().into_iter().map(|(kind, _)| kind).collect()
    }
}

fn fdb(method: &str, host: Option<&str>) -> String {
    host.map_or_else(|| method.to_string(), |host| format!("{method}@{host}"))
}

#[async_trait]
impl AgentNotifier for Told {
    fn ports_rebound(&self, _: &[&str]) {}

    async fn port_update(&self, port: &Attrs, _: NetworkType, id: Option<u32>, _: Option<&str>) {
        self.push("port_update", json!([port["id"], id]));
    }
    async fn port_delete(&self, port_id: &str) {
        self.push("port_delete", json!(port_id));
    }
    async fn network_update(&self, network: &Attrs) {
        self.push("network_update", network["id"].clone());
    }
    async fn network_delete(&self, network_id: &str) {
        self.push("network_delete", json!(network_id));
    }
    async fn tunnel_update(&self, ip: &str, tunnel_type: NetworkType) {
        self.push("tunnel_update", json!([ip, tunnel_type.as_str()]));
    }
    async fn tunnel_delete(&self, ip: &str, tunnel_type: NetworkType) {
        self.push("tunnel_delete", json!([ip, tunnel_type.as_str()]));
    }
    async fn add_fdb_entries(&self, entries: &FdbEntries, host: Option<&str>) {
        self.push(fdb("add_fdb_entries", host), json!(entries));
    }
    async fn remove_fdb_entries(&self, entries: &FdbEntries, host: Option<&str>) {
        self.push(fdb("remove_fdb_entries", host), json!(entries));
    }
    async fn update_fdb_entries(&self, update: &FdbUpdate, host: Option<&str>) {
        self.push(fdb("update_fdb_entries", host), json!(update));
    }
    async fn binding_deactivate(&self, port_id: &str, host: &str, _: &str) {
        self.push("binding_deactivate", json!([port_id, host]));
    }
    async fn binding_activate(&self, port_id: &str, host: &str) {
        self.push("binding_activate", json!([port_id, host]));
    }
    async fn dvr_mac_address_update(&self, macs: &[neutrino_db::dvr::HostMac]) {
        self.push("dvr_mac_address_update", json!(macs));
    }
    async fn security_groups_rule_updated(&self, groups: &[String]) {
        self.push("security_groups_rule_updated", json!(groups));
    }
    async fn security_groups_member_updated(&self, groups: &[String]) {
        self.members.lock().expect("not poisoned").push(groups.to_vec());
    }
}

/// A plugin and what is around it.
pub struct Cloud {
    pub db: Db,
    pub plugin: Ml2Plugin,
    pub told: Arc<Told>,
    pub registry: Arc<Registry>,
    pub ctx: Context,
}

/// A configuration like a small deployment's: no quotas, every type.
pub fn config() -> Ml2Config {
    let conf = neutrino_conf::Conf::parse_str(
        "[ml2]\nproject_network_types = vxlan,vlan\nmechanism_drivers = openvswitch,l2population\n\
         [ml2_type_vlan]\nnetwork_vlan_ranges = physnet1:100:102\n\
         [ml2_type_vxlan]\nvni_ranges = 1:16777215\n[ml2_type_gre]\ntunnel_id_ranges = 1:1000\n\
         [quotas]\nquota_network = -1\nquota_subnet = -1\nquota_port = -1\n",
    )
    .expect("valid");
    Ml2Config::from_conf(&conf).expect("valid")
}

pub async fn cloud() -> Cloud {
    cloud_with(config()).await
}

pub async fn cloud_with(config: Ml2Config) -> Cloud {
    let db = neutrino_db::testing::db().await.expect("database");
    cloud_on(db, config).await
}

pub async fn cloud_on(db: Db, config: Ml2Config) -> Cloud {
    let told = Arc::new(Told::default());
    let registry = Arc::new(Registry::new());
    let notifier: Arc<dyn AgentNotifier> = told.clone();
    let plugin =
        Ml2Plugin::new(db.clone(), config, Arc::clone(&registry), notifier).await.expect("plugin");
    let ctx = Context { project_id: Some("p1".into()), ..Context::admin() };
    Cloud { db, plugin, told, registry, ctx }
}

/// A member of a project.
pub fn member(project: &str) -> Context {
    Context { project_id: Some(project.into()), roles: vec!["member".into()], ..Context::default() }
}

/// The attributes of a JSON object.
pub fn attrs(value: Value) -> Attrs {
    match value {
        Value::Object(map) => map,
        other => panic!("not an object: {other}"),
    }
}

impl Cloud {
    pub async fn network(&self, value: Value) -> Result<Attrs, ApiError> {
        create(&*self.plugin.networks(), &self.ctx, value).await
    }

    pub async fn subnet(&self, value: Value) -> Result<Attrs, ApiError> {
        create(&*self.plugin.subnets(), &self.ctx, value).await
    }

    pub async fn port(&self, value: Value) -> Result<Attrs, ApiError> {
        create(&*self.plugin.ports(), &self.ctx, value).await
    }

    pub async fn update_port(&self, id: &str, value: Value) -> Result<Attrs, ApiError> {
        self.plugin.ports().update(&self.ctx, id, attrs(value), None).await
    }

    /// A network with one IPv4 subnet; answers their ids.
    pub async fn net(&self, name: &str, cidr: &str) -> (String, String) {
        let network = self.network(json!({"name": name})).await.expect("network");
        let id = text(&network, "id");
        let subnet = self
            .subnet(json!({"network_id": id, "ip_version": 4, "cidr": cidr}))
            .await
            .expect("subnet");
        (id, text(&subnet, "id"))
    }

    /// A living OVS agent on `host` with the tunnel address `ip`.
    pub async fn agent(&self, host: &str, ip: &str) {
        self.agent_heard(host, ip, time::now()).await;
    }

    /// The same, last heard at `heartbeat`.
    pub async fn agent_heard(&self, host: &str, ip: &str, heartbeat: String) {
        let configurations = attrs(json!({
            "tunneling_ip": ip,
            "tunnel_types": ["vxlan", "gre"],
            "bridge_mappings": {"physnet1": "br-phys"},
            "integration_bridge": "br-int",
            "datapath_type": "netdev",
            "ovs_hybrid_plug": false,
        }));
        let agent = Agent {
            id: new_id(),
            agent_type: agent_type::OVS.into(),
            binary: "neutron-openvswitch-agent".into(),
            topic: "N/A".into(),
            host: host.into(),
            availability_zone: None,
            admin_state_up: true,
            created_at: time::now(),
            started_at: time::now(),
            heartbeat_timestamp: heartbeat,
            description: None,
            configurations,
            resource_versions: None,
            load: 0,
            resources_synced: None,
        };
        let tx = self.db.begin().await.expect("transaction");
        agents::save(&tx, &agent).await.expect("agent");
        tx.commit().await.expect("commit");
    }

    /// A port of an instance on `host`.
    pub async fn instance(&self, network: &str, host: &str) -> Attrs {
        self.port(json!({
            "network_id": network, "device_id": new_id(), "device_owner": "compute:nova",
            "binding:host_id": host,
        }))
        .await
        .expect("port")
    }

    pub async fn get_port(&self, id: &str) -> Attrs {
        self.plugin.ports().get(&self.ctx, id).await.expect("port")
    }
}

async fn create(
    plugin: &dyn ResourcePlugin,
    ctx: &Context,
    value: Value,
) -> Result<Attrs, ApiError> {
    let mut made = plugin.create(ctx, vec![attrs(value)]).await?;
    Ok(made.pop().expect("one resource"))
}

/// A text attribute.
pub fn text(attrs: &Attrs, name: &str) -> String {
    attrs[name].as_str().unwrap_or_else(|| panic!("{name} is {}", attrs[name])).to_string()
}

/// The addresses of a port.
pub fn ips(port: &Attrs) -> Vec<String> {
    let list = port["fixed_ips"].as_array().expect("a list");
    list.iter().map(|f| f["ip_address"].as_str().expect("text").to_string()).collect()
}

/// A list of all.
pub fn all() -> ListQuery {
    ListQuery::default()
}
