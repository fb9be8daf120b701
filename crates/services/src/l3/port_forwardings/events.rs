//! What subscribers hear of port forwardings: whatever changes a floating IP may change its own.

use neutrino_callbacks::{Action, Payload, Phase, Resource};
use neutrino_db::floating_ips::FloatingIp;
use neutrino_types::{Attrs, Context};

use crate::{l3::Inner, objects::port_forwardings::attributes_of};

/// Tells of the port forwardings that came, changed and went with a change of their floating IP:
/// before and after it.
pub(in crate::l3) async fn publish(
    inner: &Inner,
    ctx: &Context,
    states: (Option<&FloatingIp>, Option<&FloatingIp>),
) {
    let (before, now) = (objects(states.0), objects(states.1));
    let mut events: [(Action, Vec<Payload<'_>>); 3] =
        [Action::Create, Action::Update, Action::Delete].map(|action| (action, Vec::new()));
    for (id, current) in &now {
        let payload = Payload::new(ctx, id).current(current);
        match before.iter().find(|(other, _)| other == id) {
            None => events[0].1.push(payload),
            Some((_, original)) if original != current => {
                events[1].1.push(payload.original(original));
            }
            Some(_) => {}
        }
    }
    for (id, original) in &before {
        if now.iter().all(|(other, _)| other != id) {
            events[2].1.push(Payload::new(ctx, id).original(original));
        }
    }
    for (action, payloads) in &events {
        if !payloads.is_empty()
            && inner.registry.any(Resource::PortForwarding, Phase::After, *action)
        {
            inner.registry.after_all(Resource::PortForwarding, *action, payloads).await;
        }
    }
}

/// The port forwardings of a floating IP as objects, by id. None without a router: nothing is
/// forwarded then.
fn objects(floating: Option<&FloatingIp>) -> Vec<(String, Attrs)> {
    let Some((floating, router)) = floating.and_then(|f| Some((f, f.router_id.as_deref()?))) else {
        return Vec::new();
    };
    let address = floating.address.to_string();
    let object = |one| attributes_of(one, &address, router);
    floating.forwardings.iter().map(|one| (one.id.clone(), object(one))).collect()
}
