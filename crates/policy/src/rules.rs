//! A compiled set of rules and their evaluation.
//!
//! References between rules are positions, so that a decision neither searches nor allocates.
//! Evaluation is three-valued: without a target, what depends on it is [`Truth::Unknown`]. That
//! tells once per request whether a decision is the same for every resource of a list.

use std::collections::HashMap;

use neutrino_api_defs::pytext;
use neutrino_types::Context;
use serde_json::Value;

use crate::{
    error::PolicyError,
    expr::{Expr, FieldCheck, Part, Subject, Template},
    target::Target,
};

/// Position of a rule in [`Rules`].
pub(crate) type RuleId = usize;

/// Rule used for rules that are not defined.
const DEFAULT_RULE: &str = "default";

/// Longest chain of rules that refer to each other; evaluation recurses along it.
const MAX_CHAIN: usize = 64;

/// What is known of a rule while its references are followed.
#[derive(Clone, Copy)]
enum Height {
    Unseen,
    Following,
    Known(usize),
}

/// Outcome of an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// Holds whatever the target is.
    Yes,
    /// Fails whatever the target is.
    No,
    /// Depends on the target.
    Unknown,
}

impl From<bool> for Truth {
    fn from(value: bool) -> Self {
        if value { Self::Yes } else { Self::No }
    }
}

#[derive(Debug)]
enum Node {
    Known(bool),
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    Rule(RuleId),
    Role(Template),
    Owner(String),
    Field { on_network: bool, field: String, value: Wanted },
    Generic(Subject, Template),
}

/// What a field must be.
#[derive(Debug)]
enum Wanted {
    Equal(Value),
    Prefix(String),
}

/// The compiled rules.
#[derive(Debug)]
pub(crate) struct Rules {
    names: HashMap<String, RuleId>,
    nodes: Vec<Node>,
    default: Option<RuleId>,
}

impl Rules {
    /// Compiles `rules`, resolving the references between them.
    pub(crate) fn compile(rules: Vec<(String, Expr)>) -> Result<Self, PolicyError> {
        let names: HashMap<String, RuleId> =
            rules.iter().enumerate().map(|(i, (name, _))| (name.clone(), i)).collect();
        let mut out = Self {
            default: names.get(DEFAULT_RULE).copied(),
            nodes: Vec::with_capacity(rules.len()),
            names,
        };
        for (name, expr) in &rules {
            let node = out
                .node(expr)
                .map_err(|reason| PolicyError::Rule { rule: name.clone(), reason })?;
            out.nodes.push(node);
        }
        out.refuse_circles(&rules)?;
        Ok(out)
    }

    fn node(&self, expr: &Expr) -> Result<Node, String> {
        let list =
            |items: &[Expr]| items.iter().map(|i| self.node(i)).collect::<Result<Vec<_>, _>>();
        Ok(match expr {
            Expr::Always => Node::Known(true),
            Expr::Never => Node::Known(false),
            Expr::And(items) => Node::And(list(items)?),
            Expr::Or(items) => Node::Or(list(items)?),
            Expr::Not(inner) => Node::Not(Box::new(self.node(inner)?)),
            // As oslo.policy: an undefined rule is the default rule, or fails.
            Expr::Rule(name) => self.find(name).map_or(Node::Known(false), Node::Rule),
            Expr::Role(template) => Node::Role(template.clone()),
            Expr::Owner(field) => Node::Owner(field.clone()),
            Expr::Field(check) => field_node(check)?,
            Expr::Generic(subject, template) => Node::Generic(subject.clone(), template.clone()),
        })
    }

    /// The rule `name`, else the default rule.
    pub(crate) fn find(&self, name: &str) -> Option<RuleId> {
        self.names.get(name).copied().or(self.default)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The rule `name` if it is defined.
    pub(crate) fn defined(&self, name: &str) -> Option<RuleId> {
        self.names.get(name).copied()
    }

    fn refuse_circles(&self, rules: &[(String, Expr)]) -> Result<(), PolicyError> {
        let mut heights = vec![Height::Unseen; self.nodes.len()];
        for (start, (name, _)) in rules.iter().enumerate() {
            self.height(start, name, 0, &mut heights)?;
        }
        Ok(())
    }

    /// Length of the longest chain of references below rule `id`, on behalf of the rule `name`.
    fn height(
        &self,
        id: RuleId,
        name: &str,
        depth: usize,
        heights: &mut [Height],
    ) -> Result<usize, PolicyError> {
        match heights[id] {
            Height::Following => return Err(PolicyError::Circle(name.to_string())),
            Height::Known(height) => return Ok(height),
            Height::Unseen => heights[id] = Height::Following,
        }
        let mut height = 0;
        let mut todo = vec![&self.nodes[id]];
        while let Some(node) = todo.pop() {
            match node {
                Node::And(items) | Node::Or(items) => todo.extend(items),
                Node::Not(inner) => todo.push(inner),
                Node::Rule(next) if depth < MAX_CHAIN => {
                    height = height.max(1 + self.height(*next, name, depth + 1, heights)?);
                }
                Node::Rule(_) => return Err(PolicyError::Deep(name.to_string())),
                _ => {}
            }
        }
        if height > MAX_CHAIN {
            return Err(PolicyError::Deep(name.to_string()));
        }
        heights[id] = Height::Known(height);
        Ok(height)
    }

    /// Whether rule `id` holds for `ctx` on `target`; without a target perhaps unknown.
    pub(crate) fn eval(&self, id: RuleId, target: Option<&Target<'_>>, ctx: &Context) -> Truth {
        self.eval_node(&self.nodes[id], target, ctx)
    }

    fn eval_node(&self, node: &Node, target: Option<&Target<'_>>, ctx: &Context) -> Truth {
        match node {
            Node::Known(value) => Truth::from(*value),
            Node::And(items) => {
                let mut out = Truth::Yes;
                for item in items {
                    match self.eval_node(item, target, ctx) {
                        Truth::No => return Truth::No,
                        Truth::Unknown => out = Truth::Unknown,
                        Truth::Yes => {}
                    }
                }
                out
            }
            Node::Or(items) => {
                let mut out = Truth::No;
                for item in items {
                    match self.eval_node(item, target, ctx) {
                        Truth::Yes => return Truth::Yes,
                        Truth::Unknown => out = Truth::Unknown,
                        Truth::No => {}
                    }
                }
                out
            }
            Node::Not(inner) => match self.eval_node(inner, target, ctx) {
                Truth::Yes => Truth::No,
                Truth::No => Truth::Yes,
                Truth::Unknown => Truth::Unknown,
            },
            Node::Rule(id) => self.eval(*id, target, ctx),
            Node::Role(template) => compare(template, target, |role| ctx.has_role(role)),
            Node::Owner(field) => owner(field, target, ctx),
            Node::Field { on_network, field, value } => {
                target.map_or(Truth::Unknown, |t| field_holds(*on_network, field, value, t).into())
            }
            Node::Generic(Subject::Credential(name), template) if name == "roles" => {
                compare(template, target, |role| ctx.roles.iter().any(|r| r == role))
            }
            Node::Generic(subject, template) => match subject_value(subject, ctx) {
                Some(left) => compare(template, target, |right| left == right),
                None => Truth::No,
            },
        }
    }
}

fn field_node(check: &FieldCheck) -> Result<Node, String> {
    let attribute =
        neutrino_api_defs::resource(&check.collection).and_then(|r| r.attribute(&check.field));
    let value = match (check.value.strip_prefix('~'), attribute) {
        (Some(pattern), _) => {
            Wanted::Prefix(pattern.strip_prefix('^').unwrap_or(pattern).to_string())
        }
        (None, Some(attribute)) => Wanted::Equal(
            attribute.convert.apply(check.value.as_str().into()).map_err(|e| e.message)?,
        ),
        (None, None) => Wanted::Equal(check.value.as_str().into()),
    };
    Ok(Node::Field {
        // Neutron looks at the network for this field alone.
        on_network: check.collection == "networks" && check.field == "shared",
        field: check.field.clone(),
        value,
    })
}

fn field_holds(on_network: bool, field: &str, wanted: &Wanted, target: &Target<'_>) -> bool {
    let found =
        target.get(field).or_else(|| if on_network { target.network_field(field) } else { None });
    match (found, wanted) {
        (None | Some(Value::Null), _) => false,
        (Some(value), Wanted::Equal(wanted)) => value == wanted,
        (Some(value), Wanted::Prefix(prefix)) => {
            value.as_str().is_some_and(|s| s.starts_with(prefix.as_str()))
        }
    }
}

fn owner(field: &str, target: Option<&Target<'_>>, ctx: &Context) -> Truth {
    let Some(project) = ctx.project_id.as_deref() else {
        return Truth::No;
    };
    match target {
        None => Truth::Unknown,
        Some(target) => (target.get(field).and_then(Value::as_str) == Some(project)).into(),
    }
}

/// Whether `test` accepts the template filled in from the target; a missing field fails.
fn compare(template: &Template, target: Option<&Target<'_>>, test: impl Fn(&str) -> bool) -> Truth {
    if let [Part::Text(text)] = template.0.as_slice() {
        return test(text).into();
    }
    let Some(target) = target else {
        let constant = template.0.iter().all(|p| matches!(p, Part::Text(_)));
        return if constant { test("").into() } else { Truth::Unknown };
    };
    let mut text = String::new();
    for part in &template.0 {
        match part {
            Part::Text(plain) => text.push_str(plain),
            Part::Field(field) => match target.get(field) {
                Some(value) => text.push_str(&pytext::str(value)),
                None => return Truth::No,
            },
        }
    }
    test(&text).into()
}

/// The text a generic check compares with: a literal, or a field of the caller's credentials.
fn subject_value(subject: &Subject, ctx: &Context) -> Option<String> {
    let truth = |b: bool| Some(if b { "True" } else { "False" }.to_string());
    match subject {
        Subject::Literal(text) => Some(text.clone()),
        Subject::Credential(name) => match name.as_str() {
            "user_id" | "user" => ctx.user_id.clone(),
            "user_name" => ctx.user_name.clone(),
            "tenant" => ctx.project_id.clone(),
            "project_name" | "tenant_name" => ctx.project_name.clone(),
            "domain_id" | "domain" => ctx.domain_id.clone(),
            "user_domain_id" | "user_domain" => ctx.user_domain_id.clone(),
            "project_domain_id" | "project_domain" => ctx.project_domain_id.clone(),
            "system_scope" | "system" => ctx.system_scope.clone(),
            "request_id" => Some(ctx.request_id.clone()),
            "is_admin" => truth(ctx.is_admin),
            "is_admin_project" => truth(true),
            _ => None,
        },
    }
}
