//! Policies about networks: `access_as_shared` and `access_as_external`.

use neutrino_db::{
    Conn, DbResult, Tx,
    list::scope::{EVERYONE, EXTERNAL, SHARED},
    rbac::{self, ObjectType, Policy, invalid_shared_setting},
    routers,
    schema::{Networks as N, Ports as P},
    sea_query::{Condition, Expr, ExprTrait, Query},
    time,
};
use neutrino_types::{ApiError, Context, constants::device_owner};

use super::{
    Change,
    verdict::{Verdict, Veto},
};

/// Neutron's name for the rules about `access_as_shared`.
const SHARED_RULES: &str = "Ml2Plugin.validate_network_rbac_policy_change";
/// Neutron's name for the rules about new policies of `access_as_external`.
const EXTERNAL_RULES: &str = "Ml2Plugin._process_ext_policy_create";
/// Neutron's name for the rules about other changes of `access_as_external`.
const EXTERNAL_USE_RULES: &str = "Ml2Plugin._validate_ext_not_in_use_by_project";

/// What the rules look at of a network.
struct Network {
    project_id: String,
    is_default: bool,
}

/// Whether `ctx` may make the change, and the network bears it.
pub(super) async fn check(
    conn: &Conn,
    ctx: &Context,
    policy: &Policy,
    change: Change<'_>,
) -> Verdict {
    match (policy.action.as_str(), change) {
        (SHARED, _) => check_shared(conn, ctx, policy, change).await,
        (EXTERNAL, Change::Create) => owned(conn, ctx, policy, EXTERNAL_RULES).await.map(|_| ()),
        (EXTERNAL, _) => check_external(conn, policy, change).await,
        // Refused for its action when it is stored.
        _ => Ok(()),
    }
}

async fn check_shared(conn: &Conn, ctx: &Context, policy: &Policy, change: Change<'_>) -> Verdict {
    let network = match change {
        Change::Delete => seen(conn, ctx, policy, SHARED_RULES).await?,
        _ => owned(conn, ctx, policy, SHARED_RULES).await?,
    };
    let loses = match change {
        Change::Create => false,
        Change::Retarget(target) => target != policy.target_project,
        Change::Delete => true,
    };
    if !loses || policy.target_project == network.project_id {
        return Ok(());
    }
    if is_used(conn, policy, &network).await? {
        let reason = invalid_shared_setting(&policy.object_id);
        return Err(Veto::by(SHARED_RULES, &reason));
    }
    Ok(())
}

/// Whether ports need what the policy gives and no other policy does.
async fn is_used(conn: &Conn, policy: &Policy, network: &Network) -> DbResult<bool> {
    let targets = rbac::targets(conn, ObjectType::Network, &policy.object_id, SHARED).await?;
    let mut port = Query::select();
    port.column(P::Id).from(P::Table);
    port.and_where(Expr::col(P::NetworkId).eq(policy.object_id.as_str())).limit(1);
    if policy.target_project == EVERYONE {
        // Ports of routers belong to nobody.
        let mut covered: Vec<&str> =
            targets.iter().map(String::as_str).filter(|t| *t != EVERYONE).collect();
        covered.extend([network.project_id.as_str(), ""]);
        port.and_where(Expr::col(P::ProjectId).is_not_in(covered));
    } else if targets.iter().any(|target| target == EVERYONE) {
        return Ok(false);
    } else {
        port.and_where(Expr::col(P::ProjectId).eq(policy.target_project.as_str()));
    }
    Ok(conn.fetch_opt(&port).await?.is_some())
}

/// The default external network must stay open to everyone, and an external network to those whose
/// routers have their gateway there.
async fn check_external(conn: &Conn, policy: &Policy, change: Change<'_>) -> Verdict {
    let unchanged = matches!(change, Change::Retarget(target) if target == policy.target_project);
    if unchanged {
        return Ok(());
    }
    let id = policy.object_id.as_str();
    let refused = |why: &str| {
        let reason = super::in_use(policy)(Veto::Refused(why.to_string()));
        Err(Veto::by(EXTERNAL_USE_RULES, &reason))
    };
    let mut targets = rbac::targets(conn, ObjectType::Network, id, EXTERNAL).await?;
    let of_everyone = policy.target_project == EVERYONE;
    if of_everyone && by_id(conn, id, None).await?.is_some_and(|network| network.is_default) {
        return refused("Default external networks must be shared to everyone.");
    }
    if !of_everyone && targets.iter().any(|target| target == EVERYONE) {
        return Ok(());
    }
    let owners = routers::owners_with_gateway_on(conn, id).await?;
    let used = if of_everyone {
        if let Change::Retarget(target) = change {
            targets.push(target.to_string());
        }
        owners.iter().any(|owner| !targets.contains(owner))
    } else {
        owners.contains(&policy.target_project)
    };
    if used {
        return refused(
            "There are routers attached to this network that depend on this policy for access.",
        );
    }
    Ok(())
}

/// The policy's network, which `ctx` must see.
async fn seen(conn: &Conn, ctx: &Context, policy: &Policy, rule: &str) -> Result<Network, Veto> {
    let visible = (!ctx.sees_all_projects()).then(|| {
        let id = (N::Table, N::Id);
        let granted = rbac::granted(ObjectType::Network, id, ctx.project(), &[SHARED, EXTERNAL]);
        Condition::any().add(Expr::col(N::ProjectId).eq(ctx.project())).add(granted)
    });
    let found = by_id(conn, &policy.object_id, visible).await?;
    found.ok_or_else(|| Veto::by(rule, &ApiError::resource_not_found("network", &policy.object_id)))
}

/// The policy's network, which must be the caller's own unless that is an admin.
async fn owned(conn: &Conn, ctx: &Context, policy: &Policy, rule: &str) -> Result<Network, Veto> {
    let network = seen(conn, ctx, policy, rule).await?;
    if ctx.is_admin || network.project_id == ctx.project() {
        return Ok(network);
    }
    let reason =
        ApiError::invalid_input("Only admins can manipulate policies on networks they do not own");
    Err(Veto::by(rule, &reason))
}

async fn by_id(conn: &Conn, id: &str, visible: Option<Condition>) -> DbResult<Option<Network>> {
    let mut select = Query::select();
    select
        .columns([N::ProjectId, N::IsDefault])
        .from(N::Table)
        .and_where(Expr::col((N::Table, N::Id)).eq(id));
    if let Some(visible) = visible {
        select.cond_where(visible);
    }
    let decode = |row: &neutrino_db::RowRef<'_>| Network {
        project_id: row.text(0),
        is_default: row.bool(1),
    };
    Ok(conn.fetch_map(&select, decode).await?.pop())
}

/// After a policy was stored: who grants external access makes the network external.
pub(super) async fn granted(tx: &Tx, policy: &Policy) -> DbResult<()> {
    if policy.action == EXTERNAL {
        return set_external(tx, &policy.object_id, true).await;
    }
    changed(tx, &policy.object_id).await
}

/// After a policy was removed: a network is external as long as somebody has external access, or
/// a router still hangs on it.
pub(super) async fn withdrawn(tx: &Tx, policy: &Policy) -> DbResult<()> {
    let network = &policy.object_id;
    if policy.action != EXTERNAL
        || !rbac::targets(tx, ObjectType::Network, network, EXTERNAL).await?.is_empty()
        || has_gateways(tx, network).await?
    {
        return changed(tx, network).await;
    }
    set_external(tx, network, false).await
}

async fn has_gateways(conn: &Conn, network: &str) -> DbResult<bool> {
    let port = Query::select()
        .column(P::Id)
        .from(P::Table)
        .and_where(Expr::col(P::NetworkId).eq(network))
        .and_where(Expr::col(P::DeviceOwner).eq(device_owner::ROUTER_GATEWAY))
        .limit(1)
        .to_owned();
    Ok(conn.fetch_opt(&port).await?.is_some())
}

async fn set_external(tx: &Tx, network: &str, external: bool) -> DbResult<()> {
    let mut update = touched(network);
    update.value(N::External, external);
    tx.execute(&update).await.map(|_| ())
}

/// Counts a change of its policies in the network's revision.
pub(super) async fn changed(tx: &Tx, network: &str) -> DbResult<()> {
    tx.execute(&touched(network)).await.map(|_| ())
}

fn touched(network: &str) -> neutrino_db::sea_query::UpdateStatement {
    Query::update()
        .table(N::Table)
        .value(N::RevisionNumber, Expr::col(N::RevisionNumber).add(1))
        .value(N::UpdatedAt, time::now())
        .and_where(Expr::col(N::Id).eq(network))
        .to_owned()
}
