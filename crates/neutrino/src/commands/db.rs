//! `neutrino db`: what `neutron-db-manage` does, and taking over a Neutron database.

use std::process::ExitCode;

use neutrino_conf::{Conf, opts};
use neutrino_db::{Db, migrations};
use neutrino_server::config::DatabaseConfig;

use super::{Failure, service};
use crate::cli::{Common, DbAction, ImportArgs};

/// Opens the configured database and does `action`.
pub fn run(common: &Common, action: &DbAction) -> Result<ExitCode, Failure> {
    let conf = service::load(common)?;
    let database = DatabaseConfig::from_conf(&conf);
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let db = Db::open_with(&database.url, database.options).await?;
        match action {
            DbAction::Upgrade { .. } => upgrade(&db).await?,
            DbAction::Current => {
                println!("{}", db.current_revision().await?.as_deref().unwrap_or("<none>"));
            }
            DbAction::HasOfflineMigrations => {
                let current = db.current_revision().await?;
                if !migrations::pending(current.as_deref())?.is_empty() {
                    println!("The schema is at {}.", current.as_deref().unwrap_or("<none>"));
                    return Ok(ExitCode::FAILURE);
                }
            }
            DbAction::History => print!("{}", history(db.current_revision().await?.as_deref())),
            DbAction::Import(args) => import(&db, args).await?,
        }
        Ok(ExitCode::SUCCESS)
    })
}

async fn upgrade(db: &Db) -> Result<(), Failure> {
    let applied = db.upgrade().await?;
    for revision in &applied {
        println!("Running upgrade -> {revision}");
    }
    if applied.is_empty() {
        println!("The schema is up to date.");
    }
    Ok(())
}

/// Every revision, newest first, as `neutron-db-manage history` writes it.
fn history(current: Option<&str>) -> String {
    let mut before = "<base>";
    let mut lines = Vec::new();
    for migration in migrations::ALL {
        let revision = migration.revision;
        let head = if revision == migrations::head() { " (head)" } else { "" };
        let here = if current == Some(revision) { " (current)" } else { "" };
        lines.push(format!("{before} -> {revision}{head}{here}, {}\n", migration.title));
        before = revision;
    }
    lines.into_iter().rev().collect()
}

async fn import(db: &Db, args: &ImportArgs) -> Result<(), Failure> {
    let url = match (&args.from, &args.from_config) {
        (Some(url), _) => url.clone(),
        (None, Some(file)) => {
            Conf::load(std::slice::from_ref(file), &[])?.get(&opts::database::CONNECTION)
        }
        (None, None) => return Err("name the source: --from or --from-config".into()),
    };
    let tell = &mut |event: &neutrino_import::Event| println!("{event}");
    let report = neutrino_import::import(&url, db, args.overwrite, tell).await?;
    print!("{report}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_revision_comes_first() {
        let text = history(Some("0001_first_light"));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), migrations::ALL.len());
        assert!(lines[0].contains(" (head), "), "{text}");
        let oldest = lines.last().copied().unwrap_or_default();
        assert!(oldest.starts_with("<base> -> 0001_first_light (current), "), "{text}");
    }
}
