//! What DHCP agents ask and report: networks with their subnets and ports, ports whose addresses
//! they serve.

use std::collections::HashMap;

use neutrino_db::{
    retrying,
    schema::Ports as P,
    sea_query::{Expr, ExprTrait, Query},
};
use neutrino_types::{ApiResult, Attrs, Context, constants::status};
use serde_json::{Value, json};

use crate::{
    binding,
    drivers::mech::{Op, Wiring},
    models::{
        distinct, is_in, network,
        port::{self, Port},
        subnet,
    },
    plugin::{Core, Ml2Plugin},
    ports::{self, Change},
    provisioning, views,
};

/// Which subnets and networks an agent wants to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DhcpView {
    /// Only subnets with DHCP.
    pub dhcp_subnets_only: bool,
    /// Only networks that are administratively up.
    pub up_only: bool,
}

impl Ml2Plugin {
    /// Networks as DHCP agents see them (`get_active_networks_info`, `get_network_info`): id,
    /// project, state, MTU, subnets by id, and every port. Networks that are gone are missing.
    /// Costs the same statements for any number of networks and ports.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn dhcp_networks(
        &self,
        ctx: &Context,
        ids: &[&str],
        view: DhcpView,
    ) -> ApiResult<Vec<Value>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let conn = self.core.db.read().await?;
        let mut networks = network::by_ids(&conn, ctx, ids).await?;
        networks.retain(|n| n.admin_state_up || !view.up_only);
        if networks.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<&str> = networks.iter().map(|n| n.id.as_str()).collect();
        let mut subnets: HashMap<String, Vec<Attrs>> = HashMap::new();
        let mut found = subnet::by_networks(&conn, &ids).await?;
        found.retain(|s| s.enable_dhcp || !view.dhcp_subnets_only);
        found.sort_by(|a, b| a.id.cmp(&b.id));
        for subnet in found {
            let of_network = subnets.entry(subnet.network_id.clone()).or_default();
            of_network.push(views::subnet::subnet(subnet));
        }
        let mut query = port::from();
        query.exprs(port::exprs()).and_where(is_in((P::Table, P::NetworkId), ids.iter().copied()));
        let mut rows = conn.fetch_map(&query, port::decode).await?;
        port::load_children(&conn, &mut rows).await?;
        let mut ports: HashMap<String, Vec<Attrs>> = HashMap::new();
        for port in rows {
            ports.entry(port.network_id.clone()).or_default().push(self.show_port(port));
        }
        let info = |n: network::Network| {
            json!({
                "subnets": subnets.remove(&n.id).unwrap_or_default(),
                // Subnets of other segments: networks here are not routed.
                "non_local_subnets": [],
                "ports": ports.remove(&n.id).unwrap_or_default(),
                "id": n.id,
                "project_id": n.project_id,
                "admin_state_up": n.admin_state_up,
                "mtu": n.mtu,
            })
        };
        Ok(networks.into_iter().map(info).collect())
    }

    /// Deletes the ports of a device on a network (`release_dhcp_port`).
    ///
    /// # Errors
    /// What the database or a subscriber refused.
    pub async fn delete_ports_of_device(
        &self,
        ctx: &Context,
        device_id: &str,
        network_id: &str,
    ) -> ApiResult<()> {
        let query = Query::select()
            .column(P::Id)
            .from(P::Table)
            .and_where(Expr::col(P::NetworkId).eq(network_id))
            .and_where(Expr::col(P::DeviceId).eq(device_id))
            .to_owned();
        let conn = self.core.db.read().await?;
        let ids = conn.fetch_map(&query, |r| r.text(0)).await?;
        drop(conn);
        for id in ids {
            match self.ports().delete(ctx, &id, None).await {
                Ok(()) => {}
                // Deleted meanwhile.
                Err(error) if error.kind == "PortNotFound" => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// DHCP agents serve the addresses of these ports: those that waited for nothing else become
    /// ACTIVE. Answers how many did.
    ///
    /// # Errors
    /// What the database refused; nothing has changed then.
    pub async fn dhcp_ready(&self, ctx: &Context, port_ids: &[String]) -> ApiResult<usize> {
        if port_ids.is_empty() {
            return Ok(0);
        }
        let ids = distinct(port_ids.iter().map(String::as_str));
        self.stop_waiting(ctx, &ids).await
    }

    /// Ports that wait for DHCP agents which are all dead wait no longer. Answers how many there
    /// were.
    ///
    /// # Errors
    /// What the database refused; nothing has changed then.
    pub async fn give_up_on_dhcp(&self) -> ApiResult<usize> {
        let conn = self.core.db.read().await?;
        let ids = provisioning::unserved(&self.core, &conn).await?;
        drop(conn);
        if !ids.is_empty() {
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            self.stop_waiting(&Context::admin(), &ids).await?;
        }
        Ok(ids.len())
    }

    async fn stop_waiting(&self, ctx: &Context, ids: &[&str]) -> ApiResult<usize> {
        let core = &*self.core;
        let changed = retrying(|| complete(core, ids)).await?;
        for Activated { original, wiring } in &changed {
            let change = Change { current: &wiring.port, original: Some(original), request: None };
            ports::after(core, ctx, Op::Update, &change).await;
        }
        // Their agents wired them before; forwarding entries are of ACTIVE ports.
        let wirings: Vec<Wiring> = changed.into_iter().map(|port| port.wiring).collect();
        core.mechanisms.ports_wired(&core.db, &wirings).await;
        Ok(wirings.len())
    }
}

/// A port that became ACTIVE.
struct Activated {
    original: Port,
    wiring: Wiring,
}

/// Removes the DHCP blocks of ports; answers those that became ACTIVE by it.
async fn complete(core: &Core, ids: &[&str]) -> ApiResult<Vec<Activated>> {
    // Agents report many ports that wait for nothing: no write for those.
    let conn = core.db.read().await?;
    let waiting = provisioning::waiting_for(&conn, ids, provisioning::DHCP).await?;
    drop(conn);
    if waiting.is_empty() {
        return Ok(Vec::new());
    }
    let waiting: Vec<&str> = waiting.iter().map(String::as_str).collect();
    let tx = core.db.begin().await?;
    tx.execute_batch(vec![provisioning::complete(&waiting, provisioning::DHCP)]).await?;
    let blocked = provisioning::blocked(&tx, &waiting).await?;
    let free: Vec<&str> =
        waiting.into_iter().filter(|id| blocked.iter().all(|b| b != id)).collect();
    let mut ports = port::by_ids(&tx, &Context::admin(), &free).await?;
    ports.retain(|p| p.binding.is_bound() && p.admin_state_up && p.status != status::ACTIVE);
    let ids: Vec<&str> = ports.iter().map(|p| p.id.as_str()).collect();
    if !ids.is_empty() {
        tx.execute(&port::set_status(&ids, status::ACTIVE)).await?;
    }
    let mut segments = binding::bound_segments(&tx, &ports).await?;
    tx.commit().await?;
    let activated = |original: Port| {
        let port = Port {
            status: status::ACTIVE.to_string(),
            revision: original.revision + 1,
            ..original.clone()
        };
        let wiring = Wiring {
            host: port.binding.host.clone(),
            segment: segments.remove(&port.id),
            port,
            up: true,
            refresh: false,
        };
        Activated { original, wiring }
    };
    Ok(ports.into_iter().map(activated).collect())
}
