//! Policy decisions about resources, with what the rules need to look at fetched for them.
//!
//! The rules themselves are `neutrino-policy`'s. Added here: the network that a subnet or port
//! belongs to, and the security group of a rule, which rules such as `rule:network_owner` and
//! `rule:sg_owner` ask about. Nothing is fetched for administrators, whose rights hang on their
//! role alone.

use std::{collections::HashMap, sync::Arc};

use neutrino_api_defs::Resource;
use neutrino_policy::{Enforcer, Target, View};
use neutrino_types::{ApiError, ApiResult, Attrs, Context, ListQuery, ResourcePlugin};
use serde_json::Value;

/// The kind of resource that others belong to, and whose owner rules about those ask for.
struct Owning {
    /// Singular.
    member: &'static str,
    /// Attribute of those that belong to it.
    key: &'static str,
    /// What rules look at: its own columns. Children would cost a statement each.
    rules_see: &'static [&'static str],
    /// Puts it where rules find it.
    attach: for<'a> fn(Target<'a>, &'a Attrs) -> Target<'a>,
    plugin: Arc<dyn ResourcePlugin>,
}

/// Decides about resources.
pub struct Authorizer {
    enforcer: Enforcer,
    owning: [Owning; 2],
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
    /// Decides with the rules of `enforcer`; `networks` and `security_groups` serve those rules ask
    /// about.
    #[must_use]
    pub fn new(
        enforcer: Enforcer,
        networks: Arc<dyn ResourcePlugin>,
        security_groups: Arc<dyn ResourcePlugin>,
    ) -> Self {
        let networks = Owning {
            member: "network",
            key: "network_id",
            rules_see: &["id", "project_id", "shared", "router:external"],
            attach: |target, network| target.with_network(network),
            plugin: networks,
        };
        let groups = Owning {
            member: "security_group",
            key: "security_group_id",
            rules_see: &["id", "project_id"],
            attach: |target, group| target.with_security_group(group),
            plugin: security_groups,
        };
        Self { enforcer, owning: [networks, groups] }
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
    /// When what the items belong to cannot be read.
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
        let owners = self.owners_of(view.context(), resource, &items).await?;
        let shown = |item: &Attrs| view.shows(&owners.target(item));
        let items: Vec<Attrs> = items.into_iter().filter(shown).collect();
        let hidden = items.first().map(|i| view.hidden(&owners.target(i))).unwrap_or_default();
        Ok(Seen { items, hidden })
    }

    /// The attributes of `item` to leave out, or `None` when the caller may not see it at all.
    ///
    /// # Errors
    /// When what the item belongs to cannot be read.
    pub async fn seen_one(
        &self,
        resource: &Resource,
        view: &View<'_>,
        item: &Attrs,
    ) -> ApiResult<Option<Vec<&'static str>>> {
        if view.is_all() {
            return Ok(Some(Vec::new()));
        }
        let owner = match view.depends_on_target() {
            true => self.owner_of(view.context(), resource, item).await?,
            false => Owners::default(),
        };
        let target = owner.target(item);
        Ok(view.shows(&target).then(|| view.hidden(&target)))
    }

    /// Refuses the creation of `items` unless the caller may make every one. What they belong to is
    /// read at once.
    ///
    /// # Errors
    /// 403; 404 when the network or security group of an item is not there.
    pub async fn create(
        &self,
        ctx: &Context,
        resource: &Resource,
        items: &[Attrs],
    ) -> ApiResult<()> {
        let owners = match ctx.is_admin {
            true => Owners::default(),
            false => self.owners_of(ctx, resource, items).await?,
        };
        for item in items {
            owners.ensure_found(item)?;
            let target = owners.target(item);
            let decision = self.enforcer.authorize_create(resource, item, &target, ctx);
            if let (Err(_), Some(networks)) = (&decision, self.owning(resource))
                && let Some(id) = networks.id_in(item).filter(|_| is_port(resource))
            {
                // Neutron reads the network as the caller to see whether it is shared, so that
                // one the caller may not see is not found rather than forbidden.
                networks.plugin.get(ctx, id).await?;
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
        let owner = self.owner_of(ctx, resource, &current).await?;
        let target = owner.target(&current).with_changes(changes);
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
        let owner = self.owner_of(ctx, resource, &current).await?;
        let target = owner.target(&current);
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
        let owner = self.owner_of(ctx, resource, &current).await?;
        let target = owner.target(&current);
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
        let owner = match ctx.is_admin {
            true => Owners::default(),
            false => self.owner_of(ctx, resource, item).await?,
        };
        self.enforcer.authorize(rule, &owner.target(item), ctx)
    }

    /// What one resource belongs to; 404 when that is not there.
    async fn owner_of(
        &self,
        ctx: &Context,
        resource: &Resource,
        item: &Attrs,
    ) -> ApiResult<Owners<'_>> {
        let owners = self.owners_of(ctx, resource, std::slice::from_ref(item)).await?;
        owners.ensure_found(item)?;
        Ok(owners)
    }

    /// What `items` belong to, with `shared` as the caller sees it: a network may be shared with
    /// its project alone.
    async fn owners_of(
        &self,
        ctx: &Context,
        resource: &Resource,
        items: &[Attrs],
    ) -> ApiResult<Owners<'_>> {
        let Some(owning) = self.owning(resource) else { return Ok(Owners::default()) };
        let mut ids: Vec<&str> = items.iter().filter_map(|item| owning.id_in(item)).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut found = HashMap::with_capacity(ids.len());
        if !ids.is_empty() {
            let mut query = ListQuery::filter("id", ids);
            query.fields = owning.rules_see.iter().map(|name| (*name).to_string()).collect();
            for owner in owning.plugin.list(&ctx.elevated(), &query).await? {
                if let Some(id) = owner.get("id").and_then(Value::as_str) {
                    found.insert(id.to_string(), owner);
                }
            }
        }
        Ok(Owners { owning: Some(owning), found })
    }

    /// What resources of this kind belong to.
    fn owning(&self, resource: &Resource) -> Option<&Owning> {
        let top = resource.parent.is_none();
        self.owning.iter().find(|owning| top && resource.attribute(owning.key).is_some())
    }
}

/// What some resources of one kind belong to, by id.
#[derive(Default)]
struct Owners<'a> {
    owning: Option<&'a Owning>,
    found: HashMap<String, Attrs>,
}

impl Owners<'_> {
    /// `item` as rules see it.
    fn target<'t>(&'t self, item: &'t Attrs) -> Target<'t> {
        let target = Target::new(item);
        let Some(owning) = self.owning else { return target };
        match owning.id_in(item).and_then(|id| self.found.get(id)) {
            Some(owner) => (owning.attach)(target, owner),
            None => target,
        }
    }

    /// 404 when what `item` belongs to is not there.
    fn ensure_found(&self, item: &Attrs) -> ApiResult<()> {
        let Some(owning) = self.owning else { return Ok(()) };
        match owning.id_in(item) {
            Some(id) if !self.found.contains_key(id) => {
                Err(ApiError::resource_not_found(owning.member, id))
            }
            _ => Ok(()),
        }
    }
}

impl Owning {
    /// The id of what `item` belongs to.
    fn id_in<'a>(&self, item: &'a Attrs) -> Option<&'a str> {
        item.get(self.key).and_then(Value::as_str)
    }
}

fn is_port(resource: &Resource) -> bool {
    resource.collection == "ports"
}
