//! Several servers on one database: what one checks stays true although the others write.

use std::{collections::HashSet, sync::Arc};

use futures_util::future::join_all;
use neutrino_db::{Db, testing::TestDatabase};
use neutrino_ml2::{Ml2Config, Ml2Plugin};
use neutrino_types::{Attrs, ResourcePlugin};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::common::{Cloud, attrs, cloud_on, config, ips, text};

/// Servers with connections, caches and turns of their own.
struct Servers {
    clouds: Vec<Cloud>,
    _database: TestDatabase,
}

impl Servers {
    async fn start(config: impl Fn() -> Ml2Config) -> Self {
        let database = TestDatabase::new().await.expect("database");
        let starts = (0..3).map(|_| async {
            // All at once: they find an empty database and bring it to the newest revision.
            let db = Db::open(database.url()).await.expect("opens");
            cloud_on(db, config()).await
        });
        let clouds = join_all(starts).await;
        Self { clouds, _database: database }
    }

    /// Creates `items` at once, one by one, spread over the servers; answers those
    /// that were made, and the kinds of the errors.
    async fn create(
        &self,
        plugin: fn(&Ml2Plugin) -> Arc<dyn ResourcePlugin>,
        items: Vec<Value>,
    ) -> (Vec<Attrs>, Vec<String>) {
        let tasks: Vec<JoinHandle<_>> = items
            .into_iter()
            .zip(self.clouds.iter().cycle())
            .map(|(item, cloud)| {
                let (plugin, ctx) = (plugin(&cloud.plugin), cloud.ctx.clone());
                tokio::spawn(async move { plugin.create(&ctx, vec![attrs(item)]).await })
            })
            .collect();
        let mut made = Vec::new();
        let mut errors = Vec::new();
        for outcome in join_all(tasks).await {
            match outcome.expect("task") {
                Ok(mut resources) => made.push(resources.remove(0)),
                Err(error) => errors.push(error.kind.to_string()),
            }
        }
        (made, errors)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_address_and_no_mac_is_given_twice() {
    let servers = Servers::start(config).await;
    let (network, _) = servers.clouds[0].net("n", "10.0.0.0/24").await;
    // Three more than there are addresses.
    let ports = vec![json!({"network_id": network}); 256];
    let (made, errors) = servers.create(Ml2Plugin::ports, ports).await;
    let addresses: HashSet<String> = made.iter().flat_map(ips).collect();
    let macs: HashSet<String> = made.iter().map(|port| text(port, "mac_address")).collect();
    assert_eq!((made.len(), addresses.len(), macs.len()), (253, 253, 253), "{errors:?}");
    assert_eq!(errors, vec!["IpAddressGenerationFailure"; 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_those_that_want_the_same_one_gets_it() {
    let servers = Servers::start(config).await;
    let (network, subnet) = servers.clouds[0].net("n", "10.0.0.0/24").await;
    let address = json!({"network_id": network,
                         "fixed_ips": [{"subnet_id": subnet, "ip_address": "10.0.0.77"}]});
    let (made, errors) = servers.create(Ml2Plugin::ports, vec![address; 12]).await;
    assert_eq!(made.len(), 1);
    assert_eq!(errors, vec!["IpAddressAlreadyAllocated"; 11]);
    let mac = json!({"network_id": network, "mac_address": "fa:16:3e:11:22:33"});
    let (made, errors) = servers.create(Ml2Plugin::ports, vec![mac; 12]).await;
    assert_eq!(made.len(), 1);
    assert_eq!(errors, vec!["MacAddressInUse"; 11]);
    let overlapping = json!({"network_id": network, "ip_version": 4, "cidr": "10.1.0.0/24"});
    let (made, errors) = servers.create(Ml2Plugin::subnets, vec![overlapping; 6]).await;
    assert_eq!(made.len(), 1);
    assert_eq!(errors, vec!["InvalidInput"; 5]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_segment_is_given_twice() {
    let servers = Servers::start(config).await;
    let plain = vec![json!({}); 60];
    let (made, errors) = servers.create(Ml2Plugin::networks, plain).await;
    assert!(errors.is_empty(), "{errors:?}");
    let segments: HashSet<String> =
        made.iter().map(|network| network["provider:segmentation_id"].to_string()).collect();
    assert_eq!(segments.len(), 60);
    // The range has three.
    let vlan = json!({"provider:network_type": "vlan"});
    let (made, errors) = servers.create(Ml2Plugin::networks, vec![vlan; 12]).await;
    assert_eq!((made.len(), errors.len()), (3, 9));
    assert!(errors.iter().all(|kind| kind == "NoNetworkAvailable"), "{errors:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_holds_over_all_servers() {
    let config = || {
        let mut config = config();
        config.quotas.limits.insert("port".into(), 10);
        config
    };
    let servers = Servers::start(config).await;
    let (network, _) = servers.clouds[0].net("n", "10.0.0.0/24").await;
    let ports = vec![json!({"network_id": network}); 30];
    let (made, errors) = servers.create(Ml2Plugin::ports, ports).await;
    assert_eq!(made.len(), 10);
    assert_eq!(errors, vec!["OverQuota"; 20]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_while_others_use_it_leaves_nothing_half_made() {
    let servers = Servers::start(config).await;
    for round in 0..10 {
        let (network, _) = servers.clouds[0].net("n", "10.0.0.0/24").await;
        let ports = vec![json!({"network_id": network}); 6];
        let last = &servers.clouds[round % 3];
        let ((made, errors), deleted) =
            tokio::join!(servers.create(Ml2Plugin::ports, ports), async {
                last.plugin.networks().delete(&last.ctx, &network, None).await
            },);
        match deleted {
            Ok(()) => {
                assert!(made.is_empty(), "ports of a network that is gone: {made:?}");
                assert!(errors.iter().all(|kind| kind == "NetworkNotFound"), "{errors:?}");
            }
            Err(error) => {
                assert_eq!(error.kind, "NetworkInUse");
                assert!(!made.is_empty() && errors.is_empty(), "{errors:?}");
            }
        }
    }
}
