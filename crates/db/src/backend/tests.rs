//! What every backend promises, on the one that the tests run on (see [`crate::testing`]).

use sea_query::{Alias, Expr, ExprTrait, Func, Query, SelectStatement};

use crate::{
    CHOSEN, Conn, DbError, Dialect, Prepared,
    schema::{Agents, DnsNameservers, Networks, Quotas, VlanAllocations as V},
    testing,
};

fn quota(project: &str, limit: i64) -> sea_query::InsertStatement {
    Query::insert()
        .into_table(Quotas::Table)
        .columns([Quotas::ProjectId, Quotas::Resource, Quotas::Limit])
        .values_panic([project.into(), "port".into(), limit.into()])
        .to_owned()
}

async fn projects(conn: &Conn) -> Vec<String> {
    let select = Query::select()
        .column(Quotas::ProjectId)
        .from(Quotas::Table)
        .order_by(Quotas::ProjectId, sea_query::Order::Asc)
        .to_owned();
    conn.fetch_map(&select, |row| row.text(0)).await.expect("select")
}

#[tokio::test]
async fn a_refused_batch_keeps_what_was_before_it() {
    let db = testing::db().await.expect("database");
    let tx = db.begin().await.expect("begin");
    let batch = ["b", "a", "a", "c"].map(|project| Prepared::new(&quota(project, 1)));
    let error = tx.execute_batch(batch.into()).await.expect_err("a duplicate");
    assert!(error.duplicates("quotas", "project_id"), "{error}");
    assert_eq!(projects(&tx).await, ["a", "b"]);
    tx.execute(&quota("d", 1)).await.expect("goes on");
    tx.commit().await.expect("commit");
    assert_eq!(projects(&db.read().await.expect("read")).await, ["a", "b", "d"]);
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let db = testing::db().await.expect("database");
    let tx = db.begin().await.expect("begin");
    let mut orphan = Query::insert();
    orphan
        .into_table(DnsNameservers::Table)
        .columns([DnsNameservers::SubnetId, DnsNameservers::Address, DnsNameservers::Order])
        .values_panic(["none".into(), "10.0.0.1".into(), 0.into()]);
    let error = tx.execute(&orphan).await.expect_err("refers to nothing");
    assert!(matches!(error, DbError::ForeignKey { .. }), "{error}");
    let null = Query::insert()
        .into_table(Quotas::Table)
        .columns([Quotas::ProjectId, Quotas::Resource, Quotas::Limit])
        .values_panic(["p".into(), Option::<String>::None.into(), 1.into()])
        .to_owned();
    let error = tx.execute(&null).await.expect_err("NULL");
    assert!(matches!(error, DbError::Constraint { .. }), "{error}");
    if db.dialect() != Dialect::Sqlite {
        let error = tx.execute(&quota(&"long".repeat(100), 1)).await.expect_err("too long");
        assert!(matches!(error, DbError::Unfit { .. }), "{error}");
    }
    tx.execute(&quota("p", 1)).await.expect("goes on");
}

#[tokio::test]
async fn cells_read_as_what_they_are() {
    let db = testing::db().await.expect("database");
    let conn = db.read().await.expect("read");
    let select = Query::select()
        .expr_as(Expr::val(true), "yes")
        .expr_as(Expr::val(-5_000_000_000i64), "low")
        .expr_as(Expr::val("7"), "digit")
        .expr_as(Expr::val(Option::<String>::None), "none")
        .expr_as(Func::count(Expr::val(1)), "count")
        .expr_as(Func::sum(Expr::val(3)), "sum")
        .to_owned();
    let row = conn.fetch_one(&select).await.expect("row");
    assert_eq!((row.opt_bool(0), row.opt_int(1)), (Some(true), Some(-5_000_000_000)));
    assert_eq!((row.opt_str(2), row.opt_int(2)), (Some("7"), None));
    assert_eq!((row.opt_str(3), row.opt_int(3), row.len()), (None, None, 6));
    assert_eq!((row.opt_int(4), row.opt_int(5)), (Some(1), Some(3)));
}

#[tokio::test]
async fn text_is_kept_compared_and_sorted_by_its_bytes() {
    let db = testing::db().await.expect("database");
    let tx = db.begin().await.expect("begin");
    let odd = ["A", "B", "a", "b", "it's", "\\\\'", "\u{1a}\u{1}2", "%_", "ä", "日本", "😀"];
    for project in odd {
        tx.execute(&quota(project, 1)).await.expect("insert");
    }
    let mut sorted = odd.map(String::from);
    sorted.sort();
    assert_eq!(projects(&tx).await, sorted);
    for project in odd {
        let same = Query::select()
            .column(Quotas::ProjectId)
            .from(Quotas::Table)
            .and_where(Expr::col(Quotas::ProjectId).eq(project))
            .to_owned();
        let found = tx.fetch_all(&same).await.expect("select");
        assert_eq!(found.iter().map(|row| row.str(0)).collect::<Vec<_>>(), [project]);
    }
}

#[tokio::test]
async fn a_choice_is_inserted_and_answered() {
    let db = testing::db().await.expect("database");
    let tx = db.begin().await.expect("begin");
    let take = async |of: &[i64]| {
        let one = |id: &i64| Query::select().expr_as(Expr::val(*id), CHOSEN).to_owned();
        let mut all = one(&of[0]);
        for id in &of[1..] {
            all.union(sea_query::UnionType::All, one(id));
        }
        let taken = Query::select().column(V::VlanId).from(V::Table).to_owned();
        let free: SelectStatement = Query::select()
            .column(Alias::new(CHOSEN))
            .from_subquery(all, "all")
            .and_where(Expr::col(CHOSEN).not_in_subquery(taken))
            .order_by(CHOSEN, sea_query::Order::Asc)
            .limit(1)
            .to_owned();
        let fixed = vec![(V::Allocated, Expr::val(true)), (V::PhysicalNetwork, Expr::val("p"))];
        tx.insert_chosen(V::Table, (V::VlanId, free), fixed).await.expect("insert")
    };
    assert_eq!(take(&[9, 7, 8]).await, Some(7));
    assert_eq!(take(&[9, 7, 8]).await, Some(8));
    assert_eq!(take(&[7, 8]).await, None);
    assert_eq!(tx.counts().total(), 3);
}

#[tokio::test]
async fn an_update_counts_the_rows_it_matches() {
    let db = testing::db().await.expect("database");
    let tx = db.begin().await.expect("begin");
    tx.execute(&quota("a", 1)).await.expect("insert");
    let same = Query::update().table(Quotas::Table).value(Quotas::Limit, 1).to_owned();
    assert_eq!(tx.execute(&same).await.expect("update"), 1, "though nothing changes");
}

/// The number of the session that `conn` has at a server.
async fn session(conn: &Conn) -> i64 {
    let id = match conn.dialect() {
        Dialect::Mysql => "CONNECTION_ID()",
        _ => "pg_backend_pid()",
    };
    conn.fetch_one(&Query::select().expr(Expr::cust(id)).to_owned()).await.expect("id").int(0)
}

/// Ends a session from `other`, and waits until it has ended.
async fn kill(other: &Conn, session: i64) {
    let (end, there) = match other.dialect() {
        Dialect::Mysql => (
            format!("KILL {session}"),
            format!("(SELECT COUNT(*) FROM information_schema.processlist WHERE id = {session})"),
        ),
        _ => (
            format!("SELECT pg_terminate_backend({session})"),
            format!("(SELECT COUNT(*) FROM pg_stat_activity WHERE pid = {session})"),
        ),
    };
    other.execute_ddl(vec![end]).await.expect("kill");
    let there = Query::select().expr(Expr::cust(there)).to_owned();
    for _ in 0..500 {
        if other.fetch_one(&there).await.expect("sessions").int(0) == 0 {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("session {session} is still there");
}

#[tokio::test]
async fn a_dead_connection_is_replaced_and_a_lost_transaction_is_told() {
    let db = testing::db().await.expect("database");
    if db.dialect() == Dialect::Sqlite {
        // It has no sessions that could be lost.
        return;
    }
    let other = db.auto_commit().await.expect("another session");
    let tx = db.begin().await.expect("begin");
    let mine = session(&tx).await;
    tx.execute(&quota("lost", 1)).await.expect("insert");
    kill(&other, mine).await;
    let error = tx.execute(&quota("b", 1)).await.expect_err("lost");
    assert!(matches!(error, DbError::ConnectionLost { .. }), "{error}");
    assert!(matches!(tx.execute(&quota("b", 1)).await, Err(DbError::Aborted)));
    assert!(matches!(tx.commit().await, Err(DbError::Aborted)));

    // One that died while it was idle is noticed by nobody.
    let tx = db.begin().await.expect("begin");
    let mine = session(&tx).await;
    tx.commit().await.expect("commit");
    kill(&other, mine).await;
    let tx = db.begin().await.expect("begin");
    tx.execute(&quota("c", 1)).await.expect("insert on another connection");
    let mine = session(&tx).await;
    kill(&other, mine).await;
    let error = tx.commit().await.expect_err("lost while committing");
    assert!(matches!(error, DbError::CommitUnknown { .. }) && !error.is_retriable(), "{error}");
    assert_eq!(projects(&db.read().await.expect("read")).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_transaction_whose_caller_went_away_is_rolled_back() {
    let db = testing::db().await.expect("database");
    for n in 0..20 {
        let tx = db.begin().await.expect("begin");
        let insert = quota(&format!("p{n}"), 1);
        // Dropped after its first poll: something may be on its way.
        tokio::select! {
            biased;
            _ = tx.execute(&insert) => {}
            () = tokio::task::yield_now() => {}
        }
    }
    let tx = db.begin().await.expect("begin");
    tx.execute(&quota("kept", 1)).await.expect("insert");
    tx.commit().await.expect("commit");
    assert_eq!(projects(&db.read().await.expect("read")).await, ["kept"]);
}

#[tokio::test]
async fn what_takes_no_turn_waits_for_nobody() {
    let db = testing::db().await.expect("database");
    if db.dialect() == Dialect::Sqlite {
        // All its writers take turns.
        return;
    }
    let tx = db.begin().await.expect("begin");
    tx.execute(&quota("turn", 1)).await.expect("insert");
    let beside = db.begin_unordered().await.expect("begin");
    beside.execute(&quota("beside", 1)).await.expect("insert");
    beside.commit().await.expect("commit");
    assert_eq!(projects(&tx).await, ["beside", "turn"], "sees what was committed meanwhile");
    tx.commit().await.expect("commit");
}

#[tokio::test]
async fn a_deadlock_is_retriable_and_ends_one_of_the_two() {
    let db = testing::db().await.expect("database");
    if db.dialect() == Dialect::Sqlite {
        // One writer cannot meet another.
        return;
    }
    let tx = db.begin().await.expect("begin");
    tx.execute_batch(vec![Prepared::new(&quota("a", 1)), Prepared::new(&quota("b", 1))])
        .await
        .expect("insert");
    tx.commit().await.expect("commit");
    let update = |project: &str| {
        Query::update()
            .table(Quotas::Table)
            .value(Quotas::Limit, Expr::col(Quotas::Limit).add(1))
            .and_where(Expr::col(Quotas::ProjectId).eq(project))
            .to_owned()
    };
    let (one, two) = (db.begin_unordered().await, db.begin_unordered().await);
    let (one, two) = (one.expect("begin"), two.expect("begin"));
    one.execute(&update("a")).await.expect("update");
    two.execute(&update("b")).await.expect("update");
    let (to_b, to_a) = (update("b"), update("a"));
    let (first, second) =
        tokio::join!(async { (one.execute(&to_b).await, one.commit().await) }, async {
            (two.execute(&to_a).await, two.commit().await)
        },);
    let outcomes = [first, second];
    let won = outcomes.iter().filter(|(done, committed)| done.is_ok() && committed.is_ok()).count();
    assert_eq!(won, 1, "{outcomes:?}");
    let lost = outcomes.into_iter().find_map(|(done, committed)| Some((done.err()?, committed)));
    let Some((error, committed)) = lost else { panic!("nobody lost") };
    assert!(matches!(error, DbError::Deadlock { .. }) && error.is_retriable(), "{error}");
    assert!(matches!(committed, Err(DbError::Aborted)), "what is left of it is not committed");
}

#[tokio::test]
async fn upserts_change_or_insert() {
    let db = testing::db().await.expect("database");
    let tx = db.begin().await.expect("begin");
    for limit in [1, 2] {
        let mut upsert = quota("a", limit);
        upsert.on_conflict(
            sea_query::OnConflict::columns([Quotas::ProjectId, Quotas::Resource])
                .update_column(Quotas::Limit)
                .to_owned(),
        );
        tx.execute(&upsert).await.expect("upsert");
    }
    let limit = Query::select().column(Quotas::Limit).from(Quotas::Table).to_owned();
    let rows = tx.fetch_all(&limit).await.expect("select");
    assert_eq!(rows.iter().map(|row| row.int(0)).collect::<Vec<_>>(), [2]);
    let none = Query::select().column(Agents::Id).from(Agents::Table).to_owned();
    assert!(tx.fetch_opt(&none).await.expect("select").is_none());
    let none = Query::delete().from_table(Networks::Table).to_owned();
    assert_eq!(tx.execute(&none).await.expect("delete"), 0);
}
