//! The vocabulary of Neutrino: plain values every crate speaks in, without I/O.
//!
//! Owns MAC addresses, network and VIF types, device owners, port states, the user-visible
//! error, the request context and the list query. Owns no behaviour of any service.

pub mod constants;
pub mod context;
pub mod error;
pub mod ip_protocol;
pub mod mac;
pub mod net;
pub mod plugin;
pub mod query;
pub mod request;

pub use context::Context;
pub use error::{ApiError, ApiResult};
pub use mac::MacAddr;
pub use net::NetworkType;
pub use plugin::{ResourcePlugin, WrittenPage};
pub use query::{ListQuery, Sort, SortDir};

/// A resource as it crosses the API: attribute name to JSON value, in the order of its definition.
pub type Attrs = serde_json::Map<String, serde_json::Value>;

/// A fresh random (version 4) identifier in Neutron's text form, e.g. of a network or a port.
#[must_use]
pub fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Whether `s` is a UUID as Neutron accepts one in an API attribute (hyphenated or bare hex).
#[must_use]
pub fn is_uuid(s: &str) -> bool {
    uuid::Uuid::try_parse(s).is_ok()
}
