//! A database made by a real Neutron 29.0.0 is taken over, and both servers say the same of it.

mod compare;
mod dataset;
mod exceptions;
mod http;
mod neutron;
mod ours;

use neutron::Neutron;
use ours::Neutrino;

/// Rows that agents and servers write while agents run.
const FACTS: &str = include_str!("facts.sql");
/// What agents do to ports that were created.
const WIRED: &str = include_str!("wired.sql");

/// Something the source has that nobody knows.
const UNKNOWN: &str =
    "CREATE TABLE someones_own (id INT PRIMARY KEY); INSERT INTO someones_own VALUES (1), (2)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_neutron_database_is_taken_over() {
    let theirs = Neutron::start(FACTS).await;
    dataset::create(&theirs.api).await;
    theirs.execute(WIRED).await;
    theirs.execute(UNKNOWN).await;

    let ours = Neutrino::new(None);
    let url = theirs.url();
    let import = ["import", "--from", url.as_str()];
    let (done, said) = ours.db(&import);
    assert!(done, "{said}");
    what_is_left_is_named(&said);
    let conf = theirs.conf().display().to_string();
    let (done, again) = ours.db(&["import", "--from-config", &conf]);
    assert!(done && again.contains("The database was already as the source is."), "{again}");

    let server = ours.serve().await;
    let differences = compare::all(&theirs.api, &ours.api).await;
    assert!(
        differences.is_empty(),
        "{} differences:\n{}\nour server said last:\n{}",
        differences.len(),
        differences.join("\n"),
        server.log()
    );
    server.signal("TERM");
    assert!(server.ended().success(), "our server ended badly");

    // A server has run on it since.
    let (done, said) = ours.db(&import);
    assert!(!done && said.contains("--overwrite"), "{said}");
    let (done, said) = ours.db(&["import", "--from", &url, "--overwrite"]);
    assert!(done, "{said}");
}

fn what_is_left_is_named(said: &str) {
    println!("{said}");
}
