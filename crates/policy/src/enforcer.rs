//! Decisions: may this caller do this, and which attributes may it see.

use neutrino_api_defs::{Attribute, Resource, Validate, validators::router::GATEWAY_KEYS};
use neutrino_types::{ApiError, ApiResult, Attrs, Context};
use serde_json::Value;

use crate::{
    defaults,
    error::PolicyError,
    expr::{self, Expr},
    file,
    rules::{RuleId, Rules, Truth},
    target::Target,
    view::View,
};

/// How the rules are made up (`[oslo_policy]`).
#[derive(Debug, Clone)]
pub struct Options {
    /// Texts of policy files, whose rules replace those of the same name in earlier files and in
    /// the defaults.
    pub policy_files: Vec<String>,
    /// Only the rules with default roles count. When off, the rules of the time before count too
    /// and an admin may do everything, as in Neutron.
    pub enforce_new_defaults: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { policy_files: Vec::new(), enforce_new_defaults: true }
    }
}

/// Compiled rules; made once, shared by all requests.
#[derive(Debug)]
pub struct Enforcer {
    pub(crate) rules: Rules,
    pub(crate) resources: Vec<ResourceRules>,
    /// Admins need not ask (`enforce_new_defaults` off).
    pub(crate) admin_may_all: bool,
    /// By position in `rules`: whether only tokens of projects fulfil it, and those of the system
    /// or of a domain never.
    for_projects: Vec<bool>,
}

/// The rules of one resource, looked up once.
#[derive(Debug)]
pub(crate) struct ResourceRules {
    pub(crate) resource: &'static Resource,
    name: String,
    get: Option<RuleId>,
    create: Option<RuleId>,
    update: Option<RuleId>,
    delete: Option<RuleId>,
    /// For each attribute with `enforce_policy`: position, rule of create, rule of update.
    guarded: Vec<(usize, Option<RuleId>, Option<RuleId>)>,
    /// Attributes with a rule of their own for reading.
    pub(crate) read: Vec<(&'static str, RuleId)>,
    /// Attributes a plugin may answer that are never shown.
    pub(crate) never_shown: Vec<&'static str>,
}

/// What is done to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Create,
    Update,
    Delete,
}

impl Action {
    const fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

impl Enforcer {
    /// Neutron's defaults with the overrides of policy files.
    ///
    /// # Errors
    /// A policy file is malformed.
    pub fn new(options: &Options) -> Result<Self, PolicyError> {
        let mut overrides = Vec::new();
        for text in &options.policy_files {
            overrides.extend(file::parse(text)?);
        }
        let rules = Rules::compile(merge(overrides, options.enforce_new_defaults)?)?;
        let resources = neutrino_api_defs::resources()
            .iter()
            .map(|resource| ResourceRules::new(resource, &rules))
            .collect();
        let mut for_projects = vec![false; rules.len()];
        let scoped = defaults::all().filter(|default| default.is_for_projects());
        for id in scoped.filter_map(|default| rules.defined(default.name)) {
            for_projects[id] = true;
        }
        Ok(Self { rules, resources, admin_may_all: !options.enforce_new_defaults, for_projects })
    }

    /// Whether `rule` holds. A rule that is not defined is the rule `default`.
    #[must_use]
    pub fn check(&self, rule: &str, target: &Target<'_>, ctx: &Context) -> bool {
        self.holds(self.rules.find(rule), target, ctx)
    }

    /// Refuses with 403 unless `rule` holds.
    ///
    /// # Errors
    /// `PolicyNotAuthorized`.
    pub fn authorize(&self, rule: &str, target: &Target<'_>, ctx: &Context) -> ApiResult<()> {
        if self.check(rule, target, ctx) {
            Ok(())
        } else {
            Err(disallowed(&format!("rule:{rule}")))
        }
    }

    /// Whether the caller may create the resource with the validated `attrs`.
    ///
    /// Rules of attributes are asked for those given with another value than the default.
    ///
    /// # Errors
    /// `PolicyNotAuthorized` (403).
    pub fn authorize_create(
        &self,
        resource: &Resource,
        attrs: &Attrs,
        target: &Target<'_>,
        ctx: &Context,
    ) -> ApiResult<()> {
        self.decide(resource, Action::Create, Some(attrs), target, ctx)
    }

    /// Whether the caller may make the validated `changes` to `target` (stored attributes
    /// [`Target::with_changes`]).
    ///
    /// # Errors
    /// `PolicyNotAuthorized` (403), or `HTTPNotFound` (404) when the caller may not even see it.
    pub fn authorize_update(
        &self,
        resource: &Resource,
        changes: &Attrs,
        target: &Target<'_>,
        ctx: &Context,
    ) -> ApiResult<()> {
        let decision = self.decide(resource, Action::Update, Some(changes), target, ctx);
        self.hide_if_invisible(resource, decision, target, ctx)
    }

    /// Whether the caller may delete `target`.
    ///
    /// # Errors
    /// `PolicyNotAuthorized` (403), or `HTTPNotFound` (404) when the caller may not even see it.
    pub fn authorize_delete(
        &self,
        resource: &Resource,
        target: &Target<'_>,
        ctx: &Context,
    ) -> ApiResult<()> {
        let decision = self.decide(resource, Action::Delete, None, target, ctx);
        self.hide_if_invisible(resource, decision, target, ctx)
    }

    /// Whether the caller may see `target`.
    #[must_use]
    pub fn may_show(&self, resource: &Resource, target: &Target<'_>, ctx: &Context) -> bool {
        self.holds(self.of(resource).and_then(|r| r.get), target, ctx)
    }

    /// Turns a denial into 404 when the caller may not see `target`, so that its existence stays
    /// hidden. Also for rules other than update and delete, e.g. those of tags.
    ///
    /// # Errors
    /// The denial, or `HTTPNotFound`.
    pub fn hide_if_invisible(
        &self,
        resource: &Resource,
        decision: ApiResult<()>,
        target: &Target<'_>,
        ctx: &Context,
    ) -> ApiResult<()> {
        match decision {
            Err(e) if e.status == 403 && !self.may_show(resource, target, ctx) => Err(not_found()),
            other => other,
        }
    }

    /// What the caller may see of `resource`, worked out once per request.
    #[must_use]
    pub fn view<'e>(&'e self, resource: &Resource, ctx: &'e Context) -> View<'e> {
        let rules = self.of(resource);
        View::new(self, rules, rules.and_then(|r| r.get), ctx)
    }

    pub(crate) fn eval(
        &self,
        id: Option<RuleId>,
        target: Option<&Target<'_>>,
        ctx: &Context,
    ) -> Truth {
        if self.admin_may_all && ctx.is_admin {
            return Truth::Yes;
        }
        let elsewhere = ctx.system_scope.is_some() || ctx.domain_id.is_some();
        match id {
            Some(id) if !(elsewhere && self.for_projects[id]) => self.rules.eval(id, target, ctx),
            _ => Truth::No,
        }
    }

    fn holds(&self, id: Option<RuleId>, target: &Target<'_>, ctx: &Context) -> bool {
        self.eval(id, Some(target), ctx) == Truth::Yes
    }

    fn of(&self, resource: &Resource) -> Option<&ResourceRules> {
        self.resources.iter().find(|r| r.resource.is(resource))
    }

    fn decide(
        &self,
        resource: &Resource,
        action: Action,
        given: Option<&Attrs>,
        target: &Target<'_>,
        ctx: &Context,
    ) -> ApiResult<()> {
        let denied = || disallowed(&self.match_rule(resource, action, given));
        let Some(rules) = self.of(resource) else {
            return Err(denied());
        };
        let main = match action {
            Action::Create => rules.create,
            Action::Update => rules.update,
            Action::Delete => rules.delete,
        };
        if !self.holds(main, target, ctx) {
            return Err(denied());
        }
        let Some(given) = given else {
            return Ok(());
        };
        for (index, create, update) in &rules.guarded {
            let attribute = &rules.resource.attributes[*index];
            let Some(value) = explicit(attribute, action, given) else {
                continue;
            };
            let rule = if action == Action::Create { create } else { update };
            let part = |key: &str| {
                let name = format!("{}_{}:{}:{key}", action.name(), rules.name, attribute.name);
                self.check(&name, target, ctx)
            };
            if !self.holds(*rule, target, ctx) || !sub_keys(attribute, value).all(part) {
                return Err(denied());
            }
        }
        Ok(())
    }

    /// The text of the rule that was asked, in the form Neutron answers it.
    fn match_rule(&self, resource: &Resource, action: Action, given: Option<&Attrs>) -> String {
        let main = format!("{}_{}", action.name(), resource.policy_name());
        let mut text = format!("rule:{main}");
        for attribute in resource.attributes.iter().filter(|a| a.enforce_policy) {
            let Some(value) = given.and_then(|g| explicit(attribute, action, g)) else {
                continue;
            };
            let mut part = format!("rule:{main}:{}", attribute.name);
            let sub: Vec<String> =
                sub_keys(attribute, value).map(|key| format!("{part}:{key}")).collect();
            if !sub.is_empty() {
                part = format!("({part} and ({}))", sub.join(" and "));
            }
            text = format!("({text} and {part})");
        }
        text
    }
}

impl ResourceRules {
    fn new(resource: &'static Resource, rules: &Rules) -> Self {
        let name = resource.policy_name();
        let main = |action: &str| rules.find(&format!("{action}_{name}"));
        let own =
            |action: &str, attribute: &str| rules.find(&format!("{action}_{name}:{attribute}"));
        let mut guarded = Vec::new();
        let mut read = Vec::new();
        let mut never_shown = Vec::new();
        for (index, attribute) in resource.attributes.iter().enumerate() {
            if attribute.enforce_policy {
                guarded.push((index, own("create", attribute.name), own("update", attribute.name)));
            }
            if attribute.visible {
                let rule = rules.defined(&format!("get_{name}:{}", attribute.name));
                read.extend(rule.map(|rule| (attribute.name, rule)));
            } else if attribute.post || attribute.required_by_policy {
                never_shown.push(attribute.name);
            }
        }
        Self {
            resource,
            get: main("get"),
            create: main("create"),
            update: main("update"),
            delete: main("delete"),
            guarded,
            read,
            never_shown,
            name,
        }
    }
}

/// The value of `attribute` if its rule must be asked: given at all in an update, given with
/// another value than the default in a create.
fn explicit<'a>(attribute: &Attribute, action: Action, given: &'a Attrs) -> Option<&'a Value> {
    let value = given.get(attribute.name)?;
    (action == Action::Update || !attribute.is_default(value)).then_some(value)
}

/// The parts of a value that have rules of their own: keys of the objects in a list, e.g.
/// `ip_address` and `subnet_id` of `fixed_ips`, and those of an object of known keys.
fn sub_keys<'a>(attribute: &Attribute, value: &'a Value) -> impl Iterator<Item = &'a str> {
    let known = match attribute.validate {
        Validate::GatewayInfo => GATEWAY_KEYS,
        _ => &[],
    };
    let own = known.iter().copied().filter(|key| value.get(key).is_some());
    let of_items = value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_object)
        .flat_map(|map| map.keys().map(String::as_str));
    own.chain(of_items)
}

/// The defaults, replaced and extended by `overrides`.
fn merge(
    overrides: Vec<(String, Expr)>,
    new_defaults_only: bool,
) -> Result<Vec<(String, Expr)>, PolicyError> {
    let mut out: Vec<(String, Expr)> = Vec::new();
    for default in defaults::all() {
        let under = |name: &str| overrides.iter().rev().find(|(n, _)| n == name);
        let given = under(default.name).or_else(|| default.old_name.and_then(under));
        let expr = match given {
            Some((_, expr)) => expr.clone(),
            None => default_expr(default.name, default.check, default.legacy, new_defaults_only)?,
        };
        out.push((default.name.to_string(), expr));
    }
    for (name, expr) in overrides {
        match out.iter_mut().find(|(n, _)| *n == name) {
            Some(known) => known.1 = expr,
            None => out.push((name, expr)),
        }
    }
    Ok(out)
}

fn default_expr(
    name: &str,
    check: &str,
    legacy: Option<&str>,
    new_defaults_only: bool,
) -> Result<Expr, PolicyError> {
    let parse = |text: &str| {
        expr::parse(text).map_err(|reason| PolicyError::Rule { rule: name.to_string(), reason })
    };
    let new = parse(check)?;
    Ok(match legacy {
        Some(legacy) if !new_defaults_only => Expr::Or(vec![new, parse(legacy)?]),
        _ => new,
    })
}

fn disallowed(rule: &str) -> ApiError {
    ApiError::new("PolicyNotAuthorized", 403, format!("{rule} is disallowed by policy"))
}

/// The answer for what the caller may not know of.
#[must_use]
pub fn not_found() -> ApiError {
    ApiError::not_found("HTTPNotFound", "The resource could not be found.")
}
