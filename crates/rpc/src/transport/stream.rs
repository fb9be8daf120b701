//! Byte streams, and the certificates and keys of encrypted ones, for both buses.

use std::{path::Path, sync::Arc};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::rustls::{
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer},
};

use crate::error::RpcError;

/// A byte stream, plain or TLS.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}
pub(crate) type BoxStream = Box<dyn Stream>;

/// The certificates in a file, at least one.
pub(super) fn read_certs(path: &Path) -> Result<Vec<CertificateDer<'static>>, RpcError> {
    let doing = || format!("reading certificates from {}", path.display());
    let bytes = std::fs::read(path).map_err(|e| RpcError::setup(doing(), e))?;
    let certs: Vec<_> = rustls_pemfile::certs(&mut bytes.as_slice())
        .collect::<Result<_, _>>()
        .map_err(|e| RpcError::setup(doing(), e))?;
    if certs.is_empty() {
        return Err(RpcError::setup(doing(), "the file holds no PEM certificate"));
    }
    Ok(certs)
}

/// The private key in a file.
pub(super) fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, RpcError> {
    let doing = || format!("reading the private key from {}", path.display());
    let bytes = std::fs::read(path).map_err(|e| RpcError::setup(doing(), e))?;
    rustls_pemfile::private_key(&mut bytes.as_slice())
        .map_err(|e| RpcError::setup(doing(), e))?
        .ok_or_else(|| RpcError::setup(doing(), "the file holds no PEM private key"))
}

/// The cryptography of both buses.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(tokio_rustls::rustls::crypto::ring::default_provider())
}
