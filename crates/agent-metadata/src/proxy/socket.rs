//! Listening sockets inside network namespaces.

use std::{
    io,
    net::{SocketAddr, SocketAddrV6},
    path::Path,
};

use neutrino_linux::{Error, NetNs, Netlink, Result};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

use super::Bind;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// Opens a socket for each of `binds` inside `namespace`. None is left open when one fails.
pub(super) async fn open(namespace: &Path, binds: &[Bind]) -> Result<Vec<TcpListener>> {
    let (namespace, binds) = (namespace.to_owned(), binds.to_vec());
    let opened = tokio::task::spawn_blocking(move || {
        NetNs::open(&namespace)?.run(|| binds.iter().map(listen).collect::<Result<Vec<_>>>())
    });
    let sockets = match opened.await {
        Ok(sockets) => sockets?,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    };
    let attempt = "wait for connections on a socket";
    sockets.into_iter().map(|s| TcpListener::from_std(s).map_err(Error::kernel(attempt))).collect()
}

/// A socket in the calling thread's namespace.
fn listen(bind: &Bind) -> Result<std::net::TcpListener> {
    let (address, device) = (bind.address, bind.device.as_deref());
    let index =
        device.map(|name| Netlink::open()?.link(name).map(|link| link.index)).transpose()?;
    let scoped = match address {
        SocketAddr::V6(v6) if v6.ip().is_unicast_link_local() => SocketAddr::V6(SocketAddrV6::new(
            *v6.ip(),
            v6.port(),
            v6.flowinfo(),
            index.unwrap_or_else(|| v6.scope_id()),
        )),
        other => other,
    };
    bound(scoped, device).map_err(Error::kernel(format!("listen on {scoped}")))
}

fn bound(address: SocketAddr, device: Option<&str>) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    // A restarted agent must not wait for connections of its predecessor to time out.
    socket.set_reuse_address(true)?;
    socket.bind_device(device.map(str::as_bytes))?;
    match address {
        // The address may be added later, or still be under duplicate address detection.
        SocketAddr::V4(_) => socket.set_freebind_v4(true)?,
        SocketAddr::V6(v6) => {
            socket.set_freebind_v6(true)?;
            socket.set_only_v6(!v6.ip().is_unspecified())?;
        }
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
