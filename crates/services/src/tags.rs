//! Tags: `/v2.0/{collection}/{id}/tags[/{tag}]` for networks, subnets, ports, routers, floating IPs,
//! subnet pools and security groups.
//!
//! A change of a resource's tags is a change of the resource: it bumps its revision. Whether the
//! caller may see or change the resource is checked by the caller of this module.

use neutrino_api_defs::pytext;
use neutrino_db::{
    Conn, Db,
    schema::{FloatingIps, Networks, Ports, Routers, SecurityGroups, SubnetPools, Subnets},
    sea_query::{DynIden, Expr, ExprTrait, IntoIden, Query},
    tags, time,
};
use neutrino_types::{ApiError, ApiResult, Attrs};
use serde_json::{Value, json};

/// Longest tag, in characters.
const MAX_LENGTH: usize = 255;
/// Most tags in one request.
const MAX_TAGS: usize = 50;

/// The plugin behind tags. `collection` is always the plural, e.g. `networks`.
#[derive(Clone, Debug)]
pub struct TagService {
    db: Db,
}

/// Where a taggable resource lives.
struct Taggable {
    table: DynIden,
    collection: &'static str,
}

fn taggable(collection: &str, id: &str) -> ApiResult<Taggable> {
    let (table, collection) = match collection {
        "networks" => (Networks::Table.into_iden(), "networks"),
        "subnets" => (Subnets::Table.into_iden(), "subnets"),
        "ports" => (Ports::Table.into_iden(), "ports"),
        "routers" => (Routers::Table.into_iden(), "routers"),
        "subnetpools" => (SubnetPools::Table.into_iden(), "subnetpools"),
        "floatingips" => (FloatingIps::Table.into_iden(), "floatingips"),
        "security_groups" => (SecurityGroups::Table.into_iden(), "security_groups"),
        other => return Err(resource_not_found(other, id)),
    };
    Ok(Taggable { table, collection })
}

fn resource_not_found(collection: &str, id: &str) -> ApiError {
    ApiError::not_found(
        "TagResourceNotFound",
        format!("Resource {collection} {id} could not be found."),
    )
}

fn tag_not_found(tag: &str) -> ApiError {
    ApiError::not_found("TagNotFound", format!("Tag {tag} could not be found."))
}

impl TagService {
    /// Tags in `db`.
    #[must_use]
    pub fn new(db: Db) -> Self {
        Self { db }
    }

    /// The resource's tags, sorted: GET.
    ///
    /// # Errors
    /// `TagResourceNotFound`.
    pub async fn list(&self, collection: &str, id: &str) -> ApiResult<Attrs> {
        let conn = self.db.read().await?;
        must_exist(&conn, &taggable(collection, id)?, id).await?;
        Ok(body_of(&tags::of(&conn, id).await?))
    }

    /// Whether the resource has the tag: GET of one.
    ///
    /// # Errors
    /// `TagResourceNotFound`, `TagNotFound`.
    pub async fn check(&self, collection: &str, id: &str, tag: &str) -> ApiResult<()> {
        check_tag(&json!(tag))?;
        let conn = self.db.read().await?;
        must_exist(&conn, &taggable(collection, id)?, id).await?;
        let found = tags::of(&conn, id).await?;
        if found.iter().any(|t| t == tag) { Ok(()) } else { Err(tag_not_found(tag)) }
    }

    /// Adds the tags of a request body: POST. Answers the body.
    ///
    /// # Errors
    /// 400 for a bad body; `TagResourceNotFound`.
    pub async fn add(&self, collection: &str, id: &str, body: &Value) -> ApiResult<Attrs> {
        let wanted = parse_body(body)?;
        check_number(collection, wanted.len())?;
        self.change(collection, id, &wanted, false).await?;
        Ok(body_of(&wanted))
    }

    /// Makes the tags of a request body the resource's only ones: PUT. Answers the body.
    ///
    /// # Errors
    /// As [`TagService::add`].
    pub async fn replace(&self, collection: &str, id: &str, body: &Value) -> ApiResult<Attrs> {
        let wanted = parse_body(body)?;
        check_number(collection, wanted.len())?;
        self.change(collection, id, &wanted, true).await?;
        Ok(body_of(&wanted))
    }

    /// Adds one tag: PUT of one.
    ///
    /// # Errors
    /// 400 for a bad tag or one too many; `TagResourceNotFound`.
    pub async fn add_one(&self, collection: &str, id: &str, tag: &str) -> ApiResult<()> {
        check_tag(&json!(tag))?;
        let tx = self.db.begin().await?;
        let resource = taggable(collection, id)?;
        must_exist(&tx, &resource, id).await?;
        let found = tags::of(&tx, id).await?;
        if found.iter().any(|t| t == tag) {
            return Ok(());
        }
        check_number(collection, found.len() + 1)?;
        tags::add(&tx, resource.collection, id, &[tag.to_string()]).await?;
        bump(&tx, &resource, id).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Takes one tag away: DELETE of one.
    ///
    /// # Errors
    /// `TagResourceNotFound`, `TagNotFound`.
    pub async fn remove_one(&self, collection: &str, id: &str, tag: &str) -> ApiResult<()> {
        check_tag(&json!(tag))?;
        let tx = self.db.begin().await?;
        let resource = taggable(collection, id)?;
        must_exist(&tx, &resource, id).await?;
        if tags::remove(&tx, id, &[tag.to_string()]).await? == 0 {
            return Err(tag_not_found(tag));
        }
        bump(&tx, &resource, id).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Takes all tags away: DELETE.
    ///
    /// # Errors
    /// `TagResourceNotFound`.
    pub async fn remove_all(&self, collection: &str, id: &str) -> ApiResult<()> {
        self.change(collection, id, &[], true).await
    }

    /// Adds what of `wanted` is missing and, if `only`, removes the rest.
    async fn change(
        &self,
        collection: &str,
        id: &str,
        wanted: &[String],
        only: bool,
    ) -> ApiResult<()> {
        let tx = self.db.begin().await?;
        let resource = taggable(collection, id)?;
        must_exist(&tx, &resource, id).await?;
        let found = tags::of(&tx, id).await?;
        let missing: Vec<String> = wanted.iter().filter(|t| !found.contains(t)).cloned().collect();
        let surplus: Vec<String> =
            found.into_iter().filter(|t| only && !wanted.contains(t)).collect();
        if missing.is_empty() && surplus.is_empty() {
            return Ok(());
        }
        if !surplus.is_empty() {
            tags::remove(&tx, id, &surplus).await?;
        }
        tags::add(&tx, resource.collection, id, &missing).await?;
        bump(&tx, &resource, id).await?;
        tx.commit().await?;
        Ok(())
    }
}

async fn must_exist(conn: &Conn, resource: &Taggable, id: &str) -> ApiResult<()> {
    let select = Query::select()
        .column("id")
        .from(resource.table.clone())
        .and_where(Expr::col("id").eq(id))
        .to_owned();
    match conn.fetch_opt(&select).await? {
        Some(_) => Ok(()),
        None => Err(resource_not_found(resource.collection, id)),
    }
}

/// Counts the change in the resource's revision.
async fn bump(conn: &Conn, resource: &Taggable, id: &str) -> ApiResult<()> {
    let update = Query::update()
        .table(resource.table.clone())
        .value("revision_number", Expr::col("revision_number").add(1))
        .value("updated_at", time::now())
        .and_where(Expr::col("id").eq(id))
        .to_owned();
    conn.execute(&update).await?;
    Ok(())
}

fn body_of(tags: &[String]) -> Attrs {
    let mut out = Attrs::new();
    out.insert("tags".into(), json!(tags));
    out
}

/// The tags of a body `{"tags": [..]}`, in its order.
///
/// # Errors
/// `InvalidInput` (400) with Neutron's words.
pub fn parse_body(body: &Value) -> ApiResult<Vec<String>> {
    let Some(tags) = body.get("tags") else {
        return Err(ApiError::invalid_input("Invalid tags body"));
    };
    let Some(list) = tags.as_array() else {
        return Err(ApiError::invalid_input(format!("'{}' is not a list", pytext::str(tags))));
    };
    for (i, tag) in list.iter().enumerate() {
        if list[..i].contains(tag) {
            return Err(ApiError::invalid_input(format!(
                "Duplicate items in the list: '{}'",
                pytext::str(tag)
            )));
        }
    }
    list.iter().map(check_tag).collect()
}

fn check_tag(tag: &Value) -> ApiResult<String> {
    let Some(text) = tag.as_str() else {
        return Err(ApiError::invalid_input(format!(
            "'{}' is not a valid string",
            pytext::str(tag)
        )));
    };
    if text.chars().count() > MAX_LENGTH {
        return Err(ApiError::invalid_input(format!(
            "'{text}' exceeds maximum length of {MAX_LENGTH}"
        )));
    }
    Ok(text.to_string())
}

fn check_number(collection: &str, n: usize) -> ApiResult<()> {
    if n > MAX_TAGS {
        return Err(ApiError::bad_request(
            "BadRequest",
            format!(
                "Bad {collection} request: The number of tags exceed the per-resource limit of \
                 {MAX_TAGS}."
            ),
        ));
    }
    Ok(())
}
