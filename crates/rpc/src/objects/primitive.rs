//! Attributes to primitives and back.

use serde_json::{Map, Value, json};

use super::{Attributes, Field, Kind, ObjectType, by_name, compat};
use crate::dispatch::Version;

const NAME: &str = "versioned_object.name";
const NAMESPACE: &str = "versioned_object.namespace";
const VERSION: &str = "versioned_object.version";
const DATA: &str = "versioned_object.data";
/// The namespace of every object, here and in oslo.versionedobjects.
const THE_NAMESPACE: &str = "versionedobjects";
/// Which of several kinds of object a nested one is, in memory.
const TYPE: &str = "type";

/// A primitive that is not one of a known object.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not an object, or without name, version or data.
    #[error("this is no versioned object")]
    Shape,
    /// A name that is not known, or not in this place.
    #[error("the versioned object {0:?} is not known here")]
    Name(String),
    /// A version that is not `major.minor`, or of another major.
    #[error("version {version:?} of the versioned object {object} is not known")]
    Version {
        /// The object.
        object: &'static str,
        /// What was sent.
        version: String,
    },
    /// A field whose value is of another type.
    #[error("field {field} of the versioned object {object} is malformed")]
    Field {
        /// The object.
        object: &'static str,
        /// The field.
        field: &'static str,
    },
}

/// An object that was sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// What it is.
    pub object: &'static ObjectType,
    /// The version its sender wrote.
    pub version: Version,
    /// Its attributes; fields that are not known are left out.
    pub attributes: Attributes,
}

impl ObjectType {
    /// The primitive of an object with `attributes`; what is no field of it is left out.
    #[must_use]
    pub fn encode(&self, attributes: &Attributes) -> Value {
        let mut data = Map::new();
        for field in self.fields() {
            if let Some(value) = attributes.get(field.name) {
                data.insert(field.name.to_string(), encode_value(field.kind, value));
            }
        }
        json!({
            NAME: self.name,
            NAMESPACE: THE_NAMESPACE,
            VERSION: self.version.to_string(),
            DATA: data,
        })
    }

    /// [`ObjectType::encode`] for one who knows `version` of the object.
    ///
    /// # Errors
    /// [`compat::Incompatible`] when it cannot be said in that version.
    pub fn encode_for(
        &self,
        attributes: &Attributes,
        version: Version,
    ) -> Result<Value, compat::Incompatible> {
        let mut primitive = self.encode(attributes);
        if version != self.version {
            compat::check(self, version)?;
            if let Some(data) = primitive.get_mut(DATA).and_then(Value::as_object_mut) {
                compat::make_compatible(self, data, version);
            }
            primitive[VERSION] = version.to_string().into();
        }
        Ok(primitive)
    }
}

fn encode_value(kind: Kind, value: &Value) -> Value {
    if value.is_null() {
        return Value::Null;
    }
    match kind {
        Kind::Text | Kind::Integer | Kind::Boolean | Kind::Texts => value.clone(),
        Kind::Mac => match value.as_str() {
            Some(mac) => mac.replace(':', "-").to_uppercase().into(),
            None => value.clone(),
        },
        Kind::Json => value.to_string().into(),
        Kind::Set => {
            let mut texts: Vec<&str> =
                value.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            texts.sort_unstable();
            texts.dedup();
            json!(texts)
        }
        Kind::Object(name) => encode_part(name, value),
        Kind::Objects(name) => {
            value.as_array().into_iter().flatten().map(|v| encode_part(name, v)).collect()
        }
        Kind::Variants(names) => {
            let name_of = |value: &Value| {
                let kind = value.get(TYPE)?.as_str()?;
                names.iter().find(|(tag, _)| *tag == kind).map(|(_, name)| *name)
            };
            let parts = value.as_array().into_iter().flatten();
            parts.filter_map(|v| name_of(v).map(|name| encode_part(name, v))).collect()
        }
    }
}

fn encode_part(name: &str, value: &Value) -> Value {
    match (by_name(name), value) {
        (Some(object), Value::Object(attributes)) => object.encode(attributes),
        _ => Value::Null,
    }
}

/// What `primitive` says.
///
/// # Errors
/// [`DecodeError`] naming the first thing that is not understood. Fields that are not known are no
/// error: a newer minor version has them.
pub fn decode(primitive: &Value) -> Result<Decoded, DecodeError> {
    let name = text(primitive, NAME)?;
    let object = by_name(name).ok_or_else(|| DecodeError::Name(name.to_string()))?;
    let said = text(primitive, VERSION)?;
    let known = said.parse::<Version>().ok().filter(|v| v.major == object.version.major);
    let version = known
        .ok_or_else(|| DecodeError::Version { object: object.name, version: said.to_string() })?;
    let Some(Value::Object(data)) = primitive.get(DATA) else { return Err(DecodeError::Shape) };
    let mut attributes = Attributes::new();
    for field in object.fields() {
        if let Some(value) = data.get(field.name) {
            attributes.insert(field.name.to_string(), decode_value(object, field, value)?);
        }
    }
    Ok(Decoded { object, version, attributes })
}

fn text<'a>(primitive: &'a Value, key: &str) -> Result<&'a str, DecodeError> {
    primitive.get(key).and_then(Value::as_str).ok_or(DecodeError::Shape)
}

fn decode_value(object: &ObjectType, field: &Field, value: &Value) -> Result<Value, DecodeError> {
    let malformed = || DecodeError::Field { object: object.name, field: field.name };
    let as_is = |fits: bool| if fits { Ok(value.clone()) } else { Err(malformed()) };
    if value.is_null() {
        return as_is(field.nullable);
    }
    let text = || value.as_str().ok_or_else(malformed);
    let list = || value.as_array().ok_or_else(malformed);
    match field.kind {
        Kind::Text => as_is(value.is_string()),
        Kind::Integer => as_is(value.is_i64()),
        Kind::Boolean => as_is(value.is_boolean()),
        Kind::Texts | Kind::Set => as_is(list()?.iter().all(Value::is_string)),
        Kind::Mac => Ok(text()?.replace('-', ":").to_lowercase().into()),
        Kind::Json => serde_json::from_str(text()?).map_err(|_| malformed()),
        Kind::Object(name) => decode_part(&[("", name)], value),
        Kind::Objects(name) => {
            list()?.iter().map(|part| decode_part(&[("", name)], part)).collect()
        }
        Kind::Variants(names) => list()?.iter().map(|part| decode_part(names, part)).collect(),
    }
}

/// A nested object, one of `names`.
fn decode_part(names: &[(&str, &str)], value: &Value) -> Result<Value, DecodeError> {
    let Decoded { object, mut attributes, .. } = decode(value)?;
    let Some((tag, _)) = names.iter().find(|(_, name)| *name == object.name) else {
        return Err(DecodeError::Name(object.name.to_string()));
    };
    if !tag.is_empty() {
        attributes.insert(TYPE.to_string(), (*tag).into());
    }
    Ok(Value::Object(attributes))
}
