//! Component tests of the RPC layer: real sockets and brokers on loopback, no mocks.

mod amqp;
mod bus;
mod envelope;
mod hostile;
mod kill;
mod objects;
mod support;
mod world;
