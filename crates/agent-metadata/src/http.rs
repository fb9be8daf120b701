//! One HTTP exchange over one connection, for the proxy and the agent alike.

use std::{error::Error, pin::pin};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, Response, StatusCode, body::Body, header, header::HeaderValue};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

/// Largest body passed on in either direction, in bytes. User data is at most 64 KiB; what vendors
/// add (`vendor_data2`) is far below this too.
pub(crate) const MAX_BODY: usize = 4 << 20;

/// Most bytes of a request's or an answer's head (haproxy's buffer).
pub(crate) const MAX_HEAD: usize = 16 << 10;

/// Most headers of one message (haproxy: 101).
pub(crate) const MAX_HEADERS: usize = 100;

/// A body that is passed on whole.
pub(crate) type Whole = Full<Bytes>;

/// A body could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// It is larger than [`MAX_BODY`].
    #[error("a body of more than {MAX_BODY} bytes")]
    TooLarge,
    /// The connection ended early, or what came is not HTTP.
    #[error("reading a body")]
    Broken(#[source] Box<dyn Error + Send + Sync>),
}

/// An exchange that did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    /// The connection ended early, or what came is not HTTP.
    #[error("speaking HTTP")]
    Http(#[from] hyper::Error),
    /// The answer's body.
    #[error("reading the answer")]
    Body(#[from] BodyError),
}

/// Reads a body whole.
pub(crate) async fn whole<B>(body: B) -> Result<Bytes, BodyError>
where
    B: Body,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(BodyError::TooLarge),
        Err(error) => Err(BodyError::Broken(error)),
    }
}

/// Sends `request` over `stream` and reads the answer whole. Dropping the future closes the
/// connection, which serves no second exchange.
pub(crate) async fn exchange<S>(
    stream: S,
    request: Request<Whole>,
) -> Result<Response<Bytes>, ExchangeError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut builder = hyper::client::conn::http1::Builder::new();
    builder.max_buf_size(MAX_HEAD).max_headers(MAX_HEADERS);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
    let exchange = async {
        let (parts, body) = sender.send_request(request).await?.into_parts();
        Ok(Response::from_parts(parts, whole(body).await?))
    };
    let (mut exchange, mut connection) = (pin!(exchange), pin!(connection));
    let mut connected = true;
    loop {
        // Both are polled in place, so nothing is lost whichever is first.
        tokio::select! {
            answer = exchange.as_mut() => return answer,
            // How it ended is told by the exchange.
            _ = connection.as_mut(), if connected => connected = false,
        }
    }
}

/// An answer of our own: the status, and `why` for whoever reads it.
pub(crate) fn say(status: StatusCode, why: &str) -> Response<Whole> {
    let mut text = format!("<html>\n <head>\n  <title>{status}</title>\n </head>\n <body>\n");
    text.push_str(&format!("  <h1>{status}</h1>\n"));
    if !why.is_empty() {
        text.push_str(&format!("  {why}\n"));
    }
    text.push_str(" </body>\n</html>\n");
    let mut answer = Response::new(Whole::from(text));
    *answer.status_mut() = status;
    let html = HeaderValue::from_static("text/html; charset=UTF-8");
    answer.headers_mut().insert(header::CONTENT_TYPE, html);
    answer
}
