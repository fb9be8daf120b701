//! Listening sockets and their orderly end.

use std::{net::SocketAddr, time::Duration};

use axum::{
    Router, ServiceExt,
    extract::Request,
    serve::{Listener, ListenerExt},
};
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::watch,
    task::JoinHandle,
};
use tower::util::MapRequest;

use crate::{ServerError, middleware::path::normalise};

/// How long requests under way may take to finish once the server is told to stop.
const GRACE: Duration = Duration::from_secs(10);

/// Connections that may wait to be accepted: a thousand clients starting at once must fit (the
/// default does not hold them, and the system then resets some). `net.core.somaxconn` caps it.
const BACKLOG: u32 = 4096;

/// One bound address and the task that serves it.
#[derive(Debug)]
pub struct Listening {
    /// The address bound, with the port the system chose when 0 was asked for.
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Listening {
    /// Binds `address` and serves `router` on it until [`Listening::stop`].
    ///
    /// # Errors
    /// [`ServerError::Listen`] when the address cannot be bound.
    pub async fn start(address: SocketAddr, router: Router) -> Result<Self, ServerError> {
        let fail = |source| ServerError::Listen { address, source };
        let listener = listen(address).map_err(fail)?;
        let bound = listener.local_addr().map_err(fail)?;
        // Answers are written whole; waiting for more of them only costs time.
        let listener = listener.tap_io(|stream| {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "cannot set TCP_NODELAY");
            }
        });
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(serve(listener, router, stopped));
        Ok(Self { address: bound, stop, task })
    }

    /// Stops accepting, lets requests under way finish for a bounded time, and returns.
    pub async fn stop(self) {
        // Fails only when the task has already ended.
        let _ = self.stop.send(true);
        let abort = self.task.abort_handle();
        if tokio::time::timeout(GRACE, self.task).await.is_err() {
            tracing::warn!(address = %self.address, "requests still running were cut off");
            abort.abort();
        }
    }
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A restarted server must not wait for connections of its predecessor to time out.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn serve<L>(listener: L, router: Router, stopped: watch::Receiver<bool>)
where
    L: Listener<Addr = SocketAddr>,
{
    let service: MapRequest<Router, fn(Request) -> Request> = MapRequest::new(router, normalise);
    let make = ServiceExt::<Request>::into_make_service(service);
    let mut stopped = stopped;
    let end = async move {
        // An error means that the sender is gone, which is an order to stop as well.
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    if let Err(error) = axum::serve(listener, make).with_graceful_shutdown(end).await {
        tracing::error!(%error, "serving HTTP ended");
    }
}

/// Raises the limit of open files to what the system allows this process: each connection takes
/// one, and the usual 1,024 are few for a server. Answers the limit now in force.
///
/// # Errors
/// What the system refused.
pub fn raise_descriptor_limit() -> std::io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid rlimit for the time of the call.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return Err(std::io::Error::last_os_error());
    }
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: as above; the call only reads it.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } != 0 {
        return Err(std::io::Error::last_os_error());
    }
    Ok(limit.rlim_cur)
}

/// Resolves when the process is asked to end (SIGTERM or SIGINT).
///
/// # Errors
/// The signal handlers cannot be installed.
pub async fn shutdown_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // Both are cancel-safe: a signal received but not looked at is of no further use.
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
