//! Files as devstack and Kolla-Ansible write them for ML2/OVS: each process starts with those it
//! is given there, and says the same about them. The files are ours; their options are the tools'.

use std::{fmt::Write, fs, path::PathBuf};

use neutrino_conf::{
    Conf,
    Role::{self, DhcpAgent, L3Agent, MetadataAgent, OpenvswitchAgent, Server},
    opts,
};

use crate::{assert_golden, case};

/// A process and the files it is started with besides neutron.conf.
type Process = (Role, &'static [&'static str]);

const DEVSTACK: [Process; 5] = [
    (Server, &["ml2_conf.ini"]),
    (OpenvswitchAgent, &["ml2_conf.ini"]),
    (DhcpAgent, &["dhcp_agent.ini"]),
    (L3Agent, &["l3_agent.ini"]),
    (MetadataAgent, &["metadata_agent.ini"]),
];

const KOLLA: [Process; 5] = [
    (Server, &["ml2_conf.ini"]),
    (OpenvswitchAgent, &["openvswitch_agent.ini"]),
    (DhcpAgent, &["dhcp_agent.ini"]),
    (L3Agent, &["l3_agent.ini"]),
    (MetadataAgent, &["metadata_agent.ini"]),
];

fn load(deployment: &str, own: &[&str]) -> Conf {
    let dir = case("deployments").join(deployment);
    let names = std::iter::once("neutron.conf").chain(own.iter().copied());
    let files: Vec<PathBuf> = names.map(|name| dir.join(name)).collect();
    Conf::load(&files, &[]).unwrap_or_else(|error| panic!("{deployment}: {error}"))
}

fn names(list: &[(String, String)]) -> String {
    list.iter().map(|(group, name)| format!(" [{group}] {name}")).collect()
}

/// What each process says of its files.
fn report(deployment: &str, processes: &[Process]) -> String {
    let mut out = String::new();
    for (role, files) in processes {
        let audit = load(deployment, files).audit(*role);
        let _ = writeln!(out, "{role:?}");
        // Of neutron.conf, which all read, once.
        if *role == Server {
            let _ = writeln!(out, "  ignored:{}", names(&audit.ignored));
        }
        let _ = writeln!(out, "  unknown:{}", names(&audit.unknown));
        for mut refusal in audit.refused {
            refusal.path = refusal.path.file_name().unwrap_or_default().into();
            let _ = writeln!(out, "  refused: {refusal}");
        }
    }
    out
}

#[test]
fn devstack() {
    assert_golden("deployments/devstack/expected.txt", &report("devstack", &DEVSTACK));
    let server = load("devstack", DEVSTACK[0].1);
    assert_eq!(server.get(&opts::ml2::PROJECT_NETWORK_TYPES), ["vxlan"]);
    assert_eq!(server.get(&opts::ml2_type_flat::FLAT_NETWORKS), ["public"]);
    assert_eq!(server.get(&opts::default::API_WORKERS), Some(2));
    assert!(!server.get(&opts::oslo_policy::ENFORCE_NEW_DEFAULTS));
    assert!(server.get(&opts::default::DEBUG));
    let agent = load("devstack", DEVSTACK[1].1);
    assert_eq!(agent.get(&opts::ovs::BRIDGE_MAPPINGS)["public"], "br-ex");
    assert_eq!(agent.get(&opts::agent::TUNNEL_TYPES), ["vxlan"]);
    let l3 = load("devstack", DEVSTACK[3].1);
    assert_eq!(l3.get(&opts::interface::INTERFACE_DRIVER), "openvswitch");
    assert_eq!(l3.get(&opts::default::STATE_PATH), "/opt/stack/data/neutron");
}

#[test]
fn kolla() {
    assert_golden("deployments/kolla/expected.txt", &report("kolla", &KOLLA));
    let server = load("kolla", KOLLA[0].1);
    let connection = server.get(&opts::database::CONNECTION);
    assert_eq!(connection, "mysql+pymysql://neutron:s3cr3t@192.0.2.10:3306/neutron");
    assert_eq!(server.get(&opts::default::API_WORKERS), Some(5));
    assert_eq!(server.get(&opts::ml2_type_vlan::NETWORK_VLAN_RANGES), [""; 0]);
    assert!(server.get(&opts::oslo_middleware::ENABLE_PROXY_HEADERS_PARSING));
    let agent = load("kolla", KOLLA[1].1);
    assert_eq!(agent.get(&opts::ovs::BRIDGE_MAPPINGS)["physnet1"], "br-ex");
    assert!(agent.get(&opts::agent::L2_POPULATION));
    let dhcp = load("kolla", KOLLA[2].1);
    assert_eq!(dhcp.get(&opts::dhcp::DNSMASQ_DNS_SERVERS), [""; 0]);
    let metadata = load("kolla", KOLLA[4].1);
    assert_eq!(metadata.get(&opts::metadata_agent::NOVA_METADATA_PROTOCOL), "http");
}

/// Features those tools can turn on and this release has not: one error names them all.
#[test]
fn what_this_release_has_not_is_refused() {
    let dir = case("deployments").join("refused");
    let file = dir.join("neutron.conf");
    let text = fs::read_to_string(&file).expect("case");
    let mut out = String::new();
    for role in [Server, OpenvswitchAgent, DhcpAgent, L3Agent, MetadataAgent] {
        let audit = Conf::parse_str(&text).expect("valid").audit(role);
        let _ = writeln!(out, "{role:?}");
        for refusal in audit.refused {
            let _ = writeln!(out, "  {refusal}");
        }
    }
    assert_golden("deployments/refused/expected.txt", &out);
}
