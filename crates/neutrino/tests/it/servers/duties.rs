//! Neutron's division of a server: processes that serve agents, or the clock, beside the API.

use std::{os::unix::process::CommandExt, process::Command};

use neutrino_service_sandbox::Rabbitmq;
use serde_json::Value;

use super::{
    agent::Host,
    api::Api,
    fleet::{CONF, free_port},
    workload,
};
use crate::process::{Dir, Process, await_some};

/// Starts `neutrino` through a link of this name, with the configuration `servers.conf`.
fn start_as(dir: &Dir, name: &str) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_neutrino"));
    Process::start_as(dir, name, command.arg0(name).args(["--config-file", "servers.conf"]))
}

fn end(process: Process) {
    process.signal("TERM");
    let log = process.log();
    assert!(process.ended().success(), "{log}");
}

/// Waits until the API says that the agent of `host` is alive.
fn await_alive(api: &mut Api, host: &Host) {
    let path = format!("/v2.0/agents?alive=true&host={}", host.name);
    let alive = || {
        let agents = api.send("GET", &path, &Value::Null).body;
        agents["agents"].as_array().is_some_and(|agents| !agents.is_empty()).then_some(())
    };
    await_some("the agent is alive", alive, || "see the logs".to_string());
}

#[test]
fn rpc_server_serves_agents_and_periodic_workers_watch_them_without_the_api() {
    let broker = Rabbitmq::start().expect("RabbitMQ");
    let dir = Dir::new("duties");
    // All with one configuration: only one of them listens on the port.
    let port = free_port();
    let options = format!(
        "[DEFAULT]\ntransport_url = {}\nbind_port = {port}\nagent_down_time = 5\n\
         [database]\nconnection = sqlite:///{{dir}}/neutron.sqlite\n",
        broker.url()
    );
    dir.write("servers.conf", &format!("{CONF}{options}"));
    let mut rpc = start_as(&dir, "neutron-rpc-server");
    let mut periodic = start_as(&dir, "neutron-periodic-workers");
    let api_server = start_as(&dir, "neutron-server");
    for process in [&mut rpc, &mut periodic] {
        process.await_line(0, "at work, without API");
    }
    let mut api = Api::new(vec![format!("127.0.0.1:{port}")], 0);
    let network = workload::instances_network(&mut api);
    let mut host = Host::start(&dir, 1, &broker.url());
    await_alive(&mut api, &host);
    host.boot_one(&mut api, &network);
    let instance = host.create(&mut api, &network);

    // Without API an instance that is there already is wired, and so it was when the API is back.
    api_server.kill();
    let said = host.log().len();
    host.plug(&instance);
    host.await_line(said, "devices reported");
    let api_server = start_as(&dir, "neutron-server");
    host.await_active(&mut api, &instance);
    await_alive(&mut api, &host);

    // The work by the clock is done by who is left.
    end(api_server);
    end(rpc);
    host.stop();
    periodic.await_line(0, "agent is dead");
    end(periodic);
}

#[test]
fn server_without_api_wants_a_broker() {
    let dir = Dir::new("duties-embedded");
    let url = "sqlite:///{dir}/neutron.sqlite";
    dir.write("servers.conf", &format!("{CONF}[database]\nconnection = {url}\n"));
    for name in ["neutron-rpc-server", "neutron-periodic-workers"] {
        let mut process = start_as(&dir, name);
        process.await_line(0, "a server without API needs a broker");
        assert_eq!(process.ended().code(), Some(1));
    }
}
