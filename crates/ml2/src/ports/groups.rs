//! The security groups of ports.

use std::collections::{BTreeSet, HashMap};

use neutrino_db::{
    Conn, Prepared,
    security_groups::{self as rows, Group},
};
use neutrino_types::{ApiError, ApiResult, Attrs, Context, constants::device_owner};

use crate::{
    models::{distinct, port::Port},
    request,
    security_groups::conflict,
};

const ATTRIBUTE: &str = "security_groups";

/// The groups a request asks for, each once and sorted; `None` when it does not say.
fn asked(request: &Attrs) -> Option<Vec<String>> {
    let mut groups = request::distinct_texts(request, ATTRIBUTE)?;
    groups.sort_unstable();
    Some(groups)
}

/// Gives new ports the groups asked for, else their project's group of `defaults`. Ports of the
/// network service have none, nor have ports without port security. At most one statement.
///
/// # Errors
/// `PortSecurityAndIPRequiredForSecurityGroups`, `SecurityGroupNotFound`, `SecurityGroupConflict`.
pub(super) async fn assign(
    conn: &Conn,
    ctx: &Context,
    items: &[Attrs],
    ports: &mut [Port],
    defaults: &HashMap<String, String>,
) -> ApiResult<()> {
    let mut given = false;
    for (item, port) in items.iter().zip(&mut *ports) {
        let asked = asked(item);
        if !port.port_security_enabled {
            if asked.is_some_and(|groups| !groups.is_empty()) {
                return Err(needs_port_security());
            }
            continue;
        }
        if port.device_owner.starts_with(device_owner::NETWORK_PREFIX) {
            continue;
        }
        given |= asked.is_some();
        port.security_groups = match asked {
            Some(groups) => groups,
            None => defaults.get(&port.project_id).cloned().into_iter().collect(),
        };
    }
    if !given {
        return Ok(());
    }
    let ids = distinct(ports.iter().flat_map(|p| &p.security_groups).map(String::as_str));
    let found = groups(conn, ctx, &ids).await?;
    for port in &*ports {
        let usable = |g: &Group| ctx.is_admin || g.shared || g.project_id == port.project_id;
        check(&port.security_groups, &found, usable)?;
    }
    Ok(())
}

/// Changes a port's groups. Called when all other changes are in `port`.
///
/// # Errors
/// As [`assign`]; `PortSecurityPortHasSecurityGroup`.
pub(super) async fn change(
    conn: &Conn,
    ctx: &Context,
    changes: &Attrs,
    port: &mut Port,
) -> ApiResult<()> {
    let asked = asked(changes);
    if !port.port_security_enabled {
        match &asked {
            Some(groups) if !groups.is_empty() => return Err(needs_port_security()),
            None if !port.security_groups.is_empty() => {
                return Err(ApiError::conflict(
                    "PortSecurityPortHasSecurityGroup",
                    "Port has security group associated. Cannot disable port security or IP \
                     address until security group is removed.",
                ));
            }
            _ => {}
        }
    }
    let Some(asked) = asked.filter(|groups| *groups != port.security_groups) else {
        return Ok(());
    };
    let ids = distinct(asked.iter().map(String::as_str));
    let found = groups(conn, ctx, &ids).await?;
    check(&asked, &found, |_| true)?;
    port.security_groups = asked;
    Ok(())
}

/// What must be written so that `port` has its groups instead of those of `original`.
pub(super) fn statements(original: &Port, port: &Port) -> Vec<Prepared> {
    let (old, new): (BTreeSet<&str>, BTreeSet<&str>) = (
        original.security_groups.iter().map(String::as_str).collect(),
        port.security_groups.iter().map(String::as_str).collect(),
    );
    let gone: Vec<&str> = old.difference(&new).copied().collect();
    let come: Vec<String> = new.difference(&old).map(|g| (*g).to_string()).collect();
    let mut out = Vec::new();
    if !gone.is_empty() {
        out.push(rows::unbind(&port.id, &gone));
    }
    out.extend(rows::bind([(port.id.as_str(), come.as_slice())].into_iter()));
    out
}

async fn groups(conn: &Conn, ctx: &Context, ids: &[&str]) -> ApiResult<HashMap<String, Group>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let found = rows::by_ids(conn, ctx, ids).await?;
    Ok(found.into_iter().map(|g| (g.id.clone(), g)).collect())
}

/// Refuses `asked` unless all of them are `found` and usable, and all are stateful or none is.
fn check(
    asked: &[String],
    found: &HashMap<String, Group>,
    usable: impl Fn(&Group) -> bool,
) -> ApiResult<()> {
    let group = |id: &String| found.get(id).filter(|g| usable(g));
    let missing: Vec<&str> =
        asked.iter().filter(|id| group(id).is_none()).map(String::as_str).collect();
    if !missing.is_empty() {
        return Err(ApiError::resource_not_found("security_group", &missing.join(", ")));
    }
    let stateful = asked.iter().filter_map(group).filter(|g| g.stateful).count();
    if stateful != 0 && stateful != asked.len() {
        return Err(conflict(
            "Cannot apply both stateful and stateless security groups on the same port at the \
             same time",
        ));
    }
    Ok(())
}

/// `PortSecurityAndIPRequiredForSecurityGroups` (400).
fn needs_port_security() -> ApiError {
    ApiError::bad_request(
        "PortSecurityAndIPRequiredForSecurityGroups",
        "Port security must be enabled and port must have an IP address in order to use security \
         groups.",
    )
}
