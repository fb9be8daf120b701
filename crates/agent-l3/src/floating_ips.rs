//! What the server is told of floating IPs.

use std::collections::{BTreeMap, BTreeSet};

use neutrino_dataplane::l3::{dvr, view::Settings};
use neutrino_types::constants::status;

use crate::rpc::Router;

/// News by floating IP.
pub type Statuses = BTreeMap<String, &'static str>;

/// What is to be told when a router is right on this host: floating IPs that are served here and
/// not believed to be, and those that were (`last`) and are no more.
#[must_use]
pub fn served(settings: &Settings, router: &Router, last: Option<&Router>) -> Statuses {
    let now = here(settings, router);
    let news = now.iter().filter(|(_, known)| **known != status::ACTIVE);
    let before = last.map(|last| here(settings, last)).unwrap_or_default();
    let gone = before.keys().filter(|id| !now.contains_key(*id));
    let told = |id: &&str, status| ((*id).to_string(), status);
    news.map(|(id, _)| told(id, status::ACTIVE))
        .chain(gone.map(|id| told(id, status::DOWN)))
        .collect()
}

/// What is to be told when a router is not right on this host.
#[must_use]
pub fn failed(settings: &Settings, router: &Router) -> Statuses {
    let wrong = here(settings, router).into_iter().filter(|(_, known)| *known != status::ERROR);
    wrong.map(|(id, _)| (id.to_string(), status::ERROR)).collect()
}

/// The floating IPs that this host serves, and what the server believes of them.
fn here<'r>(settings: &Settings, router: &'r Router) -> BTreeMap<&'r str, &'r str> {
    let view = &router.view;
    let distributed: BTreeSet<&str> =
        dvr::floating_ips(settings, view).map(|fip| fip.id.as_str()).collect();
    let floating = |id: &str| view.floating_ips.iter().find(|fip| fip.id == id);
    // Those whose ports are forwarded are served where the router is centralised.
    let centralised = |id: &str| floating(id).is_none_or(|fip| fip.dvr_snat_bound);
    let served = |id: &str| match view.distributed {
        false => view.gw_port.is_some(),
        true => distributed.contains(id) || (dvr::is_snat_host(settings, view) && centralised(id)),
    };
    let known = router.statuses.iter().map(|(id, status)| (id.as_str(), status.as_str()));
    known.filter(|(id, _)| served(id)).collect()
}

#[cfg(test)]
mod tests {
    use neutrino_dataplane::l3::view::{AgentMode, FloatingIp, Port};

    use super::*;

    fn router(statuses: &[(&str, &str)]) -> Router {
        let port = serde_json::json!({"id": "g", "mac_address": "fa:16:3e:00:00:01"});
        let port: Port = serde_json::from_value(port).expect("a port");
        let owned = |(id, status): &(&str, &str)| ((*id).to_string(), (*status).to_string());
        let mut router =
            Router { statuses: statuses.iter().map(owned).collect(), ..Router::default() };
        router.view.gw_port = Some(port);
        router
    }

    #[test]
    fn only_news_is_told() {
        let settings = Settings::default();
        let last = router(&[("a", "ACTIVE"), ("b", "ACTIVE")]);
        let now = router(&[("b", "ACTIVE"), ("c", "DOWN")]);
        let expected = [("a".to_string(), "DOWN"), ("c".to_string(), "ACTIVE")].into();
        assert_eq!(served(&settings, &now, Some(&last)), expected);
        let bad = router(&[("a", "ERROR"), ("b", "ACTIVE")]);
        assert_eq!(failed(&settings, &bad), [("b".to_string(), "ERROR")].into());
    }

    #[test]
    fn a_distributed_router_serves_only_what_is_here() {
        let fip = |id: &str, host: &str, bound: bool| FloatingIp {
            id: id.into(),
            floating_ip_address: [192, 0, 2, 1].into(),
            floating_network_id: String::new(),
            fixed_ip_address: [10, 0, 0, 1].into(),
            fixed_ip_address_scope: None,
            host: Some(host.into()),
            dest_host: None,
            dvr_snat_bound: bound,
        };
        let mut router = router(&[("a", "DOWN"), ("b", "DOWN"), ("c", "DOWN")]);
        router.view.agent_gateways.extend(router.view.gw_port.clone());
        router.view.distributed = true;
        router.view.gw_port_host = Some("h1".into());
        router.view.floating_ips =
            vec![fip("a", "h1", false), fip("b", "h2", false), fip("c", "h2", true)];
        let told = |mode| {
            let settings = Settings { agent_mode: mode, host: "h1".into(), ..Settings::default() };
            served(&settings, &router, None).into_keys().collect::<Vec<_>>()
        };
        assert_eq!(told(AgentMode::Dvr), ["a"]);
        assert_eq!(told(AgentMode::DvrSnat), ["a", "c"]);
        assert!(told(AgentMode::DvrNoExternal).is_empty());
    }
}
