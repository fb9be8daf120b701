//! Declares exchanges and queues, and falls back where somebody declared them otherwise.

use lapin::{
    Channel, Connection, ErrorKind, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions},
    protocol::{AMQPErrorKind, AMQPSoftError},
    types::{AMQPValue, FieldTable},
};

use super::topology::{Argument, Exchange, Kind, Queue};

type Result<T> = std::result::Result<T, lapin::Error>;

/// Whether `error` is the soft error `wanted`, which ends a channel but not its connection.
pub(super) fn is_soft(error: &lapin::Error, wanted: &AMQPSoftError) -> bool {
    let ErrorKind::ProtocolError(error) = error.kind() else { return false };
    matches!(error.kind(), AMQPErrorKind::Soft(soft) if soft == wanted)
}

/// Whether somebody declared the exchange or queue with another durability.
fn differs_in_durability(error: &lapin::Error) -> bool {
    is_soft(error, &AMQPSoftError::PRECONDITIONFAILED)
        && error.to_string().contains("inequivalent arg 'durable'")
}

/// Declares `queue` with its exchange and binds it. What is wrong ends a channel, so each attempt
/// has its own.
pub(super) async fn queue(connection: &Connection, queue: &Queue) -> Result<()> {
    let first = connection.create_channel().await?;
    let Err(error) = declare(&first, queue).await else { return Ok(()) };
    let again = connection.create_channel().await?;
    if differs_in_durability(&error) {
        tracing::warn!(
            queue = queue.name,
            error = %error,
            "declared otherwise by others, going on without durability"
        );
        return declare(&again, &queue.not_durable()).await;
    }
    if is_soft(&error, &AMQPSoftError::NOTFOUND) {
        // Its node is down. Deleted and declared again it lives on another.
        tracing::warn!(queue = queue.name, error = %error, "deleting a queue that is stuck");
        if let Err(error) =
            again.queue_delete(queue.name.as_str().into(), QueueDeleteOptions::default()).await
        {
            tracing::warn!(queue = queue.name, error = %error, "deleting the queue failed");
        }
        return declare(&connection.create_channel().await?, queue).await;
    }
    Err(error)
}

/// Declares `exchange` to publish to it.
pub(super) async fn exchange(connection: &Connection, exchange: &Exchange) -> Result<()> {
    let first = connection.create_channel().await?;
    match declare_exchange(&first, exchange).await {
        Err(error) if differs_in_durability(&error) => {
            tracing::warn!(exchange = exchange.name, "declared otherwise by others, not durable");
            let again = connection.create_channel().await?;
            declare_exchange(&again, &Exchange { durable: false, ..exchange.clone() }).await
        }
        result => result,
    }
}

async fn declare(channel: &Channel, queue: &Queue) -> Result<()> {
    if let Some((exchange, _)) = &queue.binding {
        declare_exchange(channel, exchange).await?;
    }
    let name = || queue.name.as_str().into();
    let options = QueueDeclareOptions {
        durable: queue.durable,
        auto_delete: queue.auto_delete,
        ..QueueDeclareOptions::default()
    };
    channel.queue_declare(name(), options, arguments(queue)).await?;
    if let Some((exchange, key)) = &queue.binding {
        let (exchange, key) = (exchange.name.as_str().into(), key.as_str().into());
        let options = QueueBindOptions::default();
        channel.queue_bind(name(), exchange, key, options, FieldTable::default()).await?;
    }
    Ok(())
}

async fn declare_exchange(channel: &Channel, exchange: &Exchange) -> Result<()> {
    let kind = match exchange.kind {
        Kind::Topic => ExchangeKind::Topic,
        Kind::Fanout => ExchangeKind::Fanout,
    };
    let options = ExchangeDeclareOptions {
        durable: exchange.durable,
        auto_delete: exchange.auto_delete,
        ..ExchangeDeclareOptions::default()
    };
    channel
        .exchange_declare(exchange.name.as_str().into(), kind, options, FieldTable::default())
        .await
}

fn arguments(queue: &Queue) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in &queue.arguments {
        let value = match value {
            Argument::Text(text) => AMQPValue::LongString((*text).into()),
            Argument::Made(text) => AMQPValue::LongString(text.as_str().into()),
            Argument::Number(number) => AMQPValue::LongLongInt(i64::from(*number)),
        };
        table.insert((*name).into(), value);
    }
    table
}
