//! A Neutron database copied to PostgreSQL.
//!
//! Neutron 29.0.0's own migrations do not run there (one alters a table in words of MySQL), so the
//! schema is made from its models, as its tests do.

use std::process::Command;

use sqlx::{AssertSqlSafe, Connection, MySqlConnection, PgConnection, Row};

use super::neutron::{program, stripped};

/// Makes every table of Neutron in the database named by its argument.
const MAKE_TABLES: &str = "
import sys, sqlalchemy
from neutron.db.migration.models import head
head.get_metadata().create_all(sqlalchemy.create_engine(sys.argv[1]))
";

/// Copies all rows of Neutron's database at `from` (MariaDB) to the empty one at `to`.
pub async fn copy(from: &str, to: &str) {
    let made = Command::new(program("python")).args(["-c", MAKE_TABLES, to]).output();
    let made = made.expect("python");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut from = MySqlConnection::connect(&stripped(from)).await.expect("MariaDB");
    let mut to = PgConnection::connect(&stripped(to)).await.expect("PostgreSQL");
    // Rows may come before those they refer to.
    run(&mut to, "SET session_replication_role = replica").await;
    run(&mut to, "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)").await;
    let tables = "SELECT table_name FROM information_schema.tables \
                  WHERE table_schema = 'public'";
    for row in sqlx::query(tables).fetch_all(&mut to).await.expect("tables") {
        copy_table(&mut from, &mut to, row.get(0)).await;
    }
}

async fn copy_table(from: &mut MySqlConnection, to: &mut PgConnection, table: &str) {
    let columns = format!(
        "SELECT column_name FROM information_schema.columns \
         WHERE table_schema = 'public' AND table_name = '{table}'"
    );
    let columns = sqlx::query(AssertSqlSafe(columns)).fetch_all(&mut *to).await.expect("columns");
    let columns: Vec<String> = columns.iter().map(|row| row.get(0)).collect();
    let texts: Vec<_> = columns.iter().map(|c| format!("CAST(`{c}` AS CHAR)")).collect();
    let select = format!("SELECT {} FROM `{table}`", texts.join(", "));
    let rows = sqlx::query(AssertSqlSafe(select)).fetch_all(from).await.expect("rows");
    let literal = |text: Option<String>| match text {
        Some(text) => format!("'{}'", text.replace('\'', "''")),
        None => "NULL".into(),
    };
    let tuple = |row: &sqlx::mysql::MySqlRow| {
        let values = (0..columns.len()).map(|i| literal(row.get(i)));
        format!("({})", values.collect::<Vec<_>>().join(", "))
    };
    let tuples: Vec<_> = rows.iter().map(tuple).collect();
    if !tuples.is_empty() {
        let names: Vec<_> = columns.iter().map(|c| format!("\"{c}\"")).collect();
        let (names, tuples) = (names.join(", "), tuples.join(", "));
        run(to, &format!("INSERT INTO \"{table}\" ({names}) VALUES {tuples}")).await;
    }
}

/// Runs statements, separated by semicolons, in the database at `url`.
pub async fn execute(url: &str, sql: &str) {
    let mut connection = PgConnection::connect(&stripped(url)).await.expect("PostgreSQL");
    run(&mut connection, sql).await;
}

async fn run(connection: &mut PgConnection, sql: &str) {
    let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await;
    done.unwrap_or_else(|e| panic!("{e}: {sql}"));
}
