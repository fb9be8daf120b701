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
        let port = json!({"port": {
            "network_id": network, "binding:host_id": self.name, "device_owner": "compute:nova",
            "device_id": "instance",
        }});
        let port = api.send("POST", "/v2.0/ports", &port).body;
        let id = port["port"]["id"].as_str().unwrap_or_else(|| panic!("{port}"));
        let mac = port["port"]["mac_address"].as_str().expect("a MAC");
        let (path, tap) = (format!("/v2.0/ports/{id}"), format!("tap{}", &id[..11]));
        let interface = format!("external_ids:iface-id={id}");
        let mac = format!("external_ids:attached-mac=\"{mac}\"");
        let plug = ["add-port", "br-int", &tap, "--", "set", "Interface", &tap, &interface, &mac];
        self.ovs.vsctl(&plug).expect("plugged");
        let mut last = Value::Null;
        await_some(
            "a port becomes ACTIVE",
            || {
                last = api.send("GET", &path, &Value::Null).body;
                (last["port"]["status"] == "ACTIVE").then_some(())
            },
            || self.agent.log(),
        );
        self.ovs.vsctl(&["del-port", "br-int", &tap]).expect("unplugged");
        api.send("DELETE", &path, &Value::Null);
    }

    /// Ends the agent as an operator does.
    pub fn stop(self) {
        self.agent.signal("TERM");
        let log = self.agent.log();
        assert!(self.agent.ended().success(), "{log}");
    }
}
