//! The service plugins over a private database.

mod address_groups;
mod agents;
mod availability_zones;
mod dhcp;
mod l3;
mod nova;
mod quotas;
mod security_groups;
mod tags;

use async_trait::async_trait;
use neutrino_db::{
    Db, Prepared,
    schema::{Networks, Ports},
    sea_query::Query,
    testing,
};
use neutrino_types::{ApiError, ApiResult, Attrs, Context, ListQuery, ResourcePlugin};

/// A collection without resources.
struct Empty;

#[async_trait]
impl ResourcePlugin for Empty {
    async fn create(&self, _: &Context, _: Vec<Attrs>) -> ApiResult<Vec<Attrs>> {
        Ok(Vec::new())
    }

    async fn list(&self, _: &Context, _: &ListQuery) -> ApiResult<Vec<Attrs>> {
        Ok(Vec::new())
    }

    async fn get(&self, _: &Context, id: &str) -> ApiResult<Attrs> {
        Err(ApiError::resource_not_found("port", id))
    }

    async fn update(&self, _: &Context, id: &str, _: Attrs, _: Option<i64>) -> ApiResult<Attrs> {
        Err(ApiError::resource_not_found("port", id))
    }

    async fn delete(&self, _: &Context, id: &str, _: Option<i64>) -> ApiResult<()> {
        Err(ApiError::resource_not_found("port", id))
    }
}

async fn database() -> Db {
    testing::db().await.expect("database")
}

/// A network and `ports` ports on it, all of `project`.
async fn make_network(db: &Db, id: &str, project: &str, ports: usize) {
    let tx = db.begin().await.expect("begin");
    let mut network = Query::insert();
    network
        .into_table(Networks::Table)
        .columns([
            Networks::Id,
            Networks::ProjectId,
            Networks::Status,
            Networks::AdminStateUp,
            Networks::Mtu,
            Networks::CreatedAt,
            Networks::UpdatedAt,
        ])
        .values_panic([
            id.into(),
            project.into(),
            "ACTIVE".into(),
            true.into(),
            1500.into(),
            "2026-01-01T00:00:00Z".into(),
            "2026-01-01T00:00:00Z".into(),
        ]);
    let mut statements = vec![Prepared::new(&network)];
    for n in 0..ports {
        let mut port = Query::insert();
        port.into_table(Ports::Table)
            .columns([
                Ports::Id,
                Ports::ProjectId,
                Ports::NetworkId,
                Ports::MacAddress,
                Ports::AdminStateUp,
                Ports::Status,
                Ports::CreatedAt,
                Ports::UpdatedAt,
            ])
            .values_panic([
                format!("{id}-{n}").into(),
                project.into(),
                id.into(),
                format!("fa:16:3e:00:{:02x}:{:02x}", n / 256, n % 256).into(),
                true.into(),
                "DOWN".into(),
                "2026-01-01T00:00:00Z".into(),
                "2026-01-01T00:00:00Z".into(),
            ]);
        statements.push(Prepared::new(&port));
    }
    tx.execute_batch(statements).await.expect("rows");
    tx.commit().await.expect("commit");
}
