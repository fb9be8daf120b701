//! `/v2.0/service-providers`: which drivers serve which advanced service.

use async_trait::async_trait;
use neutrino_types::{ApiError, ApiResult, Attrs, Context, ListQuery, ResourcePlugin};
use serde_json::Value;

use crate::read_only;

/// One provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceProvider {
    /// e.g. `L3_ROUTER_NAT`.
    pub service_type: String,
    /// e.g. `dvrha`.
    pub name: String,
    /// Whether it serves requests that name no provider.
    pub default: bool,
}

/// The providers of this server: those of the advanced services that are there, as clients take a
/// listed provider for one they can use.
#[derive(Clone, Debug, Default)]
pub struct ServiceProviders(Vec<ServiceProvider>);

impl ServiceProviders {
    /// Exactly `providers`.
    #[must_use]
    pub fn new(providers: Vec<ServiceProvider>) -> Self {
        Self(providers)
    }
}

#[async_trait]
impl ResourcePlugin for ServiceProviders {
    async fn create(&self, _: &Context, _: Vec<Attrs>) -> ApiResult<Vec<Attrs>> {
        Err(read_only::not_offered())
    }

    async fn list(&self, _: &Context, query: &ListQuery) -> ApiResult<Vec<Attrs>> {
        let rows = self.0.iter().map(|p| {
            let mut row = Attrs::new();
            row.insert("service_type".into(), Value::from(p.service_type.as_str()));
            row.insert("name".into(), Value::from(p.name.as_str()));
            row.insert("default".into(), Value::from(p.default));
            row
        });
        Ok(read_only::select(rows.collect(), query))
    }

    async fn get(&self, _: &Context, id: &str) -> ApiResult<Attrs> {
        Err(ApiError::resource_not_found("service_provider", id))
    }

    async fn update(&self, _: &Context, _: &str, _: Attrs, _: Option<i64>) -> ApiResult<Attrs> {
        Err(read_only::not_offered())
    }

    async fn delete(&self, _: &Context, _: &str, _: Option<i64>) -> ApiResult<()> {
        Err(read_only::not_offered())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lists_what_it_was_given_and_nothing_else() {
        let ctx = Context::admin();
        let none = ServiceProviders::default().list(&ctx, &ListQuery::default()).await;
        assert_eq!(none.expect("list"), Vec::<Attrs>::new());
        let router = |name: &str| ServiceProvider {
            service_type: "L3_ROUTER_NAT".into(),
            name: name.into(),
            default: false,
        };
        let providers = ServiceProviders::new(vec![router("dvr"), router("ha")]);
        let all = providers.list(&ctx, &ListQuery::default()).await.expect("list");
        let names: Vec<_> = all.iter().map(|p| p["name"].as_str()).collect();
        assert_eq!(names, [Some("dvr"), Some("ha")]);
        let one = providers.list(&ctx, &ListQuery::filter("name", ["ha"])).await.expect("list");
        assert_eq!(
            Value::from(one),
            serde_json::json!([{"service_type": "L3_ROUTER_NAT", "name": "ha", "default": false}])
        );
    }
}
