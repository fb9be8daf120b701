//! Lets the user's programs reach the APIs inside the lab.
//!
//! The listening sockets were opened in the user's network namespace by `lab up`; connections out
//! of this process start in the lab's. So a copy in both directions is all it takes.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// How long a connection into the lab may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Forwards every connection of `listener` to `target` until the process ends.
pub(crate) fn serve(listener: TcpListener, target: SocketAddr) {
    thread::spawn(move || {
        for connection in listener.incoming() {
            match connection {
                Ok(outer) => {
                    thread::spawn(move || forward(&outer, target));
                }
                Err(error) => {
                    tracing::warn!(%error, "proxy cannot accept");
                    thread::sleep(Duration::from_millis(100));
                }
            }
        }
    });
}

fn forward(outer: &TcpStream, target: SocketAddr) {
    // The service may be stopped: the client sees its connection closed, as with any proxy.
    let Ok(inner) = TcpStream::connect_timeout(&target, CONNECT_TIMEOUT) else { return };
    let _ = outer.set_nodelay(true);
    let _ = inner.set_nodelay(true);
    thread::scope(|scope| {
        scope.spawn(|| copy(outer, &inner));
        copy(&inner, outer);
    });
}

fn copy(mut from: &TcpStream, mut to: &TcpStream) {
    // An error means that one side is gone; closing tells the other.
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}
