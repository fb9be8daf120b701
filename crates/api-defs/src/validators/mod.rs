//! Validation rules (neutron-lib `api.validators`), by kind of value.
//!
//! A validator answers a [`Refusal`]: either the reason, which becomes
//! `Invalid input for <attribute>. Reason: <reason>.`, or a whole error of its own.

pub mod address;
pub mod dns;
pub mod forwarding;
pub mod list;
pub mod port;
pub mod router;
pub mod security_group;
pub mod text;

use neutrino_types::{ApiError, is_uuid};
use serde_json::Value;

use crate::{attribute::Validate, convert, pytext};

/// Why a value is refused.
#[derive(Debug)]
pub enum Refusal {
    /// The reason, to be put behind the attribute's name.
    Reason(String),
    /// An error that names no attribute.
    Error(ApiError),
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self::Error(error)
    }
}

impl Refusal {
    /// The error the user sees for attribute `name`.
    #[must_use]
    pub fn into_error(self, name: &str) -> ApiError {
        match self {
            Self::Error(error) => error,
            Self::Reason(reason) => ApiError::bad_request(
                "HTTPBadRequest",
                format!("Invalid input for {name}. Reason: {reason}."),
            ),
        }
    }
}

/// Outcome of a validator.
pub type Check = Result<(), Refusal>;

/// A refusal with `reason`.
pub(crate) fn refuse(reason: impl Into<String>) -> Check {
    Err(Refusal::Reason(reason.into()))
}

/// `HTTPBadRequest` with `message`.
pub(crate) fn bad_request(message: impl Into<String>) -> Refusal {
    Refusal::Error(ApiError::bad_request("HTTPBadRequest", message))
}

impl Validate {
    /// Checks `value`; some rules convert what lies inside it, as Neutron's do.
    ///
    /// # Errors
    /// A [`Refusal`] with Neutron's text.
    pub fn check(self, value: &mut Value) -> Check {
        match self {
            Self::None => Ok(()),
            Self::Uuid => uuid(value),
            Self::UuidOrNone => or_none(value, uuid),
            Self::Name(max) => text::name(value, max),
            Self::NameNotEmpty(max) => text::name_not_empty(value, max),
            Self::Text(max) => text::string(value, max),
            Self::TextOrNone(max) => or_none(value, |v| text::string(v, max)),
            Self::NonNegative => non_negative(value),
            Self::Range(min, max) => range(value, min, max),
            Self::RangeOrNone(min, max) => or_none(value, |v| range(v, min, max)),
            Self::PortRangeOrNone(min, max) => {
                or_none(value, |v| forwarding::port_range(v, min, max))
            }
            Self::OneOf(allowed) => {
                one_of(value, value.as_str().is_some_and(|s| allowed.contains(&s)))
            }
            Self::OneOfInt(allowed) => {
                one_of(value, value.as_i64().is_some_and(|i| allowed.contains(&i)))
            }
            Self::MacOrNone => or_none(value, address::mac),
            Self::Ip => address::ip(value),
            Self::IpOrNone => or_none(value, address::ip),
            Self::CidrOrNone => or_none(value, address::subnet),
            Self::SubnetPoolIdOrNone => {
                if value == "prefix_delegation" {
                    Ok(())
                } else {
                    or_none(value, uuid)
                }
            }
            Self::IpPools => address::ip_pools(value),
            Self::Nameservers => address::nameservers(value),
            Self::HostRoutes => address::host_routes(value),
            Self::FixedIps => port::fixed_ips(value),
            Self::ObjectOrNone => or_none(value, object),
            Self::AddressPairs => port::address_pairs(value),
            Self::ExtraDhcpOpts => port::extra_dhcp_opts(value),
            Self::Cidrs => list::list_of_distinct(value)?.iter().try_for_each(address::subnet),
            Self::TargetProject => target_project(value),
            Self::Uuids => list::list_of_distinct(value)?.iter().try_for_each(uuid),
            Self::NameNotDefault(max) => security_group::name_not_default(value, max),
            Self::UniqueTexts(max) => list::unique_strings(value, max),
            Self::AvailabilityZoneHints => list::availability_zone_hints(value),
            Self::GatewayInfo => router::gateway_info(value),
            Self::Segments => list::segments(value),
            Self::DnsName(max) => dns::host_name(value, max),
            Self::RelativeDnsName(max) => dns::relative_name(value, max),
            Self::DnsDomain(max) => dns::domain(value, max),
        }
    }
}

fn or_none(value: &Value, check: impl FnOnce(&Value) -> Check) -> Check {
    if value.is_null() { Ok(()) } else { check(value) }
}

fn one_of(value: &Value, found: bool) -> Check {
    if found { Ok(()) } else { refuse(format!("{} is not in valid_values", pytext::str(value))) }
}

/// A UUID in a string.
///
/// # Errors
/// Anything else.
pub fn uuid(value: &Value) -> Check {
    match value.as_str() {
        Some(s) if is_uuid(s) => Ok(()),
        _ => refuse(format!("'{}' is not a valid UUID", pytext::str(value))),
    }
}

/// A project's UUID, or `*` for every project.
fn target_project(value: &Value) -> Check {
    match value.as_str() {
        Some("*") => Ok(()),
        Some(s) if is_uuid(s) => Ok(()),
        _ => Err(ApiError::invalid_input(format_args!(
            "'{}' is not a valid target project ID; expected a UUID or '*'",
            pytext::str(value)
        ))
        .into()),
    }
}

/// An object, whatever it holds.
///
/// # Errors
/// Anything else.
pub fn object(value: &Value) -> Check {
    if value.is_object() {
        Ok(())
    } else {
        refuse(format!("'{}' is not a dictionary", pytext::str(value)))
    }
}

fn number(value: &Value) -> Result<i64, Refusal> {
    convert::integer(value)
        .map_err(|_| Refusal::Reason(format!("'{}' is not an integer", pytext::str(value))))
}

fn non_negative(value: &Value) -> Check {
    match number(value)? {
        n if n < 0 => refuse(format!("'{n}' should be non-negative")),
        _ => Ok(()),
    }
}

fn range(value: &Value, min: i64, max: i64) -> Check {
    match number(value)? {
        n if n < min => refuse(format!("'{n}' is too small - must be at least '{min}'")),
        n if n > max => refuse(format!("'{n}' is too large - must be no larger than '{max}'")),
        _ => Ok(()),
    }
}
