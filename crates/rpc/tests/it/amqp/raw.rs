//! An AMQP client of its own, that knows nothing of the code under test.

use std::time::Duration;

use futures_util::StreamExt;
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, Consumer,
    message::Delivery,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, ExchangeDeclareOptions,
        QueueBindOptions, QueueDeclareOptions,
    },
    types::FieldTable,
};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::WAIT;

pub struct Raw {
    _connection: Connection,
    pub channel: Channel,
}

impl Raw {
    pub async fn connect(url: &str) -> Self {
        let url = format!("{}%2f", url.replace("rabbit://", "amqp://"));
        let connection =
            Connection::connect(&url, ConnectionProperties::default()).await.expect("connects");
        let channel = connection.create_channel().await.expect("opens");
        Self { _connection: connection, channel }
    }

    /// Consumes a new queue bound to `exchange`, which exists.
    pub async fn tap(&self, exchange: &str, key: &str) -> Consumer {
        let options = QueueDeclareOptions { auto_delete: true, ..QueueDeclareOptions::default() };
        let none = FieldTable::default;
        let queue = self.channel.queue_declare("".into(), options, none()).await.expect("declares");
        let name = queue.name().clone();
        self.channel
            .queue_bind(
                name.clone(),
                exchange.into(),
                key.into(),
                QueueBindOptions::default(),
                none(),
            )
            .await
            .expect("binds");
        self.consume(name.as_str()).await
    }

    pub async fn consume(&self, queue: &str) -> Consumer {
        self.channel
            .basic_consume(
                queue.into(),
                "".into(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            )
            .await
            .expect("consumes")
    }

    /// Declares a queue by itself.
    pub async fn queue(&self, name: &str) {
        let options = QueueDeclareOptions::default();
        let declared = self.channel.queue_declare(name.into(), options, FieldTable::default());
        declared.await.expect("declares");
    }

    pub async fn exchange(&self, name: &str, kind: lapin::ExchangeKind, durable: bool) {
        let options = ExchangeDeclareOptions { durable, ..ExchangeDeclareOptions::default() };
        let declared =
            self.channel.exchange_declare(name.into(), kind, options, FieldTable::default());
        declared.await.expect("declares");
    }

    pub async fn publish(&self, exchange: &str, key: &str, body: &[u8]) {
        self.channel
            .basic_publish(
                exchange.into(),
                key.into(),
                BasicPublishOptions::default(),
                body,
                BasicProperties::default(),
            )
            .await
            .expect("publishes");
    }

    /// Publishes an inner message in oslo's envelope.
    pub async fn envelope(&self, exchange: &str, key: &str, inner: &Value) {
        let body = json!({"oslo.version": "2.0", "oslo.message": inner.to_string()});
        self.publish(exchange, key, body.to_string().as_bytes()).await;
    }
}

pub async fn next(consumer: &mut Consumer) -> Delivery {
    let delivery = timeout(WAIT, consumer.next()).await.expect("in time").expect("open");
    let delivery = delivery.expect("delivered");
    delivery.ack(BasicAckOptions::default()).await.expect("acknowledged");
    delivery
}

pub async fn nothing_within(consumer: &mut Consumer, time: Duration) -> bool {
    timeout(time, consumer.next()).await.is_err()
}

/// The inner message of an envelope.
pub fn inner(delivery: &Delivery) -> Value {
    let outer: Value = serde_json::from_slice(&delivery.data).expect("JSON");
    assert_eq!(outer["oslo.version"], "2.0");
    serde_json::from_str(outer["oslo.message"].as_str().expect("text")).expect("JSON")
}
