//! Publishes what the outbox holds, in order, a few messages ahead of the broker's confirmations;
//! and answers to calls, each on a channel of its own.

use std::{
    collections::{HashSet, VecDeque},
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
};

use lapin::{
    BasicProperties, Channel, Confirmation, PublisherConfirm,
    message::BasicReturnMessage,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    protocol::AMQPSoftError,
    types::FieldTable,
};
use tokio::{sync::Semaphore, time::Instant};

use super::{
    Shared,
    connect::{LinkError, Wire},
    declare,
    outbox::Message,
};
use crate::{envelope::Request, transport::BusEvent};

/// Messages sent and not confirmed. Receivers remember as many `_unique_id`s (oslo.messaging's
/// `DUP_MSG_CHECK_SIZE`), so what is sent again after a lost connection is recognised.
const WINDOW: usize = 16;
/// Answers on their way at a time. Each needs a channel, so that the broker's "no such queue" is
/// about no other.
const REPLY_CHANNELS: usize = 8;

/// The sending connection of the moment.
pub(super) struct Link {
    wire: Wire,
    idle: Mutex<Vec<Channel>>,
    channels: Semaphore,
    mandatory: bool,
}

impl Link {
    pub(super) fn new(wire: Wire, mandatory: bool) -> Self {
        let channels = Semaphore::new(REPLY_CHANNELS);
        Self { wire, idle: Mutex::default(), channels, mandatory }
    }

    pub(super) fn wire(&self) -> &Wire {
        &self.wire
    }

    /// Publishes to `queue` itself. False when it does not exist.
    pub(super) async fn direct(&self, queue: &str, body: &[u8]) -> Result<bool, lapin::Error> {
        let Ok(_permit) = self.channels.acquire().await else { return Ok(false) };
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let channel = match idle {
            Some(channel) => channel,
            None => confirming(&self.wire).await?,
        };
        let options =
            BasicPublishOptions { mandatory: self.mandatory, ..BasicPublishOptions::default() };
        let published =
            channel.basic_publish("".into(), queue.into(), options, body, properties(None)).await?;
        let confirmation = published.await?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(channel);
        Ok(confirmation.take_message().is_none())
    }
}

async fn confirming(wire: &Wire) -> Result<Channel, lapin::Error> {
    let channel = wire.connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok(channel)
}

/// The properties of each of oslo.messaging's messages, byte for byte.
fn properties(patience_ms: Option<u64>) -> BasicProperties {
    let properties = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_content_encoding("utf-8".into())
        .with_headers(FieldTable::default())
        .with_delivery_mode(2)
        .with_priority(0);
    match patience_ms {
        Some(ms) => properties.with_expiration(ms.to_string().into()),
        None => properties,
    }
}

impl Shared {
    /// Publishes until the connection fails.
    pub(super) async fn publish_on(&self, link: &Link) -> Result<Infallible, LinkError> {
        loop {
            let channel = confirming(&link.wire).await?;
            let mut publishing =
                Publishing { shared: self, link, channel, declared: HashSet::new(), sent: 0 };
            let Err(error) = publishing.run().await;
            // A fanout exchange goes with its last queue, between our declaring it and using it.
            // Once declared again it is there; without progress something else is wrong.
            let vanished = matches!(
                &error,
                LinkError::Amqp(error) if declare::is_soft(error, &AMQPSoftError::NOTFOUND)
            );
            if !vanished || publishing.sent == 0 {
                return Err(error);
            }
            self.outbox().resend();
        }
    }
}

struct Publishing<'a> {
    shared: &'a Shared,
    link: &'a Link,
    channel: Channel,
    /// Names of exchanges declared since the channel was opened.
    declared: HashSet<String>,
    sent: u64,
}

impl Publishing<'_> {
    async fn run(&mut self) -> Result<Infallible, LinkError> {
        let mut confirms: VecDeque<PublisherConfirm> = VecDeque::with_capacity(WINDOW);
        loop {
            let room = confirms.len() < WINDOW;
            let next = if room { self.shared.outbox().next(Instant::now()) } else { None };
            if let Some(message) = next {
                confirms.push_back(self.send(&message).await?);
                continue;
            }
            let Some(first) = confirms.front_mut() else {
                self.shared.queued.notified().await;
                continue;
            };
            tokio::select! {
                confirmation = first => {
                    confirms.pop_front();
                    self.on_confirmation(confirmation?);
                }
                () = self.shared.queued.notified(), if room => {}
            }
        }
    }

    async fn send(&mut self, message: &Arc<Message>) -> Result<PublisherConfirm, LinkError> {
        let exchange = &message.exchange;
        if !self.declared.contains(&exchange.name) {
            declare::exchange(&self.link.wire.connection, exchange).await?;
            self.declared.insert(exchange.name.clone());
        }
        // oslo.messaging lets calls into nowhere time out. The broker's word that nobody consumes
        // the topic comes at once, and the caller may try again.
        let options = BasicPublishOptions {
            mandatory: message.call.is_some(),
            ..BasicPublishOptions::default()
        };
        let confirm = self
            .channel
            .basic_publish(
                exchange.name.as_str().into(),
                message.key.as_str().into(),
                options,
                message.body.as_bytes(),
                properties(message.call.as_ref().map(|call| call.patience_ms)),
            )
            .await?;
        self.sent += 1;
        Ok(confirm)
    }

    fn on_confirmation(&self, confirmation: Confirmation) {
        if confirmation.is_nack() {
            tracing::error!("the broker refused a message");
        }
        if let Some(returned) = confirmation.take_message() {
            self.on_returned(&returned);
        }
        let lost = {
            let mut outbox = self.shared.outbox();
            outbox.confirmed();
            outbox.take_lost()
        };
        if let Some(casts) = lost {
            tracing::error!(casts, "notifications were lost while the broker took none");
            self.shared.push_event(BusEvent::CastsLost);
        }
    }

    /// A call came back. Which one only its body tells: confirmations may be for several.
    fn on_returned(&self, returned: &BasicReturnMessage) {
        let call = std::str::from_utf8(&returned.delivery.data)
            .ok()
            .and_then(|body| Request::decode(body).ok())
            .and_then(|request| request.call);
        if let Some(call) = call {
            self.shared.state().waiters.unroutable(&call.msg_id);
        }
    }
}
