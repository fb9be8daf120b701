//! The metadata agent's unix socket, and the requests that come through it.

use std::{
    convert::Infallible,
    error::Error,
    fs, io,
    os::unix::{fs::PermissionsExt, net::UnixListener as StdListener},
    sync::Arc,
    time::Duration,
};

use hyper::{
    Request, Response, StatusCode, body::Incoming, server::conn::http1, service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::Semaphore,
    task::JoinSet,
    time::sleep,
};

use super::{
    config::{Config, Nova},
    identify::{self, Origin, OriginError, PortDirectory},
    nova,
};
use crate::http::{self, BodyError, MAX_HEAD, MAX_HEADERS, Whole, say};

/// Connections served at a time; further ones wait on the socket.
const CONNECTIONS: usize = 1024;
/// How long a proxy may be silent before a request's head is complete.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// Pause after the system refused a connection, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// What is needed to answer a request.
pub(super) struct Site {
    pub(super) nova: Nova,
    pub(super) ports: Arc<dyn PortDirectory>,
}

/// Opens the socket and puts it in the place of whatever a predecessor left, without a moment in
/// which there is none.
pub(super) fn listen(config: &Config) -> io::Result<UnixListener> {
    let path = &config.socket;
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut fresh = path.clone().into_os_string();
    fresh.push(format!(".{}", std::process::id()));
    // Of a predecessor of the same process id, which ended right here.
    if let Err(error) = fs::remove_file(&fresh)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(&fresh)?)?;
    socket.listen(i32::try_from(config.backlog).unwrap_or(i32::MAX))?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(config.socket_mode))?;
    fs::rename(&fresh, path)?;
    UnixListener::from_std(StdListener::from(socket))
}

/// Accepts for ever. Aborted, it ends with all its connections.
pub(super) async fn accept(listener: UnixListener, site: Arc<Site>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        // The semaphore is never closed.
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let served = connection(stream, Arc::clone(&site));
                connections.spawn(async move {
                    let _slot = slot;
                    served.await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: UnixStream, site: Arc<Site>) {
    let service = service_fn(move |request| {
        let site = Arc::clone(&site);
        async move { Ok::<_, Infallible>(answer(&site, request).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS);
    if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a connection of a proxy ended early");
    }
}

async fn answer(site: &Site, request: Request<Incoming>) -> Response<Whole> {
    let origin = match Origin::read(request.headers()) {
        Ok(origin) => origin,
        Err(error) => return refuse(error),
    };
    let (parts, body) = request.into_parts();
    let Some(path) = parts.uri.path_and_query().cloned() else {
        return say(StatusCode::BAD_REQUEST, "");
    };
    let body = match http::whole(body).await {
        Ok(body) => body,
        Err(BodyError::TooLarge) => return say(StatusCode::PAYLOAD_TOO_LARGE, ""),
        Err(BodyError::Broken(_)) => return say(StatusCode::BAD_REQUEST, ""),
    };
    let instance = match identify::find(site.ports.as_ref(), &origin).await {
        Ok(Some(instance)) => instance,
        Ok(None) => {
            tracing::warn!(?origin, "no instance, or more than one, has this address");
            return say(StatusCode::NOT_FOUND, "The instance was not found.");
        }
        Err(error) => {
            tracing::warn!(%error, cause = cause(&error), "the server did not tell whose address it is");
            return say(StatusCode::INTERNAL_SERVER_ERROR, "Please try again later.");
        }
    };
    match nova::ask(&site.nova, &instance, &origin, (parts.method, path, body)).await {
        Ok(answer) => nova::answer(answer),
        Err(error) => {
            tracing::warn!(%error, cause = cause(&error), instance = instance.id, "no answer of Nova");
            error.answer()
        }
    }
}

fn refuse(error: OriginError) -> Response<Whole> {
    tracing::warn!(%error, "a request that no proxy sends");
    say(StatusCode::BAD_REQUEST, &format!("{error}."))
}

fn cause(error: &dyn Error) -> Option<String> {
    error.source().map(ToString::to_string)
}
