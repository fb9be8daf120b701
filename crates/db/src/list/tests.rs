use neutrino_types::{ApiResult, Context, ListQuery, Sort, SortDir};
use proptest::prelude::*;
use sea_query::{Condition, Expr, ExprTrait, Query, SelectStatement};
use serde_json::{Value, json};

use super::{Column, ListSpec, scope};
use crate::{
    Conn, Db, Prepared,
    rbac::{self, ObjectType},
    schema::{NetworkRbacs, Networks, Tags},
    tags,
};

fn col(column: Networks) -> Expr {
    Expr::col((Networks::Table, column))
}

static NETWORKS: ListSpec = ListSpec {
    resource: "network",
    from: || Query::select().from(Networks::Table).to_owned(),
    id: || col(Networks::Id),
    columns: &[
        Column::text("id", || col(Networks::Id)),
        Column::text("project_id", || col(Networks::ProjectId)),
        Column::text("name", || col(Networks::Name)),
        Column::int("mtu", || col(Networks::Mtu)),
        Column::bool("admin_state_up", || col(Networks::AdminStateUp)),
        Column::bool("vlan_transparent", || col(Networks::VlanTransparent)).or_null(),
    ],
    computed: shared,
    visibility,
    updated_at: Some(|| col(Networks::UpdatedAt)),
    tagged: true,
};

fn shared(_: &Context, attribute: &str, values: &[Value]) -> Option<ApiResult<Condition>> {
    (attribute == "shared").then(|| {
        let open = scope::networks_open_to_everyone(scope::SHARED);
        let id = col(Networks::Id);
        let wanted = values.first() == Some(&Value::Bool(true));
        let condition = if wanted { id.in_subquery(open) } else { id.not_in_subquery(open) };
        Ok(Condition::all().add(condition))
    })
}

fn visibility(ctx: &Context) -> Option<Condition> {
    if ctx.is_admin {
        return None;
    }
    let open = rbac::open_to(ObjectType::Network, ctx, &[scope::SHARED, scope::EXTERNAL]);
    Some(
        Condition::any()
            .add(scope::owned((Networks::Table, Networks::ProjectId), ctx))
            .add(col(Networks::Id).in_subquery(open)),
    )
}

/// (id, project, name, mtu, admin_state_up, vlan_transparent)
type Net = (String, String, String, i64, bool, Option<bool>);

fn insert_network(net: &Net) -> Prepared {
    let (id, project, name, mtu, up, transparent) = net.clone();
    let mut insert = Query::insert();
    insert
        .into_table(Networks::Table)
        .columns([
            Networks::Id,
            Networks::ProjectId,
            Networks::Name,
            Networks::Mtu,
            Networks::AdminStateUp,
            Networks::VlanTransparent,
            Networks::Status,
            Networks::CreatedAt,
            Networks::UpdatedAt,
        ])
        .values_panic([
            id.into(),
            project.into(),
            name.into(),
            mtu.into(),
            up.into(),
            transparent.into(),
            "ACTIVE".into(),
            "2026-01-01T00:00:00Z".into(),
            format!("2026-01-01T00:00:{:02}Z", mtu % 60).into(),
        ]);
    Prepared::new(&insert)
}

fn insert_rbac(network: &str, target: &str, action: &str) -> Prepared {
    let mut insert = Query::insert();
    insert
        .into_table(NetworkRbacs::Table)
        .columns([
            NetworkRbacs::Id,
            NetworkRbacs::ObjectId,
            NetworkRbacs::TargetProject,
            NetworkRbacs::Action,
        ])
        .values_panic([
            format!("{network}-{target}-{action}").into(),
            network.into(),
            target.into(),
            action.into(),
        ]);
    Prepared::new(&insert)
}

async fn database(networks: &[Net]) -> Db {
    let db = crate::testing::db().await.expect("open");
    let tx = db.begin().await.expect("begin");
    tx.execute_batch(networks.iter().map(insert_network).collect()).await.expect("networks");
    tx.commit().await.expect("commit");
    db
}

fn net(id: &str, project: &str, name: &str, mtu: i64) -> Net {
    (id.into(), project.into(), name.into(), mtu, mtu % 2 == 0, None)
}

async fn ids(conn: &Conn, ctx: &Context, query: &ListQuery) -> ApiResult<Vec<String>> {
    let page = NETWORKS.page(conn, ctx, query).await?;
    let select: SelectStatement = page.select([(Networks::Table, Networks::Id)]);
    let rows = conn.fetch_map(&select, |row| row.text(0)).await?;
    Ok(page.arrange(rows))
}

fn member(project: &str) -> Context {
    Context { project_id: Some(project.into()), ..Context::default() }
}

#[tokio::test]
async fn filters_are_anded_and_their_values_ored() {
    let db =
        database(&[net("1", "p", "a", 1500), net("2", "p", "b", 1450), net("3", "q", "a", 1501)])
            .await;
    let conn = db.read().await.expect("reader");
    let admin = Context::admin();
    let list = async |filters: Value| {
        let filters = filters.as_object().expect("filters").iter();
        let filters =
            filters.map(|(k, v)| (k.clone(), v.as_array().expect("values").clone())).collect();
        ids(&conn, &admin, &ListQuery { filters, ..ListQuery::default() }).await
    };
    for (filters, wanted) in [
        (json!({}), vec!["1", "2", "3"]),
        (json!({"name": ["a"]}), vec!["1", "3"]),
        (json!({"name": ["a", "b"], "project_id": ["p"]}), vec!["1", "2"]),
        (json!({"tenant_id": ["q"]}), vec!["3"]),
        (json!({"mtu": ["1500", 1501]}), vec!["1", "3"]),
        (json!({"admin_state_up": [true]}), vec!["1", "2"]),
        (json!({"admin_state_up": ["False"]}), vec!["3"]),
        (json!({"name": []}), vec![]),
        (json!({"vlan_transparent": [null]}), vec!["1", "2", "3"]),
        (json!({"changed-since": ["2026-01-01T00:00:01"]}), vec!["2", "3"]),
    ] {
        assert_eq!(list(filters.clone()).await.expect("list"), wanted, "{filters}");
    }
    for filters in [
        json!({"mtu": ["many"]}),
        json!({"admin_state_up": ["maybe"]}),
        json!({"colour": ["red"]}),
        json!({"changed-since": ["yesterday"]}),
    ] {
        let error = list(filters.clone()).await.expect_err("refused");
        assert_eq!(error.status, 400, "{filters}");
    }
}

#[tokio::test]
async fn any_number_of_values_is_one_statement() {
    let nets: Vec<Net> = (0..300).map(|n| net(&format!("{n:03}"), "p", "a", 1500)).collect();
    let db = database(&nets).await;
    let conn = db.read().await.expect("reader");
    for (wanted, asked) in [(0, 0), (1, 1), (3, 3), (200, 200), (300, 20_000)] {
        let query = ListQuery::filter("id", (0..asked).map(|n| format!("{n:03}")));
        let before = conn.counts();
        let found = ids(&conn, &Context::admin(), &query).await.expect("list");
        assert_eq!(found.len(), wanted, "{asked}");
        assert_eq!((conn.counts() - before).selects, 1);
    }
}

#[tokio::test]
async fn members_see_their_own_and_what_is_opened_to_them() {
    let db = database(&[
        net("1", "p", "own", 1500),
        net("2", "q", "shared", 1500),
        net("3", "q", "for p", 1500),
        net("4", "q", "external", 1500),
        net("5", "q", "other", 1500),
        net("6", "q", "for r", 1500),
    ])
    .await;
    let tx = db.begin().await.expect("begin");
    tx.execute_batch(vec![
        insert_rbac("2", "*", scope::SHARED),
        insert_rbac("3", "p", scope::SHARED),
        insert_rbac("4", "*", scope::EXTERNAL),
        insert_rbac("4", "*", scope::SHARED),
        insert_rbac("6", "r", scope::SHARED),
    ])
    .await
    .expect("rbac");
    tx.commit().await.expect("commit");
    let conn = db.read().await.expect("reader");
    let all = ListQuery::default();
    assert_eq!(ids(&conn, &member("p"), &all).await.expect("list"), ["1", "2", "3", "4"]);
    assert_eq!(ids(&conn, &Context::admin(), &all).await.expect("list").len(), 6);
    let shared = ListQuery::filter("shared", [true]);
    assert_eq!(ids(&conn, &member("p"), &shared).await.expect("list"), ["2", "4"]);
    let marker =
        |id: &str| ListQuery { limit: Some(1), marker: Some(id.into()), ..ListQuery::default() };
    assert_eq!(ids(&conn, &member("p"), &marker("3")).await.expect("list"), ["4"]);
    let hidden = ids(&conn, &member("p"), &marker("5")).await.expect_err("not visible");
    assert_eq!((hidden.kind, hidden.status), ("NetworkNotFound", 404));
}

#[tokio::test]
async fn tag_filters_and_children() {
    let db =
        database(&[net("1", "p", "a", 1500), net("2", "p", "b", 1500), net("3", "p", "c", 1500)])
            .await;
    let tx = db.begin().await.expect("begin");
    let list = |tags: &[&str]| tags.iter().map(ToString::to_string).collect::<Vec<_>>();
    tags::add(&tx, "networks", "1", &list(&["red", "blue"])).await.expect("tags");
    tags::add(&tx, "networks", "2", &list(&["red"])).await.expect("tags");
    tags::add(&tx, "networks", "2", &list(&["red"])).await.expect("again");
    assert_eq!(tags::of(&tx, "2").await.expect("tags"), ["red"]);
    tx.commit().await.expect("commit");
    let conn = db.read().await.expect("reader");
    let admin = Context::admin();
    for (filter, value, wanted) in [
        ("tags", "red,blue", vec!["1"]),
        ("tags", "red", vec!["1", "2"]),
        ("tags-any", "red,blue", vec!["1", "2"]),
        ("not-tags", "red,blue", vec!["2", "3"]),
        ("not-tags-any", "red,blue", vec!["3"]),
    ] {
        let query = ListQuery::filter(filter, [value]);
        assert_eq!(ids(&conn, &admin, &query).await.expect("list"), wanted, "{filter}={value}");
    }
    for query in [
        ListQuery::default(),
        ListQuery::filter("name", ["a", "b"]),
        ListQuery { limit: Some(2), ..ListQuery::default() },
    ] {
        let page = NETWORKS.page(&conn, &admin, &query).await.expect("page");
        let found = tags::of_page(&conn, &page).await.expect("tags");
        assert_eq!(found["1"], ["blue", "red"]);
        assert_eq!(found["2"], ["red"]);
        assert_eq!(found.len(), 2);
    }
    let second = ListQuery { limit: Some(1), marker: Some("1".into()), ..ListQuery::default() };
    let page = NETWORKS.page(&conn, &admin, &second).await.expect("page");
    let found = tags::of_page(&conn, &page).await.expect("tags");
    assert_eq!(found.into_keys().collect::<Vec<_>>(), ["2"]);
    let columns = [(Tags::Table, Tags::Tag)];
    let rows = conn.fetch_all(&page.children(Tags::Table, Tags::ResourceId, columns)).await;
    assert_eq!(rows.expect("children").len(), 1);
}

fn sort(key: &str, dir: SortDir) -> Sort {
    Sort { key: key.into(), dir }
}

#[tokio::test]
async fn sorts() {
    let db = database(&[
        ("1".into(), "p".into(), "b".into(), 1, true, Some(true)),
        ("2".into(), "p".into(), "a".into(), 1, true, None),
        ("3".into(), "p".into(), "B".into(), 2, true, Some(false)),
        ("4".into(), "p".into(), "a".into(), 3, true, None),
    ])
    .await;
    let conn = db.read().await.expect("reader");
    let admin = Context::admin();
    for (sorts, wanted) in [
        (vec![], ["1", "2", "3", "4"]),
        (vec![sort("name", SortDir::Asc)], ["3", "2", "4", "1"]),
        (vec![sort("name", SortDir::Desc)], ["1", "2", "4", "3"]),
        (vec![sort("mtu", SortDir::Desc), sort("name", SortDir::Asc)], ["4", "3", "2", "1"]),
        (vec![sort("vlan_transparent", SortDir::Asc)], ["2", "4", "3", "1"]),
        (vec![sort("vlan_transparent", SortDir::Desc)], ["1", "3", "2", "4"]),
        (vec![sort("id", SortDir::Desc), sort("name", SortDir::Asc)], ["4", "3", "2", "1"]),
    ] {
        let query = ListQuery { sorts: sorts.clone(), ..ListQuery::default() };
        assert_eq!(ids(&conn, &admin, &query).await.expect("list"), wanted, "{sorts:?}");
    }
    let query = ListQuery { sorts: vec![sort("colour", SortDir::Asc)], ..ListQuery::default() };
    assert_eq!(ids(&conn, &admin, &query).await.expect_err("unknown").status, 400);
}

/// Walks all pages of `limit`, forwards or backwards.
async fn walk(conn: &Conn, sorts: &[Sort], limit: u64, page_reverse: bool) -> Vec<String> {
    let admin = Context::admin();
    let mut out: Vec<String> = Vec::new();
    loop {
        let marker = if page_reverse { out.first() } else { out.last() };
        let query = ListQuery {
            sorts: sorts.to_vec(),
            limit: Some(limit),
            marker: marker.cloned(),
            page_reverse,
            ..ListQuery::default()
        };
        let page = ids(conn, &admin, &query).await.expect("page");
        if page.is_empty() {
            return out;
        }
        assert!(out.len() < 100, "the walk does not end");
        if page_reverse {
            out.splice(0..0, page);
        } else {
            out.extend(page);
        }
    }
}

fn sort_strategy() -> impl Strategy<Value = Sort> {
    let keys =
        prop::sample::select(vec!["name", "mtu", "admin_state_up", "vlan_transparent", "id"]);
    (keys, any::<bool>())
        .prop_map(|(key, up)| sort(key, if up { SortDir::Asc } else { SortDir::Desc }))
}

fn networks_strategy() -> impl Strategy<Value = Vec<Net>> {
    let one = ("[aAbé ]{0,2}", 0i64..3, any::<bool>(), any::<Option<bool>>());
    prop::collection::vec(one, 0..14).prop_map(|rows| {
        let numbered = rows.into_iter().enumerate();
        numbered
            .map(|(n, (name, mtu, up, transparent))| {
                (format!("{:02}", (n * 5) % 14), "p".into(), name, mtu, up, transparent)
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Pages joined are the whole list, in either direction, for any sorts and NULLs.
    #[test]
    fn pages_make_up_the_list(
        networks in networks_strategy(),
        sorts in prop::collection::vec(sort_strategy(), 0..4),
        limit in 1u64..5,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        runtime.block_on(async {
            let db = database(&networks).await;
            let conn = db.read().await.expect("reader");
            let query = ListQuery { sorts: sorts.clone(), ..ListQuery::default() };
            let whole = ids(&conn, &Context::admin(), &query).await.expect("list");
            assert_eq!(whole.len(), networks.len());
            assert_eq!(walk(&conn, &sorts, limit, false).await, whole);
            assert_eq!(walk(&conn, &sorts, limit, true).await, whole);
        });
    }
}
