//! The schema as rendered for each backend, and as the backend of this run has it.

mod ddl;
mod galera;
mod indices;
mod plan;
mod tls;

/// Whether this run is one more, on another backend: what starts servers of its own has been tested.
fn is_repeated() -> bool {
    std::env::var_os(neutrino_db::testing::TEST_DATABASE).is_some()
}
