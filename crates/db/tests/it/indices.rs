//! The statements that run on every request use an index: SQLite's own plan says so.

use neutrino_db::{
    Db,
    list::{Column, ListSpec, any_of, nothing_computed, scope},
    rbac::{self, ObjectType},
    schema::{
        AddressAssociations, IpAllocations, Networks, PortBindings, Ports, VlanAllocations,
        VxlanAllocations,
    },
    sea_query::{Expr, ExprTrait, Query, SelectStatement, SqliteQueryBuilder},
    testing,
};
use neutrino_types::{Context, ListQuery};

async fn plan(db: &Db, statement: &SelectStatement) -> String {
    let sql = statement.to_string(SqliteQueryBuilder);
    let db = db.path().expect("a file").to_path_buf();
    let lines = tokio::task::spawn_blocking(move || {
        let connection = rusqlite::Connection::open(db).expect("open");
        let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect("plan");
        let rows = explain.query_map([], |row| row.get::<_, String>(3)).expect("rows");
        rows.map(|row| row.expect("line")).collect::<Vec<_>>()
    });
    lines.await.expect("plan").join("\n")
}

#[tokio::test]
async fn hot_lookups_search_and_do_not_scan() {
    let db = testing::db().await.expect("database");
    let statements = [
        (
            "taken candidates of a subnet",
            Query::select()
                .column(IpAllocations::IpKey)
                .from(IpAllocations::Table)
                .and_where(Expr::col(IpAllocations::SubnetId).eq("s"))
                .and_where(any_of(
                    Expr::col(IpAllocations::IpKey),
                    vec!["0a000005".into(), "0a000006".into()],
                ))
                .to_owned(),
        ),
        (
            "addresses of a port",
            Query::select()
                .column(IpAllocations::IpAddress)
                .from(IpAllocations::Table)
                .and_where(Expr::col(IpAllocations::PortId).eq("p"))
                .to_owned(),
        ),
        (
            "ports of a device",
            Query::select()
                .column(Ports::Id)
                .from(Ports::Table)
                .and_where(Expr::col(Ports::DeviceId).eq("d"))
                .to_owned(),
        ),
        (
            "ports by MAC",
            Query::select()
                .column(Ports::Id)
                .from(Ports::Table)
                .and_where(Expr::col(Ports::MacAddress).eq("m"))
                .to_owned(),
        ),
        (
            "bindings of a host",
            Query::select()
                .column(PortBindings::PortId)
                .from(PortBindings::Table)
                .and_where(Expr::col(PortBindings::Host).eq("h"))
                .to_owned(),
        ),
        (
            "addresses of an address group",
            Query::select()
                .column(AddressAssociations::Address)
                .from(AddressAssociations::Table)
                .and_where(Expr::col(AddressAssociations::AddressGroupId).eq("g"))
                .to_owned(),
        ),
        (
            "a network shared with a project",
            Query::select()
                .column(Networks::Id)
                .from(Networks::Table)
                .and_where(Expr::col(Networks::Id).eq("n"))
                .and_where(rbac::granted(
                    ObjectType::Network,
                    (Networks::Table, Networks::Id),
                    "p",
                    &[scope::SHARED],
                ))
                .to_owned(),
        ),
        (
            "a VLAN in use",
            Query::select()
                .column(VlanAllocations::VlanId)
                .from(VlanAllocations::Table)
                .and_where(Expr::col(VlanAllocations::PhysicalNetwork).eq("physnet1"))
                .and_where(Expr::col(VlanAllocations::VlanId).eq(5))
                .to_owned(),
        ),
        (
            "a VNI in use",
            Query::select()
                .column(VxlanAllocations::VxlanVni)
                .from(VxlanAllocations::Table)
                .and_where(Expr::col(VxlanAllocations::VxlanVni).eq(5))
                .to_owned(),
        ),
    ];
    for (what, statement) in statements {
        let plan = plan(&db, &statement).await;
        assert!(plan.contains("SEARCH"), "{what}: {plan}");
        assert!(!plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "{what}: {plan}");
    }
}

fn port(column: Ports) -> Expr {
    Expr::col((Ports::Table, column))
}

static PORTS: ListSpec = ListSpec {
    resource: "port",
    from: || Query::select().from(Ports::Table).to_owned(),
    id: || port(Ports::Id),
    columns: &[
        Column::text("network_id", || port(Ports::NetworkId)),
        Column::text("project_id", || port(Ports::ProjectId)),
    ],
    computed: nothing_computed,
    visibility: scope::everything,
    updated_at: None,
    tagged: false,
};

#[tokio::test]
async fn lists_and_their_children_use_indices() {
    let db = testing::db().await.expect("database");
    let conn = db.read().await.expect("reader");
    let mut query = ListQuery::filter("network_id", ["n"]);
    let page = PORTS.page(&conn, &Context::admin(), &query).await.expect("page");
    let columns = [(IpAllocations::Table, IpAllocations::IpAddress)];
    let children = page.children(IpAllocations::Table, IpAllocations::PortId, columns);
    let children_plan = plan(&db, &children).await;
    assert!(!children_plan.contains("SCAN"), "{children_plan}");
    query = ListQuery { limit: Some(10), ..ListQuery::default() };
    let page = PORTS.page(&conn, &Context::admin(), &query).await.expect("page");
    let page_plan = plan(&db, &page.select([(Ports::Table, Ports::Name)])).await;
    assert!(!page_plan.contains("TEMP B-TREE"), "{page_plan}");
}

/// One of the tables has the policy; each is asked by its key.
#[tokio::test]
async fn a_policy_is_found_in_every_table_without_a_scan() {
    let db = testing::db().await.expect("database");
    let select = Query::select()
        .columns(rbac::COLUMNS)
        .from_subquery(rbac::all(), rbac::ALIAS)
        .and_where(Expr::col("id").eq("x"))
        .to_owned();
    let plan = plan(&db, &select).await;
    let tables = ObjectType::ALL.len();
    assert_eq!(plan.matches("SEARCH").count(), tables, "{plan}");
    assert!(!plan.lines().any(|line| line.starts_with("SCAN") && line.contains("rbacs")), "{plan}");
}
