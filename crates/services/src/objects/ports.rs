//! Ports as objects, with everything that hangs on them.

use std::collections::{BTreeMap, HashMap};

use neutrino_db::{
    Conn,
    list::{ListSpec, any_of, scope},
    schema::ExtraDhcpOpts as E,
    sea_query::{Condition, Expr, Order, Query},
};
use neutrino_ml2::{
    models::{
        binding::{self, Binding, Level},
        distributed::{self, HostBinding},
        port::{self, Port},
    },
    views::json_object,
};
use neutrino_rpc::objects::{Attributes, catalog::PORT};
use neutrino_types::{ApiResult, Context, constants::device_owner};
use serde_json::{Value, json};

use super::{
    attributes,
    filters::{self, Filters},
    networks::segments,
    or_null, standard,
};

/// How ports are found.
static SPEC: ListSpec = ListSpec {
    resource: "port",
    from: port::from,
    id: port::id,
    columns: port::LISTED,
    computed,
    visibility: scope::everything,
    updated_at: None,
    tagged: false,
};

fn computed(_: &Context, field: &str, values: &[Value]) -> Option<ApiResult<Condition>> {
    (field == "security_group_ids").then(|| {
        let groups = values.iter().filter_map(Value::as_str).map(str::to_string).collect();
        Ok(port::in_groups(groups))
    })
}

pub(super) async fn find(conn: &Conn, filters: &Filters) -> ApiResult<Vec<Attributes>> {
    let mut query = port::from();
    query
        .exprs(port::exprs())
        .cond_where(filters::condition(&PORT, &SPEC, filters)?)
        .order_by_expr(port::id(), Order::Asc);
    let mut ports = conn.fetch_map(&query, port::decode).await?;
    if ports.is_empty() {
        return Ok(Vec::new());
    }
    port::load_children(conn, &mut ports).await?;
    let parts = Parts::load(conn, &ports).await?;
    Ok(ports.iter().map(|port| attributes_of(port, &parts)).collect())
}

/// What the rows of ports do not say.
struct Parts {
    bindings: HashMap<String, Vec<Binding>>,
    distributed: HashMap<String, Vec<HostBinding>>,
    /// By port, then host, top level first.
    levels: HashMap<String, BTreeMap<String, Vec<Level>>>,
    segments: HashMap<String, Attributes>,
    dhcp_options: HashMap<String, Vec<Value>>,
}

impl Parts {
    async fn load(conn: &Conn, ports: &[Port]) -> ApiResult<Self> {
        let ids: Vec<&str> = ports.iter().map(|p| p.id.as_str()).collect();
        let bindings = binding::of_ports(conn, &ids).await?;
        let is_distributed = |p: &&Port| p.device_owner == device_owner::DVR_INTERFACE;
        let on_hosts: Vec<&str> =
            ports.iter().filter(is_distributed).map(|p| p.id.as_str()).collect();
        let mut distributed: HashMap<String, Vec<HostBinding>> = HashMap::new();
        if !on_hosts.is_empty() {
            for row in distributed::of_ports(conn, &on_hosts).await? {
                distributed.entry(row.port_id.clone()).or_default().push(row);
            }
        }
        let mut levels: HashMap<String, BTreeMap<String, Vec<Level>>> = HashMap::new();
        let mut wanted = Vec::new();
        for ((port, host), of_host) in binding::levels(conn, &ids).await? {
            wanted.extend(of_host.iter().filter_map(|level| level.segment_id.clone()));
            levels.entry(port).or_default().insert(host, of_host);
        }
        wanted.sort_unstable();
        wanted.dedup();
        let segments = segments::by_ids(conn, wanted).await?;
        let with_options: Vec<&str> =
            ports.iter().filter(|p| !p.dhcp_opts.is_empty()).map(|p| p.id.as_str()).collect();
        let dhcp_options = dhcp_options(conn, &with_options).await?;
        Ok(Self { bindings, distributed, levels, segments, dhcp_options })
    }
}

/// Extra DHCP options with their ids, by port; no statement when there are no ports.
async fn dhcp_options(conn: &Conn, ports: &[&str]) -> ApiResult<HashMap<String, Vec<Value>>> {
    let mut out: HashMap<String, Vec<Value>> = HashMap::new();
    if ports.is_empty() {
        return Ok(out);
    }
    let query = Query::select()
        .columns([E::Id, E::PortId, E::OptName, E::OptValue, E::IpVersion])
        .from(E::Table)
        .and_where(any_of(Expr::col(E::PortId), ports.iter().map(ToString::to_string).collect()))
        .to_owned();
    let options = conn
        .fetch_map(&query, |r| {
            let option = json!({
                "id": r.str(0), "port_id": r.str(1), "opt_name": r.str(2), "opt_value": r.str(3),
                "ip_version": r.int(4),
            });
            (r.text(1), option)
        })
        .await?;
    for (port, option) in options {
        out.entry(port).or_default().push(option);
    }
    Ok(out)
}

fn attributes_of(p: &Port, parts: &Parts) -> Attributes {
    let id = p.id.as_str();
    let bindings = parts.bindings.get(id).into_iter().flatten();
    let distributed = parts.distributed.get(id).into_iter().flatten();
    let pairs = p.address_pairs.iter().map(|pair| {
        json!({"port_id": id, "mac_address": pair.mac_address, "ip_address": pair.ip_address})
    });
    let fixed_ips = p.fixed_ips.iter().map(|ip| {
        json!({
            "port_id": id, "subnet_id": ip.subnet_id, "network_id": p.network_id,
            "ip_address": ip.ip_address,
        })
    });
    let mut out = attributes! {
        "id": id,
        "project_id": p.project_id,
        "name": p.name,
        "network_id": p.network_id,
        "mac_address": p.mac_address,
        "admin_state_up": p.admin_state_up,
        "device_id": p.device_id,
        "device_owner": p.device_owner,
        "status": p.status,
        "allowed_address_pairs": pairs.collect::<Vec<Value>>(),
        "bindings": bindings.map(|b| binding_of(id, b)).collect::<Vec<Value>>(),
        "data_plane_status": Value::Null,
        "dhcp_options": parts.dhcp_options.get(id).map_or(&[][..], Vec::as_slice),
        "distributed_bindings": distributed.map(distributed_binding).collect::<Vec<Value>>(),
        "dns": dns(p),
        "fixed_ips": fixed_ips.collect::<Vec<Value>>(),
        "hints": Value::Null,
        "security": json!({"id": id, "port_security_enabled": p.port_security_enabled}),
        "security_group_ids": p.security_groups,
        "pvlan_type": Value::Null,
        "pvlan_community": Value::Null,
        "qos_policy_id": Value::Null,
        "qos_network_policy_id": Value::Null,
        "binding_levels": levels_of(id, parts),
        "numa_affinity_policy": Value::Null,
        "device_profile": Value::Null,
        "hardware_offload_type": Value::Null,
        "trusted": Value::Null,
    };
    standard(&mut out, p.revision, Some(&p.description), [&p.created_at, &p.updated_at]);
    out
}

fn binding_of(port: &str, b: &Binding) -> Value {
    let vif_details =
        if b.vif_details.is_empty() { Value::Null } else { json_object(&b.vif_details) };
    json!({
        "port_id": port, "host": b.host, "profile": json_object(&b.profile),
        "vif_type": b.vif_type, "vif_details": vif_details, "vnic_type": b.vnic_type,
        "status": b.status,
    })
}

/// A binding of a distributed port: its `status` is the port's on the host.
fn distributed_binding(row: &HostBinding) -> Value {
    let mut out = binding_of(&row.port_id, &row.binding);
    out["status"] = row.status.as_str().into();
    out["router_id"] = json!(row.router_id);
    out
}

fn levels_of(port: &str, parts: &Parts) -> Vec<Value> {
    let mut out = Vec::new();
    for (host, levels) in parts.levels.get(port).into_iter().flatten() {
        for (at, level) in levels.iter().enumerate() {
            let segment = level.segment_id.as_ref().and_then(|id| parts.segments.get(id));
            out.push(json!({
                "port_id": port, "host": host, "level": at, "driver": level.driver,
                "segment": segment, "segment_id": level.segment_id,
            }));
        }
    }
    out
}

/// The names of a port in the DNS: only what the port asks for is kept here.
fn dns(p: &Port) -> Value {
    if or_null(&p.dns_name).is_null() {
        return Value::Null;
    }
    json!({
        "port_id": p.id, "current_dns_name": "", "current_dns_domain": "",
        "previous_dns_name": "", "previous_dns_domain": "", "dns_name": p.dns_name,
        "dns_domain": "",
    })
}
