//! Security groups and their rules as objects.

use std::collections::HashMap;

use neutrino_db::{
    Conn,
    list::{ListSpec, nothing_computed, scope},
    rbac::{self, ObjectType},
    schema::{SecurityGroupRules as R, SecurityGroups as G},
    sea_query::{Condition, Expr, ExprTrait, Order},
    security_groups::{self as rows, Group, Rule},
};
use neutrino_rpc::objects::{
    Attributes,
    catalog::{SECURITY_GROUP, SECURITY_GROUP_RULE},
};
use neutrino_types::{ApiResult, Context};
use serde_json::Value;

use super::{
    attributes,
    filters::{self, Filters},
    standard,
};
use crate::security_groups::{groups, rules};

fn group_id() -> Expr {
    Expr::col((G::Table, G::Id))
}

fn rule_id() -> Expr {
    Expr::col((R::Table, R::Id))
}

/// How groups are found.
static GROUPS: ListSpec = ListSpec {
    resource: "security_group",
    from: rows::from,
    id: group_id,
    columns: groups::LISTED,
    computed: |ctx, field, values| match field {
        "shared" => Some(Ok(shared(ctx, values))),
        "is_default" => Some(Ok(default(values))),
        _ => None,
    },
    visibility: scope::everything,
    updated_at: None,
    tagged: false,
};

/// How rules are found.
static RULES: ListSpec = ListSpec {
    resource: "security_group_rule",
    from: rows::rule_from,
    id: rule_id,
    columns: rules::LISTED,
    computed: nothing_computed,
    visibility: scope::everything,
    updated_at: None,
    tagged: false,
};

fn shared(ctx: &Context, values: &[Value]) -> Condition {
    rbac::is_shared(ObjectType::SecurityGroup, ctx, &group_id(), values)
}

fn default(values: &[Value]) -> Condition {
    let wanted = |value: &Value| {
        let is_default = rows::is_some_default();
        if *value == Value::Bool(true) { is_default } else { is_default.not() }
    };
    values.iter().fold(Condition::any(), |any, value| any.add(wanted(value)))
}

pub(super) async fn groups(conn: &Conn, filters: &Filters) -> ApiResult<Vec<Attributes>> {
    let mut query = rows::from();
    let exprs = rows::exprs(&Context::admin());
    let is_default = exprs.len();
    query
        .exprs(exprs)
        .expr(rows::is_some_default())
        .cond_where(filters::condition(&SECURITY_GROUP, &GROUPS, filters)?)
        .order_by_expr(group_id(), Order::Asc);
    let groups = conn.fetch_map(&query, move |r| (rows::decode(r), r.bool(is_default))).await?;
    if groups.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<&str> = groups.iter().map(|(group, _)| group.id.as_str()).collect();
    let mut rules: HashMap<String, Vec<Attributes>> = HashMap::new();
    for rule in rows::of_groups(conn, &ids).await? {
        rules.entry(rule.group_id.clone()).or_default().push(rule_attributes(&rule));
    }
    let with_rules = |(group, is_default): &(Group, bool)| {
        let rules = rules.remove(&group.id).unwrap_or_default();
        group_attributes(group, *is_default, &rules)
    };
    Ok(groups.iter().map(with_rules).collect())
}

pub(super) async fn rules(conn: &Conn, filters: &Filters) -> ApiResult<Vec<Attributes>> {
    let mut query = rows::rule_from();
    query
        .exprs(rows::rule_exprs())
        .cond_where(filters::condition(&SECURITY_GROUP_RULE, &RULES, filters)?)
        .order_by_expr(rule_id(), Order::Asc);
    let rules = conn.fetch_map(&query, Rule::decode).await?;
    Ok(rules.iter().map(rule_attributes).collect())
}

fn group_attributes(g: &Group, is_default: bool, rules: &[Attributes]) -> Attributes {
    let mut out = attributes! {
        "id": g.id,
        "name": g.name,
        "project_id": g.project_id,
        "shared": g.shared,
        "stateful": g.stateful,
        "is_default": is_default,
        "rules": rules,
    };
    standard(&mut out, g.revision, Some(&g.description), [&g.created_at, &g.updated_at]);
    out
}

fn rule_attributes(r: &Rule) -> Attributes {
    let t = &r.traffic;
    let mut out = attributes! {
        "id": r.id,
        "project_id": r.project_id,
        "security_group_id": r.group_id,
        "remote_group_id": t.remote_group_id,
        "direction": t.direction,
        "ethertype": t.ethertype,
        "protocol": t.protocol,
        "port_range_min": t.port_range_min,
        "port_range_max": t.port_range_max,
        "remote_ip_prefix": t.remote_ip_prefix,
        "remote_address_group_id": t.remote_address_group_id,
        "normalized_cidr": r.normalized_cidr,
        "belongs_to_default_sg": r.in_default_group,
    };
    standard(&mut out, r.revision, r.description.as_deref(), [&r.created_at, &r.updated_at]);
    out
}
