//! Agents: `/v2.0/agents`, and the reports behind it.
//!
//! An agent is known by its type and host. It is alive while its last report, by the server's
//! clock, is no older than `agent_down_time`.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use neutrino_callbacks::{Action, Payload, Registry, Resource};
use neutrino_conf::{Conf, opts};
use neutrino_db::{
    Db,
    agents::{self, Agent},
    list::{self, Column, ListSpec},
    schema,
    sea_query::{Condition, Expr, Func, Query},
    time,
};
use neutrino_rpc::shapes::AgentState;
use neutrino_types::{
    ApiError, ApiResult, Attrs, Context, ListQuery, ResourcePlugin, constants::agent_type,
};
use serde_json::{Value, json};

use crate::{read_only, scheduling::Liveness};

/// Options about agents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentConfig {
    /// `agent_down_time`.
    pub down_time: TimeDelta,
    /// `enable_new_agents`: `admin_state_up` of an agent that reports for the first time.
    pub enable_new_agents: bool,
    /// `dhcp_load_type`: what counts as load of a DHCP agent.
    pub dhcp_load_type: String,
}

impl Default for AgentConfig {
    fn default() -> Self {
        Self {
            down_time: TimeDelta::seconds(75),
            enable_new_agents: true,
            dhcp_load_type: "networks".into(),
        }
    }
}

impl AgentConfig {
    /// The options in `conf`.
    #[must_use]
    pub fn from_conf(conf: &Conf) -> Self {
        use opts::default as d;
        Self {
            down_time: TimeDelta::seconds(conf.get(&d::AGENT_DOWN_TIME)),
            enable_new_agents: conf.get(&d::ENABLE_NEW_AGENTS),
            dhcp_load_type: conf.get(&d::DHCP_LOAD_TYPE),
        }
    }
}

/// Where the current time comes from.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// The plugin behind `/v2.0/agents` and `report_state`.
#[derive(Clone)]
pub struct Agents {
    db: Db,
    config: AgentConfig,
    clock: Clock,
    registry: Arc<Registry>,
    started_at: DateTime<Utc>,
}

/// What the server makes of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportStatus {
    /// Its first report.
    New,
    /// It was alive before.
    Alive,
    /// It was dead before.
    Revived,
}

impl ReportStatus {
    /// As the agent is answered.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Alive => "alive",
            Self::Revived => "revived",
        }
    }
}

impl Agents {
    /// Agents in `db`, by the system's clock.
    #[must_use]
    pub fn new(db: Db, config: AgentConfig) -> Self {
        Self::with_clock(db, config, Arc::new(Utc::now))
    }

    /// Agents in `db`, by `clock`.
    #[must_use]
    pub fn with_clock(db: Db, config: AgentConfig, clock: Clock) -> Self {
        let started_at = clock();
        Self { db, config, clock, registry: Arc::default(), started_at }
    }

    /// The same, telling the subscribers of `registry` about agents that change or are deleted.
    #[must_use]
    pub fn announced_to(self, registry: Arc<Registry>) -> Self {
        Self { registry, ..self }
    }

    /// How long an agent may be silent and still counts as alive.
    #[must_use]
    pub fn down_time(&self) -> TimeDelta {
        self.config.down_time
    }

    /// The current time, by the clock agents are judged by.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }

    /// By what agents are judged alive now.
    #[must_use]
    pub fn liveness(&self) -> Liveness {
        Liveness { down_time: self.config.down_time, now: self.now() }
    }

    /// Takes a report (RPC `report_state`) that the agent sent at `sent_at` by its own clock.
    ///
    /// `None` means the report was ignored: it was sent before this server started, so it waited
    /// in a queue and tells nothing about the agent now.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn report_state(
        &self,
        state: &AgentState,
        sent_at: Option<DateTime<Utc>>,
    ) -> ApiResult<Option<ReportStatus>> {
        let now = (self.clock)();
        if let Some(sent_at) = sent_at {
            let off = (now - sent_at).abs();
            if state.start_flag && off > self.config.down_time {
                tracing::error!(
                    agent_type = state.agent_type,
                    host = state.host,
                    seconds = off.num_seconds(),
                    "the agent's clock differs from the server's by more than agent_down_time"
                );
            }
            if sent_at < self.started_at {
                tracing::debug!(
                    agent_type = state.agent_type,
                    host = state.host,
                    "ignored a report sent before this server started"
                );
                return Ok(None);
            }
        }
        let tx = self.db.begin().await?;
        let known = agents::by_type_and_host(&tx, &state.agent_type, &state.host).await?;
        let status = match &known {
            None => ReportStatus::New,
            Some(agent) if agent.is_alive(now, self.config.down_time) => ReportStatus::Alive,
            Some(_) => ReportStatus::Revived,
        };
        agents::save(&tx, &self.updated(known, state, now)).await?;
        tx.commit().await?;
        if status != ReportStatus::Alive {
            tracing::info!(
                agent_type = state.agent_type,
                host = state.host,
                status = status.as_str(),
                "agent reported"
            );
        }
        Ok(Some(status))
    }

    /// The agents that should be alive and are not, as Neutron's health check logs them.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn dead(&self) -> ApiResult<Vec<Agent>> {
        let conn = self.db.read().await?;
        let all = conn.fetch_map(&agents::select(), agents::decode).await?;
        let now = (self.clock)();
        let is_dead = |a: &Agent| a.admin_state_up && !a.is_alive(now, self.config.down_time);
        Ok(all.into_iter().filter(is_dead).collect())
    }

    /// The agent after `state` was reported at `now`.
    fn updated(&self, known: Option<Agent>, state: &AgentState, now: DateTime<Utc>) -> Agent {
        let now = time::to_text(now);
        let is_new = known.is_none();
        let mut agent = known.unwrap_or_else(|| Agent {
            id: neutrino_types::new_id(),
            agent_type: state.agent_type.clone(),
            binary: String::new(),
            topic: String::new(),
            host: state.host.clone(),
            availability_zone: None,
            admin_state_up: self.config.enable_new_agents,
            created_at: now.clone(),
            started_at: now.clone(),
            heartbeat_timestamp: now.clone(),
            description: None,
            configurations: serde_json::Map::new(),
            resource_versions: None,
            load: 0,
            resources_synced: None,
        });
        agent.binary.clone_from(&state.binary);
        agent.topic.clone_from(&state.topic);
        if state.availability_zone.is_some() {
            agent.availability_zone.clone_from(&state.availability_zone);
        }
        agent.configurations.clone_from(&state.configurations);
        if let Some(Value::Object(versions)) = &state.resource_versions {
            agent.resource_versions = Some(versions.clone());
        }
        agent.load = self.load_of(state);
        if state.start_flag || is_new {
            agent.started_at.clone_from(&now);
        }
        agent.heartbeat_timestamp = now;
        agent
    }

    fn load_of(&self, state: &AgentState) -> i64 {
        if state.agent_type != agent_type::DHCP {
            return 0;
        }
        state.configurations.get(&self.config.dhcp_load_type).and_then(Value::as_i64).unwrap_or(0)
    }

    fn attrs(&self, agent: &Agent, now: DateTime<Utc>) -> Attrs {
        let mut out = Attrs::new();
        let mut put = |key: &str, value: Value| out.insert(key.to_string(), value);
        put("id", json!(agent.id));
        put("agent_type", json!(agent.agent_type));
        put("binary", json!(agent.binary));
        put("topic", json!(agent.topic));
        put("host", json!(agent.host));
        put("admin_state_up", json!(agent.admin_state_up));
        put("created_at", json!(plain_time(&agent.created_at)));
        put("started_at", json!(plain_time(&agent.started_at)));
        put("heartbeat_timestamp", json!(plain_time(&agent.heartbeat_timestamp)));
        put("description", json!(agent.description));
        put("resources_synced", json!(agent.resources_synced));
        put("availability_zone", json!(agent.availability_zone));
        put("alive", json!(agent.is_alive(now, self.config.down_time)));
        put("configurations", Value::Object(agent.configurations.clone()));
        out
    }
}

/// A stored time as Neutron shows those of agents: `2026-11-21 02:06:09`.
fn plain_time(stored: &str) -> String {
    stored.trim_end_matches('Z').replacen('T', " ", 1)
}

fn col(column: schema::Agents) -> Expr {
    Expr::col((schema::Agents::Table, column))
}

/// By what agents are filtered and sorted.
pub(crate) const LISTED: &[Column] = &[
    Column::text("id", || col(schema::Agents::Id)),
    Column::text("agent_type", || col(schema::Agents::AgentType)),
    Column::text("binary", || col(schema::Agents::Binary)),
    Column::text("topic", || col(schema::Agents::Topic)),
    Column::text("host", || col(schema::Agents::Host)),
    Column::bool("admin_state_up", || col(schema::Agents::AdminStateUp)),
    Column::text("created_at", || col(schema::Agents::CreatedAt)),
    Column::text("started_at", || col(schema::Agents::StartedAt)),
    Column::text("heartbeat_timestamp", || col(schema::Agents::HeartbeatTimestamp)),
    // Only sorted by: the younger the last report, the more alive.
    Column::text("alive", || col(schema::Agents::HeartbeatTimestamp)),
    Column::text("description", || col(schema::Agents::Description)).or_null(),
    Column::text("availability_zone", || col(schema::Agents::AvailabilityZone)).or_null(),
    Column::bool("resources_synced", || col(schema::Agents::ResourcesSynced)).or_null(),
];

static SPEC: ListSpec = ListSpec {
    resource: "agent",
    from: || Query::select().from(schema::Agents::Table).to_owned(),
    id: || col(schema::Agents::Id),
    columns: LISTED,
    computed,
    visibility: list::scope::everything,
    updated_at: None,
    tagged: false,
};

/// Types of agents are filtered by without regard to case: Neutron's databases compare texts so, and
/// people write `DHCP Agent`.
fn computed(_: &Context, name: &str, values: &[Value]) -> Option<ApiResult<Condition>> {
    (name == "agent_type").then(|| {
        let types = values.iter().filter_map(Value::as_str).map(str::to_lowercase).collect();
        let stored = Func::lower(col(schema::Agents::AgentType)).into();
        Ok(Condition::all().add(list::any_of(stored, types)))
    })
}

/// The value of the `alive` filter, taken out of `query`: it depends on the time, so it is applied
/// to the page after it was read, as Neutron does.
fn take_alive(query: &mut ListQuery) -> Option<bool> {
    let at = query.filters.iter().position(|(key, _)| key == "alive")?;
    let (_, values) = query.filters.remove(at);
    match values.first()? {
        Value::Bool(alive) => Some(*alive),
        Value::String(text) => Some(matches!(text.to_ascii_lowercase().as_str(), "true" | "1")),
        _ => None,
    }
}

#[async_trait]
impl ResourcePlugin for Agents {
    async fn create(&self, _: &Context, _: Vec<Attrs>) -> ApiResult<Vec<Attrs>> {
        Err(read_only::not_offered())
    }

    async fn list(&self, ctx: &Context, query: &ListQuery) -> ApiResult<Vec<Attrs>> {
        let mut query = query.clone();
        let alive = take_alive(&mut query);
        let conn = self.db.read().await?;
        let page = SPEC.page(&conn, ctx, &query).await?;
        let select = page.select(agents::COLUMNS.map(|c| (schema::Agents::Table, c)));
        let rows = conn.fetch_map(&select, agents::decode).await?;
        let now = (self.clock)();
        let wanted = |agent: &Agent| {
            alive.is_none_or(|alive| agent.is_alive(now, self.config.down_time) == alive)
        };
        let rows = page.arrange(rows);
        Ok(rows.iter().filter(|a| wanted(a)).map(|a| self.attrs(a, now)).collect())
    }

    async fn get(&self, _: &Context, id: &str) -> ApiResult<Attrs> {
        let conn = self.db.read().await?;
        match agents::by_id(&conn, id).await? {
            Some(agent) => Ok(self.attrs(&agent, (self.clock)())),
            None => Err(ApiError::resource_not_found("agent", id)),
        }
    }

    async fn update(
        &self,
        ctx: &Context,
        id: &str,
        changes: Attrs,
        _: Option<i64>,
    ) -> ApiResult<Attrs> {
        let tx = self.db.begin().await?;
        let Some(mut agent) = agents::by_id(&tx, id).await? else {
            return Err(ApiError::resource_not_found("agent", id));
        };
        let original = self.attrs(&agent, self.now());
        if let Some(up) = changes.get("admin_state_up").and_then(Value::as_bool) {
            agent.admin_state_up = up;
        }
        if let Some(description) = changes.get("description") {
            agent.description = description.as_str().map(str::to_string);
        }
        agents::save(&tx, &agent).await?;
        tx.commit().await?;
        let current = self.attrs(&agent, self.now());
        let payload = Payload::new(ctx, id).request(&changes).original(&original).current(&current);
        self.registry.after(Resource::Agent, Action::Update, &payload).await;
        Ok(current)
    }

    async fn delete(&self, ctx: &Context, id: &str, _: Option<i64>) -> ApiResult<()> {
        let tx = self.db.begin().await?;
        let Some(agent) = agents::by_id(&tx, id).await? else {
            return Err(ApiError::resource_not_found("agent", id));
        };
        agents::delete(&tx, id).await?;
        tx.commit().await?;
        let original = self.attrs(&agent, (self.clock)());
        let payload = Payload { ctx, id, request: None, original: Some(&original), current: None };
        self.registry.after(Resource::Agent, Action::Delete, &payload).await;
        Ok(())
    }
}
