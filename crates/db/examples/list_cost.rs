//! What listing ports costs in SQL and decoding: CPU time of the whole process per list.
//!
//! `cargo run --release -p neutrino-db --example list_cost -- [ports] [rounds]`

use std::{collections::HashMap, time::Instant};

use neutrino_db::{
    Conn, Db, DbResult, Prepared,
    list::{Column, ListSpec, Page, nothing_computed, scope},
    schema::{IpAllocations, Networks, PortBindingLevels, PortBindings, Ports, Subnets},
    sea_query::{Expr, ExprTrait, Query},
    tags,
};
use neutrino_types::{Context, ListQuery};

fn port(column: Ports) -> Expr {
    Expr::col((Ports::Table, column))
}

static PORTS: ListSpec = ListSpec {
    resource: "port",
    from: || Query::select().from(Ports::Table).to_owned(),
    id: || port(Ports::Id),
    columns: &[Column::text("network_id", || port(Ports::NetworkId))],
    computed: nothing_computed,
    visibility: scope::everything,
    updated_at: None,
    tagged: true,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let ports: usize = args.next().map_or(Ok(1000), |a| a.parse())?;
    let rounds: u32 = args.next().map_or(Ok(100), |a| a.parse())?;
    let db = Db::open("sqlite://").await?;
    fill(&db, ports).await?;
    for (name, query) in [
        ("all", ListQuery::default()),
        ("network_id=", ListQuery::filter("network_id", ["net"])),
        ("limit=100", ListQuery { limit: Some(100), ..ListQuery::default() }),
    ] {
        list(&db, &query).await?;
        let (cpu, wall) = (cpu_seconds(), Instant::now());
        let before = db.counts();
        let mut bytes = 0;
        for _ in 0..rounds {
            bytes = list(&db, &query).await?;
        }
        let per_round = f64::from(rounds) / 1000.0;
        println!(
            "{name:<12} {:>8.3} ms CPU {:>8.3} ms wall, {} statements, {bytes} bytes decoded",
            (cpu_seconds() - cpu) / per_round,
            wall.elapsed().as_secs_f64() / per_round,
            (db.counts() - before).total() / u64::from(rounds),
        );
    }
    let rounds = rounds * 20;
    let (cpu, wall) = (cpu_seconds(), Instant::now());
    for n in 0..rounds {
        let tx = db.begin().await?;
        for column in [Ports::Name, Ports::Description] {
            let update = Query::update()
                .table(Ports::Table)
                .value(column, format!("renamed {n}"))
                .and_where(port(Ports::Id).eq("port-00001-e48a-4b2c-8a6e-1d2c3b4a5f6e"))
                .to_owned();
            tx.execute(&update).await?;
        }
        tx.commit().await?;
    }
    let per_round = f64::from(rounds) / 1_000_000.0;
    println!(
        "transaction of two updates: {:.1} us CPU, {:.1} us wall",
        (cpu_seconds() - cpu) / per_round,
        wall.elapsed().as_secs_f64() / per_round
    );
    Ok(())
}

/// User and system time of this process.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

/// One list with its children, decoded into what an answer needs.
async fn list(db: &Db, query: &ListQuery) -> Result<usize, Box<dyn std::error::Error>> {
    let conn = db.read().await?;
    let page = PORTS.page(&conn, &Context::admin(), query).await?;
    let columns = [
        Ports::Id,
        Ports::ProjectId,
        Ports::NetworkId,
        Ports::Name,
        Ports::Description,
        Ports::MacAddress,
        Ports::Status,
        Ports::DeviceId,
        Ports::DeviceOwner,
        Ports::CreatedAt,
        Ports::UpdatedAt,
    ];
    let select = page.select(columns.map(|c| (Ports::Table, c)));
    let rows = conn
        .fetch_map(&select, move |row| {
            (0..columns.len()).map(|i| row.text(i)).collect::<Vec<String>>()
        })
        .await?;
    let bytes: usize = page.arrange(rows).iter().flatten().map(String::len).sum();
    let ips = children(
        &conn,
        &page,
        IpAllocations::Table,
        IpAllocations::PortId,
        [IpAllocations::PortId, IpAllocations::IpAddress, IpAllocations::SubnetId],
    )
    .await?;
    let bindings = children(
        &conn,
        &page,
        PortBindings::Table,
        PortBindings::PortId,
        [PortBindings::PortId, PortBindings::Host, PortBindings::VifDetails],
    )
    .await?;
    let levels = children(
        &conn,
        &page,
        PortBindingLevels::Table,
        PortBindingLevels::PortId,
        [PortBindingLevels::PortId, PortBindingLevels::Driver, PortBindingLevels::SegmentId],
    )
    .await?;
    let tags = tags::of_page(&conn, &page).await?;
    Ok(bytes + ips.len() + bindings.len() + levels.len() + tags.len())
}

async fn children<T>(
    conn: &Conn,
    page: &Page,
    table: T,
    foreign_key: T,
    columns: [T; 3],
) -> DbResult<HashMap<String, Vec<(String, String)>>>
where
    T: neutrino_db::sea_query::Iden + Copy + 'static,
{
    let select = page.children(table, foreign_key, columns.map(|c| (table, c)));
    conn.fetch_fold(&select, HashMap::new(), |map: &mut HashMap<_, Vec<_>>, row| {
        map.entry(row.text(0)).or_default().push((row.text(1), row.text(2)));
    })
    .await
}

async fn fill(db: &Db, ports: usize) -> DbResult<()> {
    let tx = db.begin().await?;
    let now = "2026-01-01T00:00:00Z";
    let mut network = Query::insert();
    network
        .into_table(Networks::Table)
        .columns([
            Networks::Id,
            Networks::Status,
            Networks::AdminStateUp,
            Networks::Mtu,
            Networks::CreatedAt,
            Networks::UpdatedAt,
        ])
        .values_panic([
            "net".into(),
            "ACTIVE".into(),
            true.into(),
            1500.into(),
            now.into(),
            now.into(),
        ]);
    let mut subnet = Query::insert();
    subnet
        .into_table(Subnets::Table)
        .columns([
            Subnets::Id,
            Subnets::NetworkId,
            Subnets::IpVersion,
            Subnets::Cidr,
            Subnets::FirstIp,
            Subnets::LastIp,
            Subnets::EnableDhcp,
            Subnets::CreatedAt,
            Subnets::UpdatedAt,
        ])
        .values_panic([
            "subnet".into(),
            "net".into(),
            4.into(),
            "10.0.0.0/8".into(),
            "0a000000".into(),
            "0affffff".into(),
            true.into(),
            now.into(),
            now.into(),
        ]);
    tx.execute_batch(vec![Prepared::new(&network), Prepared::new(&subnet)]).await?;
    for n in 0..ports {
        tx.execute_batch(port_rows(n, now)).await?;
    }
    tx.commit().await
}

fn port_rows(n: usize, now: &str) -> Vec<Prepared> {
    let id = format!("port-{n:05}-e48a-4b2c-8a6e-1d2c3b4a5f6e");
    let mut port = Query::insert();
    port.into_table(Ports::Table)
        .columns([
            Ports::Id,
            Ports::ProjectId,
            Ports::NetworkId,
            Ports::Name,
            Ports::MacAddress,
            Ports::AdminStateUp,
            Ports::Status,
            Ports::DeviceId,
            Ports::DeviceOwner,
            Ports::CreatedAt,
            Ports::UpdatedAt,
        ])
        .values_panic([
            id.as_str().into(),
            "477b50f85ea945048b1297bc6e8943a5".into(),
            "net".into(),
            format!("port number {n}").into(),
            format!("fa:16:3e:{:02x}:{:02x}:{:02x}", n >> 16, (n >> 8) & 255, n & 255).into(),
            true.into(),
            "ACTIVE".into(),
            "477b50f8-5ea9-4504-8b12-97bc6e8943a5".into(),
            "compute:nova".into(),
            now.into(),
            now.into(),
        ]);
    let mut ip = Query::insert();
    ip.into_table(IpAllocations::Table)
        .columns([
            IpAllocations::PortId,
            IpAllocations::IpAddress,
            IpAllocations::IpKey,
            IpAllocations::SubnetId,
            IpAllocations::NetworkId,
        ])
        .values_panic([
            id.as_str().into(),
            format!("10.{}.{}.{}", n >> 16, (n >> 8) & 255, n & 255).into(),
            format!("{:08x}", 0x0a00_0000 + n).into(),
            "subnet".into(),
            "net".into(),
        ]);
    let mut binding = Query::insert();
    binding
        .into_table(PortBindings::Table)
        .columns([
            PortBindings::PortId,
            PortBindings::Host,
            PortBindings::VifType,
            PortBindings::VifDetails,
        ])
        .values_panic([
            id.as_str().into(),
            "compute0".into(),
            "ovs".into(),
            r#"{"connectivity":"l2","port_filter":true,"ovs_hybrid_plug":false,"datapath_type":"netdev","bridge_name":"br-int"}"#.into(),
        ]);
    let mut level = Query::insert();
    level
        .into_table(PortBindingLevels::Table)
        .columns([
            PortBindingLevels::PortId,
            PortBindingLevels::Host,
            PortBindingLevels::Level,
            PortBindingLevels::Driver,
        ])
        .values_panic([id.as_str().into(), "compute0".into(), 0.into(), "openvswitch".into()]);
    [&port, &ip, &binding, &level].into_iter().map(Prepared::new).collect()
}
