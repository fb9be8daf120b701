//! Tests of what is asked for and remembered.

use neutrino_conf::Conf;
use neutrino_rpc::{Failure, shapes::DeviceDetails};
use uuid::Uuid;

use super::*;
use crate::{
    config::Config,
    observe::{Port, Vif},
};

const OWN: MacAddr = MacAddr([0xfa, 0x16, 0x3f, 0, 0, 1]);

fn vif(id: &str) -> Vif {
    let port = Port {
        row: Uuid::nil(),
        interface: Uuid::nil(),
        interface_name: id.into(),
        ofport: Some(3),
        error: None,
        kind: String::new(),
        options: BTreeMap::new(),
        external_ids: BTreeMap::new(),
        tag: None,
        trunk: false,
        other_config: BTreeMap::new(),
    };
    Vif { port_id: id.into(), mac: OWN, name: id.into(), port }
}

/// Ports of routers: id, owner, and subnet with address.
fn ports(list: &[(&str, &str, &str, &str)]) -> Ports {
    let text = "[ovs]\nlocal_ip = 10.0.0.1\n[agent]\ntunnel_types = vxlan\n";
    let config = Config::from_conf("h1", &Conf::parse_str(text).expect("valid INI"));
    let now = Instant::now();
    let mut ports = Ports::default();
    ports.observe(list.iter().map(|(id, ..)| ((*id).to_string(), vif(id))).collect());
    let asked = ports.ask(list.len(), now);
    let details = list.iter().map(|(id, owner, subnet, ip)| DeviceDetails {
        device: (*id).into(),
        port_id: Some((*id).into()),
        network_id: Some("net".into()),
        admin_state_up: true,
        network_type: Some("vxlan".into()),
        segmentation_id: Some(7),
        fixed_ips: vec![FixedIp { subnet_id: (*subnet).into(), ip_address: (*ip).into() }],
        device_owner: (*owner).into(),
        ..DeviceDetails::default()
    });
    ports.answered(&config.expect("valid"), &asked, details.collect(), now);
    ports
}

fn host_macs(numbers: &[u8]) -> Vec<DvrMac> {
    let mac =
        |n: &u8| DvrMac { host: String::new(), mac_address: MacAddr([0xfa, 0x16, 0x3f, 0, 0, *n]) };
    numbers.iter().map(mac).collect()
}

fn subnet(cidr: &str) -> DvrSubnet {
    DvrSubnet { cidr: Some(cidr.into()), gateway_ip: None, gateway_mac: Some(OWN) }
}

fn heard(macs: &[u8], subnets: &[(&str, &str)]) -> Heard {
    let subnets = subnets.iter().map(|(id, cidr)| ((*id).to_string(), subnet(cidr))).collect();
    Heard { macs: Some(host_macs(macs)), subnets, error: None }
}

const ROUTER: &str = device_owner::DVR_INTERFACE;

#[tokio::test]
async fn everything_is_asked_once_and_again_after_a_change() {
    let now = Instant::now();
    let ports = ports(&[
        ("another", ROUTER, "s1", "10.0.0.5"),
        ("gateway", ROUTER, "s1", "10.0.0.1"),
        ("snat", device_owner::ROUTER_SNAT, "s2", "10.0.1.2"),
        ("legacy", device_owner::ROUTER_INTERFACE, "s3", "10.0.2.1"),
        ("vm", "compute:nova", "s4", "10.0.3.1"),
    ]);
    let mut dvr = Dvr::new(OWN);
    dvr.observe(&ports);
    let question = dvr.ask(now).expect("nothing is known");
    let first = Some("10.0.0.1".parse().expect("an address"));
    let both = vec![("s1".to_string(), first), ("s2".to_string(), None)];
    assert_eq!(question, Question { macs: true, subnets: both });
    assert_eq!(dvr.ask(now), None);
    let gateway = ports.get("gateway").expect("there");
    assert!(!dvr.knows(gateway) && dvr.knows(ports.get("vm").expect("there")));
    dvr.answered(&question, heard(&[1, 2], &[("s1", "10.0.0.0/24"), ("s2", "10.0.1.0/24")]), now);
    assert!(dvr.settled() && dvr.knows(gateway));
    assert_eq!(dvr.host_macs.len(), 2);
    dvr.touch(gateway);
    let again = dvr.ask(now).expect("the port changed");
    assert_eq!(again, Question { macs: false, subnets: vec![("s1".into(), first)] });
    assert!(dvr.knows(gateway), "what was heard stays until the answer");
    dvr.observe(&Ports::default());
    assert!(dvr.settled() && dvr.subnets.is_empty());
}

#[tokio::test]
async fn an_answer_that_is_older_than_a_notification_does_not_count() {
    let now = Instant::now();
    let mut dvr = Dvr::new(OWN);
    let question = dvr.ask(now).expect("the list");
    dvr.macs_updated(&host_macs(&[2, 3]));
    dvr.answered(&question, heard(&[2], &[]), now);
    assert_eq!(dvr.host_macs.len(), 2);
    let again = dvr.ask(now).expect("once more");
    dvr.answered(&again, heard(&[2, 3, 4], &[]), now);
    assert!(dvr.settled() && dvr.host_macs.len() == 3);
    dvr.macs_updated(&host_macs(&[4]));
    assert!(dvr.settled() && dvr.host_macs.len() == 1);
}

#[tokio::test]
async fn what_failed_is_asked_again_after_a_pause_and_last() {
    let now = Instant::now();
    let ports = ports(&[("a", ROUTER, "s1", "10.0.0.1"), ("b", ROUTER, "s2", "10.0.1.1")]);
    let mut dvr = Dvr::new(OWN);
    dvr.observe(&ports);
    let question = dvr.ask(now).expect("nothing is known");
    let failed = RpcError::Remote(Failure::bad_arguments("get_subnet_for_dvr", "out of order"));
    let mut partly = heard(&[1], &[("s2", "10.0.1.0/24")]);
    partly.error = Some(("get_subnet_for_dvr", failed));
    dvr.answered(&question, partly, now);
    assert!(!dvr.settled());
    assert_eq!(dvr.ask(now), None);
    let later = dvr.next_retry().expect("a time");
    dvr.touch(ports.get("b").expect("there"));
    let again = dvr.ask(later).expect("two subnets");
    let order: Vec<&str> = again.subnets.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(order, ["s2", "s1"]);
}

#[tokio::test]
async fn a_subnet_without_router_port_is_heard_of_and_not_routed() {
    let now = Instant::now();
    let ports = ports(&[("a", ROUTER, "s1", "10.0.0.1")]);
    let mut dvr = Dvr::new(OWN);
    dvr.observe(&ports);
    let question = dvr.ask(now).expect("nothing is known");
    let mut nothing = heard(&[1], &[]);
    nothing.subnets.insert("s1".into(), DvrSubnet::default());
    dvr.answered(&question, nothing, now);
    assert!(dvr.settled() && dvr.knows(ports.get("a").expect("there")));
    assert!(dvr.view(&ports, &LocalVlans::default()).subnets.is_empty());
}
