//! Two nodes of a Galera cluster, each written through a `Db` of its own.

use neutrino_db::{
    Db, DbError, DbOptions, DbResult, Retries,
    migrations::{ALL, head},
    schema::Quotas,
    sea_query::{Expr, ExprTrait, Query},
};
use neutrino_service_sandbox::Galera;
use sqlx::Connection;

use crate::is_repeated;

/// Writers of each node, and what each adds.
const WRITERS: usize = 8;
const ADDITIONS: i64 = 15;

struct Cluster {
    galera: Galera,
    dbs: [Db; 2],
}

impl Cluster {
    async fn start(options: DbOptions) -> Self {
        let galera = tokio::task::block_in_place(|| Galera::start().expect("a cluster"));
        let open = async |node: usize| {
            Db::open_with(&galera.nodes()[node].url(), options.clone()).await.expect("a node")
        };
        let dbs = [open(0).await, open(1).await];
        Self { galera, dbs }
    }

    fn sql(&self, node: usize, statements: &str) -> String {
        tokio::task::block_in_place(|| self.galera.nodes()[node].sql(statements)).expect(statements)
    }
}

async fn set(db: &Db, project: &str, limit: i64) -> DbResult<()> {
    let tx = db.begin_unordered().await?;
    let mut insert = Query::insert();
    insert
        .into_table(Quotas::Table)
        .columns([Quotas::ProjectId, Quotas::Resource, Quotas::Limit])
        .values_panic([project.into(), "port".into(), limit.into()]);
    tx.execute(&insert).await?;
    tx.commit().await
}

fn limit(project: &str) -> neutrino_db::sea_query::SelectStatement {
    let is_it = Expr::col(Quotas::ProjectId).eq(project);
    Query::select().column(Quotas::Limit).from(Quotas::Table).and_where(is_it).to_owned()
}

fn change(project: &str, to: i64) -> neutrino_db::sea_query::UpdateStatement {
    let is_it = Expr::col(Quotas::ProjectId).eq(project);
    Query::update().table(Quotas::Table).value(Quotas::Limit, to).and_where(is_it).to_owned()
}

async fn read(db: &Db, project: &str) -> Option<i64> {
    let conn = db.read().await.expect("read");
    conn.fetch_opt(&limit(project)).await.expect("select").map(|row| row.int(0))
}

/// Reads, adds one and writes, as code does that relies on its turn.
async fn add_one(db: &Db, project: &str) -> DbResult<()> {
    let tx = db.begin().await?;
    let before = tx.fetch_one(&limit(project)).await?.int(0);
    tx.execute(&change(project, before + 1)).await?;
    tx.commit().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_are_one_database() {
    if is_repeated() {
        return;
    }
    // Every read sees what was committed at the other node.
    let waiting = DbOptions { mysql_wsrep_sync_wait: Some(1), ..DbOptions::default() };
    let cluster = Cluster::start(waiting).await;
    servers_that_start_at_a_time_upgrade_once(&cluster).await;
    every_table_has_a_primary_key(&cluster);
    no_update_is_lost(&cluster).await;
    who_loses_at_commit_is_told_so(&cluster).await;
    a_node_that_does_not_serve_has_done_nothing(&cluster).await;
    reads_wait_as_they_are_told(&cluster).await;
}

async fn servers_that_start_at_a_time_upgrade_once(cluster: &Cluster) {
    let [a, b] = &cluster.dbs;
    let (one, two) = tokio::join!(a.upgrade(), b.upgrade());
    let mut applied = [one.expect("one"), two.expect("two")].concat();
    applied.sort_unstable();
    assert_eq!(applied, ALL.iter().map(|migration| migration.revision).collect::<Vec<_>>());
    for db in &cluster.dbs {
        db.require_head().await.expect("newest");
        assert_eq!(db.current_revision().await.expect("revision").as_deref(), Some(head()));
    }
}

/// Rows of tables without one are not told apart when they are certified, nor can be deleted.
fn every_table_has_a_primary_key(cluster: &Cluster) {
    let without = "SELECT table_name FROM information_schema.tables t \
        WHERE table_schema = 'neutron' AND NOT EXISTS \
        (SELECT 1 FROM information_schema.statistics s WHERE s.table_schema = t.table_schema \
        AND s.table_name = t.table_name AND s.index_name = 'PRIMARY')";
    assert_eq!(cluster.sql(0, without), "");
}

async fn no_update_is_lost(cluster: &Cluster) {
    set(&cluster.dbs[0], "counted", 0).await.expect("insert");
    // The bounds that a server has.
    let retries = Retries::default();
    let mut writers = Vec::new();
    for db in &cluster.dbs {
        for _ in 0..WRITERS {
            let db = db.clone();
            writers.push(tokio::spawn(async move {
                for _ in 0..ADDITIONS {
                    let done: neutrino_types::ApiResult<()> =
                        retries.run(|| async { Ok(add_one(&db, "counted").await?) }).await;
                    done.expect("added");
                }
            }));
        }
    }
    for writer in writers {
        writer.await.expect("a writer");
    }
    let added = 2 * i64::try_from(WRITERS).expect("few") * ADDITIONS;
    for db in &cluster.dbs {
        assert_eq!(read(db, "counted").await, Some(added));
    }
}

async fn who_loses_at_commit_is_told_so(cluster: &Cluster) {
    let [a, b] = &cluster.dbs;
    set(a, "both", 0).await.expect("insert");
    assert_eq!(read(b, "both").await, Some(0));
    let (one, two) = (a.begin_unordered().await.expect("one"), b.begin_unordered().await);
    let two = two.expect("two");
    // Neither node knows what the other does.
    one.execute(&change("both", 1)).await.expect("update");
    two.execute(&change("both", 2)).await.expect("update");
    one.commit().await.expect("the first wins");
    let error = two.commit().await.expect_err("the second loses");
    assert!(matches!(error, DbError::Deadlock { .. }) && error.is_retriable(), "{error}");
    for db in &cluster.dbs {
        assert_eq!(read(db, "both").await, Some(1));
    }
    // And told by the statement that comes next, when there is one.
    let (one, two) = (a.begin_unordered().await.expect("one"), b.begin_unordered().await);
    let two = two.expect("two");
    one.execute(&change("both", 3)).await.expect("update");
    two.execute(&change("both", 4)).await.expect("update");
    one.commit().await.expect("the first wins");
    assert_eq!(read(b, "both").await, Some(3), "the loser was rolled back");
    let error = two.fetch_all(&limit("both")).await.expect_err("the second loses");
    assert!(matches!(error, DbError::Deadlock { .. }) && error.is_retriable(), "{error}");
    assert!(matches!(two.commit().await, Err(DbError::Aborted)));
}

/// A node without its cluster (and one told so) answers 1047 to everything.
async fn a_node_that_does_not_serve_has_done_nothing(cluster: &Cluster) {
    let b = &cluster.dbs[1];
    let refuse = |what: &str| cluster.sql(1, &format!("SET GLOBAL wsrep_reject_queries = {what}"));
    let tx = b.begin().await.expect("begin");
    tx.execute(&change("both", 7)).await.expect("update");
    refuse("ALL");
    let error = tx.commit().await.expect_err("refused");
    assert!(matches!(error, DbError::ConnectionLost { .. }) && error.is_retriable(), "{error}");
    let error = add_one(b, "both").await.expect_err("refused");
    assert!(matches!(error, DbError::ConnectionLost { .. }) && error.is_retriable(), "{error}");
    let again = {
        let b = b.clone();
        tokio::spawn(async move {
            let done: neutrino_types::ApiResult<()> =
                Retries::default().run(|| async { Ok(add_one(&b, "both").await?) }).await;
            done.expect("once the node serves");
        })
    };
    refuse("NONE");
    again.await.expect("a writer");
    assert_eq!(read(&cluster.dbs[0], "both").await, Some(4));
}

async fn reads_wait_as_they_are_told(cluster: &Cluster) {
    let [a, waiting] = &cluster.dbs;
    let url = cluster.galera.nodes()[1].url();
    let at_once = Db::open_as_is(&url).await.expect("a node");
    let wait = Query::select().expr(Expr::cust("@@wsrep_sync_wait")).to_owned();
    for (db, wanted) in [(waiting, 1), (&at_once, 0)] {
        let conn = db.read().await.expect("read");
        assert_eq!(conn.fetch_one(&wait).await.expect("select").int(0), wanted);
    }
    set(a, "late", 1).await.expect("insert");
    assert_eq!(read(waiting, "late").await, Some(1));
    // Keeps the node from applying what comes from the other one.
    let mut keeper = sqlx::MySqlConnection::connect(&url.replace("+pymysql", "")).await.expect("s");
    let mut keep = async |statement: &'static str| {
        sqlx::raw_sql(statement).execute(&mut keeper).await.expect(statement);
    };
    keep("FLUSH TABLES WITH READ LOCK").await;
    let tx = a.begin_unordered().await.expect("begin");
    tx.execute(&change("late", 2)).await.expect("update");
    tx.commit().await.expect("no node waits for another one");
    assert_eq!(read(&at_once, "late").await, Some(1));
    let late = {
        let waiting = waiting.clone();
        tokio::spawn(async move { read(&waiting, "late").await })
    };
    keep("UNLOCK TABLES").await;
    assert_eq!(late.await.expect("a reader"), Some(2));
}
