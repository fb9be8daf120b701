//! Calls of agents that lost a race or the database are done again, before they are answered.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use neutrino_db::{Retriable, Retries};
use neutrino_rpc::{BusEvent, Dispatcher, Endpoint, Failure, Version};
use neutrino_types::Context;
use serde_json::{Map, Value};

/// Serves `endpoints`, trying calls again within the bounds of `retries`.
pub(super) fn dispatcher(endpoints: Vec<Arc<dyn Endpoint>>, retries: Retries) -> Dispatcher {
    let retried = |endpoint| Arc::new(Retried { endpoint, retries }) as Arc<dyn Endpoint>;
    Dispatcher::new(endpoints.into_iter().map(retried).collect())
}

struct Retried {
    endpoint: Arc<dyn Endpoint>,
    retries: Retries,
}

/// A failure that is not answered unless the tries are used up.
struct Lost(Failure);

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.python.cause {
            Some(cause) => f.write_str(cause),
            None => f.write_str(&self.0.message),
        }
    }
}

impl Retriable for Lost {
    fn is_retriable(&self) -> bool {
        self.0.asks_for_a_retry()
    }

    fn exhausted(self) -> Self {
        self
    }
}

#[async_trait]
impl Endpoint for Retried {
    fn namespace(&self) -> Option<&str> {
        self.endpoint.namespace()
    }

    fn version(&self) -> Version {
        self.endpoint.version()
    }

    fn methods(&self) -> &'static [&'static str] {
        self.endpoint.methods()
    }

    async fn event(&self, event: BusEvent) {
        self.endpoint.event(event).await;
    }

    async fn call(
        &self,
        ctx: &Context,
        method: &str,
        args: Map<String, Value>,
    ) -> Result<Value, Failure> {
        let attempt =
            || async { self.endpoint.call(ctx, method, args.clone()).await.map_err(Lost) };
        self.retries.run(attempt).await.map_err(|Lost(failure)| failure)
    }
}
