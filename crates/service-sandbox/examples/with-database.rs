//! Runs a command beside a private database server: `with-database mariadb|postgres COMMAND...`.
//!
//! The command finds the server's URL in `NEUTRINO_TEST_DATABASE`. When it ends, or this process
//! does, killed or not, the server, its data and all that the command started are gone. Answers
//! the command's exit status.

use std::{
    env,
    path::Path,
    process::{Command, ExitCode},
};

use neutrino_service_sandbox::{GUARD_MARK, Mariadb, Postgres};

/// Tells tests where to make their databases (`neutrino_db::testing`).
const TEST_DATABASE: &str = "NEUTRINO_TEST_DATABASE";

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let kind = arguments.next().unwrap_or_default();
    let command: Vec<String> = arguments.collect();
    let outcome = match kind.as_str() {
        "mariadb" => Mariadb::start().map(|server| run(&server.url(), server.dir(), &command)),
        "postgres" => Postgres::start().map(|server| run(&server.url(), server.dir(), &command)),
        _ => return failed("usage: with-database mariadb|postgres COMMAND [ARGUMENT]..."),
    };
    outcome.unwrap_or_else(|error| failed(&error.to_string()))
}

fn failed(message: &str) -> ExitCode {
    eprintln!("with-database: {message}");
    ExitCode::FAILURE
}

fn run(url: &str, dir: &Path, command: &[String]) -> ExitCode {
    let Some((program, arguments)) = command.split_first() else {
        return failed("no command given");
    };
    let status =
        Command::new(program).args(arguments).env(TEST_DATABASE, url).env(GUARD_MARK, dir).status();
    match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(status) => failed(&format!("{program}: {status}")),
        Err(error) => failed(&format!("{program}: {error}")),
    }
}
