//! Configuration from the ini files.

use std::time::Duration;

use neutrino_agent::{AgentConfig, ConfigError};
use neutrino_conf::Conf;
use neutrino_rpc::{
    topics,
    transport::bus::{AgentBus, BusConfigError},
};

#[test]
fn options_of_the_ini_files_are_taken() {
    let conf = Conf::parse_str(
        "[DEFAULT]\nhost = c0\ntransport_url = embedded://[2001:db8::1]:7777/\n\
         rpc_response_timeout = 5\n[AGENT]\nreport_interval = 1.5\nl2_population = true\n\
         [embedded_bus]\nsecret = s\nuse_tls = true\nca_file = /ca.pem\n",
    )
    .expect("valid");
    let config = AgentConfig::ovs_from_conf(&conf).expect("valid");
    let AgentBus::Embedded(bus) = &config.bus else { panic!("{:?}", config.bus) };
    assert_eq!((bus.host.as_str(), bus.port), ("2001:db8::1", 7777));
    assert_eq!(bus.client, "neutron-openvswitch-agent@c0");
    assert!(bus.tls.is_some());
    assert_eq!(config.agent_id, "ovs-agent-c0");
    assert_eq!(config.report_interval, Duration::from_millis(1500));
    assert_eq!(config.timeouts.initial, Duration::from_secs(5));
    assert!(config.topics.contains(&topics::L2POPULATION_UPDATE.to_string()));
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
        assert!(matches!(error, ConfigError::Bus(BusConfigError::Missing(_))));
        assert!(error.to_string().contains(named), "{error}");
    }
}

#[test]
fn rabbitmq_is_chosen_by_the_url() {
    let text = "[DEFAULT]\nhost = c0\ntransport_url = rabbit://u:hush@b1,u:hush@b2:5673/v\n";
    let conf = Conf::parse_str(text).expect("valid");
    let config = AgentConfig::ovs_from_conf(&conf).expect("valid");
    let AgentBus::Rabbit(bus) = &config.bus else { panic!("{:?}", config.bus) };
    assert_eq!((bus.hosts.len(), bus.hosts[1].port, &*bus.vhost), (2, 5673, "v"));
    assert!(!format!("{config:?}").contains("hush"));
    let conf = Conf::parse_str("[DEFAULT]\ntransport_url = kafka://h\n").expect("valid");
    let error = AgentConfig::ovs_from_conf(&conf).expect_err("another bus");
    assert!(error.to_string().contains("transport_url"), "{error}");
}

#[test]
fn other_transports_and_ports_that_are_none_are_refused() {
    for url in ["rabbit://u:p@h:5672//", "embedded://", "embedded://h:99999", "embedded://h:x"] {
        assert!(AgentConfig::ovs("h", url, "s").is_err(), "{url}");
    }
    let config = AgentConfig::ovs("h", "embedded://controller", "s").expect("valid");
    assert!(matches!(&config.bus, AgentBus::Embedded(bus) if bus.port == 9697));
}
