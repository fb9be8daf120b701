//! Lapin on this process's runtime, over streams we open ourselves: with TLS as oslo.messaging
//! has it, and a socket we can shut.

use std::{
    future::Future,
    io::{self, Read, Write},
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd},
    time::{Duration, Instant},
};

use async_compat::{Compat, CompatExt};
use async_rs::{Runtime, Tokio, traits::Reactor, util::RuntimeParts};
use futures_util::{AsyncRead, AsyncWrite, Stream, TryFutureExt};
use lapin::AsyncTcpStream;
use tokio::net::TcpStream;

use crate::transport::stream::BoxStream;

/// The runtime of the caller.
pub(super) fn current() -> Runtime<RuntimeParts<Tokio, Wires>> {
    let tokio = Tokio::current();
    Runtime::new(RuntimeParts::new(tokio.clone(), Wires(tokio)))
}

/// An open stream, as lapin takes it.
pub(super) fn wire(stream: BoxStream) -> AsyncTcpStream<Compat<BoxStream>> {
    AsyncTcpStream::Plain(stream.compat())
}

/// Tokio, with streams of any kind.
#[derive(Clone, Debug)]
pub(super) struct Wires(Tokio);

impl Reactor for Wires {
    type TcpStream = Compat<BoxStream>;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: Read + Write + AsFd + AsRawFd + Send + 'static>(
        &self,
        socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        self.0.register(socket)
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.0.sleep(duration)
    }

    fn interval(&self, duration: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(duration)
    }

    fn tcp_connect_addr(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        TcpStream::connect(address).map_ok(|stream| (Box::new(stream) as BoxStream).compat())
    }
}
