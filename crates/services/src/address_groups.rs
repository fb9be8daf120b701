//! Address groups: `/v2.0/address-groups`, and the actions `add_addresses` and `remove_addresses`.
//!
//! Subscribers hear of every change after it is made (`Resource::AddressGroup`).

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use neutrino_api_defs::{pytext, validators::address};
use neutrino_callbacks::{Action, Payload, Registry, Resource};
use neutrino_db::{
    Conn, Db,
    address_groups::{self, AddressGroup},
    list::{self, Column, ListSpec},
    schema::AddressGroups as G,
    sea_query::{Expr, Query},
    time,
};
use neutrino_ml2::AgentNotifier;
use neutrino_types::{
    ApiError, ApiResult, Attrs, Context, ListQuery, ResourcePlugin, new_id, request,
};
use serde_json::{Value, json};

/// The plugin behind `/v2.0/address-groups`.
#[derive(Clone)]
pub struct AddressGroups {
    db: Db,
    registry: Arc<Registry>,
    notifier: Arc<dyn AgentNotifier>,
}

fn col(column: G) -> Expr {
    Expr::col((G::Table, column))
}

/// By what address groups are filtered and sorted.
pub(crate) const LISTED: &[Column] = &[
    Column::text("id", || col(G::Id)),
    Column::text("name", || col(G::Name)),
    Column::text("project_id", || col(G::ProjectId)),
    Column::text("description", || col(G::Description)),
    Column::int("revision_number", || col(G::RevisionNumber)),
];

static SPEC: ListSpec = ListSpec {
    resource: "address_group",
    from: || Query::select().from(G::Table).to_owned(),
    id: || col(G::Id),
    columns: LISTED,
    computed: list::nothing_computed,
    visibility: address_groups::visible,
    updated_at: Some(|| col(G::UpdatedAt)),
    tagged: false,
};

impl AddressGroups {
    /// Address groups in `db`, telling the subscribers of `registry` what changes, and agents
    /// through `notifier` which security groups that concerns.
    #[must_use]
    pub fn new(db: Db, registry: Arc<Registry>, notifier: Arc<dyn AgentNotifier>) -> Self {
        Self { db, registry, notifier }
    }

    async fn add(&self, ctx: &Context, id: &str, wanted: &[String]) -> ApiResult<AddressGroup> {
        let tx = self.db.begin().await?;
        let original = load(&tx, ctx, id).await?;
        let known: Vec<&str> = among(wanted, &original, true);
        if !known.is_empty() {
            return Err(ApiError::bad_request(
                "AddressesAlreadyExist",
                format!(
                    "Addresses {} already exist in the address group {id}.",
                    pytext::repr_list(known)
                ),
            ));
        }
        let mut group = original.clone();
        address_groups::add(&tx, &mut group, wanted).await?;
        let users = address_groups::used_by(&tx, id).await?;
        tx.commit().await?;
        self.updated(ctx, &original, &group).await;
        self.tell(&users).await;
        Ok(group)
    }

    async fn remove(
        &self,
        ctx: &Context,
        id: &str,
        unwanted: &[String],
    ) -> ApiResult<AddressGroup> {
        let tx = self.db.begin().await?;
        let original = load(&tx, ctx, id).await?;
        let missing: Vec<&str> = among(unwanted, &original, false);
        if !missing.is_empty() {
            return Err(ApiError::not_found(
                "AddressesNotFound",
                format!(
                    "Addresses {} not found in the address group {id}.",
                    pytext::repr_list(missing)
                ),
            ));
        }
        let mut group = original.clone();
        address_groups::remove(&tx, &mut group, unwanted).await?;
        let users = address_groups::used_by(&tx, id).await?;
        tx.commit().await?;
        self.updated(ctx, &original, &group).await;
        self.tell(&users).await;
        Ok(group)
    }

    async fn updated(&self, ctx: &Context, original: &AddressGroup, group: &AddressGroup) {
        let (before, now) = (view(original), view(group));
        let payload = Payload::new(ctx, &group.id).original(&before).current(&now);
        self.registry.after(Resource::AddressGroup, Action::Update, &payload).await;
    }

    /// Agents take other addresses for other rules of the security groups that refer to them, as
    /// Neutron's do.
    async fn tell(&self, groups: &[String]) {
        if !groups.is_empty() {
            self.notifier.security_groups_rule_updated(groups).await;
        }
    }
}

async fn load(conn: &Conn, ctx: &Context, id: &str) -> ApiResult<AddressGroup> {
    let found = address_groups::by_id(conn, ctx, id).await?;
    found.ok_or_else(|| ApiError::resource_not_found("address_group", id))
}

/// Those of `addresses` the group has (or, not `present`, lacks).
fn among<'a>(addresses: &'a [String], group: &AddressGroup, present: bool) -> Vec<&'a str> {
    let wanted = |address: &&String| group.addresses.contains(address) == present;
    addresses.iter().filter(wanted).map(String::as_str).collect()
}

/// The networks of the listed addresses, each once, sorted.
///
/// # Errors
/// `AddrFormatError` (400) for what is no address.
fn normalized(addresses: &[Value]) -> ApiResult<Vec<String>> {
    let network = |value: &Value| {
        let parsed = value.as_str().and_then(address::parse_network);
        let (ip, length) = parsed.ok_or_else(|| {
            let text = format!("invalid IPNetwork {}", pytext::str(value));
            ApiError::bad_request("AddrFormatError", text)
        })?;
        Ok(format!("{}/{length}", address::network_of(ip, length)))
    };
    let distinct = addresses.iter().map(network).collect::<ApiResult<BTreeSet<String>>>()?;
    Ok(distinct.into_iter().collect())
}

/// All attributes of an address group.
fn view(group: &AddressGroup) -> Attrs {
    let pairs = [
        ("id", json!(group.id)),
        ("name", json!(group.name)),
        ("description", json!(group.description)),
        ("project_id", json!(group.project_id)),
        ("tenant_id", json!(group.project_id)),
        ("addresses", json!(group.addresses)),
        ("shared", json!(group.shared)),
        ("revision_number", json!(group.revision)),
        ("created_at", json!(group.created_at)),
        ("updated_at", json!(group.updated_at)),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
}

/// A new group; one address more is one revision more, as where Neutron adds them singly.
fn build(item: &Attrs, ctx: &Context) -> ApiResult<AddressGroup> {
    let given = item.get("addresses").and_then(Value::as_array);
    let addresses = normalized(given.map_or(&[], Vec::as_slice))?;
    let now = time::now();
    Ok(AddressGroup {
        id: new_id(),
        project_id: request::project(item, ctx),
        name: request::text_or_empty(item, "name"),
        description: request::text_or_empty(item, "description"),
        shared: false,
        revision: i64::try_from(addresses.len()).unwrap_or(i64::MAX),
        created_at: now.clone(),
        updated_at: now,
        addresses,
    })
}

#[async_trait]
impl ResourcePlugin for AddressGroups {
    async fn create(&self, ctx: &Context, items: Vec<Attrs>) -> ApiResult<Vec<Attrs>> {
        let built = items.iter().map(|item| build(item, ctx));
        let groups = built.collect::<ApiResult<Vec<AddressGroup>>>()?;
        let tx = self.db.begin().await?;
        address_groups::insert(&tx, &groups).await?;
        tx.commit().await?;
        let views: Vec<Attrs> = groups.iter().map(view).collect();
        for (group, view) in groups.iter().zip(&views) {
            let payload = Payload::new(ctx, &group.id).current(view);
            self.registry.after(Resource::AddressGroup, Action::Create, &payload).await;
        }
        Ok(views)
    }

    async fn list(&self, ctx: &Context, query: &ListQuery) -> ApiResult<Vec<Attrs>> {
        let conn = self.db.read().await?;
        let page = SPEC.page(&conn, ctx, query).await?;
        let select = page.select_exprs(address_groups::exprs(ctx));
        let mut groups = page.arrange(conn.fetch_map(&select, address_groups::decode).await?);
        if query.fields.is_empty() || query.fields.iter().any(|f| f == "addresses") {
            let mut addresses = address_groups::members_of_page(&conn, &page).await?;
            for group in &mut groups {
                group.addresses = addresses.remove(&group.id).unwrap_or_default();
            }
        }
        Ok(groups.iter().map(view).collect())
    }

    async fn get(&self, ctx: &Context, id: &str) -> ApiResult<Attrs> {
        let conn = self.db.read().await?;
        Ok(view(&load(&conn, ctx, id).await?))
    }

    async fn update(
        &self,
        ctx: &Context,
        id: &str,
        changes: Attrs,
        if_match: Option<i64>,
    ) -> ApiResult<Attrs> {
        let tx = self.db.begin().await?;
        let original = load(&tx, ctx, id).await?;
        request::check_revision(if_match, original.revision)?;
        let mut group = original.clone();
        if let Some(name) = request::text(&changes, "name") {
            group.name = name.to_string();
        }
        if let Some(description) = request::text(&changes, "description") {
            group.description = description.to_string();
        }
        if group != original {
            address_groups::save(&tx, &mut group).await?;
        }
        tx.commit().await?;
        self.updated(ctx, &original, &group).await;
        Ok(view(&group))
    }

    async fn act(&self, ctx: &Context, id: &str, action: &str, body: Attrs) -> ApiResult<Attrs> {
        let Some(addresses) = body.get("addresses").and_then(Value::as_array) else {
            return Err(ApiError::invalid_input("addresses must be a list of addresses"));
        };
        let addresses = normalized(addresses)?;
        let group = match action {
            "add_addresses" => self.add(ctx, id, &addresses).await?,
            _ => self.remove(ctx, id, &addresses).await?,
        };
        let mut answer = Attrs::new();
        answer.insert("address_group".into(), Value::Object(view(&group)));
        Ok(answer)
    }

    async fn delete(&self, ctx: &Context, id: &str, if_match: Option<i64>) -> ApiResult<()> {
        let tx = self.db.begin().await?;
        if !address_groups::used_by(&tx, id).await?.is_empty() {
            return Err(ApiError::conflict(
                "AddressGroupInUse",
                format!("Address group {id} is in use on one or more security group rules."),
            ));
        }
        let group = load(&tx, ctx, id).await?;
        request::check_revision(if_match, group.revision)?;
        address_groups::delete(&tx, id).await?;
        tx.commit().await?;
        let original = view(&group);
        let payload = Payload::new(ctx, id).original(&original);
        self.registry.after(Resource::AddressGroup, Action::Delete, &payload).await;
        Ok(())
    }
}
