//! Policy decisions about resources, with what the rules need to look at fetched for them.
//!
//! The rules themselves are `neutrino-policy`'s. Added here: the network that a subnet or port
//! belongs to, which rules such as `rule:network_owner` ask about. Nothing is fetched for
//! administrators, whose rights hang on their role alone.

use std::{collections::HashMap, sync::Arc};

use neutrino_api_defs::Resource;
use neutrino_policy::{Enforcer, Target, View};
use neutrino_types::{ApiError, ApiResult, Attrs, Context, ListQuery, ResourcePlugin};
use serde_json::Value;

/// What rules look at of a network: its own columns. Subnets, tags and segments would cost a
/// statement each.
const RULES_SEE: [&str; 4] = ["id", "project_id", "shared", "router:external"];

/// Decides about resources.
pub struct Authorizer {
    enforcer: Enforcer,
    networks: Arc<dyn ResourcePlugin>,
}

impl std::fmt::Debug for Authorizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authorizer(..)")
    }
}

/// A page of resources as far as the caller sees it.
#[derive(Debug)]
pub struct Seen {
    /// The resources.
    pub items: Vec<Attrs>,
    /// Attributes to leave out of every one of them.
    pub hidden: Vec<&'static str>,
}

impl Authorizer {
    /// Decides with the rules of `enforcer`; `networks` serves the networks rules ask about.
    #[must_use]
    pub fn new(enforcer: Enforcer, networks: Arc<dyn ResourcePlugin>) -> Self {
        Self { enforcer, networks }
    }

    /// The rules, for decisions about something that is no resource with a plugin.
    #[must_use]
    pub fn enforcer(&self) -> &Enforcer {
        &self.enforcer
    }

    /// What `ctx` may see of `resource`.
    #[must_use]
    pub fn view<'a>(&'a self, resource: &Resource, ctx: &'a Context) -> View<'a> {
        self.enforcer.view(resource, ctx)
    }

    /// The part of a list that the caller may see.
    ///
    /// As in Neutron, the first item decides which attributes are left out of all of them.
    ///
    /// # Errors
    /// When the networks of the items cannot be read.
    pub async fn seen(
        &self,
        resource: &Resource,
        view: &View<'_>,
        items: Vec<Attrs>,
    ) -> ApiResult<Seen> {
        if view.is_all() || items.is_empty() {
            return Ok(Seen { items, hidden: Vec::new() });
        }
        if !view.depends_on_target() {
            if !view.shows(&Target::default()) {
                return Ok(Seen { items: Vec::new(), hidden: Vec::new() });
            }
            return Ok(Seen { items, hidden: view.hidden(&Target::default()) });
        }
        let networks = self.networks_of(view.context(), resource, &items).await?;
        let network = |item: &Attrs| network_id(item).and_then(|id| networks.get(id));
        let shown = |item: &Attrs| view.shows(&target(item, network(item)));
        let items: Vec<Attrs> = items.into_iter().filter(shown).collect();
        let hidden = items.first().map(|i| view.hidden(&target(i, network(i)))).unwrap_or_default();
        Ok(Seen { items, hidden })
    }

    /// The attributes of `item` to leave out, or `None` when the caller may not see it at all.
    ///
    /// # Errors
    /// When the item's network cannot be read.
    pub async fn seen_one(
        &self,
        resource: &Resource,
        view: &View<'_>,
        item: &Attrs,
    ) -> ApiResult<Option<Vec<&'static str>>> {
        if view.is_all() {
            return Ok(Some(Vec::new()));
        }
        let network = match view.depends_on_target() {
            true => self.network_of(view.context(), resource, item).await?,
            false => None,
        };
        let target = target(item, network.as_ref());
        Ok(view.shows(&target).then(|| view.hidden(&target)))
    }

    /// Refuses the creation of `items` unless the caller may make every one. Their networks are
    /// read at once.
    ///
    /// # Errors
    /// 403; 404 when an item's network is not there.
    pub async fn create(
        &self,
        ctx: &Context,
        resource: &Resource,
        items: &[Attrs],
    ) -> ApiResult<()> {
        let networks = match ctx.is_admin {
            true => HashMap::new(),
            false => self.networks_of(ctx, resource, items).await?,
        };
        for item in items {
            let id = network_id(item).filter(|_| has_network(resource));
            let network = match id.filter(|_| !ctx.is_admin) {
                Some(id) => Some(networks.get(id).ok_or_else(|| no_network(id))?),
                None => None,
            };
            let target = target(item, network);
            let decision = self.enforcer.authorize_create(resource, item, &target, ctx);
            if let (Err(_), Some(id)) = (&decision, id.filter(|_| is_port(resource))) {
                // Neutron reads the network as the caller to see whether it is shared, so that
                // one the caller may not see is not found rather than forbidden.
                self.networks.get(ctx, id).await?;
            }
            decision?;
        }
        Ok(())
    }

    /// Refuses `changes` of the resource `id` unless the caller may make them.
    ///
    /// # Errors
    /// 403, or 404 when the caller may not even see the resource.
    pub async fn update(
        &self,
        ctx: &Context,
        resource: &Resource,
        plugin: &dyn ResourcePlugin,
        id: &str,
        changes: &Attrs,
    ) -> ApiResult<()> {
        if ctx.is_admin {
            // The role decides; what it does not grant is looked at with the resource at hand.
            let target = Target::new(changes);
            if self.enforcer.authorize_update(resource, changes, &target, ctx).is_ok() {
                return Ok(());
            }
        }
        let current = plugin.get(ctx, id).await?;
        let network = self.network_of(ctx, resource, &current).await?;
        let target = target(&current, network.as_ref()).with_changes(changes);
        self.enforcer.authorize_update(resource, changes, &target, ctx)
    }

    /// Refuses the deletion of the resource `id` unless the caller may delete it.
    ///
    /// # Errors
    /// As [`Authorizer::update`].
    pub async fn delete(
        &self,
        ctx: &Context,
        resource: &Resource,
        plugin: &dyn ResourcePlugin,
        id: &str,
    ) -> ApiResult<()> {
        let nothing = Target::default();
        if ctx.is_admin && self.enforcer.authorize_delete(resource, &nothing, ctx).is_ok() {
            return Ok(());
        }
        let current = plugin.get(ctx, id).await?;
        let network = self.network_of(ctx, resource, &current).await?;
        let target = target(&current, network.as_ref());
        self.enforcer.authorize_delete(resource, &target, ctx)
    }

    /// Refuses an action on the resource `id` unless `rule` holds for it.
    ///
    /// # Errors
    /// As [`Authorizer::update`].
    pub async fn action(
        &self,
        ctx: &Context,
        resource: &Resource,
        plugin: &dyn ResourcePlugin,
        id: &str,
        rule: &str,
    ) -> ApiResult<()> {
        if ctx.is_admin && self.enforcer.check(rule, &Target::default(), ctx) {
            return Ok(());
        }
        let current = plugin.get(ctx, id).await?;
        let network = self.network_of(ctx, resource, &current).await?;
        let target = target(&current, network.as_ref());
        let decision = self.enforcer.authorize(rule, &target, ctx);
        self.enforcer.hide_if_invisible(resource, decision, &target, ctx)
    }

    /// Refuses unless `rule` holds for `item`; 404 when the caller may not even see it.
    ///
    /// # Errors
    /// As [`Authorizer::update`].
    pub async fn rule(
        &self,
        ctx: &Context,
        resource: &Resource,
        rule: &str,
        item: &Attrs,
    ) -> ApiResult<()> {
        let network = match ctx.is_admin {
            true => None,
            false => self.network_of(ctx, resource, item).await?,
        };
        self.enforcer.authorize(rule, &target(item, network.as_ref()), ctx)
    }

    async fn network_of(
        &self,
        ctx: &Context,
        resource: &Resource,
        item: &Attrs,
    ) -> ApiResult<Option<Attrs>> {
        let Some(id) = network_id(item).filter(|_| has_network(resource)) else {
            return Ok(None);
        };
        let found = self.networks_of(ctx, resource, std::slice::from_ref(item)).await?.remove(id);
        found.ok_or_else(|| no_network(id)).map(Some)
    }

    /// The networks `items` belong to, with `shared` as the caller sees it: a network may be
    /// shared with its project alone.
    async fn networks_of(
        &self,
        ctx: &Context,
        resource: &Resource,
        items: &[Attrs],
    ) -> ApiResult<HashMap<String, Attrs>> {
        if !has_network(resource) {
            return Ok(HashMap::new());
        }
        let mut ids: Vec<&str> = items.iter().filter_map(network_id).collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let mut query = ListQuery::filter("id", ids);
        query.fields = RULES_SEE.map(str::to_string).to_vec();
        let networks = self.networks.list(&ctx.elevated(), &query).await?;
        let keyed = |network: Attrs| {
            let id = network.get("id").and_then(Value::as_str)?.to_string();
            Some((id, network))
        };
        Ok(networks.into_iter().filter_map(keyed).collect())
    }
}

fn has_network(resource: &Resource) -> bool {
    resource.parent.is_none() && resource.attribute("network_id").is_some()
}

fn is_port(resource: &Resource) -> bool {
    resource.collection == "ports"
}

fn no_network(id: &str) -> ApiError {
    ApiError::resource_not_found("network", id)
}

fn network_id(item: &Attrs) -> Option<&str> {
    item.get("network_id").and_then(Value::as_str)
}

fn target<'a>(item: &'a Attrs, network: Option<&'a Attrs>) -> Target<'a> {
    let target = Target::new(item);
    match network {
        Some(network) => target.with_network(network),
        None => target,
    }
}
