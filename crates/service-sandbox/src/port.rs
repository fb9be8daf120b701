//! Ports that stay free for their server while it does not listen.

use std::{
    io,
    net::{Ipv4Addr, TcpListener},
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener},
    },
    process,
    sync::atomic::{AtomicU16, Ordering},
};

use crate::{Result, io_error};

/// Below the range that the kernel takes ports of outgoing connections from.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A TCP port of the loopback, this process's until dropped.
///
/// Other sandboxes, of other processes too, keep off it while its server is stopped: a socket of
/// a name that tells the port holds the place, and goes with the process.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _place: UnixListener,
}

impl Port {
    /// A port that nobody listens on.
    ///
    /// # Errors
    /// When there is none.
    pub fn take() -> Result<Self> {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let start = (process::id() % u32::from(COUNT)) as u16;
        for _ in 0..COUNT {
            // Far apart, so that processes of one run do not try the same.
            let step = NEXT.fetch_add(1, Ordering::Relaxed);
            let offset = (u32::from(start) * 61 + u32::from(step)) % u32::from(COUNT);
            let number = FIRST + offset as u16;
            if let Ok(place) = hold(number)
                && TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok()
            {
                return Ok(Self { number, _place: place });
            }
        }
        Err(io_error("finding a free port")(io::ErrorKind::AddrInUse.into()))
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }
}

fn hold(number: u16) -> io::Result<UnixListener> {
    let name = format!("neutrino-sandbox-port-{number}");
    UnixListener::bind_addr(&SocketAddr::from_abstract_name(name)?)
}
