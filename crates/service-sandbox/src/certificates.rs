//! Certificates for servers that speak TLS, made with the `openssl` command.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use neutrino_linux::process;

use crate::{Result, io_error};

/// A certificate authority of its own, in a directory whose owner removes it.
#[derive(Debug)]
pub struct Authority {
    dir: PathBuf,
    name: String,
}

/// A certificate and its key, as PEM files that everybody may read.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// What a server needs to speak TLS.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The authority its clients' certificates are of.
    pub authority: PathBuf,
    /// Its own certificate.
    pub identity: Identity,
}

impl Authority {
    /// Makes one called `name` in `dir`, which exists.
    ///
    /// # Errors
    /// When `openssl` is not installed or fails.
    pub fn new(dir: &Path, name: &str) -> Result<Self> {
        let own = Self { dir: dir.to_owned(), name: name.to_owned() };
        let request = ["-x509", "-days", "2", "-subj", &format!("/CN={name}")];
        let ca = "basicConstraints=critical,CA:TRUE";
        own.openssl(name, &[&request[..], &["-addext", ca]].concat())?;
        Ok(own)
    }

    /// Its certificate.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.file(&self.name, "pem")
    }

    /// A certificate for the address or name `subject`, in files called `name`.
    ///
    /// # Errors
    /// When `openssl` fails.
    pub fn issue(&self, name: &str, subject: &str) -> Result<Identity> {
        let kind = if subject.parse::<std::net::IpAddr>().is_ok() { "IP" } else { "DNS" };
        let (ca, key) = (self.certificate(), self.file(&self.name, "key"));
        let (ca, key) = (ca.display().to_string(), key.display().to_string());
        let common_name = format!("/CN={subject}");
        let names = format!("subjectAltName={kind}:{subject}");
        let usage = "extendedKeyUsage=serverAuth,clientAuth";
        let request = ["-x509", "-days", "2", "-CA", &ca, "-CAkey", &key, "-subj", &common_name];
        let extensions = [
            ["-addext", &names],
            ["-addext", usage],
            ["-addext", "basicConstraints=critical,CA:FALSE"],
        ];
        self.openssl(name, &[&request[..], &extensions.concat()].concat())?;
        Ok(Identity { certificate: self.file(name, "pem"), key: self.file(name, "key") })
    }

    /// Makes key and certificate `name`.
    fn openssl(&self, name: &str, request: &[&str]) -> Result<()> {
        let (certificate, key) = (self.file(name, "pem"), self.file(name, "key"));
        // Not the system's configuration, whose extensions would come on top.
        let configuration = self.file(name, "cnf");
        fs::write(&configuration, "[req]\ndistinguished_name = name\n[name]\n")
            .map_err(io_error(format!("writing {}", configuration.display())))?;
        let mut command = Command::new("openssl");
        command.args(["req", "-config"]).arg(configuration).args(request);
        command.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
        process::run(command.arg("-keyout").arg(&key).arg("-out").arg(certificate))?;
        // Servers that are not root's read it too; nothing is protected by it.
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644))
            .map_err(io_error(format!("making {} readable", key.display())))
    }

    fn file(&self, name: &str, suffix: &str) -> PathBuf {
        self.dir.join(format!("{name}.{suffix}"))
    }
}
