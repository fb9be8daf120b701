//! Component tests of the RPC layer: real sockets on loopback, no mocks.

mod bus;
mod envelope;
mod hostile;
mod kill;
mod support;
