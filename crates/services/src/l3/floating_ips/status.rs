//! How far agents got with floating IPs: `update_floatingip_statuses`.

use std::collections::BTreeMap;

use neutrino_db::floating_ips as rows;
use neutrino_types::{ApiResult, constants::status};

use crate::l3::L3;

/// What an agent may say of a floating IP.
const STATUSES: [&str; 3] = [status::ACTIVE, status::DOWN, status::ERROR];

impl L3 {
    /// Notes what the agent of `router` says of its floating IPs: status by floating IP. Those that
    /// have left the router turn DOWN, whatever is said of them. Ids that are gone are passed over.
    /// One statement when nothing changes, else at most four more.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn update_floatingip_statuses(
        &self,
        router: &str,
        said: &BTreeMap<String, String>,
    ) -> ApiResult<()> {
        let ids: Vec<&str> = said.keys().map(String::as_str).collect();
        let conn = self.0.db.read().await?;
        let known = rows::statuses(&conn, router, &ids).await?;
        drop(conn);
        if changes(router, &known, said).is_empty() {
            return Ok(());
        }
        // Decided again: they may have left the router meanwhile.
        let tx = self.0.db.begin().await?;
        let known = rows::statuses(&tx, router, &ids).await?;
        let changes = changes(router, &known, said);
        let statements = changes.iter().map(|(status, ids)| rows::set_status(ids, status));
        tx.execute_batch(statements.collect()).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// The floating IPs that get another status, by status.
fn changes<'a>(
    router: &str,
    known: &'a [(String, String, bool)],
    said: &BTreeMap<String, String>,
) -> BTreeMap<&'static str, Vec<&'a str>> {
    let mut out: BTreeMap<&'static str, Vec<&str>> = BTreeMap::new();
    for (id, now, has_left) in known {
        let wanted = if *has_left { Some(status::DOWN) } else { said.get(id).map(String::as_str) };
        let Some(wanted) = wanted else { continue };
        match STATUSES.iter().find(|s| **s == wanted) {
            Some(status) if status != now => out.entry(status).or_default().push(id),
            Some(_) => {}
            None => tracing::warn!(
                router,
                floating_ip = id,
                status = wanted,
                "an agent reports an unknown status"
            ),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_left_turns_down_and_what_stays_as_it_is_costs_nothing() {
        let row = |id: &str, status: &str, left| (id.to_string(), status.to_string(), left);
        let known = [
            row("new", "DOWN", false),
            row("same", "ACTIVE", false),
            row("left", "ACTIVE", true),
            row("odd", "ACTIVE", false),
        ];
        let said = [("new", "ACTIVE"), ("same", "ACTIVE"), ("left", "ACTIVE"), ("odd", "??")];
        let said = said.iter().map(|(id, s)| ((*id).to_string(), (*s).to_string())).collect();
        let found = changes("r", &known, &said);
        let expected = [("ACTIVE", vec!["new"]), ("DOWN", vec!["left"])];
        assert_eq!(found, expected.into_iter().collect());
    }
}
