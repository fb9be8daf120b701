//! The URL tree of the network API.

use std::sync::Arc;

use axum::{
    Router,
    middleware::{from_fn, from_fn_with_state, map_request_with_state},
    routing::{any, get},
};
use neutrino_api_defs::{
    ADDRESS_GROUPS, ADDRESS_SCOPES, AGENTS, AVAILABILITY_ZONES, DEFAULT_SECURITY_GROUP_RULES,
    FLOATINGIP_POOLS, FLOATINGIPS, NETWORKS, PORTS, RBAC_POLICIES, ROUTERS, Resource,
    SECURITY_GROUP_RULES, SECURITY_GROUPS, SERVICE_PROVIDERS, SUBNETPOOLS, SUBNETS,
};
use neutrino_types::ResourcePlugin;

use crate::{
    authorize::Authorizer,
    controllers::{
        agent_schedulers, bindings, extensions, port_forwardings, quotas, refuse_head,
        resource::{Controller, Limits},
        tags,
    },
    identity::Authenticator,
    middleware::{
        auth,
        error::{answer_method_not_allowed, answer_not_found},
        proxy, request_id, retry,
    },
    parts::Parts,
    versions,
};

/// The router of the API listener.
pub fn router(
    parts: &Parts,
    authorizer: &Arc<Authorizer>,
    authenticator: Arc<dyn Authenticator>,
    limits: Limits,
    behind_proxy: bool,
) -> Router {
    let api = api(parts, authorizer, limits)
        .route_layer(from_fn_with_state(parts.db.retries(), retry::layer))
        .route("/v2.0", refuse_head(get(versions::v2)))
        .route("/v2.0/", refuse_head(get(versions::v2)))
        .route("/v2.0/{*rest}", any(answer_not_found))
        .layer(from_fn_with_state(authenticator, auth::layer));
    Router::new()
        .route("/", refuse_head(get(versions::root)))
        .route("/healthcheck", refuse_head(get(versions::healthcheck)))
        .merge(api)
        .fallback(answer_not_found)
        .method_not_allowed_fallback(answer_method_not_allowed)
        .layer(from_fn(request_id::layer))
        .layer(map_request_with_state(behind_proxy, proxy::layer))
}

/// Everything that needs a known caller.
fn api(parts: &Parts, authorizer: &Arc<Authorizer>, limits: Limits) -> Router {
    let collection = |resource: &'static Resource, plugin: Arc<dyn ResourcePlugin>| {
        let authorizer = authorizer.clone();
        let resource = parts.offer.resource(resource);
        Controller { resource, plugin, authorizer, limits }.routes()
    };
    let tags = |resource: &'static Resource, plugin: Arc<dyn ResourcePlugin>| {
        let (authorizer, tags) = (authorizer.clone(), parts.tags.clone());
        tags::Controller { resource, plugin, tags, authorizer }.routes()
    };
    Router::new()
        .merge(collection(&NETWORKS, parts.networks.clone()))
        .merge(tags(&NETWORKS, parts.networks.clone()))
        .merge(collection(&SUBNETS, parts.subnets.clone()))
        .merge(tags(&SUBNETS, parts.subnets.clone()))
        .merge(collection(&PORTS, parts.ports.clone()))
        .merge(tags(&PORTS, parts.ports.clone()))
        .merge(bindings::routes(parts.ml2.clone(), authorizer.clone()))
        .merge(collection(&ROUTERS, parts.l3.routers()))
        .merge(tags(&ROUTERS, parts.l3.routers()))
        .merge(collection(&SUBNETPOOLS, parts.subnetpools.clone()))
        .merge(tags(&SUBNETPOOLS, parts.subnetpools.clone()))
        .merge(collection(&ADDRESS_SCOPES, parts.address_scopes.clone()))
        .merge(collection(&FLOATINGIPS, parts.l3.floating_ips()))
        .merge(tags(&FLOATINGIPS, parts.l3.floating_ips()))
        .merge(collection(&FLOATINGIP_POOLS, parts.l3.floating_ip_pools()))
        .merge(port_forwardings::routes(parts.l3.clone(), authorizer.clone(), limits))
        .merge(collection(&ADDRESS_GROUPS, parts.address_groups.clone()))
        .merge(collection(&RBAC_POLICIES, parts.rbac_policies.clone()))
        .merge(collection(&SECURITY_GROUPS, parts.security_groups.clone()))
        .merge(tags(&SECURITY_GROUPS, parts.security_groups.clone()))
        .merge(collection(&SECURITY_GROUP_RULES, parts.security_group_rules.clone()))
        .merge(collection(
            &DEFAULT_SECURITY_GROUP_RULES,
            parts.default_security_group_rules.clone(),
        ))
        .merge(collection(&AGENTS, parts.agents.clone()))
        .merge(agent_schedulers::routes(parts.dhcp.clone(), parts.l3_scheduler.clone(), authorizer))
        .merge(collection(&AVAILABILITY_ZONES, parts.availability_zones.clone()))
        .merge(collection(&SERVICE_PROVIDERS, parts.service_providers.clone()))
        .merge(quotas::routes(parts.quotas.clone(), authorizer.clone()))
        .merge(extensions::routes(&parts.offer))
}
