//! The tables of segmentation ids in use, and taking one by one atomic statement.
//!
//! A row is an id in use. Free ids are not stored: they are what the configured ranges hold beyond
//! the rows, so a start with a range of sixteen million ids touches nothing. An id is taken by
//! `INSERT ... SELECT ... WHERE NOT EXISTS`: the choice and its reservation are one statement, and
//! the primary key rules out that two servers take the same.

use neutrino_db::{
    CHOSEN, Conn, DbResult,
    schema::{GeneveAllocations, GreAllocations, VlanAllocations, VxlanAllocations},
    sea_query::{Alias, Expr, ExprTrait, Order, Query, SelectStatement, UnionType},
};

use crate::ranges::IdRanges;

/// Random candidates per statement. Only a range with nearly all ids taken needs the second one.
const CANDIDATES: usize = 16;
const CANDIDATE: &str = "candidate";
const CHOICES: &str = "choices";
const OTHER: &str = "other";

/// One allocation table. `scope` is the VLAN table's physical network.
#[derive(Clone, Copy, Debug)]
pub(super) struct IdTable {
    table: &'static str,
    id: &'static str,
    scope: Option<&'static str>,
}

pub(super) const VLAN: IdTable = IdTable {
    table: VlanAllocations::Table.name(),
    id: VlanAllocations::VlanId.name(),
    scope: Some(VlanAllocations::PhysicalNetwork.name()),
};
pub(super) const GRE: IdTable =
    IdTable { table: GreAllocations::Table.name(), id: GreAllocations::GreId.name(), scope: None };
pub(super) const VXLAN: IdTable = IdTable {
    table: VxlanAllocations::Table.name(),
    id: VxlanAllocations::VxlanVni.name(),
    scope: None,
};
pub(super) const GENEVE: IdTable = IdTable {
    table: GeneveAllocations::Table.name(),
    id: GeneveAllocations::GeneveVni.name(),
    scope: None,
};
const ALLOCATED: &str = "allocated";

impl IdTable {
    /// Takes a free id of `ranges`: at random, so that a released id is not given out again soon.
    ///
    /// # Errors
    /// What the database refused.
    pub(super) async fn take_any(
        self,
        conn: &Conn,
        scope: &str,
        ranges: &IdRanges,
    ) -> DbResult<Option<u32>> {
        let candidates = ranges.sample(&mut rand::rng(), CANDIDATES);
        let Some(choices) = constants(&candidates) else { return Ok(None) };
        if let Some(id) = self.take_first(conn, scope, choices, false).await? {
            return Ok(Some(id));
        }
        if ranges.len() <= CANDIDATES as u64 {
            return Ok(None);
        }
        match self.gaps(scope, ranges) {
            Some(gaps) => self.take_first(conn, scope, gaps, true).await,
            None => Ok(None),
        }
    }

    /// Takes `id`; answers whether it was free.
    ///
    /// # Errors
    /// What the database refused.
    pub(super) async fn take(self, conn: &Conn, scope: &str, id: u32) -> DbResult<bool> {
        match constants(&[id]) {
            Some(choice) => Ok(self.take_first(conn, scope, choice, false).await?.is_some()),
            None => Ok(false),
        }
    }

    /// Gives `id` back; answers whether it was taken.
    ///
    /// # Errors
    /// What the database refused.
    pub(super) async fn release(self, conn: &Conn, scope: &str, id: u32) -> DbResult<bool> {
        let mut statement = Query::delete();
        statement
            .from_table(Alias::new(self.table))
            .and_where(Expr::col(Alias::new(self.id)).eq(i64::from(id)));
        if let Some(column) = self.scope {
            statement.and_where(Expr::col(Alias::new(column)).eq(scope));
        }
        Ok(conn.execute(&statement).await? > 0)
    }

    /// Drops rows that mark free ids, as a database taken over from Neutron holds them.
    ///
    /// # Errors
    /// What the database refused.
    pub(super) async fn drop_free(self, conn: &Conn) -> DbResult<u64> {
        let statement = Query::delete()
            .from_table(Alias::new(self.table))
            .and_where(Expr::col(Alias::new(ALLOCATED)).eq(false))
            .to_owned();
        conn.execute(&statement).await
    }

    async fn take_first(
        self,
        conn: &Conn,
        scope: &str,
        choices: SelectStatement,
        lowest: bool,
    ) -> DbResult<Option<u32>> {
        let candidate = || Expr::col((Alias::new(CHOICES), Alias::new(CANDIDATE)));
        let mut taken = Query::select();
        taken
            .expr(Expr::val(1))
            .from_as(Alias::new(self.table), Alias::new(OTHER))
            .and_where(Expr::col((Alias::new(OTHER), Alias::new(self.id))).eq(candidate()));
        if let Some(column) = self.scope {
            taken.and_where(Expr::col((Alias::new(OTHER), Alias::new(column))).eq(scope));
        }
        let mut free = Query::select();
        free.from_subquery(choices, Alias::new(CHOICES))
            .expr_as(candidate(), Alias::new(CHOSEN))
            .and_where(Expr::exists(taken).not())
            .limit(1);
        if lowest {
            free.order_by((Alias::new(CHOICES), Alias::new(CANDIDATE)), Order::Asc);
        }
        let mut fixed = vec![(Alias::new(ALLOCATED), Expr::val(true))];
        if let Some(column) = self.scope {
            fixed.push((Alias::new(column), Expr::val(scope)));
        }
        let choice = (Alias::new(self.id), free);
        let chosen = conn.insert_chosen(Alias::new(self.table), choice, fixed).await?;
        Ok(chosen.and_then(|id| u32::try_from(id).ok()))
    }

    /// Every id that begins a gap: the first of each range, and the one after each taken id.
    fn gaps(self, scope: &str, ranges: &IdRanges) -> Option<SelectStatement> {
        let mut starts: Vec<u32> = ranges.as_slice().iter().map(|r| r.min).collect();
        starts.dedup();
        let mut all = constants(&starts)?;
        for range in ranges.as_slice() {
            let id = || Expr::col(Alias::new(self.id));
            let mut after = Query::select();
            after
                .expr_as(id().add(1), Alias::new(CANDIDATE))
                .from(Alias::new(self.table))
                .and_where(id().gte(i64::from(range.min)))
                .and_where(id().lt(i64::from(range.max)));
            if let Some(column) = self.scope {
                after.and_where(Expr::col(Alias::new(column)).eq(scope));
            }
            all.union(UnionType::All, after);
        }
        Some(all)
    }
}

/// `SELECT id AS candidate UNION ALL SELECT ...`; `None` without ids.
fn constants(ids: &[u32]) -> Option<SelectStatement> {
    let one = |id: &u32| {
        Query::select().expr_as(Expr::val(i64::from(*id)), Alias::new(CANDIDATE)).to_owned()
    };
    let (first, rest) = ids.split_first()?;
    let mut all = one(first);
    for id in rest {
        all.union(UnionType::All, one(id));
    }
    Some(all)
}
