//! Finds the endpoint that serves a request, as oslo.messaging's `RPCDispatcher` does.

use std::{fmt, str::FromStr, sync::Arc};

use async_trait::async_trait;
use neutrino_types::Context;
use serde_json::{Map, Value};

use crate::{
    context,
    envelope::Request,
    error::Failure,
    transport::{Answer, BusEvent, Handler},
};

/// `major.minor` of an RPC interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Changes break callers.
    pub major: u32,
    /// Additions.
    pub minor: u32,
}

impl Version {
    /// The version a caller means when it names none.
    pub const DEFAULT: Self = Self { major: 1, minor: 0 };

    /// Whether an endpoint of this version serves a caller that asks for `requested`.
    #[must_use]
    pub fn serves(self, requested: Self) -> bool {
        self.major == requested.major && self.minor >= requested.minor
    }
}

/// The text is not `major.minor`.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a version")]
pub struct VersionParseError(String);

impl FromStr for Version {
    type Err = VersionParseError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let bad = || VersionParseError(s.to_string());
        let (major, minor) = s.split_once('.').ok_or_else(bad)?;
        Ok(Self {
            major: major.parse().map_err(|_| bad())?,
            minor: minor.parse().map_err(|_| bad())?,
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Something that serves methods of one namespace and version.
#[async_trait]
pub trait Endpoint: Send + Sync {
    /// Namespace of the target; null for nearly all of Neutron.
    fn namespace(&self) -> Option<&str> {
        None
    }

    /// Highest interface version served.
    fn version(&self) -> Version;

    /// Methods served.
    fn methods(&self) -> &'static [&'static str];

    /// Tells about the bus.
    async fn event(&self, _event: BusEvent) {}

    /// Runs `method`, one of [`Endpoint::methods`].
    async fn call(
        &self,
        ctx: &Context,
        method: &str,
        args: Map<String, Value>,
    ) -> Result<Value, Failure>;
}

/// Several endpoints behind one topic.
pub struct Dispatcher {
    endpoints: Vec<Arc<dyn Endpoint>>,
}

impl Dispatcher {
    /// Serves `endpoints`, asked in this order.
    #[must_use]
    pub fn new(endpoints: Vec<Arc<dyn Endpoint>>) -> Self {
        Self { endpoints }
    }

    /// Runs `request` on the first endpoint that serves it.
    pub async fn dispatch(&self, request: Request) -> Result<Value, Failure> {
        let asked = request.version.as_deref().unwrap_or("1.0");
        let Ok(version) = asked.parse::<Version>() else {
            return Err(Failure::unsupported_version(asked, &request.method));
        };
        let mut compatible = false;
        for endpoint in &self.endpoints {
            if endpoint.namespace() != request.namespace.as_deref()
                || !endpoint.version().serves(version)
            {
                continue;
            }
            compatible = true;
            if endpoint.methods().contains(&request.method.as_str()) {
                let ctx = context::from_keys(&request.context);
                return endpoint.call(&ctx, &request.method, request.args).await;
            }
        }
        if compatible {
            Err(Failure::no_such_method(&request.method))
        } else {
            Err(Failure::unsupported_version(asked, &request.method))
        }
    }
}

#[async_trait]
impl Handler for Dispatcher {
    async fn handle(&self, request: Request) -> Answer {
        let method = request.method.clone();
        let result = self.dispatch(request).await;
        if let Err(failure) = &result {
            if failure.expected {
                tracing::debug!(method, class = failure.class, "RPC answered with an error");
            } else {
                tracing::error!(
                    method,
                    class = failure.class,
                    error = failure.message,
                    cause = failure.python.cause,
                    "RPC failed"
                );
            }
        }
        result
    }

    fn ordered(&self) -> bool {
        false
    }

    async fn event(&self, event: BusEvent) {
        for endpoint in &self.endpoints {
            endpoint.event(event).await;
        }
    }
}
