//! Neutron's versioned objects (oslo.versionedobjects): what Python agents pull from a server and are
//! pushed by it.
//!
//! Pure. An object in memory is its attributes as plain JSON, nested objects included; on the wire
//! it is a *primitive*, which says of every object its name and version:
//! - [`catalog`]: every object with its version and fields, as data;
//! - [`primitive`]: attributes to primitives and back;
//! - [`compat`]: primitives for those who know an older version.

pub mod catalog;
pub mod compat;
pub mod primitive;

use serde_json::{Map, Value};

use crate::{dispatch::Version, topics};

pub use catalog::{RESOURCES, by_name};
pub use primitive::{DecodeError, Decoded, decode};

/// Attributes of an object by field name. A missing field is unset; null is a value.
pub type Attributes = Map<String, Value>;

/// What became of objects that are pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// They are new.
    Created,
    /// They changed, or are new.
    Updated,
    /// They are gone.
    Deleted,
}

/// Arguments of `push`.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Push {
    /// Primitives of objects of one kind.
    pub resource_list: Vec<Value>,
    /// What became of them.
    pub event_type: Event,
}

/// How the value of a field looks in memory and on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string: ids, names, addresses, networks, times (`2026-01-02T03:04:05Z`).
    Text,
    /// A whole number.
    Integer,
    /// A boolean.
    Boolean,
    /// A MAC: `fa:16:3e:00:00:01` in memory, `FA-16-3E-00-00-01` on the wire.
    Mac,
    /// Any JSON in memory, a string that holds it on the wire.
    Json,
    /// A list of strings, on the wire in this order.
    Texts,
    /// A list of strings without order or repetition: sorted on the wire.
    Set,
    /// An object of this name.
    Object(&'static str),
    /// A list of objects of this name.
    Objects(&'static str),
    /// A list of objects of several names, told apart in memory by `type`: its value and the name.
    Variants(&'static [(&'static str, &'static str)]),
}

/// One field of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name, in memory and on the wire.
    pub name: &'static str,
    /// Its value.
    pub kind: Kind,
    /// Whether the value may be null.
    pub nullable: bool,
    /// Those who know only a version before this one are not sent it.
    pub since: Version,
}

/// An object as Neutron's current release defines it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectType {
    /// Its name, also in topics.
    pub name: &'static str,
    /// The version of this definition.
    pub version: Version,
    /// The oldest version in which it can still be said.
    pub oldest: Version,
    /// Its own fields, in the order in which they are sent.
    fields: &'static [Field],
    /// Whether it has `revision_number`, `description`, `created_at` and `updated_at` too.
    standard: bool,
}

impl ObjectType {
    /// All fields, in the order in which they are sent.
    pub fn fields(&self) -> impl Iterator<Item = &'static Field> {
        let standard: &'static [Field] = if self.standard { catalog::STANDARD } else { &[] };
        self.fields.iter().chain(standard)
    }

    /// The topic on which changes of the object are pushed to those who know `version` of it.
    #[must_use]
    pub fn topic(&self, version: Version) -> String {
        format!("{}{}-{version}", topics::VERSIONED_OBJECTS, self.name)
    }
}
