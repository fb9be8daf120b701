//! `neutrino db`: what `neutron-db-manage` does.

use std::process::ExitCode;

use neutrino_conf::opts;
use neutrino_db::Db;

use super::{Failure, service};
use crate::cli::{Common, DbAction};

/// Opens the configured database and does `action`.
pub fn run(common: &Common, action: &DbAction) -> Result<ExitCode, Failure> {
    let conf = service::load(common)?;
    let url = conf.get(&opts::database::CONNECTION);
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let db = Db::open_as_is(&url).await?;
        match action {
            DbAction::Upgrade { .. } => {
                let applied = db.upgrade().await?;
                for revision in &applied {
                    println!("Running upgrade -> {revision}");
                }
                if applied.is_empty() {
                    println!("The schema is up to date.");
                }
            }
            DbAction::Current => {
                println!("{}", db.current_revision().await?.as_deref().unwrap_or("<none>"));
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}
