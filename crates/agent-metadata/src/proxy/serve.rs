//! Connections of instances, and their requests.

use std::{
    convert::Infallible,
    error::Error,
    future::pending,
    net::IpAddr,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use hyper::{
    Method, Request, Response, StatusCode, Uri,
    body::Incoming,
    header::{HeaderName, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream, UnixStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{Settings, headers, rate::RateLimiter};
use crate::http::{self, BodyError, MAX_HEAD, MAX_HEADERS, Whole, say};

/// Pause after the system refused a connection, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// How often the metadata agent's socket is tried again when nobody listens on it (haproxy's
/// `retries`), for an agent that is just being restarted.
const RETRIES: u32 = 3;
/// Pause before it is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// One network or router that is served.
pub(super) struct Site {
    pub(super) settings: Arc<Settings>,
    pub(super) header: (HeaderName, HeaderValue),
    pub(super) slots: Arc<Semaphore>,
    pub(super) limiter: Option<Mutex<RateLimiter>>,
}

/// Accepts for ever. Aborted, it ends with all its connections.
pub(super) async fn accept(listener: TcpListener, site: Arc<Site>) {
    let mut connections = JoinSet::new();
    loop {
        // Further connections wait in the kernel. The semaphore is never closed.
        let Ok(slot) = Arc::clone(&site.slots).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, peer)) => {
                let served = connection(stream, peer.ip(), Arc::clone(&site));
                connections.spawn(async move {
                    let _slot = slot;
                    served.await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a metadata connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No request was complete yet.
    First,
    /// A request is being answered; that has time limits of its own.
    Busy,
    /// An answer was given; it is being taken, or the next request is waited for.
    Between,
}

/// Marks a connection busy while it lives.
struct Busy(watch::Sender<Phase>);

impl Busy {
    fn begin(phase: &watch::Sender<Phase>) -> Self {
        phase.send_replace(Phase::Busy);
        Self(phase.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.send_replace(Phase::Between);
    }
}

/// Serves one connection until it ends or is silent for too long.
async fn connection(stream: TcpStream, peer: IpAddr, site: Arc<Site>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let settings = Arc::clone(&site.settings);
    let (phase, mut phases) = watch::channel(Phase::First);
    let service = service_fn(move |request| {
        let (busy, site) = (Busy::begin(&phase), Arc::clone(&site));
        async move {
            let _busy = busy;
            Ok::<_, Infallible>(answer(&site, peer, request).await)
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(settings.http_request.max(settings.keep_alive))
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS);
    let mut serving = pin!(http.serve_connection(TokioIo::new(stream), service));
    let mut closing = false;
    loop {
        let limit = match *phases.borrow_and_update() {
            Phase::Busy => None,
            _ if closing => Some(settings.client),
            Phase::First => Some(settings.http_request),
            Phase::Between => Some(settings.keep_alive),
        };
        // Cancel-safe: the connection is polled in place, a change is looked at anew.
        tokio::select! {
            ended = serving.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, %peer, "a metadata connection ended early");
                }
                return;
            }
            // The sender lives as long as the connection.
            _ = phases.changed() => {}
            () = pause(limit) => {
                if closing {
                    tracing::debug!(%peer, "a metadata connection was cut");
                    return;
                }
                closing = true;
                serving.as_mut().graceful_shutdown();
            }
        }
    }
}

async fn pause(limit: Option<Duration>) {
    match limit {
        Some(limit) => sleep(limit).await,
        None => pending().await,
    }
}

/// The answer to one request.
async fn answer(site: &Site, peer: IpAddr, request: Request<Incoming>) -> Response<Whole> {
    if let Some(limiter) = &site.limiter {
        // Counters stay sound whatever a thread panicked in between.
        let mut limiter = limiter.lock().unwrap_or_else(PoisonError::into_inner);
        if !limiter.allows(peer, Instant::now()) {
            tracing::debug!(%peer, "too many metadata queries");
            return say(StatusCode::TOO_MANY_REQUESTS, "");
        }
    }
    let forward = match forwardable(site, peer, request).await {
        Ok(forward) => forward,
        Err(refusal) => return refusal,
    };
    let head = *forward.method() == Method::HEAD;
    match forward_to_agent(&site.settings, forward).await {
        Ok(answer) => answer_for_instance(answer, head),
        Err(status) => say(status, ""),
    }
}

/// The request as the metadata agent is to see it, or what the instance is told instead.
async fn forwardable(
    site: &Site,
    peer: IpAddr,
    request: Request<Incoming>,
) -> Result<Request<Whole>, Response<Whole>> {
    let (parts, body) = request.into_parts();
    // Only the path: an absolute form names a host that is not asked here.
    let Some(path) = parts.uri.path_and_query().cloned() else {
        return Err(say(StatusCode::BAD_REQUEST, ""));
    };
    let body = match timeout(site.settings.client, http::whole(body)).await {
        Ok(Ok(body)) => body,
        Ok(Err(BodyError::TooLarge)) => return Err(say(StatusCode::PAYLOAD_TOO_LARGE, "")),
        Ok(Err(BodyError::Broken(_))) => return Err(say(StatusCode::BAD_REQUEST, "")),
        Err(_) => return Err(say(StatusCode::REQUEST_TIMEOUT, "")),
    };
    let mut forward = Request::new(Whole::new(body));
    *forward.method_mut() = parts.method;
    *forward.uri_mut() = Uri::from(path);
    *forward.headers_mut() =
        headers::forwarded(&parts.headers, (&site.header.0, &site.header.1), peer);
    Ok(forward)
}

/// Asks the metadata agent; the status to answer when that fails.
async fn forward_to_agent(
    settings: &Settings,
    request: Request<Whole>,
) -> Result<Response<bytes::Bytes>, StatusCode> {
    let path = settings.socket.display();
    let stream = match connect(settings).await {
        Ok(stream) => stream,
        Err(error) => {
            tracing::warn!(%error, socket = %path, "the metadata agent cannot be reached");
            return Err(StatusCode::SERVICE_UNAVAILABLE);
        }
    };
    match timeout(settings.server, http::exchange(stream, request)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => {
            let cause = error.source().map(ToString::to_string);
            tracing::warn!(%error, cause, socket = %path, "the metadata agent did not answer");
            Err(StatusCode::BAD_GATEWAY)
        }
        Err(_) => {
            tracing::warn!(socket = %path, "the metadata agent is too slow");
            Err(StatusCode::GATEWAY_TIMEOUT)
        }
    }
}

async fn connect(settings: &Settings) -> std::io::Result<UnixStream> {
    let mut tries_left = RETRIES;
    loop {
        let error = match timeout(settings.connect, UnixStream::connect(&settings.socket)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => error,
            Err(_) => return Err(std::io::ErrorKind::TimedOut.into()),
        };
        if tries_left == 0 {
            return Err(error);
        }
        tries_left -= 1;
        sleep(RETRY_PAUSE).await;
    }
}

/// What the metadata agent said, over the instance's connection.
fn answer_for_instance(answer: Response<bytes::Bytes>, head: bool) -> Response<Whole> {
    let (mut parts, body) = answer.into_parts();
    let length = parts.headers.remove(hyper::header::CONTENT_LENGTH);
    let names: Vec<HeaderName> = parts.headers.keys().cloned().collect();
    for name in names.iter().filter(|name| headers::is_of_connection(name.as_str())) {
        parts.headers.remove(name);
    }
    if let Some(length) = length
        && head
    {
        parts.headers.insert(hyper::header::CONTENT_LENGTH, length);
    }
    parts.version = hyper::Version::HTTP_11;
    Response::from_parts(parts, Whole::new(body))
}
