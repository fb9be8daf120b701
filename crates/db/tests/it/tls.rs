//! Servers that take clients over TLS only, with what neutron.conf says of it.

use std::{fs, path::Path};

use neutrino_db::{
    Db, DbError, DbOptions,
    sea_query::{Expr, Query},
    testing::TempDir,
};
use neutrino_service_sandbox::{
    Authority, Mariadb, Postgres,
    certificates::{Identity, Tls},
};

use crate::is_repeated;

/// Two authorities, and what one of them gave to server and client.
struct Certificates {
    dir: TempDir,
    ours: Authority,
    other: Authority,
    tls: Tls,
    client: Identity,
}

impl Certificates {
    fn new() -> Self {
        let dir = TempDir::new("tls").expect("a directory");
        let ours = Authority::new(dir.path(), "ours").expect("openssl");
        let other = Authority::new(dir.path(), "other").expect("openssl");
        let identity = ours.issue("server", "127.0.0.1").expect("a certificate");
        let client = ours.issue("client", "neutron").expect("a certificate");
        let tls = Tls { authority: ours.certificate(), identity };
        Self { dir, ours, other, tls, client }
    }

    /// Debian's authorities and ours, as Kolla has them.
    fn bundle(&self) -> String {
        let path = self.dir.path().join("bundle.pem");
        let mut all = fs::read("/etc/ssl/certs/ca-certificates.crt").expect("ca-certificates");
        all.extend(fs::read(self.ours.certificate()).expect("ours"));
        fs::write(&path, all).expect("a bundle");
        path.display().to_string()
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// What `select` answers over a connection to `url`.
async fn ask(url: &str, select: &'static str) -> Result<String, DbError> {
    // With all the tries of a start: a refusal that is final is told at once.
    let db = Db::open_with(url, DbOptions::default()).await?;
    let query = Query::select().expr(Expr::cust(select)).to_owned();
    Ok(db.read().await?.fetch_one(&query).await?.text(0))
}

/// The refusal of `url`, which must name `wanted`.
async fn refused(url: &str, wanted: &[&str]) {
    let error = ask(url, "'x'").await.expect_err(url);
    let text = error.to_string();
    for word in wanted {
        assert!(text.contains(word) && !text.contains("sandbox"), "{word}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_over_tls() {
    if is_repeated() {
        return;
    }
    const CIPHER: &str = "(SELECT variable_value FROM information_schema.session_status \
        WHERE variable_name = 'SSL_CIPHER')";
    let with = Certificates::new();
    let server = tokio::task::block_in_place(|| Mariadb::start_with_tls(&with.tls)).expect("up");
    let (url, ca) = (server.url(), shown(&with.ours.certificate()));
    for query in [
        String::new(),
        "?ssl=true".into(),
        format!("?ssl_ca={ca}"),
        format!("?charset=utf8&ssl_verify_cert=true&ssl_ca={ca}"),
        format!("?ssl_ca={}", with.bundle()),
    ] {
        let cipher = ask(&format!("{url}{query}"), CIPHER).await.expect(&query);
        assert!(cipher.starts_with("TLS_"), "{query}: {cipher}");
    }
    let other = shown(&with.other.certificate());
    refused(&format!("{url}?ssl_ca={other}"), &["UnknownIssuer", "ssl_ca must hold"]).await;
    let by_name = format!("{}?ssl_ca={ca}", url.replace("127.0.0.1", "localhost"));
    refused(&by_name, &["subjectAltName", "ssl_check_hostname=false"]).await;
    ask(&format!("{by_name}&ssl_check_hostname=false"), CIPHER).await.expect("no name is checked");
    ask(&format!("{url}?ssl_disabled=true"), CIPHER).await.expect_err("in clear");
    refused(&format!("{url}?ssl_ca=/none.pem"), &["ssl_ca: /none.pem"]).await;

    let demand = "ALTER USER 'neutron'@'%' REQUIRE X509";
    tokio::task::block_in_place(|| server.sql(demand)).expect("altered");
    ask(&format!("{url}?ssl_ca={ca}"), CIPHER).await.expect_err("without a certificate");
    let Identity { certificate, key } = &with.client;
    let own = format!("?ssl_ca={ca}&ssl_cert={}&ssl_key={}", shown(certificate), shown(key));
    ask(&format!("{url}{own}"), CIPHER).await.expect("with one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_over_tls() {
    if is_repeated() {
        return;
    }
    const VERSION: &str = "(SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid())";
    let with = Certificates::new();
    let server = tokio::task::block_in_place(|| Postgres::start_with_tls(&with.tls)).expect("up");
    let (url, ca) = (server.url(), shown(&with.ours.certificate()));
    for query in [
        String::new(),
        "?sslmode=allow".into(),
        "?sslmode=require".into(),
        format!("?sslmode=verify-full&sslrootcert={ca}"),
        format!("?sslmode=verify-full&sslrootcert={}", with.bundle()),
    ] {
        let version = ask(&format!("{url}{query}"), VERSION).await.expect(&query);
        assert!(version.starts_with("TLSv1."), "{query}: {version}");
    }
    let other = shown(&with.other.certificate());
    for mode in ["verify-full", "verify-ca", "require"] {
        let query = format!("?sslmode={mode}&sslrootcert={other}");
        refused(&format!("{url}{query}"), &["UnknownIssuer", "sslrootcert must hold"]).await;
    }
    let by_name = url.replace("127.0.0.1", "localhost");
    let by_name = |mode| format!("{by_name}?sslmode={mode}&sslrootcert={ca}");
    refused(&by_name("verify-full"), &["subjectAltName", "sslmode=verify-ca"]).await;
    ask(&by_name("verify-ca"), VERSION).await.expect("no name is checked");
    refused(&format!("{url}?sslmode=disable"), &["no encryption", "sslmode=verify-full"]).await;

    let Identity { certificate, key } = &with.client;
    let server = url.strip_suffix("neutron").expect("its database");
    let asking = format!("{server}postgres?sslmode=verify-full&sslrootcert={ca}");
    ask(&asking, VERSION).await.expect_err("without a certificate");
    let own = format!("&sslcert={}&sslkey={}", shown(certificate), shown(key));
    ask(&format!("{asking}{own}"), VERSION).await.expect("with one");
}
