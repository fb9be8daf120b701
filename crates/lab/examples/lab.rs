//! The lab's subcommands alone, for work on this crate: `lab up --bare`.

use clap::Parser;

#[derive(Parser)]
struct Main {
    #[command(subcommand)]
    command: Sub,
}

#[derive(clap::Subcommand)]
enum Sub {
    Lab(neutrino_lab::Cli),
}

fn main() -> std::process::ExitCode {
    let Sub::Lab(cli) = Main::parse().command;
    neutrino_lab::run(cli).unwrap_or_else(|error| {
        eprintln!("{error}");
        std::process::ExitCode::FAILURE
    })
}
