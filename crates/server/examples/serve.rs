//! Runs the server from one configuration file: for trials without the `neutrino` binary.
//!
//! `cargo run --example serve -- FILE`, or `-- hash PASSWORD` for the identity file.

use std::path::PathBuf;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["hash", password] => println!("{}", neutrino_server::identity::hash_password(password)?),
        [file] => {
            let conf = neutrino_conf::Conf::load(&[PathBuf::from(file)], &[])?;
            neutrino_server::run(conf).await?;
        }
        _ => eprintln!("usage: serve FILE | serve hash PASSWORD"),
    }
    Ok(())
}
