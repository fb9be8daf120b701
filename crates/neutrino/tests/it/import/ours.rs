//! The binary under test: the import, and the server on what it brought.

use std::process::Command;

use neutrino_service_sandbox::Port;

use super::{
    http::Api,
    neutron::{ML2, QUOTAS},
};
use crate::process::{Dir, Process};

/// Configuration of the server.
const CONF: &str = "
[DEFAULT]
bind_host = 127.0.0.1
bind_port = {api}
auth_strategy = noauth
state_path = {dir}
agent_down_time = 7200
[quotas]
{quotas}
[database]
connection = {url}
[embedded_bus]
bind_host = 127.0.0.1
bind_port = {bus}
secret = test
";

/// The command line of an import, but for the source.
const IMPORT: [&str; 4] = ["db", "--config-file", "neutron.conf", "import"];

/// A database of ours and, when it runs, the server on it.
pub struct Neutrino {
    pub api: Api,
    dir: Dir,
    _ports: [Port; 2],
}

impl Neutrino {
    /// A place called `name` for a database; `None` for a file of SQLite.
    pub fn new(name: &str, url: Option<&str>) -> Self {
        let dir = Dir::new(&format!("import-{name}"));
        let [api, bus] = [Port::take().expect("port"), Port::take().expect("port")];
        let text = [CONF, ML2].concat();
        let text = text
            .replace("{api}", &api.number().to_string())
            .replace("{bus}", &bus.number().to_string())
            .replace("{quotas}", QUOTAS)
            .replace("{qos}", "")
            .replace("{url}", url.unwrap_or("sqlite:///{dir}/neutrino.sqlite"));
        dir.write("neutron.conf", &text);
        Self { api: Api::new("Neutrino", api.number()), dir, _ports: [api, bus] }
    }

    /// What `neutrino db import` says when it succeeds.
    pub fn import(&self, words: &[&str]) -> String {
        let (success, said) = self.try_import(words);
        assert!(success, "{said}");
        said
    }

    /// What `neutrino db import` says when it refuses.
    pub fn refuses(&self, words: &[&str]) -> String {
        let (success, said) = self.try_import(words);
        assert!(!success, "{said}");
        said
    }

    fn try_import(&self, words: &[&str]) -> (bool, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_neutrino"));
        command.args(IMPORT).args(words);
        let output = command.current_dir(self.dir.path()).output().expect("neutrino db");
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    /// Starts an import without waiting for its end.
    pub fn start_import(&self, url: &str) -> Process {
        Process::start(&self.dir, "import", &[&IMPORT[..], &["--from", url]].concat())
    }

    /// Starts the server and waits until it answers.
    pub async fn serve(&self) -> Process {
        let process =
            Process::start(&self.dir, "server", &["server", "--config-file", "neutron.conf"]);
        self.api.await_up(&process).await;
        process
    }
}
