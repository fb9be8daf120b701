//! Security groups and their rules as the API shows them.

use neutrino_db::security_groups::{DefaultRule, Group, Rule, Traffic};
use neutrino_types::Attrs;
use serde_json::Value;

use super::{View, texts};

/// All attributes of a group.
#[must_use]
pub fn group(g: Group) -> Attrs {
    let rules = g.rules.into_iter().map(|r| Value::Object(rule(r))).collect();
    let mut out = View::with_capacity(13);
    out.set("id", g.id)
        .set("name", g.name)
        .set("stateful", g.stateful)
        .set("tenant_id", g.project_id.clone())
        .set("project_id", g.project_id)
        .set("description", g.description)
        .set("shared", g.shared)
        .set("security_group_rules", Value::Array(rules))
        .set("tags", texts(g.tags))
        .set("created_at", g.created_at)
        .set("updated_at", g.updated_at)
        .set("revision_number", g.revision);
    out.done()
}

/// All attributes of a rule.
#[must_use]
pub fn rule(r: Rule) -> Attrs {
    let mut out = View::with_capacity(18);
    out.set("id", r.id)
        .set("project_id", r.project_id.clone())
        .set("security_group_id", r.group_id);
    traffic(&mut out, r.traffic);
    out.set("normalized_cidr", r.normalized_cidr)
        .set("belongs_to_default_sg", r.in_default_group)
        .set("description", r.description)
        .set("created_at", r.created_at)
        .set("updated_at", r.updated_at)
        .set("revision_number", r.revision)
        .set("tenant_id", r.project_id);
    out.done()
}

/// All attributes of a rule that new groups start with.
#[must_use]
pub fn default_rule(r: DefaultRule) -> Attrs {
    let mut out = View::with_capacity(12);
    out.set("id", r.id);
    traffic(&mut out, r.traffic);
    out.set("description", r.description)
        .set("used_in_default_sg", r.in_default)
        .set("used_in_non_default_sg", r.in_others);
    out.done()
}

fn traffic(out: &mut View, t: Traffic) {
    out.set("ethertype", t.ethertype)
        .set("direction", t.direction)
        .set("protocol", t.protocol)
        .set("port_range_min", t.port_range_min)
        .set("port_range_max", t.port_range_max)
        .set("remote_ip_prefix", t.remote_ip_prefix)
        .set("remote_address_group_id", t.remote_address_group_id)
        .set("remote_group_id", t.remote_group_id);
}
