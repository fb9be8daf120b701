//! Against ovs-vswitchd.

use std::collections::BTreeSet;

use neutrino_ofconn::{OfController, OfError, Switch};
use neutrino_openflow::{Action, Flow, FlowMod, Match, message::Fragments};
use neutrino_ovs_sandbox::Sandbox;
use tokio::time::timeout;

use crate::PATIENCE;

/// A private Open vSwitch whose bridges are controlled by the test.
struct Host {
    ovs: Sandbox,
    controller: OfController,
}

impl Host {
    async fn start(bridges: &[&str]) -> Self {
        let controller = OfController::listen("127.0.0.1:0").await.unwrap();
        let ovs = Sandbox::start().unwrap();
        let target = format!("tcp:{}", controller.local_addr());
        for bridge in bridges {
            let mut args = vec!["add-br", bridge, "--", "set", "Bridge", bridge];
            args.extend(["fail_mode=secure", "other_config:disable-in-band=true"]);
            args.extend(["protocols=[OpenFlow10,OpenFlow13,OpenFlow14]", "--"]);
            args.extend(["set-controller", bridge, &target]);
            ovs.vsctl(&args).unwrap();
        }
        Self { ovs, controller }
    }

    async fn switch(&self, bridge: &str) -> Switch {
        let datapath_id = self.ovs.datapath_id(bridge).unwrap();
        self.controller.wait_for(datapath_id, PATIENCE).await.unwrap()
    }
}

fn flow(text: &str) -> Flow {
    text.parse().unwrap()
}

fn adds(texts: &[&str]) -> Vec<FlowMod> {
    texts.iter().map(|text| FlowMod::add(flow(text))).collect()
}

/// Open vSwitch refuses to go to an earlier table.
const BAD: &str = "table=5, priority=7 actions=goto_table:3";

#[tokio::test]
async fn bundles_reach_the_bridge_they_are_for() {
    let host = Host::start(&["br-int", "br-tun"]).await;
    let (int, tun) = (host.switch("br-int").await, host.switch("br-tun").await);
    assert_ne!(int.connection_id(), tun.connection_id());

    let texts = [
        "cookie=0x7, table=10, priority=1 actions=learn(table=20,hard_timeout=300,priority=1,\
         cookie=0x7,NXM_OF_VLAN_TCI[0..11],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],\
         load:0->NXM_OF_VLAN_TCI[],load:NXM_NX_TUN_ID[]->NXM_NX_TUN_ID[],\
         output:OXM_OF_IN_PORT[]),output:1",
        "cookie=0x7, table=4, priority=1,tun_id=0x1 \
         actions=push_vlan:0x8100,set_field:4099->vlan_vid,goto_table:10",
        "cookie=0x9, priority=1,in_port=1 actions=goto_table:2",
    ];
    tun.bundle(adds(&texts)).await.unwrap();
    let mut expected = texts.map(str::to_owned);
    expected.sort();
    assert_eq!(host.ovs.dump_flows("br-tun").unwrap(), expected);
    assert!(int.dump_flows().await.unwrap().is_empty());

    let dumped: BTreeSet<String> =
        tun.dump_flows().await.unwrap().iter().map(|stats| stats.flow.to_string()).collect();
    assert_eq!(dumped, expected.iter().cloned().collect());
    let table = tun.dump_table(4).await.unwrap();
    assert_eq!(table.len(), 1);
    assert_eq!(table[0].flow, flow(texts[1]));

    // Deletes by cookie in one table, and a change of actions, in one bundle.
    let changed = flow("cookie=0x7, table=4, priority=1,tun_id=0x1 actions=drop");
    tun.bundle(vec![
        FlowMod::delete(0, Match::new()).only_cookie(9, u64::MAX),
        FlowMod::delete(10, Match::new()).only_cookie(9, u64::MAX),
        FlowMod::modify_strict(changed.clone()),
    ])
    .await
    .unwrap();
    assert_eq!(host.ovs.dump_flows("br-tun").unwrap(), [texts[0].to_owned(), changed.to_string()]);
    tun.bundle(vec![FlowMod::delete_strict(&changed)]).await.unwrap();
    assert_eq!(host.ovs.dump_flows("br-tun").unwrap(), [texts[0].to_owned()]);
}

#[tokio::test]
async fn a_refused_bundle_changes_nothing_and_names_the_flow() {
    let host = Host::start(&["br0"]).await;
    let switch = host.switch("br0").await;
    switch.bundle(adds(&["priority=1 actions=NORMAL"])).await.unwrap();
    let mut mods = vec![FlowMod::delete(FlowMod::ALL_TABLES, Match::new())];
    mods.extend(adds(&["priority=2 actions=NORMAL", BAD, "priority=3 actions=NORMAL"]));
    let error = switch.bundle(mods).await.unwrap_err();
    let OfError::Refused { refusals, .. } = &error else { panic!("{error}") };
    assert!(refusals[0].what.contains(BAD), "{error}");
    assert!(refusals[0].error.name().is_some(), "{error}");
    assert_eq!(host.ovs.dump_flows("br0").unwrap(), ["priority=1 actions=NORMAL"]);
    // The bundle is gone and the connection in order.
    switch.bundle(adds(&["priority=4 actions=drop"])).await.unwrap();
    assert_eq!(host.ovs.dump_flows("br0").unwrap().len(), 2);
}

#[tokio::test]
async fn plain_changes_are_done_when_confirmed_and_refusals_stop_no_others() {
    let host = Host::start(&["br0"]).await;
    let switch = host.switch("br0").await;
    let mods = adds(&["priority=1 actions=NORMAL", BAD, "priority=3 actions=NORMAL"]);
    let error = switch.flow_mods(mods).await.unwrap_err();
    let OfError::Refused { refusals, .. } = &error else { panic!("{error}") };
    assert_eq!(refusals.len(), 1);
    assert!(refusals[0].what.contains(BAD));
    assert_eq!(host.ovs.dump_flows("br0").unwrap().len(), 2);
    switch.barrier().await.unwrap();
    switch.flow_mods(Vec::new()).await.unwrap();
    switch.bundle(Vec::new()).await.unwrap();
}

#[tokio::test]
async fn thousands_of_flows_go_in_one_bundle_and_come_back_in_parts() {
    const COUNT: u32 = 6000;
    let host = Host::start(&["br0"]).await;
    let switch = host.switch("br0").await;
    let flows: Vec<Flow> = (0..COUNT)
        .map(|n| {
            let actions = [Action::PopVlan, Action::set_tun_id(n.into()), Action::Output(1)];
            Flow::new(22, 1, Match::new().tun_id(n.into()).dl_vlan(1)).then(actions)
        })
        .collect();
    let mods = flows.iter().cloned().map(FlowMod::add).collect();
    // Two bundles and a dump at once: neither waits for the other's answers.
    let other = adds(&["table=1, priority=1 actions=NORMAL"]);
    let (big, small, dumped) = timeout(PATIENCE, async {
        tokio::join!(switch.bundle(mods), switch.bundle(other), switch.dump_table(9))
    })
    .await
    .unwrap();
    big.unwrap();
    small.unwrap();
    assert!(dumped.unwrap().is_empty());
    let dumped = switch.dump_table(22).await.unwrap();
    let dumped: BTreeSet<String> = dumped.iter().map(|stats| stats.flow.to_string()).collect();
    assert_eq!(dumped, flows.iter().map(Flow::to_string).collect());
    // As many refusals as flows, too.
    let bad = vec![FlowMod::add(flow(BAD)); COUNT as usize];
    let error = timeout(PATIENCE, switch.bundle(bad)).await.unwrap().unwrap_err();
    let OfError::Refused { refusals, .. } = &error else { panic!("{error}") };
    assert_eq!(refusals.len(), COUNT as usize);
    assert_eq!(switch.dump_flows().await.unwrap().len(), COUNT as usize + 1);
}

#[tokio::test]
async fn ports_are_described() {
    let host = Host::start(&["br0"]).await;
    host.ovs
        .vsctl(&[
            "add-port",
            "br0",
            "vxlan-0a000108",
            "--",
            "set",
            "Interface",
            "vxlan-0a000108",
            "type=vxlan",
            "options:remote_ip=10.0.1.8",
            "options:key=flow",
        ])
        .unwrap();
    let ofport = host.ovs.ofport("vxlan-0a000108").unwrap();
    let ports = host.switch("br0").await.port_desc().await.unwrap();
    let found: Vec<_> = ports.iter().filter(|port| port.number == ofport).collect();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].name, "vxlan-0a000108");
    assert!(ports.iter().any(|port| port.name == "br0"));
}

#[tokio::test]
async fn a_restarted_switch_is_a_new_connection_without_flows() {
    let mut host = Host::start(&["br0"]).await;
    let old = host.switch("br0").await;
    let mut changes = host.controller.changes();
    old.bundle(adds(&["priority=1 actions=NORMAL"])).await.unwrap();
    host.ovs.kill_vswitchd().unwrap();
    timeout(PATIENCE, old.disconnected()).await.unwrap();
    assert!(!old.is_connected());
    assert!(matches!(old.barrier().await, Err(OfError::Disconnected { .. })));
    timeout(PATIENCE, changes.changed()).await.unwrap();
    assert!(changes.connected().is_empty());

    host.ovs.start_vswitchd().unwrap();
    timeout(PATIENCE, changes.changed()).await.unwrap();
    let new = host.switch("br0").await;
    assert_ne!(new.connection_id(), old.connection_id());
    assert!(new.dump_flows().await.unwrap().is_empty());
}

#[tokio::test]
async fn fragments_are_treated_as_told() {
    let host = Host::start(&["br-int"]).await;
    let switch = host.switch("br-int").await;
    let mode = || host.ovs.ofctl(&["get-frags", &host.ovs.bridge("br-int")]).unwrap();
    assert_eq!(mode().trim(), "normal");
    switch.set_fragments(Fragments::Match).await.unwrap();
    assert_eq!(mode().trim(), "nx-match");
}
