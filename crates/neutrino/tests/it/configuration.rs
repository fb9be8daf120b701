//! What a process makes of its files at start and on SIGHUP.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use crate::process::{Dir, Process};

const SERVER: &str = "
[DEFAULT]
bind_host = 127.0.0.1
bind_port = 0
auth_strategy = noauth
rpc_workers = 4
misspelt_option = 1
state_path = {dir}
[database]
connection = sqlite:///{dir}/neutron.sqlite
[ml2]
mechanism_drivers = openvswitch
[oslo_policy]
policy_file = policy.yaml
";

/// The status line of a request of a member of project p1.
fn status(address: &str, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("server listens");
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nX-Project-Id: p1\r\nX-User-Id: u1\r\n\
         X-Roles: member,reader\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answer");
    answer.lines().next().unwrap_or_default().to_string()
}

#[test]
fn hangup_reads_policy_and_log_level_again_and_term_ends_the_server() {
    let dir = Dir::new("hangup");
    let conf = dir.write("neutron.conf", SERVER).display().to_string();
    let mut server = Process::start(&dir, "server", &["server", "--config-file", &conf]);
    let address = server.await_line(0, "network API listens address=");
    let log = server.log();
    assert!(log.contains("ignored options=\"[DEFAULT] misspelt_option\""), "{log}");
    assert!(log.contains("no meaning here options=\"[DEFAULT] rpc_workers\""), "{log}");
    let create = || status(&address, "POST", "/v2.0/networks", "{\"network\": {}}");
    assert_eq!(create(), "HTTP/1.1 201 Created");

    dir.write("policy.yaml", "\"create_network\": \"role:boss\"\n");
    dir.write("neutron.conf", &SERVER.replace("[DEFAULT]", "[DEFAULT]\ndebug = true"));
    server.signal("HUP");
    server.await_line(0, "policy and limits of the API are read again");
    assert_eq!(create(), "HTTP/1.1 403 Forbidden");
    server.await_line(0, "DEBUG neutrino::commands::service: options set");

    // What cannot be used changes nothing.
    dir.write("neutron.conf", &SERVER.replace("[DEFAULT]", "[DEFAULT]\nl3_ha = true"));
    server.signal("HUP");
    server.await_line(0, "the configuration stays as it was");
    assert_eq!(create(), "HTTP/1.1 403 Forbidden");

    server.signal("TERM");
    assert!(server.ended().success());
}

#[test]
fn what_this_release_has_not_is_refused_by_name() {
    let dir = Dir::new("refused");
    let text = SERVER.replace("[DEFAULT]", "[DEFAULT]\nservice_plugins = router,qos\nl3_ha = yes");
    let conf = dir.write("neutron.conf", &text).display().to_string();
    let mut server = Process::start(&dir, "server", &["server", "--config-file", &conf]);
    let refused = server.await_line(0, "[DEFAULT] l3_ha = yes: ");
    assert!(refused.starts_with("HA routers are not in this release"), "{refused}");
    let refused = server.await_line(0, "[DEFAULT] service_plugins = router,qos: ");
    assert!(refused.ends_with("take the others out of the list"), "{refused}");
    assert!(server.log().contains(&format!("{conf}: [DEFAULT]")), "{}", server.log());
    assert!(!server.ended().success());
}
