//! Three servers and who kills them.

use std::{
    net::TcpStream,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use crate::process::{Dir, Process, await_some};

const SERVERS: usize = 3;

/// Between a server's death and its next start, and between that and the next death.
const PAUSE: Duration = Duration::from_millis(1500);

/// What every server is told.
pub const CONF: &str = "
[DEFAULT]
bind_host = 127.0.0.1
auth_strategy = noauth
api_workers = 2
state_path = {dir}
agent_down_time = 10
[ml2]
type_drivers = vxlan,vlan,flat
project_network_types = vxlan
mechanism_drivers = openvswitch,l2population
[ml2_type_vxlan]
vni_ranges = 1:100000
[quotas]
quota_network = -1
quota_subnet = -1
quota_port = -1
quota_router = -1
quota_security_group = -1
quota_security_group_rule = -1
";

/// Servers on one database.
pub struct Fleet {
    dir: Dir,
    ports: Vec<u16>,
    running: Vec<Mutex<Option<Process>>>,
}

/// What [`Fleet::kill_in_turn`] did.
pub struct Kills {
    pub count: usize,
}

impl Fleet {
    /// Starts servers with `options` besides [`CONF`].
    pub fn start(dir: Dir, options: &str) -> Self {
        Self::start_each(dir, |_| options.to_owned())
    }

    /// The same with options that depend on the server's number.
    pub fn start_each(dir: Dir, options: impl Fn(usize) -> String) -> Self {
        let ports: Vec<u16> = (0..SERVERS).map(|_| free_port()).collect();
        for (number, port) in ports.iter().enumerate() {
            let options = options(number);
            let own = format!("[DEFAULT]\nbind_port = {port}\nhost = controller{number}\n");
            dir.write(&conf_of(number), &format!("{CONF}{options}{own}"));
        }
        let running = (0..SERVERS).map(|_| Mutex::new(None)).collect();
        let fleet = Self { dir, ports, running };
        // All at once: one of them makes the schema.
        (0..SERVERS).for_each(|number| fleet.revive(number));
        fleet.await_all();
        fleet
    }

    /// Where they listen.
    pub fn addresses(&self) -> Vec<String> {
        self.ports.iter().map(|port| format!("127.0.0.1:{port}")).collect()
    }

    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    fn revive(&self, number: usize) {
        let name = format!("server{number}");
        let args = ["server", "--config-file", &conf_of(number)];
        let process = Process::start(&self.dir, &name, &args);
        *self.running[number].lock().expect("not poisoned") = Some(process);
    }

    /// Kills one server after the other until `end`, and starts each again.
    pub fn kill_in_turn(&self, end: Instant) -> Kills {
        let mut count = 0;
        while Instant::now() + PAUSE < end {
            thread::sleep(PAUSE);
            let number = count % SERVERS;
            let process = self.running[number].lock().expect("not poisoned").take();
            process.expect("it runs").kill();
            count += 1;
            thread::sleep(PAUSE.min(end.saturating_duration_since(Instant::now())));
            self.revive(number);
            self.await_one(number);
        }
        Kills { count }
    }

    /// Waits until every server listens.
    pub fn await_all(&self) {
        (0..SERVERS).for_each(|number| self.await_one(number));
    }

    fn await_one(&self, number: usize) {
        let listens = || TcpStream::connect(("127.0.0.1", self.ports[number])).ok();
        await_some("a server listens", listens, || {
            let process = self.running[number].lock().expect("not poisoned");
            process.as_ref().map_or_else(String::new, Process::log)
        });
    }

    /// Ends all as an operator does.
    pub fn stop(self) {
        for process in &self.running {
            let process = process.lock().expect("not poisoned").take().expect("it runs");
            process.signal("TERM");
            let log = process.log();
            assert!(process.ended().success(), "{log}");
        }
    }
}

fn conf_of(number: usize) -> String {
    format!("server{number}.conf")
}

/// A port that nobody listens on; a server takes it for good a moment later.
pub fn free_port() -> u16 {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    socket.local_addr().expect("bound").port()
}
