//! What ports cost in the plugin, statements and CPU time of the whole process, without HTTP.
//!
//! `cargo run --release -p neutrino-ml2 --example port_cost -- [ports in the subnet]`, on SQLite or
//! on the server whose URL is in `NEUTRINO_TEST_DATABASE` (see `neutrino_db::testing`).

use std::{future::Future, sync::Arc, time::Instant};

use neutrino_callbacks::Registry;
use neutrino_db::Db;
use neutrino_ml2::{Ml2Config, Ml2Plugin, notifier::Silent};
use neutrino_types::{Attrs, Context, ListQuery};
use serde_json::{Value, json};

/// Runs `work` `rounds` times and prints what one round cost.
async fn measure<F, A, T>(db: &Db, name: &str, rounds: u32, mut work: F) -> Vec<T>
where
    F: FnMut(u32) -> A,
    A: Future<Output = T>,
{
    let (cpu, wall, statements) = (cpu_seconds(), Instant::now(), db.counts());
    let mut out = Vec::new();
    for round in 0..rounds {
        out.push(work(round).await);
    }
    let per_round = f64::from(rounds) / 1000.0;
    println!(
        "{name:<16} {:>8.3} ms CPU {:>8.3} ms wall {:>4} statements",
        (cpu_seconds() - cpu) / per_round,
        wall.elapsed().as_secs_f64() / per_round,
        (db.counts() - statements).total() / u64::from(rounds),
    );
    out
}

fn attrs(value: Value) -> Attrs {
    match value {
        Value::Object(map) => map,
        _ => Attrs::new(),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let fill: usize = std::env::args().nth(1).map_or(Ok(1000), |a| a.parse())?;
    let db = neutrino_db::testing::db().await?;
    let config = neutrino_conf::Conf::parse_str(
        "[ml2]\nproject_network_types = vxlan\n[ml2_type_vxlan]\nvni_ranges = 1:16777215\n\
         [quotas]\nquota_network = -1\nquota_subnet = -1\nquota_port = -1\n",
    )?;
    let config = Ml2Config::from_conf(&config)?;
    let plugin =
        Ml2Plugin::new(db.clone(), config, Arc::new(Registry::new()), Arc::new(Silent)).await?;
    let (networks, subnets, ports) = (plugin.networks(), plugin.subnets(), plugin.ports());
    let ctx = Context { project_id: Some("p".into()), ..Context::admin() };
    let made = measure(&db, "network create", 300, |n| {
        networks.create(&ctx, vec![attrs(json!({"name": format!("n{n}")}))])
    })
    .await;
    let ids: Vec<Value> = made
        .into_iter()
        .map(|r| r.map(|mut list| list.remove(0)["id"].take()))
        .collect::<Result<_, _>>()?;
    let made = measure(&db, "subnet create", 300, |n| {
        let item = json!({"network_id": ids[n as usize], "ip_version": 4, "cidr": "10.0.0.0/16"});
        subnets.create(&ctx, vec![attrs(item)])
    })
    .await;
    made.into_iter().collect::<Result<Vec<_>, _>>()?;
    let item = || attrs(json!({"network_id": ids[0], "name": "p"}));
    let bulks = u32::try_from(fill.div_ceil(100))?;
    let made = measure(&db, "bulk of 100", bulks, |_| {
        ports.create(&ctx, (0..100).map(|_| item()).collect())
    })
    .await;
    made.into_iter().collect::<Result<Vec<_>, _>>()?;
    let everything = ListQuery::default();
    let made = measure(&db, "list", 20, |_| ports.list(&ctx, &everything)).await;
    let listed = made.into_iter().next().ok_or("no list")??;
    measure(&db, "list serialised", 20, |_| async { serde_json::to_vec(&listed) }).await;
    let made = measure(&db, "port create", 500, |_| ports.create(&ctx, vec![item()])).await;
    let ids: Vec<String> = made
        .into_iter()
        .map(|r| r.map(|list| list[0]["id"].as_str().unwrap_or_default().to_string()))
        .collect::<Result<_, _>>()?;
    let id = |n: u32| ids[n as usize].as_str();
    measure(&db, "port get", 500, |n| ports.get(&ctx, id(n))).await;
    measure(&db, "port rename", 500, |n| {
        ports.update(&ctx, id(n), attrs(json!({"name": "renamed"})), None)
    })
    .await;
    measure(&db, "port delete", 500, |n| ports.delete(&ctx, id(n), None)).await;
    Ok(())
}

/// CPU seconds of this process, all threads.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u32 =
        after_name.split_whitespace().skip(11).take(2).filter_map(|f| f.parse::<u32>().ok()).sum();
    f64::from(ticks) / 100.0
}
