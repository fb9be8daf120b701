//! What an operator does about a connection that TLS kept from coming about.

use std::io;

use rustls::{CertificateError, Error as TlsError};

use crate::Dialect;

/// What failed and what to do, when it is encryption that `error` is about.
pub(super) fn advice(error: &sqlx::Error, dialect: Dialect) -> Option<(String, String)> {
    match error {
        sqlx::Error::Tls(failure) => {
            Some((failure.to_string(), of_server(&failure.to_string(), dialect)))
        }
        sqlx::Error::Configuration(failure) => {
            Some((failure.to_string(), format!("look at {}", own_certificate(dialect))))
        }
        sqlx::Error::Io(failure) => {
            let failure = tls_error(failure)?;
            Some((failure.to_string(), of_handshake(failure, dialect)))
        }
        // PostgreSQL has one code for all that pg_hba.conf does not allow. MariaDB says that the
        // user is refused, as of a wrong password.
        sqlx::Error::Database(refusal) if refusal.message().contains("no encryption") => {
            let advice = "say sslmode=verify-full&sslrootcert=CA.pem in [database] connection";
            Some((refusal.message().to_owned(), advice.to_owned()))
        }
        _ => None,
    }
}

fn tls_error(error: &io::Error) -> Option<&TlsError> {
    let inner = error.get_ref()?;
    inner.downcast_ref().or_else(|| inner.source()?.downcast_ref())
}

/// The parameters of the URL, by the kind of server.
fn authority(dialect: Dialect) -> &'static str {
    if dialect == Dialect::Postgres { "sslrootcert" } else { "ssl_ca" }
}

fn own_certificate(dialect: Dialect) -> &'static str {
    if dialect == Dialect::Postgres { "sslcert and sslkey" } else { "ssl_cert and ssl_key" }
}

fn of_server(failure: &str, dialect: Dialect) -> String {
    if failure.contains("does not support TLS") {
        let parameters = if dialect == Dialect::Postgres { "sslmode" } else { "ssl_*" };
        return format!("turn TLS on there, or take {parameters} out of [database] connection");
    }
    format!("look at {} and {}", authority(dialect), own_certificate(dialect))
}

fn of_handshake(failure: &TlsError, dialect: Dialect) -> String {
    let authority = authority(dialect);
    match failure {
        TlsError::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => {
            let lax = match dialect {
                Dialect::Postgres => "sslmode=verify-ca",
                _ => "ssl_check_hostname=false",
            };
            format!(
                "name the server in [database] connection as a subjectAltName of its certificate \
                 does, or say {lax}"
            )
        }
        TlsError::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => format!("{authority} must hold the authority that signed the server's certificate"),
        TlsError::InvalidCertificate(_) => "the server needs another certificate".into(),
        TlsError::AlertReceived(_) => {
            format!("the server wants another client certificate: {}", own_certificate(dialect))
        }
        _ => "both must speak TLS 1.2 or 1.3".into(),
    }
}
