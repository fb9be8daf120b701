//! Ports that come, change and go within the transaction of another service: those of routers, and
//! those behind floating IPs.

use std::{collections::HashMap, sync::Arc};

use neutrino_db::Tx;
use neutrino_types::{ApiError, ApiResult, Attrs, Context};

use super::{Change, Doomed, Ports, created, delete_in, deleted, doom, notify, postcommit, update};
use crate::{Ml2Plugin, binding, drivers::mech::Op, models::port::Port, plugin::Core};

/// A port created in a transaction that its owner commits.
#[must_use = "drivers and subscribers hear of it by `committed`"]
pub struct MadePort {
    core: Arc<Core>,
    port: Port,
}

/// A port deleted in a transaction that its owner commits.
#[must_use = "drivers and subscribers hear of it by `committed`"]
pub struct GonePort {
    core: Arc<Core>,
    doomed: Doomed,
}

/// A port changed in a transaction that its owner commits.
#[must_use = "drivers and subscribers hear of it by `committed`"]
pub struct ChangedPort {
    core: Arc<Core>,
    changes: Attrs,
    updated: update::Updated,
}

impl Ml2Plugin {
    /// Creates a service's own port, which no quota refuses and which is in no default security
    /// group, inside `tx`.
    ///
    /// # Errors
    /// As of a create of ports.
    pub async fn create_port_in(
        &self,
        tx: &mut Tx,
        ctx: &Context,
        item: Attrs,
    ) -> ApiResult<MadePort> {
        let ports = Ports::for_service(Arc::clone(&self.core));
        let mut made = ports.create_in(tx, ctx, &[item], &HashMap::new()).await?;
        let port = made.pop().ok_or_else(|| ApiError::internal("no port was made of a request"))?;
        Ok(MadePort { core: Arc::clone(&self.core), port })
    }

    /// Changes the port `id` inside `tx`. BEFORE is not asked.
    ///
    /// # Errors
    /// As of an update of a port.
    pub async fn update_port_in(
        &self,
        tx: &mut Tx,
        ctx: &Context,
        id: &str,
        changes: Attrs,
        if_match: Option<i64>,
    ) -> ApiResult<ChangedPort> {
        let core = Arc::clone(&self.core);
        let updated = update::update_in(&core, tx, ctx, id, &changes, if_match).await?;
        Ok(ChangedPort { core, changes, updated })
    }

    /// Deletes the port `id` inside `tx`, whoever it belongs to.
    ///
    /// # Errors
    /// `PortNotFound`; vetoes of subscribers within transactions.
    pub async fn delete_port_in(
        &self,
        tx: &mut Tx,
        ctx: &Context,
        id: &str,
    ) -> ApiResult<GonePort> {
        let port = Ports::load(tx, &ctx.elevated(), id).await?;
        let doomed = doom(tx, vec![port]).await?.pop();
        let doomed = doomed.ok_or_else(|| ApiError::resource_not_found("port", id))?;
        delete_in(&self.core, tx, ctx, &doomed).await?;
        Ok(GonePort { core: Arc::clone(&self.core), doomed })
    }
}

impl MadePort {
    /// The port.
    #[must_use]
    pub fn port(&self) -> &Port {
        &self.port
    }

    /// Tells subscribers, drivers and agents; binds the port where that is due.
    ///
    /// # Errors
    /// What a driver refused; the port stays.
    pub async fn committed(self, ctx: &Context) -> ApiResult<()> {
        let core = &*self.core;
        let mut ports = [self.port];
        created(core, ctx, &ports).await;
        notify::members_changed(core, &ports).await;
        let change = Change { current: &ports[0], original: None, request: None };
        postcommit(core, ctx, Op::Create, &change, (None, None)).await?;
        binding::bind_where_needed(core, ctx, &mut ports).await?;
        Ok(())
    }
}

impl ChangedPort {
    /// The port as it is now.
    #[must_use]
    pub fn port(&self) -> &Port {
        &self.updated.port
    }

    /// Tells subscribers, drivers and agents; binds the port where that is due.
    ///
    /// # Errors
    /// What the database refused; the change stays.
    pub async fn committed(self, ctx: &Context) -> ApiResult<()> {
        update::committed(&self.core, ctx, &self.changes, self.updated).await.map(|_| ())
    }
}

impl GonePort {
    /// Tells subscribers, drivers and agents.
    pub async fn committed(self, ctx: &Context) {
        deleted(&self.core, ctx, &self.doomed).await;
    }
}
