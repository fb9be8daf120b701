//! What metadata agents may call (`MetadataRpcCallback`).

use async_trait::async_trait;
use neutrino_ml2::Ml2Plugin;
use neutrino_rpc::{Endpoint, Failure, Version, methods};
use neutrino_types::{Context, ListQuery};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::endpoints::{Answer, Args, answer, arguments};

/// The metadata endpoint on `q-plugin`.
pub struct MetadataEndpoint {
    ml2: Ml2Plugin,
}

impl MetadataEndpoint {
    /// Serves `ml2`'s ports.
    #[must_use]
    pub fn new(ml2: Ml2Plugin) -> Self {
        Self { ml2 }
    }
}

#[derive(Deserialize)]
struct ListArgs {
    #[serde(default)]
    filters: Option<Map<String, Value>>,
    #[serde(default)]
    fields: Option<Vec<String>>,
}

/// Filters as RPC has them: attribute to a list of values, or to an object of lists
/// (`{"fixed_ips": {"ip_address": ["10.0.0.3"]}}`).
///
/// # Errors
/// Arguments of another shape.
pub(super) fn list_query(method: &str, args: Args) -> Result<ListQuery, Failure> {
    let ListArgs { filters, fields } = arguments(method, args)?;
    let mut query = ListQuery { fields: fields.unwrap_or_default(), ..ListQuery::default() };
    for (key, value) in filters.unwrap_or_default() {
        let values = match value {
            Value::Object(parts) => {
                let texts = |(part, values): (String, Value)| -> Vec<Value> {
                    let text = |v: Value| v.as_str().map(|v| format!("{part}={v}").into());
                    listed(values).into_iter().filter_map(text).collect()
                };
                parts.into_iter().flat_map(texts).collect()
            }
            value => listed(value),
        };
        query.filters.push((key, values));
    }
    Ok(query)
}

fn listed(value: Value) -> Vec<Value> {
    match value {
        Value::Array(values) => values,
        value => vec![value],
    }
}

#[async_trait]
impl Endpoint for MetadataEndpoint {
    fn version(&self) -> Version {
        methods::METADATA_VERSION.parse().unwrap_or(Version::DEFAULT)
    }

    fn methods(&self) -> &'static [&'static str] {
        &[methods::GET_PORTS.name]
    }

    async fn call(&self, ctx: &Context, method: &str, args: Args) -> Answer {
        if method != methods::GET_PORTS.name {
            return Err(Failure::no_such_method(method));
        }
        let query = list_query(method, args)?;
        answer(self.ml2.ports().list(ctx, &query).await?)
    }
}
