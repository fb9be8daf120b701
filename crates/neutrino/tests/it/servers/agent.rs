//! A host with the real Open vSwitch agent, on a switch of its own, and ports that come and go there.

use std::sync::atomic::{AtomicBool, Ordering};

use neutrino_ovs_sandbox::{Sandbox, free_port};
use serde_json::{Value, json};

use super::api::Api;
use crate::process::{Dir, Process, await_some};

/// A host of the fleet's cloud.
pub struct Host {
    pub name: String,
    ovs: Sandbox,
    agent: Process,
}

impl Host {
    /// Starts a switch and its agent, which reaches the servers by `transport_url`.
    pub fn start(dir: &Dir, number: u8, transport_url: &str) -> Self {
        let ovs = Sandbox::start().expect("Open vSwitch");
        let name = format!("host{number}");
        let text = format!(
            "[DEFAULT]\nhost = {name}\ntransport_url = {transport_url}\nstate_path = {{dir}}\n\
             rpc_response_timeout = 10\n\
             [ovs]\nlocal_ip = 127.0.0.{}\novsdb_connection = {}\nof_listen_port = {}\n\
             [agent]\ntunnel_types = vxlan\nl2_population = true\nreport_interval = 2\n",
            number + 1,
            ovs.db_remote(),
            free_port().expect("a port"),
        );
        let conf = dir.write(&format!("{name}.conf"), &text).display().to_string();
        let agent = Process::start(dir, &name, &["agent", "openvswitch", "--config-file", &conf]);
        Self { name, ovs, agent }
    }

    /// Plugs ports of instances that become ACTIVE and go again, until told to stop; answers how many.
    pub fn boot(&self, mut api: Api, network: &str, stop: &AtomicBool) -> usize {
        let mut booted = 0;
        while !stop.load(Ordering::Relaxed) {
            self.boot_one(&mut api, network);
            booted += 1;
        }
        booted
    }

    /// One instance's port, from create to delete.
    pub fn boot_one(&self, api: &mut Api, network: &str) {
        let port = self.create(api, network);
        self.plug(&port);
        self.await_active(api, &port);
        self.ovs.vsctl(&["del-port", "br-int", &tap(&port)]).expect("unplugged");
        api.send("DELETE", &path(&port), &Value::Null);
    }

    /// Makes an instance's port.
    pub fn create(&self, api: &mut Api, network: &str) -> Value {
        let body = json!({"port": {
            "network_id": network, "binding:host_id": self.name, "device_owner": "compute:nova",
            "device_id": "instance",
        }});
        let mut answer = api.send("POST", "/v2.0/ports", &body).body;
        assert!(answer["port"]["id"].is_string(), "{answer}");
        answer["port"].take()
    }

    /// Plugs the instance in.
    pub fn plug(&self, port: &Value) {
        let tap = tap(port);
        let interface = format!("external_ids:iface-id={}", id(port));
        let mac = port["mac_address"].as_str().expect("a MAC");
        let mac = format!("external_ids:attached-mac=\"{mac}\"");
        let plug = ["add-port", "br-int", &tap, "--", "set", "Interface", &tap, &interface, &mac];
        self.ovs.vsctl(&plug).expect("plugged");
    }

    /// Waits until the API says that the instance's port is wired.
    pub fn await_active(&self, api: &mut Api, port: &Value) {
        let path = path(port);
        let active = || {
            let answer = api.send("GET", &path, &Value::Null).body;
            (answer["port"]["status"] == "ACTIVE").then_some(())
        };
        await_some("a port becomes ACTIVE", active, || self.agent.log());
    }

    /// What the agent has said.
    pub fn log(&self) -> String {
        self.agent.log()
    }

    /// Waits until the agent has said `text` after the first `skip` bytes.
    pub fn await_line(&mut self, skip: usize, text: &str) {
        self.agent.await_line(skip, text);
    }

    /// Ends the agent as an operator does.
    pub fn stop(self) {
        self.agent.signal("TERM");
        let log = self.agent.log();
        assert!(self.agent.ended().success(), "{log}");
    }
}

fn id(port: &Value) -> &str {
    port["id"].as_str().expect("an id")
}

fn path(port: &Value) -> String {
    format!("/v2.0/ports/{}", id(port))
}

fn tap(port: &Value) -> String {
    format!("tap{}", &id(port)[..11])
}
