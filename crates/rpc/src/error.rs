//! Errors of an RPC: what went wrong on the way, and what the other side answered instead.

use neutrino_types::ApiError;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::envelope::EnvelopeError;

/// Modules whose exception classes a client takes at their name (`allowed_remote_exmods`).
/// Classes of other modules are told apart only as "remote error".
pub const ALLOWED_MODULES: &[&str] = &["builtins", "exceptions", "oslo_messaging.rpc.dispatcher"];

/// Prefix of Neutron's own exception modules, all of them allowed.
pub const NEUTRON_EXCEPTIONS: &str = "neutron_lib.exceptions";

const ROOT_CLASSES: &[&str] = &[
    "NetworkNotFound",
    "SubnetNotFound",
    "PortNotFound",
    "InvalidInput",
    "Conflict",
    "BadRequest",
    "NotFound",
    "NotAuthorized",
    "PortInUse",
    "NetworkInUse",
    "IpAddressGenerationFailure",
];

/// An exception as it crosses the wire (the JSON inside a reply's `failure`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// Exception class.
    #[serde(default)]
    pub class: String,
    /// Python module of the class.
    #[serde(default)]
    pub module: String,
    /// `str(exception)`.
    #[serde(default)]
    pub message: String,
    /// What a Python client rebuilds the exception from.
    #[serde(flatten)]
    pub python: Box<PythonException>,
    /// Whether the method documents this error: answered, but not worth a log line.
    #[serde(skip)]
    pub expected: bool,
}

/// The part of a [`Failure`] that only Python needs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PythonException {
    /// Traceback lines; empty from Neutrino.
    #[serde(default)]
    pub tb: Vec<String>,
    /// Positional arguments of the constructor.
    #[serde(default)]
    pub args: Vec<Value>,
    /// Keyword arguments of the constructor.
    #[serde(default)]
    pub kwargs: serde_json::Map<String, Value>,
    /// Internal cause, for the log of the side that failed; never sent.
    #[serde(skip)]
    pub cause: Option<String>,
}

impl Failure {
    /// A failure of `class` in `module`.
    #[must_use]
    pub fn new(module: &str, class: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            class: class.into(),
            module: module.into(),
            python: Box::new(PythonException {
                args: vec![Value::String(message.clone())],
                ..PythonException::default()
            }),
            message,
            expected: false,
        }
    }

    /// An argument was missing or of the wrong shape (`TypeError`, as Python would raise).
    #[must_use]
    pub fn bad_arguments(method: &str, detail: impl std::fmt::Display) -> Self {
        Self::new("builtins", "TypeError", format!("{method}(): {detail}"))
    }

    /// `NoSuchMethod` of oslo.messaging.
    #[must_use]
    pub fn no_such_method(method: &str) -> Self {
        let mut failure = Self::new(
            "oslo_messaging.rpc.dispatcher",
            "NoSuchMethod",
            format!("Endpoint does not support RPC method {method}"),
        );
        failure.expected = true;
        failure
    }

    /// `UnsupportedVersion` of oslo.messaging.
    #[must_use]
    pub fn unsupported_version(version: &str, method: &str) -> Self {
        let mut failure = Self::new(
            "oslo_messaging.rpc.dispatcher",
            "UnsupportedVersion",
            format!("Endpoint does not support RPC version {version}. Attempted method: {method}"),
        );
        failure.expected = true;
        failure
    }

    /// The class, if its module is one a client trusts by name.
    #[must_use]
    pub fn known_class(&self) -> Option<&str> {
        let neutron = self
            .module
            .strip_prefix(NEUTRON_EXCEPTIONS)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        (neutron || ALLOWED_MODULES.contains(&self.module.as_str())).then_some(self.class.as_str())
    }
}

/// Module and class of what is to be tried again.
const RETRY: (&str, &str) = ("oslo_db.exception", "RetryRequest");

impl Failure {
    /// Whether the same call may succeed when made again: it lost a race or the database.
    #[must_use]
    pub fn asks_for_a_retry(&self) -> bool {
        (self.module.as_str(), self.class.as_str()) == RETRY
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let expected = error.status < 500;
        // Only classes that exist in this module: Python rebuilds them by name.
        let (module, class) = if error.retriable {
            RETRY
        } else if ROOT_CLASSES.contains(&error.kind) {
            (NEUTRON_EXCEPTIONS, error.kind)
        } else {
            ("neutrino", error.kind)
        };
        let mut failure = Self::new(module, class, error.message);
        failure.expected = expected;
        failure.python.cause = error.cause.map(|cause| chain(cause.as_ref()));
        failure
    }
}

/// An error and its causes on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut out = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        out.push_str(": ");
        out.push_str(&cause.to_string());
        source = cause.source();
    }
    out
}

/// An RPC did not give a result.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// No answer in time; the other side may or may not have done the work.
    #[error("no answer to {method} on topic {topic} within {timeout_ms} ms")]
    Timeout {
        /// Topic called.
        topic: String,
        /// Method called.
        method: String,
        /// How long was waited, in milliseconds.
        timeout_ms: u64,
    },
    /// The connection to the bus is down, or went down before the answer.
    #[error("{method} on topic {topic}: not connected to the bus")]
    Disconnected {
        /// Topic called.
        topic: String,
        /// Method called.
        method: String,
    },
    /// Nobody consumes the topic (or the server of it) at the moment.
    #[error("{method}: nobody serves {topic}")]
    NoConsumer {
        /// Routing key called.
        topic: String,
        /// Method called.
        method: String,
    },
    /// The consumer has more calls waiting than it may.
    #[error("{method}: the consumer of {topic} is overloaded")]
    Overloaded {
        /// Topic called.
        topic: String,
        /// Method called.
        method: String,
    },
    /// The other side answered with an exception.
    #[error("remote {}: {}", .0.known_class().unwrap_or("error"), .0.message)]
    Remote(Failure),
    /// The message is larger than the bus carries.
    #[error("{method}: message of {size} bytes exceeds the limit of {limit}")]
    TooLarge {
        /// Method called.
        method: String,
        /// Encoded size in bytes.
        size: usize,
        /// Limit in bytes.
        limit: usize,
    },
    /// The answer is not of the expected shape.
    #[error("decoding the answer to {method}")]
    Answer {
        /// Method called.
        method: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The answer's envelope is malformed.
    #[error("decoding an envelope")]
    Envelope(#[from] EnvelopeError),
    /// A transport could not be set up.
    #[error("{doing}")]
    Setup {
        /// What was attempted.
        doing: String,
        /// Why it failed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl RpcError {
    /// The class of the exception the other side answered with, if it is one to be trusted.
    #[must_use]
    pub fn known_class(&self) -> Option<&str> {
        match self {
            Self::Remote(failure) => failure.known_class(),
            _ => None,
        }
    }

    /// A set-up error with its cause.
    pub(crate) fn setup(
        doing: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Setup { doing: doing.into(), source: source.into() }
    }

    /// Whether the same call may succeed when repeated later.
    #[must_use]
    pub fn retriable(&self) -> bool {
        match self {
            Self::Timeout { .. }
            | Self::Disconnected { .. }
            | Self::NoConsumer { .. }
            | Self::Overloaded { .. } => true,
            Self::Remote(failure) => failure.class == "RetryRequest",
            Self::TooLarge { .. }
            | Self::Answer { .. }
            | Self::Envelope(_)
            | Self::Setup { .. } => false,
        }
    }

    /// The remote exception's class, when it is one a client trusts.
    #[must_use]
    pub fn remote_class(&self) -> Option<&str> {
        match self {
            Self::Remote(failure) => failure.known_class(),
            _ => None,
        }
    }
}
