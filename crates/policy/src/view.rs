//! What one caller sees of one kind of resource.
//!
//! Made once per request. Whatever the caller's roles decide alone is decided then; only what
//! depends on the single resource (mostly: who owns it) is asked for each of them. For an admin
//! nothing is left to ask.

use neutrino_types::Context;

use crate::{
    enforcer::{Enforcer, ResourceRules},
    rules::{RuleId, Truth},
    target::Target,
};

/// Visibility of the resources of one collection for one caller.
#[derive(Debug)]
pub struct View<'e> {
    enforcer: &'e Enforcer,
    ctx: &'e Context,
    /// Rule that decides whether a resource is seen at all, and what is known of it.
    show: Option<RuleId>,
    shown: Truth,
    /// Attributes that are hidden in every resource.
    hidden: Vec<&'static str>,
    /// Attributes to be asked for in each resource.
    ask: Vec<(&'static str, RuleId)>,
}

impl<'e> View<'e> {
    pub(crate) fn new(
        enforcer: &'e Enforcer,
        rules: Option<&ResourceRules>,
        show: Option<RuleId>,
        ctx: &'e Context,
    ) -> Self {
        let mut hidden = rules.map(|r| r.never_shown.clone()).unwrap_or_default();
        let mut ask = Vec::new();
        for (name, rule) in rules.into_iter().flat_map(|r| r.read.iter().copied()) {
            match enforcer.eval(Some(rule), None, ctx) {
                Truth::Yes => {}
                Truth::No => hidden.push(name),
                Truth::Unknown => ask.push((name, rule)),
            }
        }
        Self { enforcer, ctx, show, shown: enforcer.eval(show, None, ctx), hidden, ask }
    }

    /// The caller.
    #[must_use]
    pub fn context(&self) -> &'e Context {
        self.ctx
    }

    /// Whether every resource is seen with every attribute that is answered at all: nothing has
    /// to be asked or removed. Subnets always have something to remove.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.shown == Truth::Yes && self.hidden.is_empty() && self.ask.is_empty()
    }

    /// Whether answers differ between resources, so that each has to be looked at.
    #[must_use]
    pub fn depends_on_target(&self) -> bool {
        self.shown == Truth::Unknown || !self.ask.is_empty()
    }

    /// Whether the caller sees `target` at all.
    #[must_use]
    pub fn shows(&self, target: &Target<'_>) -> bool {
        match self.shown {
            Truth::Yes => true,
            Truth::No => false,
            Truth::Unknown => self.enforcer.eval(self.show, Some(target), self.ctx) == Truth::Yes,
        }
    }

    /// Attributes to leave out of the answer about `target`.
    #[must_use]
    pub fn hidden(&self, target: &Target<'_>) -> Vec<&'static str> {
        let denied = self.ask.iter().filter(|(_, rule)| {
            self.enforcer.eval(Some(*rule), Some(target), self.ctx) != Truth::Yes
        });
        self.hidden.iter().copied().chain(denied.map(|(name, _)| *name)).collect()
    }
}
