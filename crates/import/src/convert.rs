//! How a source value becomes one of ours. Pure.
//!
//! The source answers every value as text: both backends write numbers, times and booleans in one
//! way each (`1` or `true`).

use std::net::IpAddr;

use ipnet::IpNet;
use neutrino_db::{ip, time};
use neutrino_types::constants::BOUND_DRIVERS;
use serde_json::{Map, Value, json};

/// `device_owner` of an interface of an HA router.
pub const HA_INTERFACE: &str = "network:ha_router_replicated_interface";
/// `device_owner` of an HA router's port towards its other instances.
pub const HA_PORT: &str = "network:router_ha_interface";
/// `device_owner` of an interface of a router.
const INTERFACE: &str = "network:router_interface";

/// A value of a column of ours.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell {
    /// NULL.
    Null,
    /// A boolean.
    Flag(bool),
    /// A number.
    Int(i64),
    /// A text.
    Text(String),
}

/// What kind of column a value is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Boolean.
    Flag,
    /// Number.
    Int,
    /// Text.
    Text,
}

/// A conversion of a source value, `None` being NULL. An error says what is wrong with the value,
/// without naming the column.
#[derive(Clone, Copy, Debug)]
pub struct Convert {
    /// The kind of the column.
    pub kind: Kind,
    how: How,
}

type One = fn(Option<&str>) -> Result<Cell, String>;
type Two = fn(Option<&str>, Option<&str>) -> Result<Cell, String>;

#[derive(Clone, Copy, Debug)]
enum How {
    One(One),
    Two(Two),
}

impl Convert {
    /// The value for the column, from the source's value and, where the conversion needs it, that
    /// of [`crate::mapping::Column::and`].
    ///
    /// # Errors
    /// What is wrong with the value.
    pub fn apply(&self, value: Option<&str>, and: Option<&str>) -> Result<Cell, String> {
        match self.how {
            How::One(apply) => apply(value),
            How::Two(apply) => apply(value, and),
        }
    }
}

const fn to_text(apply: One) -> Convert {
    Convert { kind: Kind::Text, how: How::One(apply) }
}

const fn to_int(apply: One) -> Convert {
    Convert { kind: Kind::Int, how: How::One(apply) }
}

const fn to_flag(apply: One) -> Convert {
    Convert { kind: Kind::Flag, how: How::One(apply) }
}

/// Text that must be there.
pub const TEXT: Convert = to_text(|value| required(value).map(text));
/// Text; NULL is the empty text.
pub const OR_EMPTY: Convert = to_text(|value| Ok(text(value.unwrap_or_default())));
/// Text or NULL.
pub const OPTIONAL: Convert = to_text(|value| Ok(value.map_or(Cell::Null, text)));
/// A number that must be there.
pub const INT: Convert = to_int(|value| required(value).and_then(int));
/// A number or NULL.
pub const OPTIONAL_INT: Convert = to_int(|value| value.map_or(Ok(Cell::Null), int));
/// A boolean; NULL, also for want of a row, is false.
pub const FLAG: Convert = to_flag(|value| value.map_or(Ok(Cell::Flag(false)), flag));
/// A boolean; NULL, also for want of a row, is true.
pub const FLAG_OR_TRUE: Convert = to_flag(|value| value.map_or(Ok(Cell::Flag(true)), flag));
/// A boolean or NULL.
pub const OPTIONAL_FLAG: Convert = to_flag(|value| value.map_or(Ok(Cell::Null), flag));
/// Whether there is a row.
pub const IS_THERE: Convert = to_flag(|value| Ok(Cell::Flag(value.is_some())));
/// False: what we cannot do.
pub const ALWAYS_FALSE: Convert = to_flag(|_| Ok(Cell::Flag(false)));
/// A time. Rows from before Neutron kept times have none: the oldest time there is.
pub const TIME: Convert = to_text(|value| match value {
    None => Ok(text("1970-01-01T00:00:00Z")),
    Some(value) => time::parse(value)
        .map(|t| Cell::Text(time::to_text(t)))
        .ok_or_else(|| format!("'{value}' is no time")),
});
/// The sort key of an address.
pub const ADDRESS_KEY: Convert = to_text(|value| {
    let value = required(value)?;
    let address: IpAddr = value.parse().map_err(|_| format!("'{value}' is no address"))?;
    Ok(Cell::Text(ip::to_key(address)))
});
/// The sort key of the first address of a CIDR.
pub const FIRST_KEY: Convert = to_text(|value| cidr(value).map(|net| key(net.network())));
/// The sort key of the last address of a CIDR.
pub const LAST_KEY: Convert = to_text(|value| cidr(value).map(|net| key(net.broadcast())));
/// The network of an address prefix, its host bits cleared; NULL stays.
pub const NETWORK: Convert = to_text(|value| match value {
    None => Ok(Cell::Null),
    value => cidr(value).map(|net| Cell::Text(net.trunc().to_string())),
});
/// `device_owner`: an interface of an HA router becomes one of a router.
pub const DEVICE_OWNER: Convert = to_text(|value| {
    let owner = value.unwrap_or_default();
    Ok(text(if owner == HA_INTERFACE { INTERFACE } else { owner }))
});
/// The collection of a resource in the API, from the table Neutron keeps it in.
pub const COLLECTION: Convert = to_text(|value| match required(value)? {
    "securitygroups" => Ok(text("security_groups")),
    table => Ok(text(table)),
});

/// `vif_details`, and the driver that bound the port: Neutron adds it when it answers, we keep it.
pub const VIF_DETAILS: Convert =
    Convert { kind: Kind::Text, how: How::Two(|details, driver| Ok(text(bound(details, driver)))) };

fn bound(details: Option<&str>, driver: Option<&str>) -> String {
    let details = details.unwrap_or_default();
    let Some(driver) = driver else { return details.into() };
    // Details of a bound port are an object; what is none is nothing.
    let mut all: Map<String, Value> = serde_json::from_str(details).unwrap_or_default();
    all.insert(BOUND_DRIVERS.into(), json!({ "0": driver }));
    Value::Object(all).to_string()
}

/// Whether `value` is true, as either backend writes it.
#[must_use]
pub fn is_true(value: &str) -> bool {
    matches!(value, "1" | "true" | "t")
}

fn required(value: Option<&str>) -> Result<&str, String> {
    value.ok_or_else(|| "it is NULL".into())
}

fn text(value: impl Into<String>) -> Cell {
    Cell::Text(value.into())
}

fn int(value: &str) -> Result<Cell, String> {
    value.parse().map(Cell::Int).map_err(|_| format!("'{value}' is no number"))
}

fn flag(value: &str) -> Result<Cell, String> {
    match value {
        "0" | "false" | "f" => Ok(Cell::Flag(false)),
        value if is_true(value) => Ok(Cell::Flag(true)),
        value => Err(format!("'{value}' is no boolean")),
    }
}

fn cidr(value: Option<&str>) -> Result<IpNet, String> {
    let value = required(value)?;
    // A bare address is a network of one.
    let net = value.parse().or_else(|_| value.parse::<IpAddr>().map(IpNet::from));
    net.map_err(|_| format!("'{value}' is no address range"))
}

fn key(address: IpAddr) -> Cell {
    Cell::Text(ip::to_key(address))
}
