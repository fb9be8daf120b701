//! A few hundred resources of every kind, created through the API of a Neutron.

mod groups;
mod networks;
mod ports;
mod routers;

use serde_json::Value;

use super::http::Api;

/// Projects; ids as Keystone gives them.
pub const RED: &str = "1111111111114111811111111111111a";
pub const BLUE: &str = "2222222222224222822222222222222b";
pub const GREEN: &str = "3333333333334333833333333333333c";

/// Creates everything.
pub async fn create(api: &Api) {
    let (nets, groups) = tokio::join!(networks::create(api), groups::create(api));
    let ports = ports::create(api, &nets, &groups).await;
    routers::create(api, &nets, &ports).await;
    networks::finish(api, &nets).await;
}

/// `body` with `more` attributes.
fn with(mut body: Value, more: Value) -> Value {
    if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
        body.extend(more);
    }
    body
}
