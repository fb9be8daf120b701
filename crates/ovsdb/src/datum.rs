//! OVSDB values (RFC 7047 §5.1): atoms, sets and maps.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

/// One value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Atom {
    /// A 64-bit integer.
    Int(i64),
    /// A real number, by its bits so that it can be ordered; no column used here holds one.
    Real(u64),
    /// A boolean.
    Bool(bool),
    /// A string.
    Str(String),
    /// A row.
    Uuid(Uuid),
    /// A row inserted by the same transaction, by the name given there.
    Named(String),
}

impl Atom {
    fn from_json(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(b) => Some(Self::Bool(*b)),
            Value::String(s) => Some(Self::Str(s.clone())),
            Value::Number(n) => {
                n.as_i64().map(Self::Int).or_else(|| n.as_f64().map(|f| Self::Real(f.to_bits())))
            }
            Value::Array(pair) => match (pair.first()?.as_str()?, pair.get(1)?.as_str()?) {
                ("uuid", text) if pair.len() == 2 => Uuid::try_parse(text).ok().map(Self::Uuid),
                ("named-uuid", text) if pair.len() == 2 => Some(Self::Named(text.to_string())),
                _ => None,
            },
            Value::Null | Value::Object(_) => None,
        }
    }

    /// RFC 7047 notation.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Self::Int(n) => json!(n),
            Self::Real(bits) => json!(f64::from_bits(*bits)),
            Self::Bool(b) => json!(b),
            Self::Str(s) => json!(s),
            Self::Uuid(id) => json!(["uuid", id.to_string()]),
            Self::Named(name) => json!(["named-uuid", name]),
        }
    }
}

impl From<&str> for Atom {
    fn from(s: &str) -> Self {
        Self::Str(s.to_string())
    }
}
impl From<String> for Atom {
    fn from(s: String) -> Self {
        Self::Str(s)
    }
}
impl From<i64> for Atom {
    fn from(n: i64) -> Self {
        Self::Int(n)
    }
}
impl From<bool> for Atom {
    fn from(b: bool) -> Self {
        Self::Bool(b)
    }
}
impl From<Uuid> for Atom {
    fn from(id: Uuid) -> Self {
        Self::Uuid(id)
    }
}

/// A column's value. A scalar is a set of one, an unset optional a set of none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Datum {
    /// Sorted, without duplicates.
    Set(Vec<Atom>),
    /// Key to value.
    Map(BTreeMap<Atom, Atom>),
}

impl Datum {
    /// The empty set, which is also an unset optional.
    #[must_use]
    pub const fn empty() -> Self {
        Self::Set(Vec::new())
    }

    /// One value.
    pub fn scalar(atom: impl Into<Atom>) -> Self {
        Self::Set(vec![atom.into()])
    }

    /// A set.
    pub fn set<A: Into<Atom>>(atoms: impl IntoIterator<Item = A>) -> Self {
        let mut atoms: Vec<Atom> = atoms.into_iter().map(Into::into).collect();
        atoms.sort();
        atoms.dedup();
        Self::Set(atoms)
    }

    /// A map of strings.
    pub fn map<K: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        Self::Map(
            pairs.into_iter().map(|(k, v)| (Atom::Str(k.into()), Atom::Str(v.into()))).collect(),
        )
    }

    /// Reads RFC 7047 notation: an atom, `["set", [...]]` or `["map", [[k, v], ...]]`.
    #[must_use]
    pub fn from_json(value: &Value) -> Option<Self> {
        if let Value::Array(items) = value
            && let (Some(Value::String(tag)), Some(Value::Array(body)), 2) =
                (items.first(), items.get(1), items.len())
        {
            return match tag.as_str() {
                "set" => {
                    let atoms = body.iter().map(Atom::from_json).collect::<Option<Vec<_>>>()?;
                    Some(Self::set(atoms))
                }
                "map" => body
                    .iter()
                    .map(|pair| match pair.as_array().map(Vec::as_slice) {
                        Some([k, v]) => Some((Atom::from_json(k)?, Atom::from_json(v)?)),
                        _ => None,
                    })
                    .collect::<Option<BTreeMap<_, _>>>()
                    .map(Self::Map),
                _ => None,
            };
        }
        Atom::from_json(value).map(|atom| Self::Set(vec![atom]))
    }

    /// RFC 7047 notation.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Self::Set(atoms) => match atoms.as_slice() {
                [one] => one.to_json(),
                many => json!(["set", many.iter().map(Atom::to_json).collect::<Vec<_>>()]),
            },
            Self::Map(pairs) => {
                let pairs: Vec<Value> =
                    pairs.iter().map(|(k, v)| json!([k.to_json(), v.to_json()])).collect();
                json!(["map", pairs])
            }
        }
    }

    /// The atoms of a set; none for a map.
    #[must_use]
    pub fn atoms(&self) -> &[Atom] {
        match self {
            Self::Set(atoms) => atoms,
            Self::Map(_) => &[],
        }
    }

    /// The only string, if there is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self.atoms() {
            [Atom::Str(s)] => Some(s),
            _ => None,
        }
    }

    /// The only integer, if there is one.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        match self.atoms() {
            [Atom::Int(n)] => Some(*n),
            _ => None,
        }
    }

    /// The only boolean, if there is one.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self.atoms() {
            [Atom::Bool(b)] => Some(*b),
            _ => None,
        }
    }

    /// The rows a set refers to.
    pub fn uuids(&self) -> impl Iterator<Item = Uuid> + '_ {
        self.atoms().iter().filter_map(|a| match a {
            Atom::Uuid(id) => Some(*id),
            _ => None,
        })
    }

    /// The strings of a set.
    pub fn strings(&self) -> impl Iterator<Item = &str> {
        self.atoms().iter().filter_map(|a| match a {
            Atom::Str(s) => Some(s.as_str()),
            _ => None,
        })
    }

    /// The value of `key` in a map of strings.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        match self {
            Self::Map(pairs) => match pairs.get(&Atom::from(key)) {
                Some(Atom::Str(s)) => Some(s),
                _ => None,
            },
            Self::Set(_) => None,
        }
    }

    /// The pairs of a map of strings.
    #[must_use]
    pub fn pairs(&self) -> BTreeMap<String, String> {
        match self {
            Self::Map(pairs) => pairs
                .iter()
                .filter_map(|(k, v)| match (k, v) {
                    (Atom::Str(k), Atom::Str(v)) => Some((k.clone(), v.clone())),
                    _ => None,
                })
                .collect(),
            Self::Set(_) => BTreeMap::new(),
        }
    }
}
