//! A connected switch: requests and their answers.

use std::{fmt, sync::Arc, time::Duration};

use neutrino_openflow::{
    FlowMod, FlowStats, Message,
    message::{
        BUNDLE_ATOMIC_ORDERED, BundleAdd, BundleControl, BundleStep, ErrorMessage, Features,
        FlowFilter, Fragments, MultipartReply, MultipartRequest, PortDesc,
    },
};
use tokio::{
    sync::{mpsc, watch},
    time,
};

use crate::{
    error::{OfError, Refusal},
    pending::{Claim, Pending},
};

/// Bytes of a packet without flow that come up; the default of a switch.
const DEFAULT_MISS_SEND_LEN: u16 = 128;

/// What a connection and its handles share.
pub(crate) struct Link {
    pub(crate) features: Features,
    pub(crate) connection_id: u64,
    pub(crate) frames: mpsc::Sender<Vec<u8>>,
    pub(crate) pending: Pending,
    /// True once the connection is to end, or has ended.
    pub(crate) closed: watch::Sender<bool>,
    pub(crate) request_timeout: Duration,
}

/// One connection of one bridge. Cheap to clone; once the connection ended every request fails
/// and the controller has to be asked for a new handle.
#[derive(Clone)]
pub struct Switch(pub(crate) Arc<Link>);

impl fmt::Debug for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Switch")
            .field("datapath_id", &format_args!("{:016x}", self.datapath_id()))
            .field("connection_id", &self.0.connection_id)
            .finish_non_exhaustive()
    }
}

impl Switch {
    /// The bridge's datapath id.
    #[must_use]
    pub fn datapath_id(&self) -> u64 {
        self.0.features.datapath_id
    }

    /// What the switch said of itself.
    #[must_use]
    pub fn features(&self) -> Features {
        self.0.features
    }

    /// Tells connections apart: no two of one controller have the same.
    #[must_use]
    pub fn connection_id(&self) -> u64 {
        self.0.connection_id
    }

    /// Whether the connection still stands.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        !*self.0.closed.borrow()
    }

    /// Waits until the connection ends.
    pub async fn disconnected(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.0.closed.subscribe().wait_for(|closed| *closed).await;
    }

    /// Every flow of the bridge.
    ///
    /// # Errors
    /// When the switch refuses, leaves or stays silent.
    pub async fn dump_flows(&self) -> Result<Vec<FlowStats>, OfError> {
        self.dump(FlowFilter::table(FlowMod::ALL_TABLES)).await
    }

    /// The flows of one table.
    ///
    /// # Errors
    /// When the switch refuses, leaves or stays silent.
    pub async fn dump_table(&self, table: u8) -> Result<Vec<FlowStats>, OfError> {
        self.dump(FlowFilter::table(table)).await
    }

    /// The flows `filter` lets through.
    ///
    /// # Errors
    /// When the switch refuses, leaves or stays silent.
    pub async fn dump(&self, filter: FlowFilter) -> Result<Vec<FlowStats>, OfError> {
        let mut flows = Vec::new();
        self.multipart("flow statistics", MultipartRequest::Flows(filter), |reply| {
            if let MultipartReply::Flows(part) = reply {
                flows.extend(part);
            }
        })
        .await?;
        Ok(flows)
    }

    /// The bridge's ports.
    ///
    /// # Errors
    /// When the switch refuses, leaves or stays silent.
    pub async fn port_desc(&self) -> Result<Vec<PortDesc>, OfError> {
        let mut ports = Vec::new();
        self.multipart("port descriptions", MultipartRequest::Ports, |reply| {
            if let MultipartReply::Ports(part) = reply {
                ports.extend(part);
            }
        })
        .await?;
        Ok(ports)
    }

    /// Returns when the switch has done everything it was sent before.
    ///
    /// # Errors
    /// When the switch leaves or stays silent.
    pub async fn barrier(&self) -> Result<(), OfError> {
        self.flow_mods(Vec::new()).await
    }

    /// Has the switch treat fragments so, until it is restarted, and returns when it does.
    ///
    /// # Errors
    /// [`OfError::Refused`] when it cannot; or when the switch leaves or stays silent.
    pub async fn set_fragments(&self, fragments: Fragments) -> Result<(), OfError> {
        let mut request = self.request("treatment of fragments", 0, 2)?;
        let [set, barrier] = std::array::from_fn(|at| request.after_mods(at));
        let named = || "treatment of fragments".to_owned();
        let config = Message::SetConfig { fragments, miss_send_len: DEFAULT_MISS_SEND_LEN };
        request.send(set, &config, named).await?;
        request.send(barrier, &Message::BarrierRequest, named).await?;
        request.await_answer(barrier, &[]).await?;
        request.finish()
    }

    /// Changes flows one by one and returns when all are done. A refused change does not stop
    /// the others; prefer [`Switch::bundle`] where that matters.
    ///
    /// # Errors
    /// [`OfError::Refused`] with each refused flow; or when the switch leaves or stays silent.
    pub async fn flow_mods(&self, mods: Vec<FlowMod>) -> Result<(), OfError> {
        let mut request = self.request("flow changes", mods.len(), 1)?;
        let barrier = request.after_mods(0);
        for (at, flow_mod) in mods.iter().enumerate() {
            let message = Message::FlowMod(flow_mod.clone());
            request.send(request.xid(at), &message, || flow_mod.to_string()).await?;
        }
        request.send(barrier, &Message::BarrierRequest, || "barrier".to_owned()).await?;
        request.await_answer(barrier, &mods).await?;
        request.finish()
    }

    /// Changes flows all at once, in order, or not at all, and returns when the switch has done
    /// so (an atomic ordered bundle, then a barrier).
    ///
    /// # Errors
    /// [`OfError::Refused`] with the refused flows, nothing having changed; or when the switch
    /// leaves or stays silent.
    pub async fn bundle(&self, mods: Vec<FlowMod>) -> Result<(), OfError> {
        if mods.is_empty() {
            return Ok(());
        }
        let mut request = self.request("bundle", mods.len(), 5)?;
        let [open, close, discard, commit, barrier] =
            std::array::from_fn(|at| request.after_mods(at));
        // Ids of bundles only have to differ among those open at once, as those of requests do.
        let bundle_id = request.xid(0);
        let control = |step| {
            Message::BundleControl(BundleControl { bundle_id, step, flags: BUNDLE_ATOMIC_ORDERED })
        };
        let named = || "bundle".to_owned();
        request.send(open, &control(BundleStep::OpenRequest), named).await?;
        for (at, flow_mod) in mods.iter().enumerate() {
            let add = Message::BundleAdd(BundleAdd {
                bundle_id,
                flags: BUNDLE_ATOMIC_ORDERED,
                message: Box::new(Message::FlowMod(flow_mod.clone())),
            });
            request.send(request.xid(at), &add, || flow_mod.to_string()).await?;
        }
        // A switch commits what it accepted even if it refused a part of the bundle, so every
        // refusal has to be in before the decision: answers come in order.
        request.send(close, &control(BundleStep::CloseRequest), named).await?;
        request.await_answer(close, &mods).await?;
        if !request.refusals.is_empty() {
            request.send(discard, &control(BundleStep::DiscardRequest), named).await?;
            request.await_answer(discard, &mods).await?;
            return request.finish();
        }
        request.send(commit, &control(BundleStep::CommitRequest), named).await?;
        request.send(barrier, &Message::BarrierRequest, named).await?;
        request.await_answer(barrier, &mods).await?;
        request.finish()
    }

    async fn multipart(
        &self,
        name: &'static str,
        ask: MultipartRequest,
        mut take: impl FnMut(MultipartReply),
    ) -> Result<(), OfError> {
        let mut request = self.request(name, 0, 1)?;
        let xid = request.after_mods(0);
        request.send(xid, &Message::MultipartRequest(ask), || name.to_owned()).await?;
        loop {
            match request.next().await?.1 {
                Message::MultipartReply { more, reply } => {
                    take(reply);
                    if !more {
                        return Ok(());
                    }
                }
                Message::Error(error) => {
                    request.refusals.push(Refusal { what: name.to_owned(), error });
                    return request.finish();
                }
                _ => {
                    let datapath_id = self.datapath_id();
                    return Err(OfError::Malformed { datapath_id, request: name });
                }
            }
        }
    }

    /// Begins a request of `mods` flow changes and `extra` other messages.
    fn request(&self, name: &'static str, mods: usize, extra: u32) -> Result<Request<'_>, OfError> {
        let link = &*self.0;
        let mods = u32::try_from(mods).unwrap_or(u32::MAX - 16);
        let claim = link.pending.claim(mods + extra).ok_or(OfError::Disconnected {
            datapath_id: link.features.datapath_id,
            request: name,
        })?;
        Ok(Request { link, name, mods, claim, refusals: Vec::new() })
    }
}

/// A request under way.
struct Request<'a> {
    link: &'a Link,
    name: &'static str,
    mods: u32,
    claim: Claim<'a>,
    refusals: Vec<Refusal>,
}

impl Request<'_> {
    /// Transaction id of the flow change number `at`.
    fn xid(&self, at: usize) -> u32 {
        // There are fewer changes than ids, see `Switch::request`.
        self.claim.first.wrapping_add(at as u32)
    }

    /// Transaction id of the other message number `at`.
    fn after_mods(&self, at: usize) -> u32 {
        self.xid(at).wrapping_add(self.mods)
    }

    fn disconnected(&self) -> OfError {
        let datapath_id = self.link.features.datapath_id;
        OfError::Disconnected { datapath_id, request: self.name }
    }

    fn timeout(&self) -> OfError {
        OfError::Timeout {
            datapath_id: self.link.features.datapath_id,
            request: self.name,
            waited: self.link.request_timeout,
        }
    }

    /// Queues a message; waits while the switch is slow to read.
    async fn send(
        &self,
        xid: u32,
        message: &Message,
        what: impl FnOnce() -> String,
    ) -> Result<(), OfError> {
        let frame =
            message.encode(xid).map_err(|source| OfError::Encode { what: what(), source })?;
        match time::timeout(self.link.request_timeout, self.link.frames.send(frame)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(self.disconnected()),
            Err(_) => Err(self.timeout()),
        }
    }

    async fn next(&mut self) -> Result<(u32, Message), OfError> {
        match time::timeout(self.link.request_timeout, self.claim.answers.recv()).await {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(self.disconnected()),
            Err(_) => Err(self.timeout()),
        }
    }

    /// Waits for the answer to `xid`, good or bad, and notes every refusal on the way.
    async fn await_answer(&mut self, xid: u32, mods: &[FlowMod]) -> Result<(), OfError> {
        loop {
            let (came, message) = self.next().await?;
            match message {
                Message::Error(error) => self.refuse(came, error, mods),
                Message::Other { .. } => {
                    let datapath_id = self.link.features.datapath_id;
                    return Err(OfError::Malformed { datapath_id, request: self.name });
                }
                _ => {}
            }
            if came == xid {
                return Ok(());
            }
        }
    }

    fn refuse(&mut self, xid: u32, error: ErrorMessage, mods: &[FlowMod]) {
        let at = xid.wrapping_sub(self.claim.first) as usize;
        let what = mods.get(at).map_or_else(|| self.name.to_owned(), FlowMod::to_string);
        self.refusals.push(Refusal { what, error });
    }

    fn finish(mut self) -> Result<(), OfError> {
        let refusals = std::mem::take(&mut self.refusals);
        if refusals.is_empty() {
            return Ok(());
        }
        let datapath_id = self.link.features.datapath_id;
        Err(OfError::Refused { datapath_id, request: self.name, refusals })
    }
}
