//! Primitives for those who know an older version of an object (`obj_make_compatible`).

use serde_json::{Map, Value};

use super::{ObjectType, catalog};
use crate::dispatch::Version;

/// An object cannot be said in the version asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Incompatible {
    /// It is newer than ours, or of another major.
    #[error("Invalid target version {0}")]
    Newer(Version),
    /// Nobody knows any more how to say it so.
    #[error("Version {asked} of {object} is not supported, supported version is {supported}")]
    TooOld {
        /// The object.
        object: &'static str,
        /// What was asked for.
        asked: Version,
        /// The oldest that is known.
        supported: Version,
    },
}

/// Whether `object` can be said in `version`.
///
/// # Errors
/// [`Incompatible`] when not.
pub fn check(object: &ObjectType, version: Version) -> Result<(), Incompatible> {
    if version.major != object.version.major || version > object.version {
        return Err(Incompatible::Newer(version));
    }
    if version < object.oldest {
        let supported = object.oldest;
        return Err(Incompatible::TooOld { object: object.name, asked: version, supported });
    }
    Ok(())
}

/// Takes from the data of a primitive what those who know `version` do not.
pub(super) fn make_compatible(
    object: &ObjectType,
    data: &mut Map<String, Value>,
    version: Version,
) {
    for field in object.fields() {
        if version < field.since {
            data.shift_remove(field.name);
        }
    }
    let Some(Value::Array(rules)) = data.get_mut("rules") else { return };
    if object.name == catalog::SECURITY_GROUP.name {
        for rule in rules {
            lower_rule(rule, rule_version(version));
        }
    } else if object.name == catalog::QOS_POLICY.name {
        let later = |rule: &Value, minor: u32, name: &str| {
            version.minor < minor && rule["versioned_object.name"] == name
        };
        rules.retain(|rule| {
            !later(rule, 9, "QosPacketRateLimitRule")
                && !later(rule, 10, "QosMinimumPacketRateRule")
        });
    }
}

/// The version of rules known to those who know this one of security groups.
fn rule_version(group: Version) -> Version {
    let minor = match group.minor {
        0..=2 => 0,
        3 => 1,
        4 | 5 => 2,
        _ => catalog::SECURITY_GROUP_RULE.version.minor,
    };
    Version { major: 1, minor }
}

fn lower_rule(rule: &mut Value, version: Version) {
    if let Some(data) = rule.get_mut("versioned_object.data").and_then(Value::as_object_mut) {
        make_compatible(&catalog::SECURITY_GROUP_RULE, data, version);
    }
    rule["versioned_object.version"] = version.to_string().into();
}
