//! The connection task: connects, consumes, publishes, and begins again.

use std::{pin::pin, sync::Arc, time::Duration};

use futures_util::StreamExt;
use lapin::{
    Channel, Consumer,
    message::Delivery,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueDeleteOptions},
    types::{AMQPValue, FieldTable},
};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    Consumed, Shared,
    connect::{LinkError, Wire},
    declare,
    hosts::Hosts,
    publisher::Link,
    topology::{Naming, Queue},
    url::Host,
};
use crate::{
    envelope::{DuplicateFilter, Reply},
    error::chain,
    topics,
    transport::BusEvent,
};

/// Time for declaring and consuming everything.
const SETUP: Duration = Duration::from_secs(60);
/// Time for deleting our queues when we stop.
const FAREWELL: Duration = Duration::from_secs(2);

/// What reads on the listening connection.
struct Listening {
    wire: Wire,
    consumers: Consumers,
}

struct Consumers {
    channel: Channel,
    /// Consumers whose messages are not taken yet.
    ready: Vec<(Option<Arc<Consumed>>, Consumer)>,
    /// Subscriptions consumed so far, and consumers.
    subscriptions: usize,
    tag: u64,
}

impl Shared {
    pub(super) async fn keep_connected(self: Arc<Self>) {
        let mut stop = self.stop.subscribe();
        let stopped = async {
            // An error means that nobody is left to stop it.
            let _ = stop.wait_for(|stop| *stop).await;
        };
        let mut stopped = pin!(stopped);
        let mut hosts = Hosts::new(self.config.hosts.len(), self.config.shuffle, self.config.retry);
        let mut last_error = String::new();
        loop {
            self.attempts.begin();
            let host = &self.config.hosts[hosts.current()];
            let connected = tokio::select! {
                biased;
                () = &mut stopped => return,
                connected = self.connect(host) => connected,
            };
            let pause = match connected {
                Ok((mut listening, link)) => {
                    hosts.connected();
                    last_error.clear();
                    tracing::info!(%host, "connected to RabbitMQ");
                    let error = tokio::select! {
                        biased;
                        () = &mut stopped => None,
                        error = self.serve(&mut listening, &link) => Some(error),
                    };
                    self.disconnect();
                    let Some(error) = error else { return self.farewell(&listening, &link).await };
                    tracing::warn!(%host, error = chain(&error), "connection to RabbitMQ lost");
                    hosts.lost()
                }
                Err(error) => {
                    let text = format!("{host}: {}", chain(&error));
                    if text != last_error {
                        // Once per cause: a broker that is down for an hour is a few lines.
                        tracing::warn!(%host, error = chain(&error), "cannot reach RabbitMQ");
                        last_error = text;
                    }
                    hosts.failed()
                }
            };
            tokio::select! {
                () = &mut stopped => return,
                () = sleep(pause) => {}
            }
        }
    }

    /// Connects to a host and begins to consume, without taking messages yet.
    async fn connect(&self, host: &Host) -> Result<(Listening, Arc<Link>), LinkError> {
        let wire = Wire::open(&self.config, host, "listen").await?;
        let setup = async {
            let channel = wire.connection.create_channel().await?;
            channel.basic_qos(self.config.prefetch, BasicQosOptions::default()).await?;
            let mut consumers = Consumers { channel, ready: Vec::new(), subscriptions: 0, tag: 0 };
            let reply_queue = self.config.shape.reply_queue(&self.reply_queue);
            self.consume(&wire, &mut consumers, None, &reply_queue).await?;
            self.consume_new(&wire, &mut consumers).await?;
            Ok::<_, LinkError>(consumers)
        };
        let consumers = timeout(SETUP, setup).await.map_err(|_| LinkError::Silent(SETUP))??;
        let send = Wire::open(&self.config, host, "send").await?;
        let link = Link::new(send, self.config.mandatory_replies);
        Ok((Listening { wire, consumers }, Arc::new(link)))
    }

    /// Consumes the subscriptions that were added since the last time.
    async fn consume_new(&self, wire: &Wire, consumers: &mut Consumers) -> Result<(), LinkError> {
        loop {
            let next = self.state().consumed.get(consumers.subscriptions).cloned();
            let Some(consumed) = next else { return Ok(()) };
            for queue in self.queues(&consumed) {
                self.consume(wire, consumers, Some(&consumed), &queue).await?;
            }
            consumers.subscriptions += 1;
        }
    }

    fn queues(&self, consumed: &Consumed) -> [Queue; 3] {
        let shape = &self.config.shape;
        let on_server = topics::on_server(&consumed.topic, &consumed.server);
        [
            shape.topic_queue(&consumed.topic),
            shape.topic_queue(&on_server),
            shape.fanout_queue(&consumed.topic, &consumed.suffix),
        ]
    }

    async fn consume(
        &self,
        wire: &Wire,
        consumers: &mut Consumers,
        consumed: Option<&Arc<Consumed>>,
        queue: &Queue,
    ) -> Result<(), LinkError> {
        declare::queue(&wire.connection, queue).await?;
        consumers.tag += 1;
        let mut arguments = FieldTable::default();
        if let (true, Some(consumed)) = (queue.stream, consumed) {
            let offset = match *consumed.offset() {
                Some(next) => AMQPValue::LongLongInt(next),
                None => AMQPValue::LongString("last".into()),
            };
            arguments.insert("x-stream-offset".into(), offset);
        } else if self.config.cancel_on_failover {
            arguments.insert("x-cancel-on-ha-failover".into(), AMQPValue::Boolean(true));
        }
        let name = queue.name.as_str().into();
        let tag = consumers.tag.to_string().into();
        let options = BasicConsumeOptions::default();
        let consumer = consumers.channel.basic_consume(name, tag, options, arguments).await?;
        consumers.ready.push((consumed.cloned(), consumer));
        Ok(())
    }

    /// Publishes and takes messages until something fails; says what.
    async fn serve(self: &Arc<Self>, listening: &mut Listening, link: &Arc<Link>) -> LinkError {
        let Listening { wire, consumers } = listening;
        self.state().online = true;
        self.link.send_replace(Some(Arc::clone(link)));
        self.attempts.set_connected(true);
        self.push_event(BusEvent::Connected);
        let mut pumps = JoinSet::new();
        self.pump(consumers, &mut pumps);
        let mut watched = pin!(wire.watch());
        let mut sending_watched = pin!(link.wire().watch());
        let mut publishing = pin!(self.publish_on(link));
        loop {
            tokio::select! {
                error = &mut watched => return error,
                error = &mut sending_watched => return error,
                Err(error) = &mut publishing => return error,
                Some(ended) = pumps.join_next() => return ended.unwrap_or(LinkError::Closed),
                () = self.subscribed.notified() => {
                    let before = consumers.subscriptions;
                    match timeout(SETUP, self.consume_new(wire, consumers)).await {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => return error,
                        Err(_) => return LinkError::Silent(SETUP),
                    }
                    let added = self.state().consumed[before..consumers.subscriptions].to_vec();
                    for consumed in added {
                        consumed.inbox.event(BusEvent::Connected);
                    }
                    self.pump(consumers, &mut pumps);
                }
            }
        }
    }

    /// Begins to take the messages of new consumers.
    fn pump(self: &Arc<Self>, consumers: &mut Consumers, pumps: &mut JoinSet<LinkError>) {
        for (consumed, consumer) in consumers.ready.drain(..) {
            match consumed {
                Some(consumed) => {
                    if let Some(begun) = consumed.begun() {
                        // `listen` may have been cancelled.
                        let _ = begun.send(());
                    }
                    pumps.spawn(requests(consumed, consumer));
                }
                None => drop(pumps.spawn(answers(Arc::clone(self), consumer))),
            }
        }
    }

    fn disconnect(&self) {
        self.link.send_replace(None);
        let mut state = self.state();
        state.online = false;
        state.waiters.clear();
        drop(state);
        self.outbox().disconnected();
        self.attempts.set_connected(false);
        self.push_event(BusEvent::Disconnected);
    }

    /// Deletes what only this process reads, and closes both connections. Queues of names that a
    /// later process has again stay.
    async fn farewell(&self, listening: &Listening, link: &Link) {
        let shape = &self.config.shape;
        let goodbye = async {
            if self.config.naming == Naming::Random && !shape.stream_fanout {
                let channel = listening.wire.connection.create_channel().await?;
                let consumed = self.state().consumed.clone();
                for consumed in consumed {
                    let name = shape.fanout_queue(&consumed.topic, &consumed.suffix).name;
                    let options = QueueDeleteOptions::default();
                    channel.queue_delete(name.as_str().into(), options).await?;
                }
            }
            listening.wire.close().await;
            link.wire().close().await;
            Ok::<_, lapin::Error>(())
        };
        if !matches!(timeout(FAREWELL, goodbye).await, Ok(Ok(()))) {
            tracing::debug!("the broker deletes our queues when they have expired");
        }
    }
}

/// Takes requests to their handler until the consumer ends.
async fn requests(consumed: Arc<Consumed>, mut consumer: Consumer) -> LinkError {
    while let Some(delivery) = consumer.next().await {
        let delivery = match delivery {
            Ok(delivery) => delivery,
            Err(error) => return error.into(),
        };
        if let Some(offset) = stream_offset(&delivery) {
            *consumed.offset() = Some(offset + 1);
        }
        consumed.inbox.deliver(delivery);
    }
    LinkError::Cancelled(consumer.queue().to_string())
}

/// Takes answers to the calls that wait for them until the consumer ends.
async fn answers(shared: Arc<Shared>, mut consumer: Consumer) -> LinkError {
    let mut duplicates = DuplicateFilter::default();
    while let Some(delivery) = consumer.next().await {
        let delivery = match delivery {
            Ok(delivery) => delivery,
            Err(error) => return error.into(),
        };
        if let Err(error) = delivery.ack(BasicAckOptions::default()).await {
            return error.into();
        }
        let reply = std::str::from_utf8(&delivery.data)
            .map_err(|e| e.to_string())
            .and_then(|text| Reply::decode(text).map_err(|e| chain(&e)));
        match reply {
            Ok(reply) if duplicates.is_new(reply.unique_id.as_deref()) => {
                shared.state().waiters.reply(reply);
            }
            Ok(reply) => tracing::debug!(msg_id = reply.msg_id, "repeated answer dropped"),
            Err(error) => tracing::warn!(error, "malformed answer dropped"),
        }
    }
    LinkError::Cancelled(consumer.queue().to_string())
}

/// Where a message stands in its stream, if it came from one.
fn stream_offset(delivery: &Delivery) -> Option<i64> {
    match delivery.properties.headers().as_ref()?.inner().get("x-stream-offset")? {
        AMQPValue::LongLongInt(offset) => Some(*offset),
        AMQPValue::LongUInt(offset) => Some(i64::from(*offset)),
        AMQPValue::LongInt(offset) => Some(i64::from(*offset)),
        _ => None,
    }
}
