//! What arrived: kept in order, handed to handlers, acknowledged.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use super::{
    super::{
        outbox::CallResult,
        protocol::{self, Frame, NackReason},
        session::LinkError,
    },
    Shared, Work,
};
use crate::{
    envelope::{DuplicateFilter, Reply, Request},
    transport::{BusEvent, Handler},
};

impl Shared {
    /// Every subscription is confirmed: nothing is missed from now on.
    pub(super) fn connect_done(&self) {
        self.attempts.set_connected(true);
        tracing::info!(host = self.config.host, port = self.config.port, "connected to the server");
        self.push_event(BusEvent::Connected);
    }

    /// Fails what waits on the connection and forgets what it delivered: a resync follows.
    pub(super) fn disconnect(&self, was_connected: bool) {
        let mut state = self.state();
        state.link = None;
        state.calls.clear();
        state.subscribing.clear();
        drop(state);
        if was_connected {
            self.attempts.set_connected(false);
            self.push_event(BusEvent::Disconnected);
        }
    }

    /// Queues a change of the connection. Only the latest one matters, and no delivery from
    /// before it: both handlers and memory are spared a pile of them.
    fn push_event(&self, event: BusEvent) {
        let mut state = self.state();
        if event == BusEvent::Disconnected {
            state.inbox.clear();
        } else {
            state
                .inbox
                .retain(|work| !matches!(work, Work::Event { event: BusEvent::Disconnected, .. }));
        }
        state.inbox.push_back(Work::Event { event, ack: None, only: None });
        drop(state);
        self.arrived.notify_one();
    }

    pub(super) fn arrive(&self, work: Work, window: usize) -> Result<(), LinkError> {
        let mut state = self.state();
        // The server may have `window` deliveries outstanding; events come on top.
        if state.inbox.len() > window + 4 {
            return Err(LinkError::Protocol("the server ignores the delivery window"));
        }
        state.inbox.push_back(work);
        drop(state);
        self.arrived.notify_one();
        Ok(())
    }

    pub(super) fn answer(&self, id: u64, result: CallResult) {
        if let Some(waiting) = self.state().calls.remove(&id) {
            // The caller may have timed out meanwhile.
            let _ = waiting.send(result);
        }
    }

    /// Hands deliveries to their handlers, in order.
    pub(super) async fn dispatch(self: Arc<Self>) {
        let mut duplicates = DuplicateFilter::default();
        loop {
            let next = self.state().inbox.pop_front();
            match next {
                None => self.arrived.notified().await,
                Some(Work::Event { event, ack, only }) => {
                    let handlers = only.map_or_else(|| self.handlers(), |handler| vec![handler]);
                    for handler in handlers {
                        handler.event(event).await;
                    }
                    if let Some((generation, tag)) = ack {
                        self.send(generation, protocol::encode(&Frame::Ack { tag })).await;
                    }
                }
                Some(Work::Deliver { generation, tag, call, topic, body }) => {
                    let handler = self.handler_of(&topic);
                    self.deliver(handler, &mut duplicates, generation, tag, call, body).await;
                }
            }
        }
    }

    async fn deliver(
        self: &Arc<Self>,
        handler: Option<Arc<dyn Handler>>,
        duplicates: &mut DuplicateFilter,
        generation: u64,
        tag: u64,
        call: bool,
        body: Value,
    ) {
        let request = match Request::from_value(body) {
            Ok(request) => Some(request),
            Err(error) => {
                tracing::warn!(error = %error, "malformed message from the server dropped");
                None
            }
        };
        let (Some(handler), Some(request)) = (handler, request) else {
            let nack = Frame::Nack { id: tag, reason: NackReason::Malformed };
            let frame = if call { nack } else { Frame::Ack { tag } };
            self.send(generation, protocol::encode(&frame)).await;
            return;
        };
        if call {
            let shared = Arc::clone(self);
            tokio::spawn(async move {
                let msg_id = request.call.as_ref().map(|c| c.msg_id.clone()).unwrap_or_default();
                let result = handler.handle(request).await;
                let body = Reply::new(&msg_id, result).encode();
                let frame = Frame::Reply { id: tag, body: Value::Null };
                shared.send(generation, protocol::encode_with_body(&frame, &body)).await;
            });
            return;
        }
        if duplicates.is_new(request.unique_id.as_deref()) {
            // A cast has nobody to answer to; the handler logs its own failure.
            let _ = handler.handle(request).await;
        }
        self.send(generation, protocol::encode(&Frame::Ack { tag })).await;
    }

    fn handler_of(&self, topic: &str) -> Option<Arc<dyn Handler>> {
        let state = self.state();
        let found = state.subscriptions.iter().find(|s| s.topic == topic)?;
        Some(Arc::clone(&found.handler))
    }

    /// Every handler once, also one that serves several topics.
    fn handlers(&self) -> Vec<Arc<dyn Handler>> {
        let mut out: Vec<Arc<dyn Handler>> = Vec::new();
        for subscription in &self.state().subscriptions {
            if !out.iter().any(|h| Arc::ptr_eq(h, &subscription.handler)) {
                out.push(Arc::clone(&subscription.handler));
            }
        }
        out
    }

    /// Sends on the connection `generation`; a frame for an older one is dropped.
    async fn send(&self, generation: u64, frame: Result<Bytes, protocol::FrameError>) {
        let send = match &self.state().link {
            Some(link) if link.generation == generation => link.send.clone(),
            _ => return,
        };
        match frame {
            // An error means that the connection ended meanwhile.
            Ok(frame) => drop(send.send(frame).await),
            Err(error) => tracing::error!(error = %error, "message not sent"),
        }
    }
}
