//! Exchanges and queues as oslo.messaging declares them. Pure.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use crate::{envelope::hex_id, topics};

/// `[oslo_messaging_rabbit]` options that shape exchanges and queues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// `control_exchange`.
    pub exchange: String,
    /// `amqp_durable_queues`.
    pub durable: bool,
    /// `amqp_auto_delete`.
    pub auto_delete: bool,
    /// `rabbit_ha_queues`.
    pub ha: bool,
    /// `rabbit_quorum_queue`.
    pub quorum: bool,
    /// `rabbit_transient_quorum_queue`.
    pub transient_quorum: bool,
    /// `rabbit_quorum_delivery_limit`, 0 for none.
    pub delivery_limit: u32,
    /// `rabbit_quorum_max_memory_length`, 0 for none.
    pub max_memory_length: u32,
    /// `rabbit_quorum_max_memory_bytes`, 0 for none.
    pub max_memory_bytes: u32,
    /// `rabbit_transient_queues_ttl` in seconds, 0 for none.
    pub transient_ttl: u32,
    /// `rabbit_stream_fanout`.
    pub stream_fanout: bool,
}

/// Kind of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Routes by routing key.
    Topic,
    /// Copies to every queue.
    Fanout,
}

/// An exchange to declare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Name.
    pub name: String,
    /// Kind.
    pub kind: Kind,
    /// Survives a restart of the broker.
    pub durable: bool,
    /// Goes with its last queue.
    pub auto_delete: bool,
}

/// Value of a queue's argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// Text.
    Text(&'static str),
    /// Text made from options.
    Made(String),
    /// Number.
    Number(u32),
}

/// A queue to declare, and what it is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Name.
    pub name: String,
    /// Survives a restart of the broker.
    pub durable: bool,
    /// Goes with its last consumer.
    pub auto_delete: bool,
    /// Arguments of the declaration.
    pub arguments: Vec<(&'static str, Argument)>,
    /// Exchange and routing key; none for the default exchange.
    pub binding: Option<(Exchange, String)>,
    /// Whether consuming copies from a log instead of taking from a queue.
    pub stream: bool,
}

impl Queue {
    /// The same without durability, for a broker where somebody declared it (or its exchange) so
    /// before.
    #[must_use]
    pub fn not_durable(&self) -> Self {
        let binding = self.binding.clone().map(|(exchange, key)| {
            (Exchange { durable: false, auto_delete: self.auto_delete, ..exchange }, key)
        });
        Self { durable: false, binding, ..self.clone() }
    }
}

impl Shape {
    /// Whether topic exchange and queues survive a restart of the broker.
    #[must_use]
    pub fn durable(&self) -> bool {
        self.durable || self.quorum
    }

    /// The exchange of all topics.
    #[must_use]
    pub fn topic_exchange(&self) -> Exchange {
        Exchange {
            name: self.exchange.clone(),
            kind: Kind::Topic,
            durable: self.durable(),
            auto_delete: self.auto_delete,
        }
    }

    /// The exchange that copies to every consumer of `topic`.
    #[must_use]
    pub fn fanout_exchange(&self, topic: &str) -> Exchange {
        Exchange {
            name: topics::fanout(topic),
            kind: Kind::Fanout,
            durable: self.transient_quorum || self.stream_fanout,
            auto_delete: true,
        }
    }

    /// The queue of the routing key `key`: a topic, or a topic on one server.
    #[must_use]
    pub fn topic_queue(&self, key: &str) -> Queue {
        Queue {
            name: key.to_string(),
            durable: self.durable(),
            auto_delete: self.auto_delete,
            arguments: self.arguments(self.quorum, 0),
            binding: Some((self.topic_exchange(), key.to_string())),
            stream: false,
        }
    }

    /// One consumer's queue of what is sent to all of `topic`.
    #[must_use]
    pub fn fanout_queue(&self, topic: &str, suffix: &str) -> Queue {
        let exchange = self.fanout_exchange(topic);
        let name = if self.stream_fanout {
            exchange.name.clone()
        } else {
            format!("{}_{suffix}", exchange.name)
        };
        let arguments = if self.stream_fanout {
            let mut arguments = vec![("x-queue-type", Argument::Text("stream"))];
            if self.transient_ttl > 0 {
                arguments.push(("x-max-age", Argument::Made(format!("{}s", self.transient_ttl))));
            }
            arguments
        } else {
            self.arguments(self.transient_quorum, self.transient_ttl)
        };
        Queue {
            name,
            durable: exchange.durable,
            auto_delete: false,
            arguments,
            binding: Some((exchange, topic.to_string())),
            stream: self.stream_fanout,
        }
    }

    /// The queue of the answers to one process.
    #[must_use]
    pub fn reply_queue(&self, name: &str) -> Queue {
        Queue {
            name: name.to_string(),
            durable: self.transient_quorum,
            auto_delete: false,
            arguments: self.arguments(self.transient_quorum, self.transient_ttl),
            binding: None,
            stream: false,
        }
    }

    fn arguments(&self, quorum: bool, ttl: u32) -> Vec<(&'static str, Argument)> {
        let mut out = Vec::new();
        if self.ha {
            out.push(("x-ha-policy", Argument::Text("all")));
        }
        if quorum {
            out.push(("x-queue-type", Argument::Text("quorum")));
            for (name, value) in [
                ("x-delivery-limit", self.delivery_limit),
                ("x-max-in-memory-length", self.max_memory_length),
                ("x-max-in-memory-bytes", self.max_memory_bytes),
            ] {
                if value > 0 {
                    out.push((name, Argument::Number(value)));
                }
            }
        }
        if ttl > 0 {
            out.push(("x-expires", Argument::Number(ttl.saturating_mul(1000))));
        }
        out
    }
}

/// How fanout and reply queues are named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Naming {
    /// At random.
    Random,
    /// `use_queue_manager`: by host, process and a number that counts from 1 in each process, so
    /// that a process that starts again finds its queues.
    Managed {
        /// `hostname`.
        host: String,
        /// `processname`.
        process: String,
    },
}

/// Names given so far in this process, by host and process name.
static GIVEN: Mutex<BTreeMap<(String, String), u32>> = Mutex::new(BTreeMap::new());

impl Naming {
    /// A suffix no other queue has.
    #[must_use]
    pub fn suffix(&self) -> String {
        let Self::Managed { host, process } = self else { return hex_id() };
        // No code panics while holding it.
        let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
        let number = given.entry((host.clone(), process.clone())).or_default();
        *number += 1;
        format!("{host}:{process}:{number}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> Shape {
        Shape {
            exchange: "neutron".into(),
            durable: false,
            auto_delete: false,
            ha: false,
            quorum: false,
            transient_quorum: false,
            delivery_limit: 0,
            max_memory_length: 0,
            max_memory_bytes: 0,
            transient_ttl: 1800,
            stream_fanout: false,
        }
    }

    #[test]
    fn defaults_are_oslos() {
        let queue = plain().topic_queue("q-plugin.h");
        assert_eq!((queue.durable, queue.auto_delete, queue.arguments), (false, false, vec![]));
        let (exchange, key) = queue.binding.expect("bound");
        assert_eq!((&*exchange.name, exchange.kind, &*key), ("neutron", Kind::Topic, "q-plugin.h"));
        let queue = plain().fanout_queue("t", "x");
        assert_eq!(queue.name, "t_fanout_x");
        assert_eq!(queue.arguments, [("x-expires", Argument::Number(1_800_000))]);
        let (exchange, _) = queue.binding.expect("bound");
        assert_eq!(
            (&*exchange.name, exchange.durable, exchange.auto_delete),
            ("t_fanout", false, true)
        );
        assert_eq!(plain().reply_queue("reply_x").binding, None);
    }

    #[test]
    fn quorum_queues_are_durable_and_carry_their_limits() {
        let shape = Shape { quorum: true, delivery_limit: 3, ..plain() };
        let queue = shape.topic_queue("t");
        assert!(queue.durable && queue.binding.as_ref().expect("bound").0.durable);
        assert_eq!(
            queue.arguments,
            [("x-queue-type", Argument::Text("quorum")), ("x-delivery-limit", Argument::Number(3))]
        );
        assert!(!shape.reply_queue("r").durable);
        let fallen_back = queue.not_durable();
        assert!(!fallen_back.durable && !fallen_back.binding.expect("bound").0.durable);
    }

    #[test]
    fn stream_fanout_is_one_queue_for_all() {
        let shape = Shape { transient_quorum: true, stream_fanout: true, ..plain() };
        let queue = shape.fanout_queue("t", "ignored");
        assert_eq!((&*queue.name, queue.durable, queue.stream), ("t_fanout", true, true));
        assert_eq!(queue.arguments[1], ("x-max-age", Argument::Made("1800s".into())));
    }

    #[test]
    fn managed_names_count_from_one() {
        let naming = Naming::Managed { host: "h".into(), process: "topology-test".into() };
        assert_eq!(naming.suffix(), "h:topology-test:1");
        assert_eq!(naming.suffix(), "h:topology-test:2");
        assert_ne!(Naming::Random.suffix(), Naming::Random.suffix());
    }
}
