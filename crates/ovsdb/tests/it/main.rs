//! The client against a real ovsdb-server and ovs-vswitchd, observed with `ovs-vsctl`.

use std::{sync::Arc, time::Duration};

use neutrino_ovs_sandbox::Sandbox;
use neutrino_ovsdb::{
    ClientOptions, Datum, InterfaceSpec, OvsdbClient, OvsdbError, PortSpec, Replica, Txn,
};

const LIMIT: Duration = Duration::from_secs(20);

fn options() -> ClientOptions {
    ClientOptions { request_timeout: Duration::from_secs(10), ..ClientOptions::default() }
}

async fn client(sandbox: &Sandbox) -> OvsdbClient {
    OvsdbClient::connect(&sandbox.db_remote(), options(), LIMIT).await.expect("server listens")
}

/// Waits until the replica answers `Some`, looking again at every change.
async fn wait<T>(client: &OvsdbClient, what: &str, look: impl Fn(&Replica) -> Option<T>) -> T {
    let mut changes = client.changes();
    let found = tokio::time::timeout(LIMIT, async {
        loop {
            if let Some(found) = look(&client.replica()) {
                return found;
            }
            assert!(changes.changed().await, "the client ended");
        }
    });
    match found.await {
        Ok(found) => found,
        Err(_) => panic!("no {what} within {LIMIT:?}; replica: {:?}", client.replica()),
    }
}

fn patch(name: &str, peer: &str) -> PortSpec {
    let options = [("peer".to_string(), peer.to_string())].into();
    PortSpec {
        name: name.into(),
        interface: InterfaceSpec { kind: "patch".into(), options, ..InterfaceSpec::default() },
        ..PortSpec::default()
    }
}

async fn change(
    client: &OvsdbClient,
    build: impl FnOnce(&mut Txn<'_>) -> Result<(), OvsdbError>,
) -> Result<(), OvsdbError> {
    let replica: Arc<Replica> = client.replica();
    let mut txn = Txn::new(&replica);
    build(&mut txn)?;
    client.transact(txn).await.map(|_| ())
}

#[tokio::test]
async fn bridge_and_ports_are_what_vsctl_sees() {
    let sandbox = Sandbox::start().expect("sandbox");
    let client = client(&sandbox).await;
    change(&client, |txn| {
        txn.ensure_bridge("br-int", "dummy")?;
        txn.set_bridge("br-int", [("fail_mode", Datum::scalar("secure"))])?;
        txn.add_to_bridge_set("br-int", "protocols", &["OpenFlow10", "OpenFlow13"])?;
        txn.set_bridge_keys("br-int", "other_config", &[("mac-table-size", "50000")])?;
        txn.set_controller("br-int", "tcp:127.0.0.1:6633", 10_000)?;
        txn.add_port("br-int", &patch("patch-tun", "patch-int"))
    })
    .await
    .expect("accepted");
    let ofport = wait(&client, "ofport", |r| r.interface("patch-tun")?.ofport()).await;
    assert_eq!(sandbox.ofport("patch-tun").expect("port is there"), ofport);
    let vsctl = |args: &[&str]| sandbox.vsctl(args).expect("vsctl").trim().to_string();
    assert_eq!(vsctl(&["get-fail-mode", "br-int"]), "secure");
    assert_eq!(vsctl(&["get-controller", "br-int"]), "tcp:127.0.0.1:6633");
    assert_eq!(vsctl(&["get", "bridge", "br-int", "protocols"]), "[OpenFlow10, OpenFlow13]");
    assert_eq!(vsctl(&["get", "interface", "patch-tun", "options:peer"]), "patch-int");
    let dpid = wait(&client, "datapath id", |r| r.bridge("br-int")?.datapath_id()).await;
    assert_eq!(sandbox.datapath_id("br-int").expect("bridge is there"), dpid);

    change(&client, |txn| {
        txn.del_port("patch-tun");
        Ok(())
    })
    .await
    .expect("accepted");
    assert!(client.replica().port("patch-tun").is_none(), "replica is as new as the answer");
    assert_eq!(vsctl(&["list-ports", "br-int"]), "");
}

#[tokio::test]
async fn changes_made_by_others_arrive_as_wakeups() {
    let sandbox = Sandbox::start().expect("sandbox");
    let client = client(&sandbox).await;
    sandbox
        .vsctl(&["add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=dummy"])
        .expect("vsctl");
    sandbox.vsctl(&["add-port", "br0", "tap1", "tag=5", "trunks=1,2,3"]).expect("vsctl");
    sandbox.vsctl(&["set", "interface", "tap1", "type=dummy"]).expect("vsctl");
    sandbox
        .vsctl(&["set", "interface", "tap1", "external_ids:iface-id=p1", "external_ids:a=b"])
        .expect("vsctl");
    wait(&client, "iface-id", |r| {
        let ids = r.interface("tap1")?.external_ids();
        (ids.get("iface-id").map(String::as_str) == Some("p1")).then_some(())
    })
    .await;
    sandbox.vsctl(&["set", "port", "tap1", "trunks=2,9"]).expect("vsctl");
    sandbox.vsctl(&["remove", "interface", "tap1", "external_ids", "a"]).expect("vsctl");
    sandbox.vsctl(&["clear", "port", "tap1", "tag"]).expect("vsctl");
    wait(&client, "cleared tag and changed set", |r| {
        let port = r.port("tap1")?;
        let keys = r.interface("tap1")?.external_ids().len();
        (port.tag().is_none() && port.column("trunks") == &Datum::set([2, 9]) && keys == 1)
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn refused_transaction_changes_nothing_and_says_why() {
    let sandbox = Sandbox::start().expect("sandbox");
    let client = client(&sandbox).await;
    change(&client, |txn| txn.ensure_bridge("br-int", "dummy")).await.expect("accepted");
    let port = client.replica().port("br-int").expect("internal port").id;
    let error = change(&client, |txn| {
        txn.ensure_bridge("br-other", "dummy")?;
        txn.update("Port", port, [("tag", Datum::scalar(99_999))]);
        Ok(())
    })
    .await
    .expect_err("tag out of range");
    assert!(matches!(&error, OvsdbError::Refused { error, .. } if error == "constraint violation"));
    assert_eq!(sandbox.vsctl(&["list-br"]).expect("vsctl").trim(), "br-int");
}

#[tokio::test]
async fn restarted_server_is_found_again_with_a_fresh_replica() {
    let mut sandbox = Sandbox::start().expect("sandbox");
    let client = client(&sandbox).await;
    change(&client, |txn| txn.ensure_bridge("br-int", "dummy")).await.expect("accepted");
    let mut changes = client.changes();
    sandbox.kill_ovsdb().expect("killed");
    tokio::time::timeout(LIMIT, async {
        while client.is_connected() {
            assert!(changes.changed().await);
        }
    })
    .await
    .expect("loss is noticed");
    assert!(client.replica().bridge("br-int").is_some(), "the last view stays");
    sandbox.start_ovsdb().expect("started");
    client.wait_connected(LIMIT).await.expect("reconnected");
    assert!(client.replica().bridge("br-int").is_some());
    change(&client, |txn| txn.ensure_bridge("br-tun", "dummy")).await.expect("works again");
}

#[tokio::test]
async fn absent_server_is_an_error_that_names_it() {
    let error = OvsdbClient::connect("unix:/nonexistent/db.sock", options(), Duration::ZERO)
        .await
        .expect_err("nobody listens");
    assert!(error.to_string().contains("unix:/nonexistent/db.sock"), "{error}");
}
