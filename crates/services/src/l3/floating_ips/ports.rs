//! What happens to floating IPs when the ports they lead to change or go.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use async_trait::async_trait;
use neutrino_callbacks::{Action, Payload, Phase, Registry, Resource, Subscriber};
use neutrino_db::{
    Tx,
    floating_ips::{self as rows, FloatingIp},
};
use neutrino_types::{ApiError, ApiResult, Attrs, Context, constants::device_owner, request};
use serde_json::Value;

use super::{after, log_association, precommit};
use crate::l3::Inner;

/// A floating IP that a transaction changed, before and after.
struct Changed {
    original: FloatingIp,
    current: FloatingIp,
}

/// Listens to ports.
struct PortWatch {
    // The registry, which `Inner` holds, holds this.
    inner: Weak<Inner>,
    /// What a transaction did to floating IPs, by port, until subscribers hear of it after the
    /// commit. What a transaction left here that was rolled back is replaced by the next one's.
    pending: Mutex<HashMap<String, Vec<Changed>>>,
}

/// Makes floating IPs follow their ports.
pub(in crate::l3) fn subscribe(inner: &Arc<Inner>, registry: &Registry) {
    let watch = Arc::new(PortWatch { inner: Arc::downgrade(inner), pending: Mutex::default() });
    for (phase, action) in [
        (Phase::Precommit, Action::Update),
        (Phase::Precommit, Action::Delete),
        (Phase::After, Action::Delete),
    ] {
        registry.subscribe(Resource::Port, phase, action, watch.clone());
    }
}

/// Whether floating IPs never lead to such a port, so that nothing has to be looked for.
fn is_never_led_to(port: &Attrs) -> bool {
    matches!(
        request::text(port, "device_owner"),
        Some(device_owner::DHCP | device_owner::FLOATING_IP)
    )
}

/// Whether the port, as subscribers see it, has the address.
fn has_address(port: &Attrs, address: &str) -> bool {
    let fixed_ips = request::list(port, "fixed_ips").unwrap_or_default();
    fixed_ips.iter().any(|ip| ip.get("ip_address").and_then(Value::as_str) == Some(address))
}

impl PortWatch {
    /// Takes the floating IPs that lead to a port about to be deleted from it.
    async fn disassociate(
        &self,
        inner: &Inner,
        tx: &mut Tx,
        ctx: &Context,
        port: &str,
    ) -> ApiResult<Vec<Changed>> {
        let found = rows::on_ports(tx, &[port]).await?;
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let foreign = |f: &FloatingIp| f.project_id != ctx.project();
        if !ctx.sees_all_projects() && found.iter().any(foreign) {
            return Err(ApiError::conflict(
                "FipAssociated",
                format!(
                    "Unable to complete the operation on port {port} because the port still has \
                     an associated floating IP."
                ),
            ));
        }
        let ids: Vec<&str> = found.iter().map(|f| f.id.as_str()).collect();
        tx.execute_batch(vec![rows::disassociate(&ids)]).await?;
        let mut out = Vec::with_capacity(found.len());
        for original in found {
            let mut current = original.clone();
            current.association = None;
            current.last_known_router_id = current.router_id.take();
            current.revision += 1;
            let states = (Some(&original), Some(&current));
            precommit(inner, tx, ctx, Action::Update, states, None).await?;
            out.push(Changed { original, current });
        }
        Ok(out)
    }

    /// Refuses to take an address from a port that a floating IP leads to.
    async fn keep_addresses(&self, tx: &Tx, payload: &Payload<'_>) -> ApiResult<()> {
        let (Some(original), Some(current)) = (payload.original, payload.current) else {
            return Ok(());
        };
        if original.get("fixed_ips") == current.get("fixed_ips") {
            return Ok(());
        }
        let leads = |f: &FloatingIp| {
            let fixed = f.association.as_ref().map(|a| a.fixed_ip_address.to_string());
            fixed.is_some_and(|ip| !has_address(current, &ip))
        };
        if rows::on_ports(tx, &[payload.id]).await?.iter().any(leads) {
            return Err(ApiError::bad_request(
                "BadRequest",
                format!(
                    "Bad port request: Cannot update the fixed_ips of the port {}, because its \
                     original fixed_ip has been associated to a floating ip.",
                    payload.id
                ),
            ));
        }
        Ok(())
    }

    fn remember(&self, port: &str, changed: Vec<Changed>) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if changed.is_empty() {
            pending.remove(port);
        } else {
            pending.insert(port.to_string(), changed);
        }
    }

    fn take(&self, port: &str) -> Vec<Changed> {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.remove(port).unwrap_or_default()
    }
}

#[async_trait]
impl Subscriber for PortWatch {
    fn name(&self) -> &'static str {
        "floating IPs"
    }

    async fn precommit(
        &self,
        tx: &mut Tx,
        _: Resource,
        action: Action,
        payload: &Payload<'_>,
    ) -> ApiResult<()> {
        let Some(inner) = self.inner.upgrade() else { return Ok(()) };
        if payload.latest().is_some_and(is_never_led_to) {
            return Ok(());
        }
        if action == Action::Update {
            return self.keep_addresses(tx, payload).await;
        }
        let changed = self.disassociate(&inner, tx, payload.ctx, payload.id).await?;
        self.remember(payload.id, changed);
        Ok(())
    }

    async fn after(&self, _: Resource, _: Action, payload: &Payload<'_>) -> ApiResult<()> {
        let Some(inner) = self.inner.upgrade() else { return Ok(()) };
        for Changed { original, current } in self.take(payload.id) {
            let states = (Some(&original), Some(&current));
            after(&inner, payload.ctx, Action::Update, states, None).await;
            log_association(states.0, states.1);
        }
        Ok(())
    }
}
