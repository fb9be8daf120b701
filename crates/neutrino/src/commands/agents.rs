//! `neutrino agent`: one or several agents of this host in one process.
//!
//! The process lives as long as all its agents: when one fails, or ends without having been asked
//! to, the others are stopped and the process ends with the failure, for whatever started it to
//! start it again. A half-alive process would look healthy from outside. No agent takes anything
//! off its host when it stops, so nothing but time is lost.

use std::{process::ExitCode, time::Duration};

use neutrino_conf::{Conf, Role};
use tokio::{task::JoinSet, time::timeout};

use super::{Failure, service};
use crate::{
    cli::{AgentGroup, AgentRole},
    logging,
};

/// How long the other agents may take to end once one has: all of them heard the same signal.
const GRACE: Duration = Duration::from_secs(10);

/// An agent that failed.
#[derive(Debug, thiserror::Error)]
#[error("{agent} failed")]
struct AgentFailure {
    agent: &'static str,
    source: Failure,
}

/// An agent named twice.
#[derive(Debug, thiserror::Error)]
#[error("{0} is named twice")]
struct Twice(&'static str);

/// An agent ended, but not because all were told to.
#[derive(Debug, thiserror::Error)]
#[error("an agent ended and the others had to be stopped")]
struct Cut;

impl AgentRole {
    /// Neutron's name of the agent's program.
    fn program(self) -> &'static str {
        match self {
            Self::Openvswitch => "neutron-openvswitch-agent",
            Self::Dhcp => "neutron-dhcp-agent",
            Self::L3 => "neutron-l3-agent",
            Self::Metadata => "neutron-metadata-agent",
        }
    }

    /// What it honours and refuses.
    fn role(self) -> Role {
        match self {
            Self::Openvswitch => Role::OpenvswitchAgent,
            Self::Dhcp => Role::DhcpAgent,
            Self::L3 => Role::L3Agent,
            Self::Metadata => Role::MetadataAgent,
        }
    }

    async fn run(self, conf: Conf) -> Result<(), Failure> {
        match self {
            Self::Openvswitch => neutrino_agent_ovs::run(conf).await?,
            Self::Dhcp => neutrino_agent_dhcp::run(conf).await?,
            Self::L3 => neutrino_agent_l3::run(conf).await?,
            Self::Metadata => neutrino_agent_metadata::run(conf).await?,
        }
        Ok(())
    }
}

/// Runs the agents of `groups` until they are told to stop, or one fails.
pub fn run(groups: &[AgentGroup]) -> Result<ExitCode, Failure> {
    let mut agents: Vec<(AgentRole, Conf)> = Vec::new();
    for group in groups {
        let conf = service::load(&group.common)?;
        for role in &group.roles {
            if agents.iter().any(|(known, _)| known == role) {
                return Err(Twice(role.program()).into());
            }
            service::check(&conf, role.role())?;
            agents.push((*role, conf.clone()));
        }
    }
    // The log is the process's: as the first agent's options say.
    let ([group, ..], [(role, conf), ..]) = (groups, agents.as_slice()) else {
        return Ok(ExitCode::SUCCESS);
    };
    let name = if agents.len() == 1 { role.program() } else { "neutrino-agent" };
    let log = logging::start(name, &group.common, conf)?;
    agents.iter().for_each(|(agent, conf)| service::tell(conf, agent.role()));
    if let Err(error) = neutrino_server::serve::raise_descriptor_limit() {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
    let (common, runtime) = (group.common.clone(), service::runtime(name, conf)?);
    let roles = group.roles.iter().map(|agent| agent.role()).collect();
    runtime.block_on(async {
        // Agents read nothing again but what they log.
        drop(service::reloads(common, roles, log)?);
        together(agents).await
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Runs every agent; answers when the first one ends, after the others had time to.
async fn together(agents: Vec<(AgentRole, Conf)>) -> Result<(), Failure> {
    let mut running = JoinSet::new();
    for (role, conf) in agents {
        running.spawn(async move {
            let fail = |source| AgentFailure { agent: role.program(), source };
            role.run(conf).await.map_err(fail)
        });
    }
    // Without a first failure all of them end by themselves, having heard the same signal.
    let Some(first) = running.join_next().await else { return Ok(()) };
    first??;
    let rest = async {
        while let Some(ended) = running.join_next().await {
            ended??;
        }
        Ok(())
    };
    match timeout(GRACE, rest).await {
        Ok(ended) => ended,
        Err(_) => Err(Cut.into()),
    }
}
