//! Lists of ports.

use neutrino_db::{
    list::{ListSpec, any_of},
    schema::{IpAllocations as I, Ports as P, SecurityGroupPortBindings as G},
    sea_query::{Cond, Condition, Expr, ExprTrait, LikeExpr, Query},
};
use neutrino_types::{ApiError, ApiResult, Attrs, Context, ListQuery, WrittenPage};
use serde_json::Value;

use crate::{models::port, networks::plain_text, plugin::Core, views};

/// Most values of `ip_address_substr` in one request: each is a condition of its own, and the depth
/// of a statement is bounded.
const MOST_PARTS: usize = 100;

/// How ports are listed.
static SPEC: ListSpec = ListSpec {
    resource: "port",
    from: port::from,
    id: port::id,
    columns: port::LISTED,
    computed,
    visibility: port::visible,
    updated_at: Some(|| Expr::col((P::Table, P::UpdatedAt))),
    tagged: true,
};

fn computed(_: &Context, name: &str, values: &[Value]) -> Option<ApiResult<Condition>> {
    match name {
        "fixed_ips" => Some(fixed_ips(values)),
        "security_groups" => Some(Ok(port::in_groups(values.iter().map(plain_text).collect()))),
        _ => None,
    }
}

/// `fixed_ips=ip_address=...`, `subnet_id=...` and `ip_address_substr=...`: values of one key are
/// OR-ed, keys AND-ed. As in Neutron each key may be about another address of the port.
fn fixed_ips(values: &[Value]) -> ApiResult<Condition> {
    let (mut addresses, mut subnets, mut parts) = (Vec::new(), Vec::new(), Vec::new());
    for value in values {
        let text = plain_text(value);
        match text.split_once('=').map(|(key, value)| (key.trim(), value.trim())) {
            Some(("ip_address", ip)) => addresses.push(normal(ip)),
            Some(("subnet_id", id)) => subnets.push(id.to_string()),
            Some(("ip_address_substr", part)) => parts.push(part.to_string()),
            // As in Neutron, a key that means nothing filters nothing.
            Some((key, _)) if !key.is_empty() => {}
            _ => {
                return Err(ApiError::invalid_input(format!(
                    "'{text}' is not of the form <key>=[value]"
                )));
            }
        }
    }
    if parts.len() > MOST_PARTS {
        return Err(ApiError::invalid_input(format!(
            "more than {MOST_PARTS} values of ip_address_substr"
        )));
    }
    let ports = |condition: Condition| {
        let rows =
            Query::select().column(I::PortId).from(I::Table).cond_where(condition).to_owned();
        port::id().in_subquery(rows)
    };
    let mut all = Cond::all();
    if !addresses.is_empty() {
        all = all.add(ports(Cond::all().add(any_of(Expr::col(I::IpAddress), addresses))));
    }
    if !subnets.is_empty() {
        all = all.add(ports(Cond::all().add(any_of(Expr::col(I::SubnetId), subnets))));
    }
    if !parts.is_empty() {
        let like = parts.into_iter().fold(Cond::any(), |any, part| {
            let escaped = part.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
            let pattern = LikeExpr::new(format!("%{escaped}%")).escape('\\');
            any.add(Expr::col(I::IpAddress).like(pattern))
        });
        all = all.add(ports(like));
    }
    Ok(all)
}

/// An address as it is stored; other text stays and matches nothing.
fn normal(ip: &str) -> String {
    ip.parse::<std::net::IpAddr>().map_or_else(|_| ip.to_string(), |ip| ip.to_string())
}

/// The ports asked for, with the children that `query.fields` needs.
async fn fetch(core: &Core, ctx: &Context, query: &ListQuery) -> ApiResult<Vec<port::Port>> {
    let conn = core.db.read().await?;
    let page = SPEC.page(&conn, ctx, query).await?;
    let rows = conn.fetch_map(&page.select_exprs(port::exprs()), port::decode).await?;
    let mut ports = page.arrange(rows);
    let wanted = |name: &str| query.fields.is_empty() || query.fields.iter().any(|f| f == name);
    if (wanted("fixed_ips") || wanted("dns_assignment")) && !ports.is_empty() {
        let columns = [I::PortId, I::SubnetId, I::IpAddress].map(|c| (I::Table, c));
        let of_page = page.children(I::Table, I::PortId, columns);
        port::attach_fixed_ips(&conn, &mut ports, &of_page).await?;
    }
    if wanted("security_groups") && ports.iter().any(|p| p.children[3]) {
        let of_page = page.children(
            G::Table,
            G::PortId,
            [G::PortId, G::SecurityGroupId].map(|c| (G::Table, c)),
        );
        port::attach_groups(&conn, &mut ports, &of_page).await?;
    }
    if ["allowed_address_pairs", "extra_dhcp_opts", "tags"].into_iter().any(wanted) {
        port::load_optional_children(&conn, &mut ports).await?;
    }
    Ok(ports)
}

pub(super) async fn list(core: &Core, ctx: &Context, query: &ListQuery) -> ApiResult<Vec<Attrs>> {
    let ports = fetch(core, ctx, query).await?;
    Ok(ports.into_iter().map(|port| core.show_port(port)).collect())
}

/// As [`list`], appending JSON to `out`.
pub(super) async fn write(
    core: &Core,
    ctx: &Context,
    query: &ListQuery,
    out: &mut Vec<u8>,
) -> ApiResult<WrittenPage> {
    let ports = fetch(core, ctx, query).await?;
    let fields = query.fields.as_slice();
    let dns = core.dns.as_ref();
    out.reserve(ports.len() * if fields.is_empty() { 800 } else { 64 * fields.len() });
    for (n, port) in ports.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        views::port::write_port(port, dns, fields, out);
    }
    let id = |port: Option<&port::Port>| port.map(|p| p.id.clone());
    Ok(WrittenPage { count: ports.len(), first: id(ports.first()), last: id(ports.last()) })
}
