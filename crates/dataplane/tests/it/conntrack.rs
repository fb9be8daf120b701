//! Which connections are cut between two views.

use neutrino_dataplane::{
    firewall::{
        Direction, Ethertype, Member, Remote, Rule, SecurityGroup,
        conntrack::{Connection, Deletions},
    },
    view::{HostView, Port},
};

const TCP: u8 = 6;
const UDP: u8 = 17;

fn view() -> HostView {
    let json = r#"{
        "ports": [
            {"id": "p1", "ofport": 1, "mac": "fa:16:3e:00:00:01", "port_security": true,
             "fixed_ips": ["192.0.2.1", "2001:db8::1"], "security_groups": ["g"]},
            {"id": "p2", "ofport": 2, "mac": "fa:16:3e:00:00:02", "port_security": true,
             "fixed_ips": ["192.0.2.2"], "security_groups": ["g"]}],
        "security_groups": {
            "groups": {"g": {"stateful": true, "rules": [
                {"direction": "ingress", "ethertype": "IPv4", "protocol": 6, "port_min": 22},
                {"direction": "egress", "ethertype": "IPv4"},
                {"direction": "ingress", "ethertype": "IPv4", "protocol": 17,
                 "remote": {"group": "r"}}]}},
            "members": {"r": [{"address": "192.0.2.7/32"}, {"address": "198.51.100.0/24"}]}}}"#;
    serde_json::from_str(json).expect("a view")
}

fn cut(old: &HostView, new: &HostView) -> Deletions {
    Deletions::between(old, new, |port: &Port| Some(if port.id == "p1" { 5001 } else { 5002 }))
}

fn connection(zone: u16, protocol: u8, source: &str, destination: &str) -> Connection {
    let ip = |text: &str| text.parse().expect("address");
    Connection { zone, protocol, source: ip(source), destination: ip(destination) }
}

fn group(view: &mut HostView) -> &mut SecurityGroup {
    view.security_groups.groups.get_mut("g").expect("group")
}

#[test]
fn nothing_changed_or_added_cuts_nothing() {
    let old = view();
    let mut new = view();
    group(&mut new).rules.insert(Rule {
        direction: Direction::Ingress,
        ethertype: Ethertype::V4,
        protocol: None,
        port_min: None,
        port_max: None,
        remote: Remote::Any,
    });
    let member = Member { address: "192.0.2.8/32".parse().expect("net"), mac: None };
    new.security_groups.members.get_mut("r").expect("members").insert(member);
    assert!(cut(&old, &new).is_empty());
    assert!(cut(&HostView::default(), &new).is_empty());
}

#[test]
fn removed_rule_cuts_its_protocol_in_its_direction() {
    let old = view();
    let mut new = view();
    group(&mut new).rules.retain(|rule| rule.protocol != Some(TCP));
    let cuts = cut(&old, &new);
    let zones: Vec<u16> = cuts.iter().map(|(zone, _)| zone).collect();
    assert_eq!(zones, [5001, 5002]);
    assert!(cuts.hits(&connection(5001, TCP, "203.0.113.1", "192.0.2.1")));
    for kept in [
        connection(5001, UDP, "203.0.113.1", "192.0.2.1"),
        connection(5001, TCP, "192.0.2.1", "203.0.113.1"),
        connection(5001, TCP, "203.0.113.1", "192.0.2.2"),
        connection(5001, TCP, "2001:db8::7", "2001:db8::1"),
        connection(0, TCP, "203.0.113.1", "192.0.2.1"),
    ] {
        assert!(!cuts.hits(&kept), "{kept:?}");
    }
}

#[test]
fn rule_that_another_group_still_has_cuts_nothing() {
    let mut old = view();
    let copy = group(&mut old).clone();
    old.security_groups.groups.insert("h".into(), copy);
    old.ports[0].security_groups.insert("h".into());
    let mut new = old.clone();
    new.ports[0].security_groups.remove("h");
    assert!(cut(&old, &new).is_empty());
    new.ports[0].security_groups.clear();
    let cuts = cut(&old, &new);
    assert!(cuts.hits(&connection(5001, UDP, "192.0.2.1", "203.0.113.1")));
    assert!(!cuts.hits(&connection(5002, UDP, "192.0.2.2", "203.0.113.1")));
}

#[test]
fn removed_member_is_cut_both_ways() {
    let old = view();
    let mut new = view();
    new.security_groups.members.get_mut("r").expect("members").pop_last();
    let cuts = cut(&old, &new);
    assert!(cuts.hits(&connection(5001, TCP, "198.51.100.9", "192.0.2.1")));
    assert!(cuts.hits(&connection(5002, UDP, "192.0.2.2", "198.51.100.9")));
    assert!(!cuts.hits(&connection(5002, UDP, "192.0.2.7", "192.0.2.2")));
    new.security_groups.members.clear();
    assert!(cut(&old, &new).hits(&connection(5002, UDP, "192.0.2.7", "192.0.2.2")));
}

#[test]
fn port_or_address_that_went_is_cut_wholly() {
    let old = view();
    let mut new = view();
    new.ports.remove(1);
    new.ports[0].fixed_ips.pop_first();
    let cuts = cut(&old, &new);
    assert!(cuts.hits(&connection(5002, UDP, "192.0.2.2", "203.0.113.1")));
    assert!(cuts.hits(&connection(5001, TCP, "203.0.113.1", "192.0.2.1")));
    assert!(!cuts.hits(&connection(5001, TCP, "2001:db8::1", "2001:db8::2")));
    let mut open = view();
    open.ports[0].port_security = false;
    assert!(cut(&old, &open).hits(&connection(5001, TCP, "2001:db8::1", "2001:db8::2")));
}

#[test]
fn pair_that_is_a_network_is_cut_for_all_its_addresses() {
    let mut old = view();
    let pair = ("fa:16:3e:00:00:01".parse().expect("MAC"), "10.7.0.0/16".parse().expect("net"));
    old.ports[0].allowed_pairs.insert(pair);
    let cuts = cut(&old, &view());
    assert!(cuts.hits(&connection(5001, TCP, "10.7.3.4", "203.0.113.1")));
    assert!(cuts.hits(&connection(5001, UDP, "203.0.113.1", "10.7.3.4")));
    assert!(!cuts.hits(&connection(5002, TCP, "10.7.3.4", "203.0.113.1")));
    assert!(!cuts.hits(&connection(5001, TCP, "192.0.2.1", "203.0.113.1")));
}

#[test]
fn what_left_is_known_apart_from_what_is_no_longer_allowed() {
    let zone = |port: &Port| Some(if port.id == "p1" { 5001 } else { 5002 });
    let old = view();
    let mut new = view();
    group(&mut new).rules.clear();
    assert!(Deletions::left(&old, &new, zone).is_empty());
    new.ports.pop();
    new.ports[0].fixed_ips.pop_first();
    let left = Deletions::left(&old, &new, zone);
    assert!(left.hits(&connection(5002, TCP, "203.0.113.1", "192.0.2.2")));
    assert!(left.hits(&connection(5001, UDP, "192.0.2.1", "203.0.113.1")));
    assert!(!left.hits(&connection(5001, UDP, "2001:db8::7", "2001:db8::1")));
}

#[test]
fn what_came_allows_its_own_connections_again() {
    let zone = |_: &Port| Some(5001);
    let new = view();
    let mut old = view();
    group(&mut old).rules.retain(|rule| rule.protocol != Some(TCP));
    let regained = Deletions::regained(&old, &new, zone);
    assert!(regained.hits(&connection(5001, TCP, "203.0.113.1", "192.0.2.1")));
    assert!(!regained.hits(&connection(5001, UDP, "203.0.113.1", "192.0.2.1")));
    assert!(!regained.hits(&connection(5001, TCP, "192.0.2.1", "203.0.113.1")));
    // A member that joined.
    let mut old = view();
    old.security_groups.members.get_mut("r").expect("members").pop_first();
    let regained = Deletions::regained(&old, &new, zone);
    assert!(regained.hits(&connection(5001, UDP, "192.0.2.7", "192.0.2.1")));
    assert!(!regained.hits(&connection(5001, UDP, "198.51.100.7", "192.0.2.1")));
    assert!(!regained.hits(&connection(5001, TCP, "192.0.2.7", "192.0.2.1")));
    assert!(Deletions::regained(&new, &new, zone).is_empty());
}
