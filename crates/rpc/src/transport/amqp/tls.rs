//! TLS to the broker, checked as strictly as oslo.messaging checks it.

use std::{path::PathBuf, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

use crate::{
    error::RpcError,
    transport::stream::{provider, read_certs, read_key},
};

/// TLS options of `[oslo_messaging_rabbit]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// `ssl_ca_file`; without it any certificate is taken.
    pub ca_file: Option<PathBuf>,
    /// `ssl_cert_file` and `ssl_key_file`.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// `ssl_enforce_hostname_verification`.
    pub check_name: bool,
}

impl Tls {
    /// What rustls needs to connect.
    ///
    /// # Errors
    /// A file that cannot be read or holds nothing usable.
    pub fn client_config(&self) -> Result<ClientConfig, RpcError> {
        let provider = provider();
        let verifier = Verifier {
            chain: self.ca_file.as_ref().map(|ca| chain_verifier(ca, &provider)).transpose()?,
            check_name: self.check_name,
            provider: Arc::clone(&provider),
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| RpcError::setup("choosing TLS versions", e))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let Some((cert, key)) = &self.identity else { return Ok(builder.with_no_client_auth()) };
        builder
            .with_client_auth_cert(read_certs(cert)?, read_key(key)?)
            .map_err(|e| RpcError::setup(format!("using the key in {}", key.display()), e))
    }
}

/// What an operator does about a broker or a broker's answer that TLS refuses.
pub(super) fn advice(error: &Error) -> &'static str {
    match error {
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => {
            "name the broker in transport_url as a subjectAltName of its certificate does, or set \
             ssl_enforce_hostname_verification = false"
        }
        Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => "ssl_ca_file must hold the authority that signed the broker's certificate",
        Error::InvalidCertificate(_) => "the broker needs another certificate",
        Error::AlertReceived(_) => {
            "the broker wants another client certificate: ssl_cert_file and ssl_key_file"
        }
        _ => "the broker must speak TLS 1.2 or 1.3 at that port",
    }
}

/// The same about a broker that ends the connection of a client without certificate.
pub(super) const NO_IDENTITY: &str =
    "the broker may want a client certificate: ssl_cert_file and ssl_key_file";

fn chain_verifier(
    ca: &std::path::Path,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, RpcError> {
    let doing = || format!("trusting the certificates in {}", ca.display());
    let mut roots = RootCertStore::empty();
    for cert in read_certs(ca)? {
        roots.add(cert).map_err(|e| RpcError::setup(doing(), e))?;
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|e| RpcError::setup(doing(), e))
}

/// Checks chain and name as far as the options ask for it. Who has the certificate's key is
/// always checked.
#[derive(Debug)]
struct Verifier {
    chain: Option<Arc<WebPkiServerVerifier>>,
    check_name: bool,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        match chain.verify_server_cert(end_entity, intermediates, server_name, ocsp, now) {
            // The name is looked at last, so everything else is right.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.check_name => Ok(ServerCertVerified::assertion()),
            result => result,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
