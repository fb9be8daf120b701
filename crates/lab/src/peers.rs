//! Neutron's own server and agents: their programs, and what their files say beside what ours say.

use std::path::Path;

use crate::config::{Ini, ML2_CONF, NEUTRON_CONF};
use crate::error::{Error, Result};
use crate::spec::LabSpec;

/// Neutron's API, which a WSGI server runs.
pub(crate) const API: &str = "neutron-api";
/// What answers agents.
pub(crate) const RPC_SERVER: &str = "neutron-rpc-server";
/// What is done once for all servers.
pub(crate) const PERIODIC_WORKERS: &str = "neutron-periodic-workers";
/// Queues that agents call; what is sent before they exist is lost.
pub(crate) const QUEUES: [&str; 3] = ["q-plugin", "q-reports-plugin", "q-l3-plugin"];
/// Locks between processes.
const LOCKS: &str = "/var/lib/neutron/lock";
/// Sections of the helpers to which Neutron leaves what needs privileges.
const PRIVILEGE_SECTIONS: [&str; 7] = [
    "privsep",
    "privsep_dhcp_release",
    "privsep_ovs_vsctl",
    "privsep_namespace",
    "privsep_conntrack",
    "privsep_link",
    "vif_plug_ovs_privileged",
];

/// Says what is missing when `venv` is no environment with Neutron.
pub(crate) fn check(venv: &Path) -> Result<()> {
    if venv.join("bin").join(RPC_SERVER).exists() {
        return Ok(());
    }
    let venv = venv.display();
    Err(Error::Usage(format!("there is no Neutron in {venv} (make peers installs it)")))
}

/// PATH of Neutron's programs, which start each other.
pub(crate) fn path(venv: &Path) -> String {
    let rest = std::env::var("PATH").unwrap_or_default();
    format!("{}/bin:{rest}", venv.display())
}

/// Command line of one of Neutron's programs.
pub(crate) fn program(venv: &Path, name: &str, files: &[&str]) -> Vec<String> {
    let mut command = vec![venv.join("bin").join(name).display().to_string()];
    command.extend(files.iter().flat_map(|file| ["--config-file".to_owned(), (*file).to_owned()]));
    command
}

/// What makes the tables, or changes them to the newest.
pub(crate) fn upgrade_database(venv: &Path) -> Vec<String> {
    let mut command = program(venv, "neutron-db-manage", &[NEUTRON_CONF, ML2_CONF]);
    command.extend(["upgrade", "heads"].map(str::to_owned));
    command
}

/// The server's programs in start order: name, command line, environment.
pub(crate) fn server(lab: &LabSpec, venv: &Path) -> [(&'static str, Vec<String>); 3] {
    let files = [NEUTRON_CONF, ML2_CONF];
    [
        (RPC_SERVER, program(venv, RPC_SERVER, &files)),
        (PERIODIC_WORKERS, program(venv, PERIODIC_WORKERS, &files)),
        (API, api(lab, venv)),
    ]
}

/// The API under uwsgi, with the two processes that Neutron's figures were measured with.
fn api(lab: &LabSpec, venv: &Path) -> Vec<String> {
    let mut command = program(venv, "uwsgi", &[]);
    let socket = format!("{}:{}", lab.controller().management_ip(), lab.api_port);
    let venv = venv.display();
    command.extend(["--http-socket".to_owned(), socket, format!("--virtualenv={venv}")]);
    let rest = "--module=neutron.wsgi.api:application --master --processes=2 --enable-threads \
                --lazy-apps --need-app --thunder-lock --die-on-term --buffer-size=65535";
    command.extend(rest.split_whitespace().map(str::to_owned));
    // It takes its files from here; without the variable it would read others of /etc/neutron.
    let files = format!("--env=OS_NEUTRON_CONFIG_FILES={NEUTRON_CONF};{ML2_CONF}");
    // It closes connections after each answer and would not say so.
    let header = "--add-header=Connection: close".to_owned();
    command.extend([files, header, "--pyargv=".to_owned()]);
    command
}

/// What `neutron.conf` says to Neutron's agents alone.
pub(crate) fn agents_conf(ini: &mut Ini, venv: &Path) {
    ini.set("oslo_concurrency", "lock_path", LOCKS);
    // All is root's already: commands run as they are, and helpers without sudo.
    ini.set("agent", "root_helper", "env");
    let helper = format!("{}/bin/privsep-helper --config-file {NEUTRON_CONF}", venv.display());
    for section in PRIVILEGE_SECTIONS {
        ini.set(section, "helper_command", &helper);
    }
}

/// What `neutron.conf` says to Neutron's server alone.
pub(crate) fn server_conf(ini: &mut Ini, venv: &Path) {
    let paste = venv.join("etc/neutron/api-paste.ini");
    ini.set("oslo_concurrency", "lock_path", LOCKS);
    ini.set("DEFAULT", "auth_strategy", "noauth");
    ini.set("DEFAULT", "api_paste_config", paste.display());
    ini.set("DEFAULT", "service_plugins", "router");
    ini.set("DEFAULT", "rpc_workers", 1);
    ini.set("DEFAULT", "rpc_state_report_workers", 1);
    for change in ["status", "data"] {
        ini.set("DEFAULT", &format!("notify_nova_on_port_{change}_changes"), "False");
    }
}
