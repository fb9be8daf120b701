//! The error a user of the API sees, with Neutron's class name, HTTP code and message.
//!
//! [`ApiError`] keeps the message for the user apart from the internal cause. The HTTP layer turns
//! it into `{"NeutronError": {"type", "message", "detail"}}`; whoever handles it logs the cause.

use std::{error::Error as StdError, fmt};

/// Result of an operation whose error may reach an API user.
pub type ApiResult<T> = Result<T, ApiError>;

/// An error as Neutron's API reports it.
#[derive(Debug)]
pub struct ApiError {
    /// Neutron's exception class, e.g. `NetworkNotFound`: `NeutronError.type` in the body.
    pub kind: &'static str,
    /// HTTP status code.
    pub status: u16,
    /// What the user reads.
    pub message: String,
    /// Internal cause, for the log only.
    pub cause: Option<Box<dyn StdError + Send + Sync>>,
    /// Whether the operation may be tried again (lost race, busy database).
    pub retriable: bool,
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} {})", self.message, self.status, self.kind)
    }
}

impl StdError for ApiError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.as_deref().map(|e| e as &(dyn StdError + 'static))
    }
}

impl ApiError {
    /// An error of class `kind`, answered with `status`.
    #[must_use]
    pub fn new(kind: &'static str, status: u16, message: impl Into<String>) -> Self {
        Self { kind, status, message: message.into(), cause: None, retriable: false }
    }

    /// 400 with the class `kind`.
    #[must_use]
    pub fn bad_request(kind: &'static str, message: impl Into<String>) -> Self {
        Self::new(kind, 400, message)
    }

    /// 404 with the class `kind`.
    #[must_use]
    pub fn not_found(kind: &'static str, message: impl Into<String>) -> Self {
        Self::new(kind, 404, message)
    }

    /// 409 with the class `kind`.
    #[must_use]
    pub fn conflict(kind: &'static str, message: impl Into<String>) -> Self {
        Self::new(kind, 409, message)
    }

    /// 500 that tells the user nothing of `cause`.
    #[must_use]
    pub fn internal(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self {
            kind: "HTTPInternalServerError",
            status: 500,
            message: "Request Failed: internal server error while processing your request.".into(),
            cause: Some(cause.into()),
            retriable: false,
        }
    }

    /// `InvalidInput` (400).
    #[must_use]
    pub fn invalid_input(detail: impl fmt::Display) -> Self {
        Self::bad_request("InvalidInput", format!("Invalid input for operation: {detail}."))
    }

    /// `<Resource>NotFound` for the resources of this API, with Neutron's message.
    #[must_use]
    pub fn resource_not_found(singular: &str, id: &str) -> Self {
        let (kind, title) = match singular {
            "network" => ("NetworkNotFound", "Network"),
            "subnet" => ("SubnetNotFound", "Subnet"),
            "port" => ("PortNotFound", "Port"),
            "agent" => ("AgentNotFound", "Agent"),
            "address_group" => ("AddressGroupNotFound", "Address group"),
            "router" => {
                return Self::not_found(
                    "RouterNotFound",
                    format!("Router {id} could not be found"),
                );
            }
            "address_scope" => ("AddressScopeNotFound", "Address scope"),
            "subnetpool" => ("SubnetPoolNotFound", "Subnet pool"),
            "security_group" => {
                return Self::not_found(
                    "SecurityGroupNotFound",
                    format!("Security group {id} does not exist"),
                );
            }
            "security_group_rule" => {
                return Self::not_found(
                    "SecurityGroupRuleNotFound",
                    format!("Security group rule {id} does not exist"),
                );
            }
            "default_security_group_rule" => {
                return Self::not_found(
                    "DefaultSecurityGroupRuleNotFound",
                    format!("Default Security Group rule {id} does not exist"),
                );
            }
            "floatingip" => {
                return Self::not_found(
                    "FloatingIPNotFound",
                    format!("Floating IP {id} could not be found"),
                );
            }
            other => {
                return Self::not_found(
                    "HTTPNotFound",
                    format!("The {} {id} could not be found.", other.replace('_', " ")),
                );
            }
        };
        Self::not_found(kind, format!("{title} {id} could not be found."))
    }

    /// `RevisionNumberConstraintFailed` (412): `If-Match` asked for another revision.
    #[must_use]
    pub fn revision_mismatch(expected: i64, current: i64) -> Self {
        Self::new(
            "RevisionNumberConstraintFailed",
            412,
            format!("Constrained to {expected}, but current revision is {current}"),
        )
    }

    /// The same error marked as worth another try.
    #[must_use]
    pub fn retriable(mut self) -> Self {
        self.retriable = true;
        self
    }

    /// The same error with its internal cause.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }
}
