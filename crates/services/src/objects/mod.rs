//! Resources as Neutron's versioned objects: what agents pull from a server and are pushed by it.
//!
//! Reads rows and makes of them the attributes that [`neutrino_rpc::objects`] encodes. However many
//! objects are asked for, a kind costs the same statements.
//! - [`versions`]: which objects agents know, in which versions;
//! - [`changes`]: what changed, and is pushed to them.
//!
//! Kinds of which there is no table here
//! have no objects.

mod address_groups;
mod agents;
pub mod changes;
mod filters;
mod networks;
pub(crate) mod port_forwardings;
mod ports;
mod security_groups;
mod subnets;
pub mod versions;

use neutrino_db::{Conn, Db};
use neutrino_rpc::objects::{Attributes, ObjectType, catalog};
use neutrino_types::ApiResult;
use serde_json::Value;

pub use changes::{Changes, ObjectSender, PortForwardingChanges};
pub use filters::Filters;
pub use versions::AgentVersions;

/// Attributes from names and values.
macro_rules! attributes {
    ($($name:literal: $value:expr),+ $(,)?) => {{
        let mut out = Attributes::new();
        $(out.insert($name.to_string(), serde_json::json!($value));)+
        out
    }};
}
use attributes;

/// The objects of one database. Cheap to clone.
#[derive(Clone)]
pub struct Objects {
    db: Db,
}

impl Objects {
    /// The objects in `db`.
    #[must_use]
    pub fn new(db: Db) -> Self {
        Self { db }
    }

    /// The objects of a kind that match all `filters`, by id.
    ///
    /// # Errors
    /// `InvalidInput` for a filter the kind does not have; what the database refused.
    pub async fn find(&self, object: &ObjectType, filters: &Filters) -> ApiResult<Vec<Attributes>> {
        let conn = self.db.read().await?;
        find(&conn, object, filters).await
    }
}

async fn find(conn: &Conn, object: &ObjectType, filters: &Filters) -> ApiResult<Vec<Attributes>> {
    let is = |other: ObjectType| object.name == other.name;
    if is(catalog::PORT) {
        ports::find(conn, filters).await
    } else if is(catalog::NETWORK) {
        networks::find(conn, filters).await
    } else if is(catalog::SUBNET) {
        subnets::find(conn, filters).await
    } else if is(catalog::SECURITY_GROUP) {
        security_groups::groups(conn, filters).await
    } else if is(catalog::SECURITY_GROUP_RULE) {
        security_groups::rules(conn, filters).await
    } else if is(catalog::ADDRESS_GROUP) {
        address_groups::find(conn, filters).await
    } else if is(catalog::PORT_FORWARDING) {
        port_forwardings::find(conn, filters).await
    } else if is(catalog::AGENT) {
        agents::find(conn, filters).await
    } else {
        filters::check(object, filters)?;
        Ok(Vec::new())
    }
}

/// Adds what every object with standard attributes has.
fn standard(out: &mut Attributes, revision: i64, description: Option<&str>, times: [&str; 2]) {
    let [created_at, updated_at] = times;
    out.extend(attributes! {
        "revision_number": revision,
        "description": description,
        "created_at": created_at,
        "updated_at": updated_at,
    });
}

/// Null for an empty text.
fn or_null(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { text.into() }
}
