//! The one binary of Neutrino: server, agents, lab and administration.
//!
//! Called through a link named as one of Neutron's commands (`neutron-server`,
//! `neutron-openvswitch-agent`, ...) it behaves as that command.

mod cli;
mod commands;
mod logging;
mod multicall;

use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cli::parse(multicall::rewrite(std::env::args_os()));
    match commands::run(cli) {
        Ok(code) => code,
        Err(error) => {
            // The one place where a command's failure is reported, with all its causes.
            eprintln!("neutrino: {}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// An error with its causes, each said once.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !text.contains(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        cause = error.source();
    }
    text
}
