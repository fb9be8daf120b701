//! Requests of any shape are answered: made or refused, but never by a panic or an internal error,
//! and a refused one leaves nothing behind.

use neutrino_types::Attrs;
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};

use crate::common::{all, attrs, cloud};

/// Values near what attributes hold, and values that are nothing of the kind.
fn value() -> impl Strategy<Value = Value> {
    let texts = [
        "",
        "10.0.0.5",
        "10.0.0.0",
        "10.0.0.0/24",
        "10.9.0.0/29",
        "fd00::/64",
        "fd00::1",
        "::/0",
        "slaac",
        "dhcpv6-stateful",
        "vlan",
        "vxlan",
        "flat",
        "physnet1",
        "fa:16:3e:00:00:01",
        "network:dhcp",
        "network:router_interface",
        "compute:nova",
        "compute0",
        "NETWORK",
        "SUBNET",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1i64..5000).prop_map(Value::from),
        proptest::sample::select(texts.to_vec()).prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        let names = [
            "subnet_id",
            "ip_address",
            "mac_address",
            "start",
            "end",
            "destination",
            "nexthop",
            "opt_name",
            "opt_value",
            "ip_version",
            "provider:network_type",
        ];
        let object = proptest::collection::vec(
            (proptest::sample::select(names.to_vec()), inner.clone()),
            0..4,
        )
        .prop_map(|pairs| {
            Value::Object(pairs.into_iter().map(|(k, v)| (k.to_string(), v)).collect())
        });
        prop_oneof![proptest::collection::vec(inner, 0..4).prop_map(Value::from), object]
    })
}

fn request(names: &'static [&'static str]) -> impl Strategy<Value = Attrs> {
    proptest::collection::vec((proptest::sample::select(names), value()), 0..6)
        .prop_map(|pairs| pairs.into_iter().map(|(k, v)| (k.to_string(), v)).collect())
}

const NETWORK: &[&str] = &[
    "name",
    "mtu",
    "shared",
    "router:external",
    "segments",
    "provider:network_type",
    "provider:physical_network",
    "provider:segmentation_id",
    "availability_zone_hints",
    "tags",
];
const SUBNET: &[&str] = &[
    "cidr",
    "ip_version",
    "gateway_ip",
    "allocation_pools",
    "dns_nameservers",
    "host_routes",
    "enable_dhcp",
    "ipv6_ra_mode",
    "ipv6_address_mode",
    "service_types",
    "prefixlen",
];
const PORT: &[&str] = &[
    "name",
    "mac_address",
    "fixed_ips",
    "allowed_address_pairs",
    "extra_dhcp_opts",
    "device_owner",
    "binding:host_id",
    "binding:profile",
    "binding:vnic_type",
    "port_security_enabled",
    "tags",
];

/// The attributes with their lists sorted: most are sets, whose order means nothing.
fn ordered(item: &Attrs) -> Attrs {
    let sorted = |value: &Value| match value {
        Value::Array(list) => {
            let mut list = list.clone();
            list.sort_by_key(ToString::to_string);
            Value::Array(list)
        }
        other => other.clone(),
    };
    item.iter().map(|(name, value)| (name.clone(), sorted(value))).collect()
}

#[test]
fn any_request_is_answered() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("runtime");
    let (cloud, network, subnet) = runtime.block_on(async {
        let cloud = cloud().await;
        cloud.agent("compute0", "192.0.2.10").await;
        let (network, subnet) = cloud.net("n", "10.0.0.0/24").await;
        (cloud, network, subnet)
    });
    // The ids that exist are filled in where a placeholder stands for them.
    let fill = |item: &Attrs| -> Attrs {
        let text = Value::Object(item.clone()).to_string();
        let text = text.replace("\"NETWORK\"", &format!("\"{network}\""));
        let text = text.replace("\"SUBNET\"", &format!("\"{subnet}\""));
        attrs(serde_json::from_str(&text).expect("JSON"))
    };
    let strategy = (request(NETWORK), request(SUBNET), request(PORT), request(PORT));
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 150,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let result = runner.run(&strategy, |(a, mut b, mut c, change)| {
        b.insert("network_id".into(), json!(network));
        c.insert("network_id".into(), json!(network));
        let collections =
            [(cloud.plugin.networks(), a), (cloud.plugin.subnets(), b), (cloud.plugin.ports(), c)];
        for (plugin, item) in collections {
            let item = fill(&item);
            runtime.block_on(async {
                let before = plugin.list(&cloud.ctx, &all()).await.expect("list").len();
                match plugin.create(&cloud.ctx, vec![item.clone()]).await {
                    Ok(made) => {
                        let id = made[0]["id"].as_str().expect("id").to_string();
                        let got = plugin.get(&cloud.ctx, &id).await.expect("what was made");
                        prop_assert_eq!(ordered(&got), ordered(&made[0]), "{:?}", item);
                        let changed = plugin.update(&cloud.ctx, &id, fill(&change), None).await;
                        if let Err(error) = changed {
                            prop_assert!(error.status != 500, "{:?}: {:?}", change, error);
                        }
                        plugin.delete(&cloud.ctx, &id, None).await.expect("delete");
                    }
                    Err(error) => {
                        prop_assert!(error.status != 500, "{:?}: {:?}", item, error);
                        let after = plugin.list(&cloud.ctx, &all()).await.expect("list").len();
                        prop_assert_eq!(before, after);
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}
