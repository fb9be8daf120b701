//! The request to Nova's metadata service, and what its answer becomes.

use std::{fmt::Write, time::Duration};

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use hyper::{
    Method, Request, Response, StatusCode, Uri,
    header::{self, HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue},
    http::uri::PathAndQuery,
};
use rustls::pki_types::{InvalidDnsNameError, ServerName};
use sha2::Sha256;
use tokio::{
    net::TcpStream,
    time::{error::Elapsed, timeout},
};
use tokio_rustls::TlsConnector;

use super::{
    config::Nova,
    identify::{Instance, Origin},
};
use crate::{
    http::{self, ExchangeError, Whole, say},
    proxy::headers::{FORWARDED_FOR, is_of_connection},
};

/// How long Nova may take in all, as Neutron's agent waits.
const PATIENCE: Duration = Duration::from_secs(60);

const INSTANCE_ID: HeaderName = HeaderName::from_static("x-instance-id");
const TENANT_ID: HeaderName = HeaderName::from_static("x-tenant-id");
const SIGNATURE: HeaderName = HeaderName::from_static("x-instance-id-signature");

/// Nova did not answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum NovaError {
    /// No connection.
    #[error("connecting to Nova's metadata service")]
    Connect(#[source] std::io::Error),
    /// `nova_metadata_host` cannot be in a certificate.
    #[error("nova_metadata_host is not a name or address")]
    Name(#[from] InvalidDnsNameError),
    /// The connection broke.
    #[error("asking Nova's metadata service")]
    Exchange(#[from] ExchangeError),
    /// It takes too long.
    #[error("Nova's metadata service is too slow")]
    Slow(#[from] Elapsed),
    /// An id or address that cannot be a header.
    #[error("describing the instance to Nova's metadata service")]
    Header(#[from] InvalidHeaderValue),
}

impl NovaError {
    /// What the instance is told.
    pub(super) fn answer(&self) -> Response<Whole> {
        match self {
            Self::Connect(_) | Self::Exchange(ExchangeError::Http(_)) => say(
                StatusCode::SERVICE_UNAVAILABLE,
                "Nova's metadata service cannot be reached at present. Please try again later.",
            ),
            Self::Slow(_) => say(StatusCode::GATEWAY_TIMEOUT, ""),
            Self::Name(_) | Self::Exchange(_) | Self::Header(_) => {
                say(StatusCode::INTERNAL_SERVER_ERROR, "The request could not be passed on.")
            }
        }
    }
}

/// Lower-case hexadecimal HMAC-SHA256 of `instance_id` under `secret`.
#[must_use]
pub fn signature(secret: &str, instance_id: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        unreachable!("HMAC takes keys of any length")
    };
    mac.update(instance_id.as_bytes());
    mac.finalize().into_bytes().iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The headers Nova trusts, for one instance.
fn headers(nova: &Nova, instance: &Instance, origin: &Origin) -> Result<HeaderMap, NovaError> {
    let host = if nova.host.contains(':') {
        format!("[{}]:{}", nova.host, nova.port)
    } else {
        format!("{}:{}", nova.host, nova.port)
    };
    let signature = signature(&nova.secret, &instance.id);
    let pairs = [
        (header::HOST, host.as_str()),
        (FORWARDED_FOR, origin.forwarded_for.as_str()),
        (INSTANCE_ID, instance.id.as_str()),
        (TENANT_ID, instance.project.as_str()),
        (SIGNATURE, signature.as_str()),
    ];
    let mut out = HeaderMap::new();
    for (name, value) in pairs {
        out.insert(name, HeaderValue::from_str(value)?);
    }
    Ok(out)
}

/// Asks Nova on behalf of `instance`.
pub(super) async fn ask(
    nova: &Nova,
    instance: &Instance,
    origin: &Origin,
    (method, path, body): (Method, PathAndQuery, Bytes),
) -> Result<Response<Bytes>, NovaError> {
    let mut request = Request::new(Whole::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = Uri::from(path);
    *request.headers_mut() = headers(nova, instance, origin)?;
    timeout(PATIENCE, send(nova, request)).await?
}

async fn send(nova: &Nova, request: Request<Whole>) -> Result<Response<Bytes>, NovaError> {
    let address = (nova.host.as_str(), nova.port);
    let stream = TcpStream::connect(address).await.map_err(NovaError::Connect)?;
    let Some(tls) = &nova.tls else { return Ok(http::exchange(stream, request).await?) };
    let name = ServerName::try_from(nova.host.clone())?;
    let connector = TlsConnector::from(std::sync::Arc::clone(tls));
    let stream = connector.connect(name, stream).await.map_err(NovaError::Connect)?;
    Ok(http::exchange(stream, request).await?)
}

/// What the instance gets of Nova's answer: 200 as it is; of the known refusals the status; of
/// anything else that something failed.
pub(super) fn answer(answer: Response<Bytes>) -> Response<Whole> {
    match answer.status().as_u16() {
        200 => passed_on(answer),
        403 => {
            tracing::warn!("Nova refused the request: is metadata_proxy_shared_secret the same?");
            say(StatusCode::FORBIDDEN, "")
        }
        400 | 404 | 409 | 502 | 503 | 504 => say(answer.status(), ""),
        500 => {
            tracing::warn!("Nova's metadata service failed");
            say(StatusCode::INTERNAL_SERVER_ERROR, "Nova's metadata service failed.")
        }
        status => {
            tracing::warn!(status, "Nova's metadata service gave an unexpected answer");
            say(StatusCode::INTERNAL_SERVER_ERROR, "Nova gave an unexpected answer.")
        }
    }
}

fn passed_on(answer: Response<Bytes>) -> Response<Whole> {
    let (parts, body) = answer.into_parts();
    let mut out = Response::new(Whole::new(body));
    let of_content = parts.headers.iter().filter(|(name, _)| !is_of_connection(name.as_str()));
    for (name, value) in of_content {
        out.headers_mut().append(name.clone(), value.clone());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signature_is_novas() {
        // Computed with `printf %s ID | openssl dgst -sha256 -hmac secret`.
        assert_eq!(
            signature("secret", "5f3d5a4e-4c6b-4b0e-9a11-2f8c6a3f0a77"),
            "984cd290b2301f03fbfabc775937b0b8a41a2a2ec6b889cc85a0d975251c113e"
        );
    }

    #[test]
    fn answers_are_mapped() {
        let mapped = |status: u16| {
            let mut nova = Response::new(Bytes::from_static(b"nova says"));
            *nova.status_mut() = StatusCode::from_u16(status).expect("status");
            answer(nova).status().as_u16()
        };
        for same in [200, 400, 403, 404, 409, 500, 502, 503, 504] {
            assert_eq!(mapped(same), same);
        }
        for unexpected in [201, 302, 401, 418] {
            assert_eq!(mapped(unexpected), 500);
        }
    }
}
