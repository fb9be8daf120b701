//! Tests of the transitions of ports.

use neutrino_conf::Conf;
use neutrino_rpc::shapes::{AddressPair, FixedIp};
use uuid::Uuid;

use super::*;
use crate::observe::Port;

fn config() -> Config {
    let text = "[ovs]\nlocal_ip = 10.0.0.1\n[agent]\ntunnel_types = vxlan\n";
    Config::from_conf("h1", &Conf::parse_str(text).expect("valid INI")).expect("valid")
}

fn plugged(id: &str, interface: u128, ofport: Option<u32>) -> BTreeMap<String, Vif> {
    let port = Port {
        row: Uuid::from_u128(interface),
        interface: Uuid::from_u128(interface),
        interface_name: "tap".into(),
        ofport,
        error: None,
        kind: String::new(),
        options: BTreeMap::new(),
        external_ids: BTreeMap::new(),
        tag: None,
        trunk: false,
        other_config: BTreeMap::new(),
    };
    let mac = "fa:16:3e:00:00:01".parse().expect("valid");
    let vif = Vif { port_id: id.into(), mac, name: "tap".into(), port };
    BTreeMap::from([(id.to_string(), vif)])
}

fn details(id: &str) -> DeviceDetails {
    DeviceDetails {
        device: id.into(),
        port_id: Some(id.into()),
        network_id: Some("net".into()),
        admin_state_up: true,
        network_type: Some("vxlan".into()),
        segmentation_id: Some(7),
        fixed_ips: vec![FixedIp { subnet_id: "s".into(), ip_address: "10.0.0.5".into() }],
        allowed_address_pairs: vec![AddressPair {
            mac_address: "00:00:5e:00:01:01".into(),
            ip_address: "10.1.0.0/16".into(),
        }],
        ..DeviceDetails::default()
    }
}

/// A port that is bound and known to be up.
fn up(ports: &mut Ports, id: &str, interface: u128, now: Instant) {
    ports.observe(plugged(id, interface, Some(3)));
    assert_eq!(ports.ask(10, now), [id]);
    ports.answered(&config(), &[id.into()], vec![details(id)], now);
    assert_eq!(ports.to_report_up(now).len(), 1);
    ports.acknowledged(&[id.into()], true);
    assert!(ports.settled());
}

#[tokio::test]
async fn port_is_asked_for_once_it_has_a_number_and_reported_once() {
    let now = Instant::now();
    let mut ports = Ports::default();
    ports.observe(plugged("p", 1, None));
    assert!(ports.ask(10, now).is_empty());
    assert!(ports.settled(), "a port without number holds up nobody");
    up(&mut ports, "p", 1, now);
    assert!(ports.ask(10, now).is_empty());
    assert!(ports.to_report_up(now).is_empty());
    let view = ports.iter().next().and_then(|r| r.view(Some(1))).expect("has a number");
    assert_eq!(view.addresses().len(), 2);
    assert_eq!(view.macs().len(), 2);
    assert_eq!((view.network_id.as_str(), view.vlan), ("net", Some(1)));
}

#[tokio::test]
async fn change_during_a_question_is_asked_again() {
    let now = Instant::now();
    let mut ports = Ports::default();
    ports.observe(plugged("p", 1, Some(3)));
    ports.ask(10, now);
    ports.touch("p");
    ports.answered(&config(), &["p".into()], vec![details("p")], now);
    assert!(ports.to_report_up(now).is_empty());
    assert_eq!(ports.ask(10, now), ["p"]);
}

#[tokio::test]
async fn deletion_is_not_undone_by_an_older_answer() {
    let now = Instant::now();
    let mut ports = Ports::default();
    ports.observe(plugged("p", 1, Some(3)));
    ports.ask(10, now);
    ports.deleted("p");
    ports.answered(&config(), &["p".into()], vec![details("p")], now);
    assert!(ports.to_report_up(now).is_empty());
    ports.ask(10, now);
    let gone = DeviceDetails { device: "p".into(), ..DeviceDetails::default() };
    ports.answered(&config(), &["p".into()], vec![gone], now);
    assert!(ports.iter().all(|r| r.view(None).is_some_and(|v| v.dead)));
}

#[tokio::test]
async fn replugged_port_is_reported_down_before_up() {
    let now = Instant::now();
    let mut ports = Ports::default();
    up(&mut ports, "p", 1, now);
    ports.observe(plugged("p", 2, Some(4)));
    ports.ask(10, now);
    ports.answered(&config(), &["p".into()], vec![details("p")], now);
    assert_eq!(ports.to_report_down(now), ["p"]);
    assert!(ports.to_report_up(now).is_empty());
    ports.acknowledged(&["p".into()], false);
    assert_eq!(ports.to_report_up(now).len(), 1);
}

#[tokio::test]
async fn failed_question_is_repeated_after_a_pause_that_grows() {
    let now = Instant::now();
    let mut ports = Ports::default();
    ports.observe(plugged("p", 1, Some(3)));
    ports.ask(10, now);
    ports.answered(&config(), &["p".into()], Vec::new(), now);
    assert!(ports.ask(10, now).is_empty());
    let first = ports.next_retry(now).expect("a retry");
    assert_eq!(ports.ask(10, first), ["p"]);
    ports.answered(&config(), &["p".into()], Vec::new(), first);
    let second = ports.next_retry(first).expect("a retry");
    assert!(second - first > first - now);
    // A reconnect ends the pause.
    ports.touch_all();
    assert_eq!(ports.ask(10, first), ["p"]);
}

#[test]
fn what_cannot_be_wired_here_is_refused() {
    let gre = DeviceDetails { network_type: Some("gre".into()), ..details("p") };
    assert_eq!(judge(&config(), &gre), Verdict::Refused);
    let vlan = DeviceDetails {
        network_type: Some("vlan".into()),
        physical_network: Some("physnet1".into()),
        ..details("p")
    };
    assert_eq!(judge(&config(), &vlan), Verdict::Refused);
    let elsewhere = DeviceDetails { no_active_binding: true, ..details("p") };
    assert_eq!(judge(&config(), &elsewhere), Verdict::Refused);
    let disabled = DeviceDetails { admin_state_up: false, ..details("p") };
    assert_eq!(judge(&config(), &disabled), Verdict::Disabled);
}

#[tokio::test]
async fn deactivated_binding_is_evicted_and_no_answer_brings_it_back() {
    let now = Instant::now();
    let mut ports = Ports::default();
    up(&mut ports, "p", 1, now);
    // An answer from before the deactivation is under way.
    ports.touch("p");
    assert_eq!(ports.ask(10, now), ["p"]);
    ports.deactivated("p");
    ports.answered(&config(), &["p".into()], vec![details("p")], now);
    let record = ports.iter().next().expect("plugged");
    assert!(record.evict && record.network().is_none());
    assert!(record.view(None).is_some_and(|v| v.dead), "isolated while still plugged");
    assert!(ports.to_report_up(now).is_empty());
    ports.observe(BTreeMap::new());
    assert_eq!(ports.to_report_down(now), ["p"]);
}

#[tokio::test]
async fn activated_binding_is_asked_for_and_wired() {
    let now = Instant::now();
    let mut ports = Ports::default();
    ports.observe(plugged("p", 1, Some(3)));
    ports.ask(10, now);
    let waiting =
        DeviceDetails { device: "p".into(), no_active_binding: true, ..DeviceDetails::default() };
    ports.answered(&config(), &["p".into()], vec![waiting], now);
    assert!(ports.iter().all(|r| r.view(None).is_some_and(|v| v.dead)));
    ports.deactivated("p");
    ports.activated("p");
    assert_eq!(ports.ask(10, now), ["p"]);
    ports.answered(&config(), &["p".into()], vec![details("p")], now);
    assert_eq!(ports.to_report_up(now).len(), 1);
    assert!(ports.iter().all(|r| !r.evict));
}

#[tokio::test]
async fn device_without_port_is_doubted_a_bounded_number_of_times() {
    let unknown = |id: &str| DeviceDetails { device: id.into(), ..DeviceDetails::default() };
    let mut now = Instant::now();
    let mut ports = Ports::default();
    ports.observe(plugged("p", 1, Some(3)));
    let mut pauses = Vec::new();
    assert_eq!(ports.ask(10, now), ["p"]);
    loop {
        ports.answered(&config(), &["p".into()], vec![unknown("p")], now);
        assert!(ports.settled(), "nobody waits for it");
        assert!(ports.ask(10, now).is_empty());
        let Some(at) = ports.next_retry(now) else { break };
        pauses.push((at - now).as_secs());
        now = at;
        assert_eq!(ports.ask(10, now), ["p"]);
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32]);
    // The server binds it and says so, or is asked again for another reason.
    ports.touch("p");
    assert_eq!(ports.ask(10, now), ["p"]);
    ports.answered(&config(), &["p".into()], vec![details("p")], now);
    assert_eq!(ports.to_report_up(now).len(), 1);
    // What is deleted is not doubted.
    ports.touch("p");
    ports.ask(10, now);
    ports.answered(&config(), &["p".into()], vec![unknown("p")], now);
    ports.deleted("p");
    assert_eq!(ports.next_retry(now), None);
}
