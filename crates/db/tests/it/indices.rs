//! The statements that run on every request use an index: the backend's own plan says so.

use neutrino_db::{
    list::{Column, ListSpec, any_of, nothing_computed, scope},
    rbac::{self, ObjectType},
    schema::{
        AddressAssociations, IpAllocations, Networks, PortBindings, Ports, VlanAllocations,
        VxlanAllocations,
    },
    sea_query::{Expr, ExprTrait, Query},
};
use neutrino_types::{Context, ListQuery};

use crate::plan::Planner;

#[tokio::test]
async fn hot_lookups_search_and_do_not_scan() {
    let planner = Planner::start().await;
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
        let plan = planner.plan(&statement).await;
        assert!(plan.searched > 0, "{what}: {plan}");
        assert!(plan.scanned.is_empty() && !plan.sorted, "{what}: {plan}");
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
    let planner = Planner::start().await;
    let conn = planner.db.read().await.expect("reader");
    let mut query = ListQuery::filter("network_id", ["n"]);
    let page = PORTS.page(&conn, &Context::admin(), &query).await.expect("page");
    let columns = [(IpAllocations::Table, IpAllocations::IpAddress)];
    let children = page.children(IpAllocations::Table, IpAllocations::PortId, columns);
    let children_plan = planner.plan(&children).await;
    assert!(children_plan.scanned.is_empty(), "{children_plan}");
    query = ListQuery { limit: Some(10), ..ListQuery::default() };
    let page = PORTS.page(&conn, &Context::admin(), &query).await.expect("page");
    let page_plan = planner.plan(&page.select([(Ports::Table, Ports::Name)])).await;
    assert!(!page_plan.sorted, "{page_plan}");
}

/// One of the tables has the policy; each is asked by its key.
#[tokio::test]
async fn a_policy_is_found_in_every_table_without_a_scan() {
    let planner = Planner::start().await;
    let select = Query::select()
        .columns(rbac::COLUMNS)
        .from_subquery(rbac::all(), rbac::ALIAS)
        .and_where(Expr::col("id").eq("x"))
        .to_owned();
    let plan = planner.plan(&select).await;
    assert_eq!(plan.searched, ObjectType::ALL.len(), "{plan}");
    assert!(!plan.scanned.iter().any(|table| table.contains("rbacs")), "{plan}");
}
