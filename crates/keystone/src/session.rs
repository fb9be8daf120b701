//! HTTP to other services: TLS, timeouts, repeated connecting. Nothing of tokens.

use std::{path::Path, time::Duration};

use neutrino_conf::{Conf, opts::KeystoneSession};
use reqwest::{
    Certificate, Client, Identity, Method, StatusCode,
    header::{HeaderMap, HeaderValue},
};
use serde_json::Value;

/// Seconds a service has to answer when no option says so.
const TIMEOUT_SECS: u64 = 60;

/// Longest time to wait for a connection; a host that is not there should not hold a request for
/// as long as a service that works on its answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Pause before the first repetition; it doubles each time, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Largest answer read, in bytes: catalogs of large clouds take some 100 kB.
const MAX_ANSWER: usize = 8 << 20;

/// Why a session cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// A file cannot be read or holds something else.
    #[error("{option} {path}: {problem}")]
    File {
        /// Name of the option.
        option: &'static str,
        /// Its value.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// TLS cannot be set up.
    #[error("setting up HTTP: {0}")]
    Setup(#[from] reqwest::Error),
}

/// A request that got no answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{method} {url}: {problem}")]
pub struct NoAnswer {
    /// Its method.
    pub method: Method,
    /// Where it went.
    pub url: String,
    /// What came instead.
    pub problem: String,
}

/// How to reach services.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionSettings {
    /// Certificate authorities to trust; those of the system when `None`.
    pub cafile: Option<String>,
    /// Our certificate.
    pub certfile: Option<String>,
    /// Its key.
    pub keyfile: Option<String>,
    /// Whether certificates are not verified.
    pub insecure: bool,
    /// Time for an answer; a minute when `None`.
    pub timeout: Option<Duration>,
    /// How often a connection is tried again.
    pub connect_retries: u32,
}

impl SessionSettings {
    /// What the options of one group say.
    #[must_use]
    pub fn from_conf(
        conf: &Conf,
        opts: &KeystoneSession,
        timeout: Option<Duration>,
        connect_retries: i64,
    ) -> Self {
        Self {
            cafile: conf.get(&opts.cafile),
            certfile: conf.get(&opts.certfile),
            keyfile: conf.get(&opts.keyfile),
            insecure: conf.get(&opts.insecure),
            timeout,
            connect_retries: u32::try_from(connect_retries).unwrap_or(0),
        }
    }

    /// Time for an answer.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.timeout.unwrap_or(Duration::from_secs(TIMEOUT_SECS))
    }
}

/// One request.
#[derive(Debug, Clone)]
pub struct Request<'r> {
    /// Method.
    pub method: Method,
    /// Absolute URL.
    pub url: String,
    /// Headers.
    pub headers: HeaderMap,
    /// JSON body.
    pub body: Option<&'r Value>,
}

/// The answer to it.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The beginning of the body, for the log.
    #[must_use]
    pub fn excerpt(&self) -> String {
        String::from_utf8_lossy(&self.body[..self.body.len().min(300)]).into_owned()
    }
}

/// Connections to services, kept open and used again. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Session {
    client: Client,
    connect_retries: u32,
}

impl Session {
    /// A session without connections.
    ///
    /// # Errors
    /// [`SessionError`] when a certificate or key cannot be used.
    pub fn new(settings: &SessionSettings) -> Result<Self, SessionError> {
        // The process' default; an error says only that it is set already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        match Self::build(settings, false) {
            Err(SessionError::Setup(error)) if settings.cafile.is_none() => {
                // A system without certificate authorities must still reach plain HTTP.
                tracing::warn!(%error, "no certificate authority is known: https will not work");
                Self::build(settings, true)
            }
            other => other,
        }
    }

    fn build(settings: &SessionSettings, trust_nobody: bool) -> Result<Self, SessionError> {
        let mut builder = Client::builder()
            .timeout(settings.patience())
            .connect_timeout(settings.patience().min(CONNECT_TIMEOUT))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .tls_danger_accept_invalid_certs(settings.insecure);
        if let Some(path) = &settings.cafile {
            let fail =
                |problem| SessionError::File { option: "cafile", path: path.clone(), problem };
            let certificates = Certificate::from_pem_bundle(&read(path).map_err(fail)?);
            builder = builder.tls_certs_only(certificates.map_err(|e| fail(e.to_string()))?);
        } else if trust_nobody {
            builder = builder.tls_certs_only([]);
        }
        if let Some(path) = &settings.certfile {
            let fail =
                |problem| SessionError::File { option: "certfile", path: path.clone(), problem };
            let mut pem = read(path).map_err(fail)?;
            if let Some(key) = &settings.keyfile {
                let fail =
                    |problem| SessionError::File { option: "keyfile", path: key.clone(), problem };
                pem.push(b'\n');
                pem.extend(read(key).map_err(fail)?);
            }
            builder = builder.identity(Identity::from_pem(&pem).map_err(|e| fail(e.to_string()))?);
        }
        Ok(Self { client: builder.build()?, connect_retries: settings.connect_retries })
    }

    /// Sends `request`, again when no connection comes about, and reads the answer.
    ///
    /// # Errors
    /// [`NoAnswer`] when there is none in time, or none that can be read.
    pub async fn send(&self, request: &Request<'_>) -> Result<Answer, NoAnswer> {
        let mut pause = FIRST_PAUSE;
        for left in (0..=self.connect_retries).rev() {
            match self.attempt(request).await {
                Err(error) if left > 0 && unreached(&error) => {
                    tracing::debug!(
                        url = request.url,
                        error = chain(&error),
                        left,
                        "no connection, trying again"
                    );
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(error) => return Err(no_answer(request, chain(&error))),
                Ok(Some(answer)) => return Ok(answer),
                Ok(None) => {
                    return Err(no_answer(
                        request,
                        format!("an answer of more than {MAX_ANSWER} bytes"),
                    ));
                }
            }
        }
        Err(no_answer(request, "not sent".to_string()))
    }

    /// One attempt; `None` when the answer is too large.
    async fn attempt(&self, request: &Request<'_>) -> Result<Option<Answer>, reqwest::Error> {
        let builder = self
            .client
            .request(request.method.clone(), &request.url)
            .headers(request.headers.clone());
        let builder = match request.body {
            Some(body) => builder.json(body),
            None => builder,
        };
        let mut response = builder.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Ok(None);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Some(Answer { status, headers, body }))
    }
}

/// Whether the service never got to answer, so that asking again does no harm and may help.
fn unreached(error: &reqwest::Error) -> bool {
    !error.is_timeout() && !error.is_builder() && (error.is_connect() || error.is_request())
}

fn no_answer(request: &Request<'_>, problem: String) -> NoAnswer {
    NoAnswer { method: request.method.clone(), url: request.url.clone(), problem }
}

/// The error with its causes, without the URL it repeats.
fn chain(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut cause: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
    while let Some(error) = cause {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&error.to_string());
        cause = error.source();
    }
    if text.is_empty() { error.to_string() } else { text }
}

fn read(path: &str) -> Result<Vec<u8>, String> {
    std::fs::read(Path::new(path)).map_err(|e| e.to_string())
}

/// A header value that logs do not show.
#[must_use]
pub(crate) fn secret(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}
