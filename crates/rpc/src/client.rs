//! The calling side: [`RpcClient`] addresses methods over any [`Transport`].

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use neutrino_types::Context;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{
    dispatch::Version,
    envelope::Request,
    error::RpcError,
    methods::{self, Method},
    objects::{ObjectType, Push},
    transport::{Target, Transport},
};

/// How long calls wait. A method that timed out gets twice the time from then on, as Neutron's
/// `BackingOffClient` does: an overloaded server would otherwise redo work nobody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// `rpc_response_timeout`.
    pub initial: Duration,
    /// `rpc_response_max_timeout`.
    pub max: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { initial: Duration::from_secs(60), max: Duration::from_secs(600) }
    }
}

/// Calls and casts over one transport. Cheap to clone; clones share the learnt timeouts.
#[derive(Clone)]
pub struct RpcClient {
    transport: Arc<dyn Transport>,
    timeouts: Timeouts,
    learnt: Arc<Mutex<HashMap<&'static str, Duration>>>,
}

impl RpcClient {
    /// A client over `transport`.
    #[must_use]
    pub fn new(transport: Arc<dyn Transport>, timeouts: Timeouts) -> Self {
        Self { transport, timeouts, learnt: Arc::default() }
    }

    /// The transport below.
    #[must_use]
    pub fn transport(&self) -> &Arc<dyn Transport> {
        &self.transport
    }

    /// Calls `method` on any server of its topic and waits for the answer.
    pub async fn call<A: Serialize, R: DeserializeOwned>(
        &self,
        ctx: &Context,
        method: Method,
        args: &A,
    ) -> Result<R, RpcError> {
        let timeout = self.timeout_of(method);
        let result = self.call_within(ctx, method, args, timeout).await;
        if let Err(RpcError::Timeout { .. }) = &result {
            let longer = (timeout * 2).min(self.timeouts.max.max(timeout));
            self.learnt.lock().unwrap_or_else(PoisonError::into_inner).insert(method.name, longer);
        }
        result
    }

    /// [`RpcClient::call`] with a timeout of its own.
    pub async fn call_within<A: Serialize, R: DeserializeOwned>(
        &self,
        ctx: &Context,
        method: Method,
        args: &A,
        timeout: Duration,
    ) -> Result<R, RpcError> {
        self.call_target(ctx, &Target::topic(method.topic), method, args, timeout).await
    }

    /// Calls `method` on `server` and waits for the answer.
    pub async fn call_server<A: Serialize, R: DeserializeOwned>(
        &self,
        ctx: &Context,
        method: Method,
        server: &str,
        args: &A,
    ) -> Result<R, RpcError> {
        let target = Target::server(method.topic, server);
        self.call_target(ctx, &target, method, args, self.timeouts.initial).await
    }

    async fn call_target<A: Serialize, R: DeserializeOwned>(
        &self,
        ctx: &Context,
        target: &Target,
        method: Method,
        args: &A,
        timeout: Duration,
    ) -> Result<R, RpcError> {
        let request = request(ctx, method, args)?;
        let value = self.transport.call(target, request, timeout).await?;
        serde_json::from_value(value)
            .map_err(|source| RpcError::Answer { method: method.name.into(), source })
    }

    /// Sends `method` to one server of its topic, or to `server`, without waiting for it to run.
    pub async fn cast<A: Serialize>(
        &self,
        ctx: &Context,
        method: Method,
        server: Option<&str>,
        args: &A,
    ) -> Result<(), RpcError> {
        let target = match server {
            Some(server) => Target::server(method.topic, server),
            None => Target::topic(method.topic),
        };
        self.transport.cast(&target, request(ctx, method, args)?).await
    }

    /// Sends `method` to every consumer of its topic.
    pub async fn fanout<A: Serialize>(
        &self,
        ctx: &Context,
        method: Method,
        args: &A,
    ) -> Result<(), RpcError> {
        self.transport.cast(&Target::fanout(method.topic), request(ctx, method, args)?).await
    }

    /// Pushes objects of one kind to everybody who knows `version` of it.
    pub async fn push(
        &self,
        ctx: &Context,
        object: &ObjectType,
        version: Version,
        push: &Push,
    ) -> Result<(), RpcError> {
        let target = Target::fanout(object.topic(version));
        self.transport.cast(&target, request(ctx, methods::PUSH, push)?).await
    }

    fn timeout_of(&self, method: Method) -> Duration {
        let learnt = self.learnt.lock().unwrap_or_else(PoisonError::into_inner);
        learnt.get(method.name).copied().unwrap_or(self.timeouts.initial)
    }
}

fn request<A: Serialize>(ctx: &Context, method: Method, args: &A) -> Result<Request, RpcError> {
    let doing = || format!("encoding the arguments of {}", method.name);
    let args = match serde_json::to_value(args).map_err(|e| RpcError::setup(doing(), e))? {
        Value::Object(args) => args,
        Value::Null => Map::new(),
        _ => return Err(RpcError::setup(doing(), "not an object")),
    };
    Ok(Request::new(ctx, method.name, method.version, args))
}
