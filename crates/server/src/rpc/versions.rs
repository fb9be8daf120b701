//! Which versions of objects agents know: said by agents in their reports, and by servers to each
//! other (`ResourcesPushToServerRpcCallback`).

use async_trait::async_trait;
use neutrino_db::Db;
use neutrino_rpc::{Endpoint, Failure, RpcClient, Version, methods, shapes::AgentState};
use neutrino_services::{AgentVersions, agents::ReportStatus};
use neutrino_types::{Attrs, Context};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::endpoints::{Answer, Args, arguments};

/// What agents said, here and to other servers. Cheap to clone.
#[derive(Clone)]
pub(super) struct Versions {
    known: AgentVersions,
    client: RpcClient,
    db: Db,
}

#[derive(Serialize, Deserialize)]
struct ReportArgs {
    agent_type: String,
    agent_host: String,
    version_map: Attrs,
}

impl Versions {
    /// Keeps `known` in step with reports; other servers hear of them through `client`, and what
    /// they stored is in `db`.
    pub(super) fn new(known: AgentVersions, client: RpcClient, db: Db) -> Self {
        Self { known, client, db }
    }

    /// An agent reported, as it does at its start, what it knows; or one that was taken for dead
    /// is back.
    pub(super) async fn reported(&self, state: &AgentState, status: Option<ReportStatus>) {
        if let Some(Value::Object(version_map)) = &state.resource_versions {
            self.known.report(&state.agent_type, &state.host, version_map);
            let args = ReportArgs {
                agent_type: state.agent_type.clone(),
                agent_host: state.host.clone(),
                version_map: version_map.clone(),
            };
            let method = methods::REPORT_AGENT_RESOURCE_VERSIONS;
            if let Err(error) = self.client.fanout(&Context::admin(), method, &args).await {
                tracing::error!(%error, "other servers were not told of an agent's versions");
            }
        } else if status == Some(ReportStatus::Revived)
            && let Err(error) = self.known.refresh(&self.db).await
        {
            tracing::error!(%error, "cannot read the versions of objects agents know");
        }
    }
}

#[async_trait]
impl Endpoint for Versions {
    fn version(&self) -> Version {
        Version::DEFAULT
    }

    fn methods(&self) -> &'static [&'static str] {
        &[methods::REPORT_AGENT_RESOURCE_VERSIONS.name]
    }

    async fn call(&self, _: &Context, method: &str, args: Args) -> Answer {
        if method != methods::REPORT_AGENT_RESOURCE_VERSIONS.name {
            return Err(Failure::no_such_method(method));
        }
        let ReportArgs { agent_type, agent_host, version_map } = arguments(method, args)?;
        self.known.report(&agent_type, &agent_host, &version_map);
        Ok(Value::Null)
    }
}
