//! What happens to floating IPs when the ports they lead to change or go.

use std::{
    collections::HashMap,
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use async_trait::async_trait;
use neutrino_callbacks::{Action, Payload, Phase, Registry, Resource, Subscriber};
use neutrino_db::{
    Prepared, Tx,
    floating_ips::{self as rows, FloatingIp},
    port_forwardings, time,
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
    /// commit. Of a transaction that was rolled back they hear after the port's next change: agents,
    /// who read the present state, take no harm from that.
    pending: Mutex<HashMap<String, Vec<Changed>>>,
}

/// Makes floating IPs follow their ports.
pub(in crate::l3) fn subscribe(inner: &Arc<Inner>, registry: &Registry) {
    let watch = Arc::new(PortWatch { inner: Arc::downgrade(inner), pending: Mutex::default() });
    for (phase, action) in [
        (Phase::Precommit, Action::Update),
        (Phase::Precommit, Action::Delete),
        (Phase::After, Action::Update),
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

/// What becomes of `floating` when `port` keeps those addresses only that `keeps` tells: nothing, or
/// the floating IP as it is then. Port forwardings to other addresses go, and with the last one the
/// router.
fn without(
    floating: &FloatingIp,
    port: &str,
    keeps: impl Fn(Ipv4Addr) -> bool,
) -> Option<FloatingIp> {
    let mut out = floating.clone();
    let left = |id: &str, ip: Ipv4Addr| id == port && !keeps(ip);
    if out.association.as_ref().is_some_and(|a| left(&a.port_id, a.fixed_ip_address)) {
        out.association = None;
    }
    let mut forwardings = out.forwardings.clone();
    forwardings.retain(|f| !left(&f.internal_port_id, f.internal_ip_address));
    if out.association == floating.association && forwardings == floating.forwardings {
        return None;
    }
    out.set_forwardings(forwardings);
    if out.association.is_none() && !out.is_forwarding() {
        out.last_known_router_id = out.router_id.take();
    }
    out.revision += 1;
    out.updated_at = time::now();
    Some(out)
}

/// Stores what became of a floating IP.
fn statements(changed: &Changed) -> Vec<Prepared> {
    let kept = |id: &str| changed.current.forwardings.iter().any(|f| f.id == id);
    let gone: Vec<&str> =
        changed.original.forwardings.iter().map(|f| f.id.as_str()).filter(|id| !kept(id)).collect();
    let mut out = vec![rows::update(&changed.current)];
    if !gone.is_empty() {
        out.push(port_forwardings::delete(&gone));
    }
    out
}

impl PortWatch {
    /// Takes the floating IPs that lead to a port about to be deleted from it.
    async fn port_goes(
        &self,
        inner: &Inner,
        tx: &mut Tx,
        ctx: &Context,
        port: &str,
    ) -> ApiResult<()> {
        let found = rows::concerned_by(tx, port).await?;
        let foreign = |f: &FloatingIp| f.association.is_some() && f.project_id != ctx.project();
        if !ctx.sees_all_projects() && found.iter().any(foreign) {
            return Err(ApiError::conflict(
                "FipAssociated",
                format!(
                    "Unable to complete the operation on port {port} because the port still has \
                     an associated floating IP."
                ),
            ));
        }
        self.change(inner, tx, ctx, port, found, |_| false).await
    }

    /// Refuses to take an address from a port that a floating IP leads to; port forwardings to
    /// addresses that go, go too.
    async fn port_changes(
        &self,
        inner: &Inner,
        tx: &mut Tx,
        payload: &Payload<'_>,
    ) -> ApiResult<()> {
        let (Some(original), Some(current)) = (payload.original, payload.current) else {
            return Ok(());
        };
        if original.get("fixed_ips") == current.get("fixed_ips") {
            return Ok(());
        }
        let keeps = |ip: Ipv4Addr| has_address(current, &ip.to_string());
        let found = rows::concerned_by(tx, payload.id).await?;
        if found.iter().filter_map(|f| f.association.as_ref()).any(|a| !keeps(a.fixed_ip_address)) {
            return Err(ApiError::bad_request(
                "BadRequest",
                format!(
                    "Bad port request: Cannot update the fixed_ips of the port {}, because its \
                     original fixed_ip has been associated to a floating ip.",
                    payload.id
                ),
            ));
        }
        self.change(inner, tx, payload.ctx, payload.id, found, keeps).await
    }

    /// Has `found` follow a port that keeps those addresses only that `keeps` tells.
    async fn change(
        &self,
        inner: &Inner,
        tx: &mut Tx,
        ctx: &Context,
        port: &str,
        found: Vec<FloatingIp>,
        keeps: impl Fn(Ipv4Addr) -> bool,
    ) -> ApiResult<()> {
        let change = |original: FloatingIp| {
            without(&original, port, &keeps).map(|current| Changed { original, current })
        };
        let changed: Vec<Changed> = found.into_iter().filter_map(change).collect();
        if changed.is_empty() {
            return Ok(());
        }
        tx.execute_batch(changed.iter().flat_map(statements).collect()).await?;
        for Changed { original, current } in &changed {
            let states = (Some(original), Some(current));
            precommit(inner, tx, ctx, Action::Update, states, None).await?;
        }
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.entry(port.to_string()).or_default().extend(changed);
        Ok(())
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
        match action {
            Action::Update => self.port_changes(&inner, tx, payload).await,
            _ => self.port_goes(&inner, tx, payload.ctx, payload.id).await,
        }
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

#[cfg(test)]
mod tests {
    use neutrino_db::{floating_ips::Association, port_forwardings::PortForwarding};

    use super::*;

    fn forwarding(port: &str, last: u8) -> PortForwarding {
        PortForwarding {
            internal_port_id: port.into(),
            internal_ip_address: Ipv4Addr::new(10, 0, 0, last),
            ..PortForwarding::new("f")
        }
    }

    fn floating(forwardings: Vec<PortForwarding>) -> FloatingIp {
        let mut out = FloatingIp::new("p", "n");
        out.router_id = Some("r".into());
        out.set_forwardings(forwardings);
        out
    }

    #[test]
    fn the_last_port_forwarding_takes_the_router_with_it() {
        let both = floating(vec![forwarding("a", 5), forwarding("b", 6)]);
        let one = without(&both, "a", |_| false).expect("changed");
        assert_eq!((one.forwardings.len(), one.router_id.as_deref()), (1, Some("r")));
        let none = without(&one, "b", |_| false).expect("changed");
        assert_eq!((none.router_id, none.last_known_router_id.as_deref()), (None, Some("r")));
        assert_eq!(without(&both, "c", |_| false), None);
        assert_eq!(without(&both, "a", |ip| ip.octets()[3] == 5), None, "the address stays");
    }

    #[test]
    fn an_association_goes_with_its_port() {
        let mut led = floating(Vec::new());
        led.association = Some(Association {
            port_id: "a".into(),
            fixed_ip_address: Ipv4Addr::new(10, 0, 0, 5),
            port: rows::PortDetails::default(),
        });
        let free = without(&led, "a", |_| false).expect("changed");
        assert_eq!((free.association, free.router_id, free.revision), (None, None, 1));
        assert_eq!(without(&led, "b", |_| false), None);
    }
}
