//! Ports: addresses, MACs, pairs, options, updates, deletion, subscribers.

use std::sync::Arc;

use async_trait::async_trait;
use neutrino_callbacks::{Action, Payload, Phase, Resource, Subscriber, veto};
use neutrino_db::Tx;
use neutrino_types::{ApiResult, ListQuery, new_id};
use serde_json::{Value, json};

use crate::common::{all, attrs, cloud, ips, member, text};

#[tokio::test]
async fn a_port_is_answered_as_it_is_read() {
    let cloud = cloud().await;
    let (network, subnet) = cloud.net("n", "10.0.0.0/24").await;
    let port = cloud
        .port(json!({"network_id": network, "name": "p", "tags": ["a"],
            "allowed_address_pairs": [{"ip_address": "10.9.0.0/24"}],
            "extra_dhcp_opts": [{"opt_name": "mtu", "opt_value": "1400"}],
            "binding:profile": {"x": 1}}))
        .await
        .expect("port");
    assert_eq!(port["fixed_ips"][0]["subnet_id"], json!(subnet));
    assert_eq!(port["status"], "DOWN");
    assert_eq!(port["binding:vif_type"], "unbound");
    assert_eq!(port["revision_number"], 1);
    assert!(text(&port, "mac_address").starts_with("fa:16:3e:"));
    assert_eq!(port["allowed_address_pairs"][0]["mac_address"], port["mac_address"]);
    assert_eq!(cloud.get_port(&text(&port, "id")).await, port);
    let keys: Vec<&str> = port.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "id",
            "name",
            "network_id",
            "project_id",
            "mac_address",
            "admin_state_up",
            "status",
            "device_id",
            "device_owner",
            "fixed_ips",
            "allowed_address_pairs",
            "extra_dhcp_opts",
            "security_groups",
            "description",
            "binding:vnic_type",
            "binding:profile",
            "binding:host_id",
            "binding:vif_type",
            "binding:vif_details",
            "port_security_enabled",
            "tags",
            "created_at",
            "updated_at",
            "revision_number",
            "tenant_id",
        ]
    );
}

#[tokio::test]
async fn addresses_asked_for_are_given_or_refused() {
    let cloud = cloud().await;
    let (network, subnet) = cloud.net("n", "10.0.0.0/24").await;
    let (_, foreign) = cloud.net("m", "10.1.0.0/24").await;
    let with = |fixed_ips: Value| json!({"network_id": network, "fixed_ips": fixed_ips});
    let port = cloud.port(with(json!([{"ip_address": "10.0.0.5"}]))).await.expect("port");
    assert_eq!(ips(&port), ["10.0.0.5"]);
    let two = json!([{"subnet_id": subnet}, {"subnet_id": subnet, "ip_address": "10.0.0.6"}]);
    assert_eq!(ips(&cloud.port(with(two)).await.expect("port")).len(), 2);
    let none = cloud.port(with(json!([]))).await.expect("port");
    assert!(ips(&none).is_empty());
    let cases = [
        (json!([{"ip_address": "10.0.0.5"}]), "IpAddressAlreadyAllocated", 409),
        (json!([{"ip_address": "10.9.0.5"}]), "InvalidIpForNetwork", 400),
        (json!([{"subnet_id": subnet, "ip_address": "10.0.0.255"}]), "InvalidIpForSubnet", 400),
        (json!([{"subnet_id": foreign}]), "InvalidInput", 400),
        (json!([{"subnet_id": new_id()}]), "SubnetNotFound", 404),
    ];
    for (fixed_ips, kind, status) in cases {
        let error = cloud.port(with(fixed_ips.clone())).await.expect_err("refused");
        assert_eq!((error.kind, error.status), (kind, status), "{fixed_ips}: {}", error.message);
    }
    let first = cloud
        .port(json!({"network_id": network, "device_owner": "network:dhcp"}))
        .await
        .expect("port");
    assert_eq!(ips(&first), ["10.0.0.2"]);
    let error = cloud.port(json!({"network_id": new_id()})).await.expect_err("no network");
    assert_eq!(error.kind, "NetworkNotFound");
}

#[tokio::test]
async fn macs_are_unique_on_their_network() {
    let cloud = cloud().await;
    let (network, _) = cloud.net("n", "10.0.0.0/24").await;
    let (other, _) = cloud.net("m", "10.0.0.0/24").await;
    let body = |network: &str| json!({"network_id": network, "mac_address": "FA-16-3E-00-00-01"});
    let port = cloud.port(body(&network)).await.expect("port");
    assert_eq!(port["mac_address"], "fa:16:3e:00:00:01");
    cloud.port(body(&other)).await.expect("port elsewhere");
    let error = cloud.port(body(&network)).await.expect_err("in use");
    assert_eq!((error.kind, error.status), ("MacAddressInUse", 409));
    let free = cloud.port(json!({"network_id": network})).await.expect("port");
    let id = text(&free, "id");
    let error = cloud.update_port(&id, json!({"mac_address": "fa:16:3e:00:00:01"})).await;
    assert_eq!(error.expect_err("in use").kind, "MacAddressInUse");
    let again = cloud.update_port(&id, json!({"mac_address": null})).await.expect("update");
    assert_ne!(again["mac_address"], free["mac_address"]);
}

#[tokio::test]
async fn updates_change_addresses_pairs_options_and_security() {
    let cloud = cloud().await;
    let (network, subnet) = cloud.net("n", "10.0.0.0/24").await;
    let port = cloud
        .port(json!({"network_id": network, "fixed_ips": [{"ip_address": "10.0.0.5"}]}))
        .await
        .expect("port");
    let id = text(&port, "id");
    let updated = cloud
        .update_port(&id, json!({
            "name": "p",
            "fixed_ips": [{"ip_address": "10.0.0.5"}, {"subnet_id": subnet, "ip_address": "10.0.0.7"}],
            "allowed_address_pairs": [{"ip_address": "10.0.0.99"}],
            "extra_dhcp_opts": [{"opt_name": "a", "opt_value": "1"}, {"opt_name": "b", "opt_value": "2"}],
        }))
        .await
        .expect("update");
    assert_eq!(ips(&updated), ["10.0.0.5", "10.0.0.7"]);
    assert_eq!(updated["revision_number"], 2);
    let error = cloud.update_port(&id, json!({"port_security_enabled": false})).await;
    assert_eq!(error.expect_err("pairs").kind, "AddressPairAndPortSecurityRequired");
    let updated = cloud
        .update_port(
            &id,
            json!({
                "fixed_ips": [{"ip_address": "10.0.0.7"}],
                "allowed_address_pairs": [], "port_security_enabled": false,
                "security_groups": [],
                "extra_dhcp_opts": [{"opt_name": "a", "opt_value": null}],
            }),
        )
        .await
        .expect("update");
    assert_eq!(ips(&updated), ["10.0.0.7"]);
    assert_eq!(
        updated["extra_dhcp_opts"],
        json!([{"opt_name": "b", "opt_value": "2", "ip_version": 4}])
    );
    assert_eq!(cloud.get_port(&id).await, updated);
    let taken =
        cloud.port(json!({"network_id": network, "fixed_ips": [{"ip_address": "10.0.0.5"}]}));
    taken.await.expect("the address given up is free");
    let error = cloud.update_port(&id, json!({"fixed_ips": [{"ip_address": "10.0.0.5"}]})).await;
    assert_eq!(error.expect_err("taken").kind, "IpAddressAlreadyAllocated");
}

#[tokio::test]
async fn lists_filter_by_addresses_bindings_and_visibility() {
    let cloud = cloud().await;
    let network = cloud.network(json!({"name": "n", "project_id": "a"})).await.expect("network");
    let network = text(&network, "id");
    let subnet = cloud
        .subnet(json!({"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24"}))
        .await
        .expect("subnet");
    for (name, ip, project) in
        [("x", "10.0.0.5", "a"), ("y", "10.0.0.15", "b"), ("z", "10.0.0.6", "c")]
    {
        cloud
            .port(json!({"network_id": network, "name": name, "project_id": project,
                         "binding:host_id": "nowhere", "fixed_ips": [{"ip_address": ip}]}))
            .await
            .expect("port");
    }
    let ports = cloud.plugin.ports();
    let names = async |ctx: &neutrino_types::Context, query: &ListQuery| {
        let list = ports.list(ctx, query).await.expect("list");
        let mut names: Vec<String> = list.iter().map(|p| text(p, "name")).collect();
        names.sort();
        names.concat()
    };
    let fixed = |value: String| ListQuery::filter("fixed_ips", [value]);
    let admin = &cloud.ctx;
    assert_eq!(names(admin, &fixed("ip_address=10.0.0.5".into())).await, "x");
    assert_eq!(names(admin, &fixed("ip_address_substr=0.0.1".into())).await, "y");
    assert_eq!(names(admin, &fixed(format!("subnet_id={}", text(&subnet, "id")))).await, "xyz");
    assert_eq!(names(admin, &ListQuery::filter("binding:host_id", ["nowhere"])).await, "xyz");
    assert_eq!(names(&member("a"), &all()).await, "xyz", "the network's owner sees all ports");
    assert_eq!(names(&member("b"), &all()).await, "y");
    let page = ListQuery {
        limit: Some(2),
        sorts: vec![neutrino_types::Sort { key: "name".into(), dir: Default::default() }],
        ..all()
    };
    let first = ports.list(admin, &page).await.expect("page");
    let next = ListQuery { marker: Some(text(&first[1], "id")), ..page };
    assert_eq!(names(admin, &next).await, "z");
}

#[tokio::test]
async fn bulk_is_all_or_nothing() {
    let cloud = cloud().await;
    let (network, _) = cloud.net("n", "10.0.0.0/29").await;
    let items = |n: usize| vec![attrs(json!({"network_id": network})); n];
    let ports = cloud.plugin.ports();
    let error = ports.create(&cloud.ctx, items(6)).await.expect_err("one too many");
    assert_eq!(error.kind, "IpAddressGenerationFailure");
    assert!(ports.list(&cloud.ctx, &all()).await.expect("list").is_empty());
    let made = ports.create(&cloud.ctx, items(5)).await.expect("all that fit");
    let mut addresses: Vec<String> = made.iter().flat_map(ips).collect();
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), 5);
}

struct Guard;

#[async_trait]
impl Subscriber for Guard {
    fn name(&self) -> &'static str {
        "guard"
    }

    async fn before(&self, _: Resource, _: Action, _: &Payload<'_>) -> ApiResult<()> {
        Err(veto("not before"))
    }

    async fn precommit(
        &self,
        tx: &mut Tx,
        _: Resource,
        _: Action,
        payload: &Payload<'_>,
    ) -> ApiResult<()> {
        assert!(tx.counts().writes > 0, "the row is there");
        assert_eq!(payload.current.expect("state")["id"], json!(payload.id));
        Err(veto("not now"))
    }

    async fn after(&self, _: Resource, _: Action, _: &Payload<'_>) -> ApiResult<()> {
        Err(veto("too late"))
    }
}

#[tokio::test]
async fn subscribers_veto_before_and_inside_but_not_after() {
    let cloud = cloud().await;
    let (network, _) = cloud.net("n", "10.0.0.0/24").await;
    let guard: Arc<dyn Subscriber> = Arc::new(Guard);
    cloud.registry.subscribe(Resource::Port, Phase::After, Action::Create, Arc::clone(&guard));
    let port = cloud.port(json!({"network_id": network})).await.expect("created nevertheless");
    cloud.registry.subscribe(Resource::Port, Phase::Precommit, Action::Create, Arc::clone(&guard));
    let error = cloud.port(json!({"network_id": network})).await.expect_err("vetoed");
    assert_eq!((error.status, error.message.as_str()), (409, "not now"));
    let list = cloud.plugin.ports().list(&cloud.ctx, &all()).await.expect("list");
    assert_eq!(list.len(), 1, "rolled back");
    cloud.registry.subscribe(Resource::Port, Phase::Before, Action::Delete, guard);
    let error = cloud.plugin.ports().delete(&cloud.ctx, &text(&port, "id"), None).await;
    assert_eq!(error.expect_err("vetoed").message, "not before");
}
