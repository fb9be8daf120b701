//! How a backend would run a statement, in its own words.

use std::fmt;

use neutrino_db::{
    Db,
    sea_query::{MysqlQueryBuilder, PostgresQueryBuilder, SelectStatement, SqliteQueryBuilder},
    testing::TestDatabase,
};
use sqlx::{AssertSqlSafe, Connection, Row};

/// A database with the newest schema, to ask for plans.
pub(crate) struct Planner {
    pub(crate) db: Db,
    database: TestDatabase,
}

/// What a backend plans.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Tables searched by an index.
    pub(crate) searched: usize,
    /// Tables read from end to end.
    pub(crate) scanned: Vec<String>,
    /// Whether rows have to be sorted.
    pub(crate) sorted: bool,
    text: String,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Planner {
    pub(crate) async fn start() -> Self {
        let database = TestDatabase::new().await.expect("database");
        let db = Db::open(database.url()).await.expect("schema");
        Self { db, database }
    }

    pub(crate) async fn plan(&self, statement: &SelectStatement) -> Plan {
        let url = self.database.url();
        let plain = |driver: &str| url.replace(driver, "");
        if let Some(path) = url.strip_prefix("sqlite://") {
            sqlite(path.to_owned(), statement.to_string(SqliteQueryBuilder)).await
        } else if url.starts_with("mysql") {
            mysql(&plain("+pymysql"), &statement.to_string(MysqlQueryBuilder)).await
        } else {
            postgres(&plain("+psycopg2"), &statement.to_string(PostgresQueryBuilder)).await
        }
    }
}

async fn sqlite(path: String, sql: String) -> Plan {
    let lines = tokio::task::spawn_blocking(move || {
        let connection = rusqlite::Connection::open(path).expect("open");
        let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect("plan");
        let rows = explain.query_map([], |row| row.get::<_, String>(3)).expect("rows");
        rows.map(|row| row.expect("line")).collect::<Vec<_>>()
    });
    let lines = lines.await.expect("plan");
    let (searches, rest): (Vec<&String>, _) = lines.iter().partition(|l| l.starts_with("SEARCH"));
    let scanned = rest.iter().filter_map(|line| line.strip_prefix("SCAN "));
    Plan {
        searched: searches.len(),
        scanned: scanned.map(str::to_owned).collect(),
        sorted: lines.iter().any(|line| line.contains("TEMP B-TREE")),
        text: lines.join("\n"),
    }
}

/// Tables are empty, so that the optimiser may prefer to read one whole: what counts is whether it
/// knows of an index.
async fn mysql(url: &str, sql: &str) -> Plan {
    let mut connection = sqlx::MySqlConnection::connect(url).await.expect("connects");
    let explain = sqlx::raw_sql(AssertSqlSafe(format!("EXPLAIN {sql}")));
    let rows = explain.fetch_all(&mut connection).await.expect("plan");
    let mut plan = Plan::default();
    for row in rows {
        let text = |column: &str| row.get::<Option<String>, _>(column).unwrap_or_default();
        let (table, keys, extra) = (text("table"), text("possible_keys"), text("Extra"));
        plan.text += &format!("{table} {} {keys} {} {extra}\n", text("type"), text("key"));
        plan.sorted |= extra.contains("filesort");
        // No table: a lookup by a unique key that found nothing while planning.
        let found = table.is_empty() && extra.contains("const table");
        if !keys.is_empty() || !text("key").is_empty() || found {
            plan.searched += 1;
        } else if !table.is_empty() && !table.starts_with('<') {
            plan.scanned.push(table);
        }
    }
    plan
}

/// The same: it is told to avoid scans.
async fn postgres(url: &str, sql: &str) -> Plan {
    let mut connection = sqlx::PgConnection::connect(url).await.expect("connects");
    let set = "SET enable_seqscan = off; SET enable_sort = off";
    sqlx::raw_sql(set).execute(&mut connection).await.expect("settings");
    let explain = sqlx::raw_sql(AssertSqlSafe(format!("EXPLAIN (COSTS OFF) {sql}")));
    let rows = explain.fetch_all(&mut connection).await.expect("plan");
    let lines: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let scanned = lines.iter().filter_map(|line| line.split_once("Seq Scan on "));
    Plan {
        searched: lines.iter().filter(|line| is_search(line)).count(),
        scanned: scanned.map(|(_, table)| table.to_owned()).collect(),
        sorted: lines.iter().any(|line| line.contains("Sort")),
        text: lines.join("\n"),
    }
}

fn is_search(line: &str) -> bool {
    ["Index Scan using", "Index Only Scan using", "Bitmap Index Scan"]
        .iter()
        .any(|how| line.contains(how))
}
