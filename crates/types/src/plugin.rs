//! The seam between the HTTP layer and the plugins behind it.

use async_trait::async_trait;

use crate::{ApiError, ApiResult, Attrs, Context, ListQuery};

/// What the pages of a list need to know of resources that a plugin wrote as JSON itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WrittenPage {
    /// How many resources were written.
    pub count: usize,
    /// Id of the first.
    pub first: Option<String>,
    /// Id of the last.
    pub last: Option<String>,
}

/// One API resource (a collection such as `networks`) as the plugin that owns it serves it.
///
/// The caller has validated the attributes against `api-defs` (types converted, defaults filled
/// in, unknown ones refused; attributes the user did not give and that have no default are
/// absent) and has checked the policy. The plugin answers *all* visible attributes; the caller
/// removes what policy or `fields` hides.
#[async_trait]
pub trait ResourcePlugin: Send + Sync {
    /// Creates all of `items` or none, answering them in the same order.
    async fn create(&self, ctx: &Context, items: Vec<Attrs>) -> ApiResult<Vec<Attrs>>;

    /// Lists what `ctx` may see: everything for admins; else own, shared and (networks) external.
    async fn list(&self, ctx: &Context, query: &ListQuery) -> ApiResult<Vec<Attrs>>;

    /// As [`ResourcePlugin::list`], but appends the resources to `out` as JSON objects with commas
    /// between them, each with the attributes `query.fields` asks for. For callers who may see
    /// everything. `None` (and nothing written) when the plugin knows no way cheaper than
    /// building attributes.
    async fn write_list(
        &self,
        _ctx: &Context,
        _query: &ListQuery,
        _out: &mut Vec<u8>,
    ) -> ApiResult<Option<WrittenPage>> {
        Ok(None)
    }

    /// One resource, or `<Resource>NotFound` when it is absent or not visible to `ctx`.
    async fn get(&self, ctx: &Context, id: &str) -> ApiResult<Attrs>;

    /// Changes the given attributes. `if_match` is the revision number the user insists on.
    async fn update(
        &self,
        ctx: &Context,
        id: &str,
        changes: Attrs,
        if_match: Option<i64>,
    ) -> ApiResult<Attrs>;

    /// Does the member action `action` with the request's body, which holds every attribute the
    /// action is defined with, not validated further. Answers the body of the response; where it
    /// holds the resource under its name, the caller removes what policy hides.
    async fn act(&self, _ctx: &Context, _id: &str, action: &str, _body: Attrs) -> ApiResult<Attrs> {
        // Only actions of the resource's definition are asked for.
        Err(ApiError::internal(format!("no plugin does {action}")))
    }

    /// Deletes the resource. `if_match` as in [`ResourcePlugin::update`].
    async fn delete(&self, ctx: &Context, id: &str, if_match: Option<i64>) -> ApiResult<()>;
}
