//! `[database] connection`: the URLs of SQLAlchemy, as they stand in neutron.conf.

use std::{fmt, path::PathBuf};

use crate::{
    Dialect,
    backend::{mysql, postgres},
};

/// What the URL names.
#[derive(Debug)]
pub enum Target {
    /// A file; `None`: a private one.
    Sqlite(Option<PathBuf>),
    /// A server.
    Server(Server),
}

/// A database of a server and how to connect to it.
pub struct Server {
    /// The kind of server, and how to connect to it.
    pub kind: ServerKind,
    shown: String,
}

/// The options of sqlx, by the kind of server.
pub enum ServerKind {
    /// MariaDB and MySQL.
    Mysql(Box<sqlx::mysql::MySqlConnectOptions>),
    /// PostgreSQL.
    Postgres(Box<sqlx::postgres::PgConnectOptions>),
}

impl Server {
    pub(crate) fn dialect(&self) -> Dialect {
        match self.kind {
            ServerKind::Mysql(_) => Dialect::Mysql,
            ServerKind::Postgres(_) => Dialect::Postgres,
        }
    }

    /// The URL without its password.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// An URL in its parts, percent-decoded.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) database: String,
    pub(crate) query: Vec<(String, String)>,
}

/// Reads `url`.
///
/// # Errors
/// Why it names no database.
pub fn parse(url: &str) -> Result<Target, String> {
    let (scheme, rest) = url.split_once("://").ok_or("it has no scheme")?;
    let shown = || redacted(url);
    match scheme {
        "sqlite" => sqlite(rest),
        "mysql" | "mariadb" | "mysql+pymysql" | "mariadb+pymysql" => {
            let options = Box::new(mysql::options(&parts(rest)?)?);
            Ok(Target::Server(Server { kind: ServerKind::Mysql(options), shown: shown() }))
        }
        "postgresql" | "postgres" | "postgresql+psycopg2" | "postgresql+psycopg" => {
            let options = Box::new(postgres::options(&parts(rest)?)?);
            Ok(Target::Server(Server { kind: ServerKind::Postgres(options), shown: shown() }))
        }
        other => Err(format!(
            "no driver for '{other}://': there are sqlite://, mysql+pymysql:// and postgresql://"
        )),
    }
}

fn sqlite(path: &str) -> Result<Target, String> {
    if path.is_empty() {
        return Ok(Target::Sqlite(None));
    }
    // Four slashes are SQLAlchemy's way to write an absolute path.
    let path = PathBuf::from(path.replacen("//", "/", 1));
    if !path.is_absolute() {
        return Err("the path must be absolute".into());
    }
    Ok(Target::Sqlite(Some(path)))
}

/// `user:password@host:port/database?query`, every part but the database optional.
fn parts(rest: &str) -> Result<Parts, String> {
    let mut out = Parts::default();
    let rest = match rest.split_once('@') {
        // A password may hold a slash or a colon, but no '@'; a user neither.
        Some((login, rest)) if !login.split(':').next().unwrap_or_default().contains('/') => {
            let (user, password) = match login.split_once(':') {
                Some((user, password)) => (user, Some(password)),
                None => (login, None),
            };
            out.user = Some(decoded(user)?).filter(|user| !user.is_empty());
            out.password = password.map(decoded).transpose()?;
            rest
        }
        _ => rest,
    };
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (place, database) = rest.split_once('/').unwrap_or((rest, ""));
    out.database = decoded(database)?;
    let (host, port) = match place.strip_prefix('[') {
        Some(v6) => {
            let (host, port) = v6.split_once(']').ok_or("an IPv6 address lacks its ']'")?;
            (host, port.strip_prefix(':'))
        }
        None => match place.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        },
    };
    out.host = Some(decoded(host)?).filter(|host| !host.is_empty());
    if let Some(port) = port.filter(|port| !port.is_empty()) {
        out.port = Some(port.parse().map_err(|_| format!("'{port}' is no port"))?);
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        out.query.push((decoded(key)?, decoded(&value.replace('+', " "))?));
    }
    Ok(out)
}

/// `text` with its `%xx` replaced.
fn decoded(text: &str) -> Result<String, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digits = (bytes.next(), bytes.next());
        let digit = |d: Option<u8>| d.and_then(|d| char::from(d).to_digit(16));
        match (digit(digits.0), digit(digits.1)) {
            (Some(high), Some(low)) => out.push((high * 16 + low) as u8),
            _ => return Err("a '%' is not followed by two hexadecimal digits".into()),
        }
    }
    String::from_utf8(out).map_err(|_| "a part is no UTF-8 once decoded".into())
}

/// Sees that the file that parameter `key` names can be read: later its lack would be mistaken for
/// the server's.
///
/// # Errors
/// Why it cannot, naming the parameter.
pub(crate) fn readable(key: &str, path: &str) -> Result<(), String> {
    std::fs::File::open(path).map(|_| ()).map_err(|error| format!("{key}: {path}: {error}"))
}

/// Parameter `key` as SQLAlchemy and PyMySQL read truth.
///
/// # Errors
/// When it is none.
pub(crate) fn truth(key: &str, value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" | "t" | "1" | "required" => Ok(true),
        "false" | "no" | "off" | "n" | "f" | "0" | "none" => Ok(false),
        _ => Err(format!("{key}: '{value}' is neither true nor false")),
    }
}

/// `url` without the password it may carry.
pub(crate) fn redacted(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => {
            format!("{}://***{}", &url[..scheme], &url[at..])
        }
        _ => url.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn urls_are_read_as_sqlalchemy_does() {
        let full = parts("neu%74ron:p%40ss/w:rd@[fd00::1]:3307/neutron?charset=utf8&a=b+c");
        let wanted = Parts {
            user: Some("neutron".into()),
            password: Some("p@ss/w:rd".into()),
            host: Some("fd00::1".into()),
            port: Some(3307),
            database: "neutron".into(),
            query: vec![("charset".into(), "utf8".into()), ("a".into(), "b c".into())],
        };
        assert_eq!(full.expect("full"), wanted);
        let bare = parts("/neutron?host=/run/postgresql&x=a@b").expect("bare");
        assert_eq!((bare.user, bare.host, bare.database), (None, None, "neutron".to_string()));
        assert!(parts("u:%zz@h/db").is_err());
        assert!(parts("h:99999/db").is_err());
    }

    #[test]
    fn a_server_is_shown_without_its_password() {
        let Ok(Target::Server(server)) = parse("mysql+pymysql://neutron:se%cret@db/neutron") else {
            let error = parse("mysql+pymysql://neutron:se%cret@db/neutron").expect_err("refused");
            assert!(!error.contains("cret"), "{error}");
            return;
        };
        panic!("{server:?}");
    }

    #[test]
    fn schemes_choose_the_backend() {
        for url in ["mysql://u:secret@h/d", "mariadb+pymysql://u:secret@h/d?charset=utf8"] {
            let Ok(Target::Server(server)) = parse(url) else { panic!("{url}") };
            assert_eq!(server.dialect(), Dialect::Mysql);
            assert!(!format!("{server:?}").contains("secret"));
        }
        let Ok(Target::Server(server)) = parse("postgresql+psycopg2://u:p@h/d") else { panic!() };
        assert_eq!(server.dialect(), Dialect::Postgres);
        assert!(matches!(parse("sqlite:////a/b"), Ok(Target::Sqlite(Some(_)))));
        assert!(parse("sqlite:///relative").is_ok(), "three slashes and a path from the root");
        assert!(parse("oracle://h/d").is_err());
    }

    proptest! {
        #[test]
        fn any_url_is_answered(url in "(mysql|postgresql|sqlite)://.{0,40}") {
            let _ = parse(&url);
        }
    }
}
