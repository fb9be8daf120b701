//! The dialect, substitution and types, and that no text makes the parser panic.

use proptest::prelude::*;

use super::*;

/// The server's file of the first seed (Newton), with its deprecated name.
const SEED: &str = "[DEFAULT]\nglobal_physnet_mtu = 1496\n[ml2]\ntype_drivers = vxlan,vlan,flat,gre\n\
    tenant_network_types = vxlan,gre,vlan\nmechanism_drivers = openvswitch,l2population\n\
    path_mtu = 0\n[ml2_type_vlan]\nnetwork_vlan_ranges = datacentre:1:1000\n";

#[test]
fn newton_file_deprecated_name_is_read() {
    let conf = Conf::parse_str(SEED).expect("valid");
    assert_eq!(conf.get(&opts::ml2::PROJECT_NETWORK_TYPES), ["vxlan", "gre", "vlan"]);
    assert_eq!(conf.get(&opts::default::GLOBAL_PHYSNET_MTU), 1496);
    assert_eq!(conf.get(&opts::ml2::PATH_MTU), 0);
    assert_eq!(conf.audit(Role::Server), Audit::default());
}

#[test]
fn group_case_quotes_continuation_and_comments_as_oslo() {
    let text = "# c\n[OVS]\n; c\nbridge_mappings = \"a:br-a,b:br-b\"\n[AGENT]\ntunnel_types = vxlan,\n   gre\n";
    let conf = Conf::parse_str(text).expect("valid");
    assert_eq!(conf.get(&opts::ovs::BRIDGE_MAPPINGS)["b"], "br-b");
    assert_eq!(conf.get(&opts::agent::TUNNEL_TYPES), ["vxlan", "gre"]);
}

#[test]
fn lines_as_oslo_reads_them() {
    let values = |text: &str| {
        let entries = ini::parse(text).expect("valid");
        entries.into_iter().map(|e| (e.key, e.value)).collect::<Vec<_>>()
    };
    let pair = |key: &str, value: &str| (key.to_string(), value.to_string());
    assert_eq!(
        values("[a]\nx: 1\ny = b:c = d\nz = \" q \"\nlone = \"\nempty =\n"),
        [
            pair("x", "1"),
            pair("y", "b:c = d"),
            pair("z", " q "),
            pair("lone", ""),
            pair("empty", "")
        ]
    );
    assert_eq!(values("[a]\nx = 1\n\t# 2\n  3\n"), [pair("x", "1\n# 2\n3")]);
    let broken = ["[a]\n x = 1\n", "[a]\nx = 1\n\n 2\n", "[a]\nx = 1\n# c\n 2\n", "x = 1\n"];
    for text in broken {
        ini::parse(text).expect_err(text);
    }
}

#[test]
fn every_value_of_a_repeated_option_counts_where_it_may_be_repeated() {
    let text = "[oslo_policy]\npolicy_dirs = a\npolicy-dirs = b\n[DEFAULT]\nhost = a\nhost = b\n";
    let conf = Conf::parse_str(text).expect("valid");
    let more = Conf::parse_str("[OSLO_POLICY]\npolicy_dirs = c\n").expect("valid");
    let both = Conf { sources: [conf.sources, more.sources].concat(), ..Conf::default() };
    assert_eq!(both.get(&opts::oslo_policy::POLICY_DIRS).0, ["a", "b", "c"]);
    assert_eq!(both.get(&opts::default::HOST).as_deref(), Some("b"));
    assert_eq!(Conf::default().get(&opts::oslo_policy::POLICY_DIRS).0, ["policy.d"]);
}

#[test]
fn a_later_file_wins_also_under_an_older_name() {
    let first = Conf::parse_str("[ml2]\nproject_network_types = vlan\n").expect("valid");
    let then = Conf::parse_str("[ml2]\ntenant_network_types = vxlan\n").expect("valid");
    let both = Conf { sources: [first.sources, then.sources].concat(), ..Conf::default() };
    assert_eq!(both.get(&opts::ml2::PROJECT_NETWORK_TYPES), ["vxlan"]);
}

#[test]
fn blank_numbers_are_not_set_and_lower_case_default_is_another_group() {
    let conf = Conf::parse_str("[DEFAULT]\nbind_port =\n[default]\nhost = a\n").expect("valid");
    assert_eq!(conf.get(&opts::default::BIND_PORT), 9696);
    assert_eq!(conf.get(&opts::default::HOST), None);
    assert_eq!(conf.audit(Role::Server).unknown, [("default".to_string(), "host".to_string())]);
}

#[test]
fn substitution_follows_references_and_survives_cycles() {
    let text = "[DEFAULT]\nstate_path = /srv\nlog_dir = $state_path/log\nhost = $log_file\nlog_file = ${host}\n\
        [database]\nconnection = sqlite:///$state_path/n$$.db\n";
    let conf = Conf::parse_str(text).expect("valid");
    assert_eq!(conf.get(&opts::default::LOG_DIR).as_deref(), Some("/srv/log"));
    assert_eq!(conf.get(&opts::database::CONNECTION), "sqlite:////srv/n$.db");
    assert!(conf.get(&opts::default::HOST).is_some());
    let text = "[DEFAULT]\nhost = h\nbind_host = ${ovs.local_ip}\nlog_file = $nothing-$ovs.local_ip\\$host\n\
        [ovs]\nlocal_ip = $host\n";
    let dotted = Conf::parse_str(text).expect("valid");
    assert_eq!(dotted.get(&opts::default::BIND_HOST), "h");
    assert_eq!(dotted.get(&opts::default::LOG_FILE).as_deref(), Some("$nothing-h$host"));
    assert_eq!(conf.get(&opts::metadata_proxy::METADATA_PROXY_SOCKET), "/srv/metadata_proxy");
    let default = Conf::default().get(&opts::metadata_proxy::METADATA_PROXY_SOCKET);
    assert_eq!(default, "/var/lib/neutron/metadata_proxy");
}

#[test]
fn wrong_type_names_option_and_expectation() {
    let error = Conf::parse_str("[DEFAULT]\nbind_port = nine\n").expect_err("not a number");
    assert_eq!(
        error.to_string(),
        "option bind_port in group [DEFAULT] has the value 'nine': expected an integer"
    );
    let error = Conf::parse_str("[DEFAULT]\nbind_port = 99999\n").expect_err("too big");
    assert!(error.to_string().ends_with("expected a number from 0 to 65535"));
    assert!(Conf::parse_str("[ovs]\ndatapath_type = dpdk\n").is_err());
    assert!(Conf::parse_str("[ovs]\nbridge_mappings = a\n").is_err());
}

#[test]
fn syntax_error_names_line() {
    let error = Conf::parse_str("[DEFAULT]\nx = 1\nnonsense\n").expect_err("no '='");
    assert_eq!(error.to_string(), "<text>:3: expected 'option = value' or '[group]'");
}

#[test]
fn later_file_wins_and_directory_is_read_in_name_order() {
    let dir = std::env::temp_dir().join(format!("neutrino-conf-{}", std::process::id()));
    fs::create_dir_all(dir.join("d")).expect("temp dir");
    let write = |name: &str, port: u16| {
        fs::write(dir.join(name), format!("[DEFAULT]\nbind_port = {port}\n")).expect("write");
    };
    write("a.conf", 1);
    write("d/2.conf", 3);
    write("d/1.conf", 2);
    write("d/ignored.txt", 9);
    let conf = Conf::load(&[dir.join("a.conf")], &[dir.join("d")]);
    fs::remove_dir_all(&dir).expect("clean up");
    assert_eq!(conf.expect("valid").get(&opts::default::BIND_PORT), 3);
}

#[test]
fn every_default_is_of_its_type_and_every_option_has_help() {
    let conf = Conf::default();
    for opt in opts::all() {
        opt.check(&conf).expect("default has the option's type");
        assert!(opt.help().ends_with('.'), "[{}] {}", opt.group(), opt.name());
    }
    let ml2 = sample(&opts::ml2_conf());
    assert!(ml2.contains("#type_drivers = local,flat,vlan,gre,vxlan,geneve"));
    let metadata = sample(&opts::metadata_agent_ini());
    assert!(metadata.contains("#nova_metadata_port = 8775"));
    let neutron = sample(&opts::neutron_conf());
    assert!(!neutron.contains("nova_metadata_port"), "it belongs to another file");
    let dhcp = sample(&opts::dhcp_agent_ini());
    assert!(dhcp.contains("#dhcp_confs = $state_path/dhcp"));
    for text in [ml2, metadata, neutron, dhcp] {
        Conf::parse_str(&text).expect("a sample file is a valid file");
        assert_eq!(text.matches("[DEFAULT]").count(), usize::from(!text.contains("[ml2]")));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_text_is_answered(text in "(\\PC|[\\n\\[\\]=:$\" ]){0,200}") {
        if let Ok(conf) = Conf::parse_str(&text) {
            let _ = conf.get(&opts::default::HOST);
        }
    }

    #[test]
    fn written_values_are_read_back(value in "[a-z0-9/._-]{1,30}") {
        let conf = Conf::parse_str(&format!("[DEFAULT]\nhost = {value}\n")).expect("valid");
        prop_assert_eq!(conf.get(&opts::default::HOST), Some(value));
    }

    #[test]
    fn any_value_of_any_option_is_answered(
        value in "\\PC{0,40}",
        at in 0..opts::all().len(),
    ) {
        let opt = opts::all()[at];
        let _ = Conf::parse_str(&format!("[{}]\n{} = {value}\n", opt.group(), opt.name()));
    }
}
