//! Ports of the centralised part of distributed routers (`network:router_centralized_snat`): one
//! for each IPv4 subnet of a router with a gateway, one for all IPv6 subnets of a network.

use std::collections::BTreeMap;

use neutrino_db::{
    Tx,
    dvr::{self, Interface},
    retrying,
    routers::ports,
};
use neutrino_ml2::{ChangedPort, GonePort, MadePort};
use neutrino_types::{
    ApiResult, Attrs, Context,
    constants::device_owner::{DVR_INTERFACE, ROUTER_SNAT},
};
use serde_json::{Value, json};

use super::Inner;

/// What is to be done to the ports of one router.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    /// Network and subnets of ports to make.
    create: Vec<(String, Vec<String>)>,
    /// Ports that get other subnets: all they are to have.
    change: Vec<(String, Vec<String>)>,
    /// Ports to delete.
    delete: Vec<String>,
}

fn is_v6(interface: &Interface) -> bool {
    interface.ip_address.contains(':')
}

/// What is missing for `interfaces` when `there` are the ports of the centralised part.
fn missing(interfaces: &[Interface], there: &[Interface]) -> Plan {
    let mut plan = Plan::default();
    let mut v6: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for interface in interfaces {
        if there.iter().any(|t| t.subnet_id == interface.subnet_id) {
            continue;
        }
        if is_v6(interface) {
            v6.entry(&interface.network_id).or_default().push(&interface.subnet_id);
        } else {
            let port = (interface.network_id.clone(), vec![interface.subnet_id.clone()]);
            plan.create.push(port);
        }
    }
    let owned = |subnets: &[&str]| subnets.iter().map(ToString::to_string).collect();
    for (network, subnets) in v6 {
        match there.iter().find(|t| is_v6(t) && t.network_id == network) {
            Some(port) => {
                let mut all = subnets_of(there, &port.port_id);
                all.extend(subnets);
                plan.change.push((port.port_id.clone(), owned(&all)));
            }
            None => plan.create.push((network.to_string(), owned(&subnets))),
        }
    }
    plan
}

/// What is left over of the ports `there` when the interfaces on `subnets` (all, if none are named)
/// are gone.
fn left_over(there: &[Interface], subnets: Option<&[String]>) -> Plan {
    let mut plan = Plan::default();
    let mut ports: Vec<&str> = there.iter().map(|t| t.port_id.as_str()).collect();
    ports.dedup();
    for port in ports {
        let mut left = subnets_of(there, port);
        let before = left.len();
        left.retain(|subnet| subnets.is_some_and(|gone| gone.iter().all(|g| g != subnet)));
        if left.is_empty() {
            plan.delete.push(port.to_string());
        } else if left.len() < before {
            let left = left.into_iter().map(str::to_string).collect();
            plan.change.push((port.to_string(), left));
        }
    }
    plan
}

fn subnets_of<'a>(there: &'a [Interface], port: &str) -> Vec<&'a str> {
    there.iter().filter(|t| t.port_id == port).map(|t| t.subnet_id.as_str()).collect()
}

fn fixed_ips(subnets: &[String]) -> Value {
    subnets.iter().map(|subnet| json!({ "subnet_id": subnet })).collect()
}

/// Ports that came, changed and went in a transaction.
#[derive(Default)]
struct Done {
    made: Vec<MadePort>,
    changed: Vec<ChangedPort>,
    gone: Vec<GonePort>,
}

impl Inner {
    /// Makes what a router with a gateway lacks, in the transaction that brought the gateway or the
    /// interface: an agent never reads of one without the other. Neutron's agents take what an
    /// interface comes with once, and never look for more.
    pub(super) async fn create_csnat(&self, tx: &mut Tx, router: &str) -> ApiResult<()> {
        if !dvr::has_centre(tx, router).await? {
            return Ok(());
        }
        let interfaces = dvr::interfaces(tx, &[router], DVR_INTERFACE).await?;
        let there = dvr::interfaces(tx, &[router], ROUTER_SNAT).await?;
        self.apply(tx, router, missing(&interfaces, &there)).await
    }

    /// Removes what a router's interfaces on `subnets` (all, if none are named) had.
    pub(super) async fn delete_csnat(
        &self,
        router: &str,
        subnets: Option<&[String]>,
    ) -> ApiResult<()> {
        retrying(|| async {
            let mut tx = self.db.begin().await?;
            let there = dvr::interfaces(&tx, &[router], ROUTER_SNAT).await?;
            let plan = left_over(&there, subnets);
            if plan == Plan::default() {
                return Ok(());
            }
            self.apply(&mut tx, router, plan).await?;
            Ok(tx.commit().await?)
        })
        .await
    }

    async fn apply(&self, tx: &mut Tx, router: &str, plan: Plan) -> ApiResult<()> {
        let ctx = Context::admin();
        let mut done = Done::default();
        for (network, subnets) in &plan.create {
            let item = json!({
                // Nobody's: projects do not see it.
                "project_id": "", "name": "", "admin_state_up": true,
                "network_id": network, "fixed_ips": fixed_ips(subnets),
                "device_id": router, "device_owner": ROUTER_SNAT,
            });
            let item = item.as_object().cloned().unwrap_or_default();
            let made = self.ml2.create_port_in(tx, &ctx, item).await?;
            let row = ports::insert(router, &made.port().id, ROUTER_SNAT);
            tx.execute_batch(vec![row]).await?;
            done.made.push(made);
        }
        for (port, subnets) in &plan.change {
            let changes = Attrs::from_iter([("fixed_ips".to_string(), fixed_ips(subnets))]);
            done.changed.push(self.ml2.update_port_in(tx, &ctx, port, changes, None).await?);
        }
        for port in &plan.delete {
            done.gone.push(self.ml2.delete_port_in(tx, &ctx, port).await?);
        }
        let router = router.to_string();
        tx.on_commit(async move {
            if let Err(error) = done.announce(&ctx).await {
                tracing::error!(router, %error, "ports of its centralised part are not all told of");
            }
        });
        Ok(())
    }
}

impl Done {
    /// After the commit: drivers and subscribers.
    async fn announce(self, ctx: &Context) -> ApiResult<()> {
        for made in self.made {
            made.committed(ctx).await?;
        }
        for changed in self.changed {
            changed.committed(ctx).await?;
        }
        for gone in self.gone {
            gone.committed(ctx).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(port: &str, network: &str, subnet: &str, ip: &str) -> Interface {
        Interface {
            router_id: "r".into(),
            port_id: port.into(),
            network_id: network.into(),
            subnet_id: subnet.into(),
            ip_address: ip.into(),
            cidr: String::new(),
        }
    }

    fn texts(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_v4_subnet_has_a_port_and_v6_subnets_of_a_network_share_one() {
        let interfaces = [
            on("i1", "n", "s4", "10.0.0.1"),
            on("i2", "n", "s6", "fd00::1"),
            on("i2", "n", "s7", "fd01::1"),
            on("i3", "m", "m6", "fd02::1"),
        ];
        let plan = missing(&interfaces, &[]);
        let wanted = [("n", &["s4"][..]), ("m", &["m6"]), ("n", &["s6", "s7"])];
        assert_eq!(plan.create, wanted.map(|(n, s)| (n.to_string(), texts(s))));
        assert!(plan.change.is_empty() && plan.delete.is_empty());
        let there = [on("c1", "n", "s4", "10.0.0.9"), on("c2", "n", "s6", "fd00::9")];
        let plan = missing(&interfaces, &there);
        assert_eq!(plan.create, [("m".to_string(), texts(&["m6"]))]);
        assert_eq!(plan.change, [("c2".to_string(), texts(&["s6", "s7"]))]);
    }

    #[test]
    fn a_port_goes_with_its_last_subnet() {
        let there = [
            on("c1", "n", "s4", "10.0.0.9"),
            on("c2", "n", "s6", "fd00::9"),
            on("c2", "n", "s7", "fd01::9"),
        ];
        let plan = left_over(&there, Some(&texts(&["s6"])));
        assert_eq!(plan.change, [("c2".to_string(), texts(&["s7"]))]);
        assert!(plan.delete.is_empty());
        assert_eq!(left_over(&there, Some(&texts(&["s4"]))).delete, ["c1"]);
        assert_eq!(left_over(&there, None).delete, ["c1", "c2"]);
    }
}
