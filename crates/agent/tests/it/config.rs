//! Configuration from the ini files.

use std::time::Duration;

use neutrino_agent::{AgentConfig, ConfigError};
use neutrino_conf::Conf;
use neutrino_rpc::topics;

#[test]
fn options_of_the_ini_files_are_taken() {
    let conf = Conf::parse_str(
        "[DEFAULT]\nhost = c0\ntransport_url = embedded://[2001:db8::1]:7777/\n\
         rpc_response_timeout = 5\n[AGENT]\nreport_interval = 1.5\nl2_population = true\n\
         [embedded_bus]\nsecret = s\nuse_tls = true\nca_file = /ca.pem\n",
    )
    .expect("valid");
    let config = AgentConfig::ovs_from_conf(&conf).expect("valid");
    assert_eq!((config.bus.host.as_str(), config.bus.port), ("2001:db8::1", 7777));
    assert_eq!(config.bus.client, "neutron-openvswitch-agent@c0");
    assert_eq!(config.agent_id, "ovs-agent-c0");
    assert_eq!(config.report_interval, Duration::from_millis(1500));
    assert_eq!(config.timeouts.initial, Duration::from_secs(5));
    assert!(config.topics.contains(&topics::L2POPULATION_UPDATE.to_string()));
    assert!(config.bus.tls.is_some());
}

#[test]
fn what_is_missing_is_named() {
    for (text, named) in [
        ("", "transport_url"),
        ("[DEFAULT]\ntransport_url = embedded://h\n", "secret"),
        (
            "[DEFAULT]\ntransport_url = embedded://h\n[embedded_bus]\nsecret = s\nuse_tls = 1\n",
            "ca_file",
        ),
    ] {
        let conf = Conf::parse_str(text).expect("valid");
        let error = AgentConfig::ovs_from_conf(&conf).expect_err("incomplete");
        assert!(matches!(error, ConfigError::Missing(_)));
        assert!(error.to_string().contains(named), "{error}");
    }
}

#[test]
fn other_transports_and_ports_that_are_none_are_refused() {
    for url in ["rabbit://u:p@h:5672//", "embedded://", "embedded://h:99999", "embedded://h:x"] {
        assert!(AgentConfig::ovs("h", url, "s").is_err(), "{url}");
    }
    let config = AgentConfig::ovs("h", "embedded://controller", "s").expect("valid");
    assert_eq!(config.bus.port, 9697);
}
