//! Listening sockets and their orderly end.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router, body::Body, extract::Request, response::Response, routing::future::RouteFuture,
};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use crate::{ServerError, middleware::path::normalise};

/// Connections that may wait to be accepted: a thousand clients starting at once must fit (the
/// default does not hold them, and the system then resets some). `net.core.somaxconn` caps it.
const BACKLOG: u32 = 4096;

/// How long a client may take to send the head of a request, and how long a connection may be idle
/// between two: whoever opens connections and says nothing must not hold them for ever.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);

/// Pause after the system refused a connection, most likely for want of file descriptors: trying
/// again at once would only burn a core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// One bound address and the task that serves it.
#[derive(Debug)]
pub struct Listening {
    /// The address bound, with the port the system chose when 0 was asked for.
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
    router: watch::Sender<Router>,
    task: JoinHandle<()>,
}

impl Listening {
    /// Binds `address` and serves `router` on it until [`Listening::stop`].
    ///
    /// # Errors
    /// [`ServerError::Listen`] when the address cannot be bound.
    pub async fn start(address: SocketAddr, router: Router) -> Result<Self, ServerError> {
        Self::start_with(address, router, HEAD_TIMEOUT).await
    }

    /// The same with another limit of the time a client may take to send the head of a request.
    ///
    /// # Errors
    /// As [`Listening::start`].
    pub async fn start_with(
        address: SocketAddr,
        router: Router,
        head_timeout: Duration,
    ) -> Result<Self, ServerError> {
        let fail = |source| ServerError::Listen { address, source };
        let listener = listen(address).map_err(fail)?;
        let bound = listener.local_addr().map_err(fail)?;
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(head_timeout);
        let (stop, stopped) = watch::channel(false);
        let (router, current) = watch::channel(router);
        let task = tokio::spawn(serve(listener, http, Current(current), stopped));
        Ok(Self { address: bound, stop, router, task })
    }

    /// Answers requests with `router` from now on, also those of connections that are open.
    pub fn replace(&self, router: Router) {
        drop(self.router.send_replace(router));
    }

    /// Stops accepting, lets requests under way finish for at most `grace`, and returns.
    pub async fn stop(self, grace: Option<Duration>) {
        // Fails only when the task has already ended.
        let _ = self.stop.send(true);
        let abort = self.task.abort_handle();
        let ended = async {
            match grace {
                Some(grace) => tokio::time::timeout(grace, self.task).await.is_ok(),
                None => self.task.await.is_ok(),
            }
        };
        if !ended.await {
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

/// Answers each request with the router of its time.
#[derive(Clone)]
struct Current(watch::Receiver<Router>);

impl tower::Service<Request<Incoming>> for Current {
    type Response = Response;
    type Error = Infallible;
    type Future = RouteFuture<Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // A router is always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let mut router = self.0.borrow().clone();
        tower::Service::call(&mut router, normalise(request.map(Body::new)))
    }
}

/// Accepts until told to stop, then waits for the connections to finish what they are doing.
async fn serve(
    listener: TcpListener,
    http: http1::Builder,
    service: Current,
    mut stopped: watch::Receiver<bool>,
) {
    // Dropped with this task, which ends what is still running.
    let mut connections = JoinSet::new();
    loop {
        // All three are cancel-safe: documented of `accept` and `join_next`, and `wait_for` looks
        // at the value anew each time.
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            // An error means that the sender is gone, which is an order to stop as well.
            _ = stopped.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let served = serve_one(stream, http.clone(), service.clone(), stopped.clone());
                connections.spawn(served);
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Serves one connection; told to stop, it finishes the request under way.
async fn serve_one(
    stream: TcpStream,
    http: http1::Builder,
    service: Current,
    mut stopped: watch::Receiver<bool>,
) {
    // Answers are written whole; waiting for more of them only costs time.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let service = TowerToHyperService::new(service);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    let mut stopping = false;
    let ended = loop {
        // Cancel-safe: the connection is polled in place, `wait_for` looks at the value anew.
        tokio::select! {
            ended = connection.as_mut() => break ended,
            _ = stopped.wait_for(|stop| *stop), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    };
    if let Err(error) = ended {
        // The client went away, sent no HTTP, or was too slow: nothing an operator can mend.
        tracing::debug!(%error, "a connection ended early");
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
