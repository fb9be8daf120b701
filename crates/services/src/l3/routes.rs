//! Extra routes: `routes` of a router, `add_extraroutes` and `remove_extraroutes`.

use std::net::IpAddr;

use ipnet::IpNet;
use neutrino_api_defs::{ROUTERS, validate};
use neutrino_db::{
    Conn,
    quotas::{self, QuotaDefaults},
    routers::{Route, Router, ports},
};
use neutrino_types::{ApiError, ApiResult, Attrs};
use serde_json::Value;

use super::checks;

/// What a request wants of a router's routes.
pub(super) enum Wish {
    /// These and no others.
    Only(Vec<Route>),
    /// These besides those there are.
    Also(Vec<Route>),
    /// Those there are without these.
    Not(Vec<Route>),
}

/// The routes of a validated list, in canonical form.
///
/// # Errors
/// `InvalidInput` for what is no route.
pub(super) fn parse(list: &Value) -> ApiResult<Vec<Route>> {
    let route = |value: &Value| {
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        let destination: Option<IpNet> = text("destination").and_then(|cidr| cidr.parse().ok());
        let nexthop: Option<IpAddr> = text("nexthop").and_then(|ip| ip.parse().ok());
        match (destination, nexthop) {
            (Some(destination), Some(nexthop)) => {
                Ok(Route { destination: destination.to_string(), nexthop: nexthop.to_string() })
            }
            _ => Err(ApiError::invalid_input(format!("{value} is no route"))),
        }
    };
    let mut routes =
        list.as_array().into_iter().flatten().map(route).collect::<ApiResult<Vec<_>>>()?;
    sort(&mut routes);
    Ok(routes)
}

/// As they are read: sorted, each once.
fn sort(routes: &mut Vec<Route>) {
    routes.sort_unstable_by(|a, b| (&a.destination, &a.nexthop).cmp(&(&b.destination, &b.nexthop)));
    routes.dedup();
}

/// The changes in the body of an action, `{"router": {"routes": [...]}}`.
///
/// # Errors
/// `HTTPBadRequest` for anything else.
pub(super) fn named(body: &Attrs) -> ApiResult<Attrs> {
    let bad = |text: &str| ApiError::bad_request("HTTPBadRequest", text);
    let routes = body.get("router").and_then(|router| router.get("routes"));
    let mut routes =
        routes.cloned().ok_or_else(|| bad("Unable to find 'routes' in request body"))?;
    if let Value::Array(list) = &mut routes {
        // Said twice is no mistake here.
        let mut distinct: Vec<Value> = Vec::with_capacity(list.len());
        for route in std::mem::take(list) {
            if !distinct.contains(&route) {
                distinct.push(route);
            }
        }
        *list = distinct;
    }
    let attribute = ROUTERS.attribute("routes").ok_or_else(|| bad("routes are not offered"))?;
    let routes = validate::accept(attribute, routes)?;
    Ok(Attrs::from_iter([("routes".to_string(), routes)]))
}

/// The routes the router has when `wish` is fulfilled.
///
/// # Errors
/// `InvalidRoutes`, `OverQuota`.
pub(super) async fn changed(
    conn: &Conn,
    router: &Router,
    wish: &Wish,
    defaults: &QuotaDefaults,
) -> ApiResult<Vec<Route>> {
    let mut routes = match wish {
        Wish::Only(routes) => routes.clone(),
        Wish::Also(more) => router.routes.iter().chain(more).cloned().collect(),
        Wish::Not(less) => router.routes.iter().filter(|r| !less.contains(r)).cloned().collect(),
    };
    sort(&mut routes);
    if routes.is_empty() {
        return Ok(routes);
    }
    let attached = ports::attached(conn, &router.id).await?;
    let ips = || attached.iter().flat_map(|port| &port.ips);
    let cidrs: Vec<IpNet> = ips().map(|ip| ip.cidr).collect();
    let own: Vec<IpAddr> = ips().map(|ip| ip.ip_address).collect();
    checks::next_hops(&routes, &cidrs, &own)?;
    let limit = match quotas::limit_of(conn, &router.project_id, QUOTA).await? {
        Some(limit) => limit,
        None => defaults.get(QUOTA),
    };
    match usize::try_from(limit) {
        Ok(limit) if routes.len() > limit => Err(quotas::over_quota(&[QUOTA])),
        _ => Ok(routes),
    }
}

const QUOTA: &str = "router_route";
