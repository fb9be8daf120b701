//! What arrived for one handler: in order, acknowledged, and handed over.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use lapin::{message::Delivery, options::BasicAckOptions};
use tokio::{
    sync::{Notify, Semaphore},
    time::{MissedTickBehavior, interval},
};

use super::Shared;
use crate::{
    envelope::{CallHeader, DuplicateFilter, Request},
    transport::{Answer, BusEvent, Handler},
};

enum Work {
    Deliver(Box<Delivery>),
    Event(BusEvent),
}

/// The messages and events that wait for one handler. The broker sends no more than the prefetch
/// of each queue ahead, which is what bounds it.
pub(super) struct Inbox {
    handler: Arc<dyn Handler>,
    waiting: Mutex<VecDeque<Work>>,
    arrived: Notify,
    workers: Arc<Semaphore>,
}

impl Inbox {
    pub(super) fn new(handler: Arc<dyn Handler>, workers: usize) -> Self {
        Self {
            handler,
            waiting: Mutex::default(),
            arrived: Notify::new(),
            workers: Arc::new(Semaphore::new(workers.max(1))),
        }
    }

    pub(super) fn serves(&self, handler: &Arc<dyn Handler>) -> bool {
        Arc::ptr_eq(&self.handler, handler)
    }

    pub(super) fn deliver(&self, delivery: Delivery) {
        self.waiting().push_back(Work::Deliver(Box::new(delivery)));
        self.arrived.notify_one();
    }

    /// Queues an event. Only the latest state of the connection matters, and no delivery from
    /// before it was lost: the broker has those still.
    pub(super) fn event(&self, event: BusEvent) {
        let mut waiting = self.waiting();
        match event {
            BusEvent::Disconnected => waiting.clear(),
            BusEvent::Connected => {
                waiting.retain(|work| !matches!(work, Work::Event(BusEvent::Disconnected)));
            }
            BusEvent::Resync | BusEvent::CastsLost => {}
        }
        waiting.push_back(Work::Event(event));
        drop(waiting);
        self.arrived.notify_one();
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Work>> {
        // No code panics while holding it.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands over what arrives, one after the other.
    pub(super) async fn run(self: Arc<Self>, shared: Arc<Shared>) {
        let mut duplicates = DuplicateFilter::default();
        loop {
            let next = self.waiting().pop_front();
            match next {
                None => self.arrived.notified().await,
                Some(Work::Event(event)) => self.handler.event(event).await,
                Some(Work::Deliver(delivery)) => {
                    self.take(&shared, *delivery, &mut duplicates).await;
                }
            }
        }
    }

    async fn take(&self, shared: &Arc<Shared>, delivery: Delivery, seen: &mut DuplicateFilter) {
        let request = decode(&delivery);
        let concurrent =
            request.as_ref().is_some_and(|r| r.call.is_some()) || !self.handler.ordered();
        // Not acknowledging on is what holds the broker back.
        let permit = match Arc::clone(&self.workers).acquire_owned().await {
            Ok(permit) if concurrent => Some(permit),
            _ => None,
        };
        // Acknowledged before it runs, as oslo.messaging does. What is not will come again.
        if !matches!(delivery.ack(BasicAckOptions::default()).await, Ok(true)) {
            return;
        }
        let Some(request) = request else { return };
        if !seen.is_new(request.unique_id.as_deref()) {
            tracing::debug!(method = request.method, "repeated message dropped");
            return;
        }
        let handler = Arc::clone(&self.handler);
        let Some(permit) = permit else {
            // A cast has nobody to answer to; the handler logs its own failure.
            let _ = handler.handle(request).await;
            return;
        };
        let shared = Arc::clone(shared);
        // Detached: work that was begun ends properly, also when the bus is closed.
        tokio::spawn(async move {
            let Some(call) = request.call.clone() else {
                // As above.
                let _ = handler.handle(request).await;
                return;
            };
            let method = request.method.clone();
            let answer = work(&shared, &call, handler.as_ref(), request).await;
            // A caller that is gone must not keep others from being served.
            drop(permit);
            shared.reply(&call, &method, answer).await;
        });
    }
}

fn decode(delivery: &Delivery) -> Option<Request> {
    let decoded = match std::str::from_utf8(&delivery.data) {
        Ok(text) => Request::decode(text).map_err(|e| crate::error::chain(&e)),
        Err(error) => Err(error.to_string()),
    };
    decoded
        .inspect_err(|error| {
            tracing::warn!(key = %delivery.routing_key, error, "malformed message dropped");
        })
        .ok()
}

/// Runs a call, with signs of life for a caller that asked for them.
async fn work(
    shared: &Shared,
    call: &CallHeader,
    handler: &dyn Handler,
    request: Request,
) -> Answer {
    // As in oslo.messaging: twice per timeout, and not for less than two seconds.
    let Some(every) = call.monitor.map(|m| m / 2).filter(|every| *every >= Duration::from_secs(1))
    else {
        return handler.handle(request).await;
    };
    let signs = async {
        let mut clock = interval(every);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        clock.tick().await;
        loop {
            clock.tick().await;
            if !shared.reply_heartbeat(call).await {
                tracing::debug!(method = call.msg_id, "the caller is gone");
                return std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        answer = handler.handle(request) => answer,
        () = signs => unreachable!("signs of life do not end"),
    }
}
