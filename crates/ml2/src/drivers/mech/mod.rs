//! Mechanism drivers: what must happen in backends when resources change, and who binds a port.

pub mod l2population;
pub mod openvswitch;

use std::sync::Arc;

use async_trait::async_trait;
use neutrino_db::{Db, Tx, agents::Agent};
use neutrino_types::{ApiError, ApiResult, Attrs, Context};

pub use neutrino_callbacks::Action as Op;

use crate::models::{
    binding::Binding, network::Network, port::Port, segment::Segment, subnet::Subnet,
};

/// A change of a network.
#[derive(Clone, Copy)]
pub struct NetworkContext<'a> {
    /// Who asked for it.
    pub ctx: &'a Context,
    /// The network as it is, or was before its deletion.
    pub current: &'a Network,
    /// The network before an update.
    pub original: Option<&'a Network>,
}

/// A change of a subnet.
#[derive(Clone, Copy)]
pub struct SubnetContext<'a> {
    /// Who asked for it.
    pub ctx: &'a Context,
    /// The subnet as it is, or was before its deletion.
    pub current: &'a Subnet,
    /// The subnet before an update.
    pub original: Option<&'a Subnet>,
}

/// A change of a port.
#[derive(Clone, Copy)]
pub struct PortContext<'a> {
    /// Who asked for it.
    pub ctx: &'a Context,
    /// The port as it is, or was before its deletion.
    pub current: &'a Port,
    /// The port before an update.
    pub original: Option<&'a Port>,
    /// `bottom_bound_segment` of the port as it is.
    pub segment: Option<&'a Segment>,
    /// `bottom_bound_segment` of the port before an update.
    pub original_segment: Option<&'a Segment>,
}

/// A port an agent has wired, or found unplugged.
#[derive(Clone, Debug)]
pub struct Wiring {
    /// The port, its status already changed.
    pub port: Port,
    /// The agent's host.
    pub host: String,
    /// The segment it is bound to.
    pub segment: Option<Segment>,
    /// Wired, or unplugged.
    pub up: bool,
    /// The agent restarted and wants the whole forwarding table again.
    pub refresh: bool,
}

/// What a driver needs to know to bind a port.
#[derive(Clone, Copy)]
pub struct BindingContext<'a> {
    /// The port.
    pub port: &'a Port,
    /// The binding asked for: host, vnic_type, profile.
    pub binding: &'a Binding,
    /// Segments to choose from at this level.
    pub segments: &'a [Segment],
    /// The agents on the binding's host that are alive.
    pub agents: &'a [Agent],
}

/// How a driver bound a port.
#[derive(Clone, Debug, PartialEq)]
pub enum Bound {
    /// Done: the host plugs the port this way.
    Final {
        /// The segment it is bound to.
        segment_id: String,
        /// `binding:vif_type`.
        vif_type: &'static str,
        /// `binding:vif_details`.
        vif_details: Attrs,
    },
    /// Another driver must go on with `next` (hierarchical binding).
    Continue {
        /// The segment bound at this level.
        segment_id: String,
        /// Segments for the next level.
        next: Vec<Segment>,
    },
}

/// One backend (`api.MechanismDriver`).
///
/// Precommit hooks run inside the transaction: an error rolls it back. Postcommit hooks run after
/// the commit: an error in a create deletes the resource again, others are logged.
#[async_trait]
pub trait MechanismDriver: Send + Sync {
    /// The name in `mechanism_drivers` and in binding levels.
    fn name(&self) -> &'static str;

    /// Whether ports without addresses can be bound (`connectivity` is `l2`).
    fn is_l2(&self) -> bool {
        true
    }

    /// Inside the transaction that changes a network.
    async fn network_precommit(&self, _: &mut Tx, _: Op, _: &NetworkContext<'_>) -> ApiResult<()> {
        Ok(())
    }

    /// After a network changed.
    async fn network_postcommit(&self, _: &Db, _: Op, _: &NetworkContext<'_>) -> ApiResult<()> {
        Ok(())
    }

    /// Inside the transaction that changes a subnet.
    async fn subnet_precommit(&self, _: &mut Tx, _: Op, _: &SubnetContext<'_>) -> ApiResult<()> {
        Ok(())
    }

    /// After a subnet changed.
    async fn subnet_postcommit(&self, _: &Db, _: Op, _: &SubnetContext<'_>) -> ApiResult<()> {
        Ok(())
    }

    /// Inside the transaction that changes a port.
    async fn port_precommit(&self, _: &mut Tx, _: Op, _: &PortContext<'_>) -> ApiResult<()> {
        Ok(())
    }

    /// After a port changed.
    async fn port_postcommit(&self, _: &Db, _: Op, _: &PortContext<'_>) -> ApiResult<()> {
        Ok(())
    }

    /// After an agent wired or lost ports; all of one report at once.
    async fn ports_wired(&self, _: &Db, _: &[Wiring]) -> ApiResult<()> {
        Ok(())
    }

    /// Type of the agents that wire this driver's ports: such a port is not ACTIVE before its
    /// agent says so.
    fn agent_type(&self) -> Option<&'static str> {
        None
    }

    /// Tries to bind a port; `None` when this driver cannot.
    ///
    /// # Errors
    /// Logged; the next driver is tried.
    async fn bind_port(&self, _: &BindingContext<'_>) -> ApiResult<Option<Bound>> {
        Ok(None)
    }
}

/// The mechanism drivers in use, in order.
pub struct MechanismManager {
    drivers: Vec<Arc<dyn MechanismDriver>>,
}

/// Runs one hook of every driver in order, stopping at the first error.
macro_rules! precommit {
    ($name:ident, $hook:ident, $context:ident) => {
        /// Runs the drivers' precommit hooks.
        ///
        /// # Errors
        /// The first driver's error; the caller rolls back.
        pub async fn $name(&self, tx: &mut Tx, op: Op, context: &$context<'_>) -> ApiResult<()> {
            for driver in self.drivers.iter() {
                if let Err(e) = driver.$hook(tx, op, context).await {
                    return Err(driver_error(driver.name(), stringify!($hook), op, e));
                }
            }
            Ok(())
        }
    };
}

/// Runs one hook of every driver. Creates stop at the first error; updates and deletes go on.
macro_rules! postcommit {
    ($name:ident, $hook:ident, $context:ident) => {
        /// Runs the drivers' postcommit hooks.
        ///
        /// # Errors
        /// The first driver's error; all drivers are called unless it is a create.
        pub async fn $name(&self, db: &Db, op: Op, context: &$context<'_>) -> ApiResult<()> {
            let mut first = Ok(());
            for driver in self.drivers.iter() {
                if let Err(e) = driver.$hook(db, op, context).await {
                    let error = driver_error(driver.name(), stringify!($hook), op, e);
                    if op == Op::Create {
                        return Err(error);
                    }
                    first = first.and(Err(error));
                }
            }
            first
        }
    };
}

impl MechanismManager {
    /// A manager of `drivers`.
    #[must_use]
    pub fn new(drivers: Vec<Arc<dyn MechanismDriver>>) -> Self {
        Self { drivers }
    }

    /// The drivers, in order.
    #[must_use]
    pub fn drivers(&self) -> &[Arc<dyn MechanismDriver>] {
        &self.drivers
    }

    precommit!(network_precommit, network_precommit, NetworkContext);
    precommit!(subnet_precommit, subnet_precommit, SubnetContext);
    postcommit!(network_postcommit, network_postcommit, NetworkContext);
    postcommit!(subnet_postcommit, subnet_postcommit, SubnetContext);
    postcommit!(port_postcommit, port_postcommit, PortContext);

    /// Runs the drivers' precommit hooks; those of deletes in reverse order.
    ///
    /// # Errors
    /// The first driver's error; the caller rolls back.
    pub async fn port_precommit(
        &self,
        tx: &mut Tx,
        op: Op,
        context: &PortContext<'_>,
    ) -> ApiResult<()> {
        let count = self.drivers.len();
        for i in 0..count {
            let driver = &self.drivers[if op == Op::Delete { count - 1 - i } else { i }];
            if let Err(e) = driver.port_precommit(tx, op, context).await {
                return Err(driver_error(driver.name(), "port_precommit", op, e));
            }
        }
        Ok(())
    }

    /// Tells the drivers what agents wired; errors are logged here.
    pub async fn ports_wired(&self, db: &Db, wirings: &[Wiring]) {
        if wirings.is_empty() {
            return;
        }
        for driver in &self.drivers {
            if let Err(e) = driver.ports_wired(db, wirings).await {
                tracing::error!(
                    driver = driver.name(),
                    ports = wirings.len(),
                    error = %e,
                    cause = e.cause.as_deref().map(tracing::field::display),
                    "a mechanism driver failed on wired ports"
                );
            }
        }
    }
}

/// `MechanismDriverError` keeps code and text of the driver's error. Retriable ones and refusals
/// pass as they are.
fn driver_error(driver: &str, hook: &str, op: Op, error: ApiError) -> ApiError {
    if !error.retriable && error.status >= 500 {
        tracing::error!(
            driver,
            hook,
            op = op.as_str(),
            %error,
            cause = error.cause.as_deref().map(tracing::field::display),
            "a mechanism driver failed"
        );
    }
    error
}
