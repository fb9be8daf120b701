//! A database made by a real Neutron 29.0.0 is taken over, and both servers say the same of it.

mod compare;
mod copy;
mod dataset;
mod exceptions;
mod http;
mod neutron;
mod ours;

use compare::Said;
use neutrino_service_sandbox::Postgres;
use neutron::Neutron;
use ours::Neutrino;

/// Rows that agents and servers write while agents run.
const FACTS: &str = include_str!("facts.sql");
/// What agents do to ports that were created.
const WIRED: &str = include_str!("wired.sql");

/// Something the source has that nobody knows.
const UNKNOWN: &str =
    "CREATE TABLE someones_own (id INT PRIMARY KEY); INSERT INTO someones_own VALUES (1), (2)";

/// What an import that changed nothing says.
const UNCHANGED: &str = "The database was already as the source is.";

/// One test: a Neutron takes long to start and to fill.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_neutron_database_is_taken_over() {
    let theirs = Neutron::start(FACTS).await;
    dataset::create(&theirs.api).await;
    theirs.execute(WIRED).await;
    theirs.execute(UNKNOWN).await;
    let before = theirs.checksums().await;
    let url = theirs.url();

    let ours = Neutrino::new("sqlite", None);
    killed(&theirs, &ours).await;
    let said = ours.import(&["--from", &url]);
    println!("{said}");
    what_is_left_is_named(&said);
    let conf = theirs.conf().display().to_string();
    assert!(ours.import(&["--from-config", &conf]).contains(UNCHANGED), "not idempotent");

    let postgres = Postgres::start().expect("PostgreSQL");
    from_postgres(&url, &postgres, &ours).await;
    let [mariadb, in_postgres] = other_targets(&theirs, &postgres).await;
    assert_eq!(theirs.checksums().await, before, "the source was changed");

    let said = compare::everything(&theirs.api).await;
    println!("{:?}", compare::count(&said));
    for target in [&ours, &mariadb, &in_postgres] {
        says_the_same(&said, target).await;
    }
    taken_over_again(&theirs, &ours).await;
    refused(&url, &mariadb).await;
}

/// An import that is killed has done nothing.
async fn killed(theirs: &Neutron, ours: &Neutrino) {
    // Of the last table that is carried.
    let mut lock = theirs.lock("tags").await;
    let import = ours.start_import(&theirs.url());
    lock.wait_for_waiter().await;
    import.signal("KILL");
    assert!(!import.ended().success(), "it was killed");
    lock.unlock().await;
}

fn what_is_left_is_named(said: &str) {
    for wanted in [
        "carried without ha: routers ",
        ": a network of HA routers among themselves",
        "not carried: qos_policies ",
        "not carried: qos_bandwidth_limit_rules ",
        "not carried: qos_port_policy_bindings ",
        "not carried: trunks ",
        "not carried: meteringlabels ",
        "a tag of something of table qos_policies, which has none here",
        "someones_own                            2 not carried: no table of Neutron 29.0.0",
    ] {
        assert!(said.contains(wanted), "'{wanted}' is missing");
    }
    // What Neutron has is either carried or known to be left.
    assert_eq!(said.matches("no table of Neutron").count(), 1);
}

/// The same rows from PostgreSQL are the same rows.
async fn from_postgres(url: &str, postgres: &Postgres, ours: &Neutrino) {
    copy::copy(url, &postgres.url()).await;
    let from = postgres.url();
    assert!(ours.import(&["--from", &from]).contains(UNCHANGED), "PostgreSQL differs");

    copy::execute(
        &from,
        "UPDATE alembic_version SET version_num = 'older' WHERE version_num > 'c'",
    )
    .await;
    let said = ours.refuses(&["--from", &from]);
    assert!(said.contains("at revision 5c85685d616d, older, not at 5c85685d616d, c7f8"), "{said}");
    copy::execute(&from, "DROP TABLE alembic_version").await;
    let said = ours.refuses(&["--from", &from]);
    assert!(said.contains("the source is no Neutron database"), "{said}");
}

/// Imports into MariaDB and PostgreSQL.
async fn other_targets(theirs: &Neutron, postgres: &Postgres) -> [Neutrino; 2] {
    theirs.execute("CREATE DATABASE neutrino").await;
    copy::execute(&postgres.url(), "CREATE DATABASE neutrino").await;
    let url = theirs.url();
    let targets = [("mariadb", &url), ("postgres", &postgres.url())].map(|(name, url)| {
        let (server, _) = url.rsplit_once('/').expect("a database");
        Neutrino::new(name, Some(&format!("{server}/neutrino")))
    });
    for target in &targets {
        target.import(&["--from", &url]);
        assert!(target.import(&["--from", &url]).contains(UNCHANGED), "not idempotent");
    }
    let itself = Neutrino::new("itself", Some(&url)).refuses(&["--from", &url]);
    assert!(itself.contains("the target is a Neutron database itself"), "{itself}");
    targets
}

/// Our server on what was imported answers every GET as theirs does.
async fn says_the_same(theirs: &Said, ours: &Neutrino) {
    let server = ours.serve().await;
    let answered = compare::everything(&ours.api).await;
    let differences = compare::differences(theirs, &answered);
    assert!(
        differences.is_empty(),
        "{} differences:\n{}\nour server said:\n{}",
        differences.len(),
        differences.join("\n"),
        server.log()
    );
    server.signal("TERM");
    assert!(server.ended().success(), "our server ended badly");
}

/// What changed in the source since changes here too, but not unasked once a server has run.
async fn taken_over_again(theirs: &Neutron, ours: &Neutrino) {
    let url = theirs.url();
    let said = ours.refuses(&["--from", &url]);
    assert!(said.contains("a server has run on the target since"), "{said}");
    dataset::change(&theirs.api).await;
    let said = ours.import(&["--from", &url, "--overwrite"]);
    assert!(!said.contains(UNCHANGED), "{said}");
    let server = ours.serve().await;
    let (left, right) = tokio::join!(compare::lists(&theirs.api), compare::lists(&ours.api));
    let differences = compare::differences(&left, &right);
    assert!(differences.is_empty(), "{}\n{}", differences.join("\n"), server.log());
}

/// What users made is not overwritten.
async fn refused(url: &str, on: &Neutrino) {
    let said = on.refuses(&["--from", url]);
    assert!(said.contains("a server has run on the target since"), "{said}");
    let other = Neutrino::new("other", None);
    let server = other.serve().await;
    let network = serde_json::json!({"name": "someone's"});
    other.api.create("networks", "network", network).await;
    server.signal("TERM");
    assert!(server.ended().success(), "our server ended badly");
    let said = other.refuses(&["--from", url, "--overwrite"]);
    assert!(said.contains("holds rows though nothing was ever imported"), "{said}");
}
