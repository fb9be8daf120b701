//! Address scopes: `/v2.0/address-scopes`.

use async_trait::async_trait;
use neutrino_db::{
    Conn, Db,
    address_scopes::{self, AddressScope},
    list::{Column, ListSpec},
    rbac::{self, ObjectType},
    schema::AddressScopes as A,
    sea_query::{Condition, Expr, Query},
};
use neutrino_types::{
    ApiError, ApiResult, Attrs, Context, ListQuery, ResourcePlugin, new_id, request,
};
use serde_json::{Value, json};

/// The plugin behind `/v2.0/address-scopes`.
#[derive(Clone)]
pub struct AddressScopes {
    db: Db,
}

fn col(column: A) -> Expr {
    Expr::col((A::Table, column))
}

static SPEC: ListSpec = ListSpec {
    resource: "address_scope",
    from: || Query::select().from(A::Table).to_owned(),
    id: || col(A::Id),
    columns: &[
        Column::text("id", || col(A::Id)),
        Column::text("name", || col(A::Name)),
        Column::text("project_id", || col(A::ProjectId)),
        Column::int("ip_version", || col(A::IpVersion)),
    ],
    computed,
    visibility: address_scopes::visible,
    updated_at: None,
    tagged: false,
};

fn computed(ctx: &Context, name: &str, values: &[Value]) -> Option<ApiResult<Condition>> {
    let shared = || rbac::is_shared(ObjectType::AddressScope, ctx, &col(A::Id), values);
    (name == "shared").then(|| Ok(shared()))
}

impl AddressScopes {
    /// Address scopes in `db`.
    #[must_use]
    pub fn new(db: Db) -> Self {
        Self { db }
    }
}

async fn load(conn: &Conn, ctx: &Context, id: &str) -> ApiResult<AddressScope> {
    let found = address_scopes::by_id(conn, ctx, id).await?;
    found.ok_or_else(|| ApiError::resource_not_found("address_scope", id))
}

fn view(scope: &AddressScope) -> Attrs {
    let pairs = [
        ("id", json!(scope.id)),
        ("project_id", json!(scope.project_id)),
        ("name", json!(scope.name)),
        ("shared", json!(scope.shared)),
        ("ip_version", json!(scope.ip_version)),
        ("tenant_id", json!(scope.project_id)),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
}

#[async_trait]
impl ResourcePlugin for AddressScopes {
    async fn create(&self, ctx: &Context, items: Vec<Attrs>) -> ApiResult<Vec<Attrs>> {
        let tx = self.db.begin().await?;
        let mut views = Vec::with_capacity(items.len());
        for item in &items {
            let scope = AddressScope {
                id: new_id(),
                project_id: request::project(item, ctx),
                name: request::text_or_empty(item, "name"),
                ip_version: if request::int(item, "ip_version") == Some(6) { 6 } else { 4 },
                shared: request::flag(item, "shared").unwrap_or(false),
            };
            address_scopes::insert(&tx, &scope).await?;
            views.push(view(&scope));
        }
        tx.commit().await?;
        Ok(views)
    }

    async fn list(&self, ctx: &Context, query: &ListQuery) -> ApiResult<Vec<Attrs>> {
        let conn = self.db.read().await?;
        let page = SPEC.page(&conn, ctx, query).await?;
        let select = page.select_exprs(address_scopes::exprs(ctx));
        let scopes = page.arrange(conn.fetch_map(&select, address_scopes::decode).await?);
        Ok(scopes.iter().map(view).collect())
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
        _: Option<i64>,
    ) -> ApiResult<Attrs> {
        let tx = self.db.begin().await?;
        let mut scope = load(&tx, ctx, id).await?;
        match (scope.shared, request::flag(&changes, "shared")) {
            (true, Some(false)) => {
                return Err(ApiError::bad_request(
                    "AddressScopeUpdateError",
                    format!(
                        "Unable to update address scope {id} : Shared address scope can't be \
                         unshared."
                    ),
                ));
            }
            (false, Some(true)) => {
                rbac::share(&tx, ObjectType::AddressScope, id, &scope.project_id).await?;
                scope.shared = true;
            }
            _ => {}
        }
        if request::set_text(&changes, "name", &mut scope.name) {
            address_scopes::rename(&tx, &scope).await?;
        }
        tx.commit().await?;
        Ok(view(&scope))
    }

    async fn delete(&self, ctx: &Context, id: &str, _: Option<i64>) -> ApiResult<()> {
        let tx = self.db.begin().await?;
        load(&tx, ctx, id).await?;
        if address_scopes::is_used(&tx, id).await? {
            return Err(ApiError::conflict(
                "AddressScopeInUse",
                format!(
                    "Unable to complete operation on address scope {id}. There are one or more \
                     subnet pools in use on the address scope."
                ),
            ));
        }
        address_scopes::delete(&tx, id).await?;
        tx.commit().await?;
        Ok(())
    }
}
