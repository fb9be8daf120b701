//! Tokens bound to another authentication of their bearer (Kerberos).
//!
//! This server knows no other authentication than tokens, so what is bound is not proven here.

use std::collections::BTreeMap;

use serde_json::Value;

/// What is asked of a token's binding (`enforce_token_bind`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BindMode {
    /// Nothing.
    Disabled,
    /// Bindings of a known kind are proven, others ignored.
    Permissive,
    /// Bindings must be of a known kind, and are proven.
    Strict,
    /// There must be a binding.
    Required,
    /// There must be a binding of this kind.
    Named(String),
}

impl BindMode {
    /// The mode called `text`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "disabled" => Self::Disabled,
            "permissive" => Self::Permissive,
            "strict" => Self::Strict,
            "required" => Self::Required,
            kind => Self::Named(kind.to_string()),
        }
    }

    /// Whether a token bound to `bind` can be accepted.
    #[must_use]
    pub fn accepts(&self, bind: &BTreeMap<String, Value>) -> bool {
        match self {
            Self::Disabled => true,
            Self::Permissive => !bind.contains_key("kerberos"),
            // What is there cannot be proven, and what is not there is missing.
            Self::Strict => bind.is_empty(),
            Self::Required | Self::Named(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_can_be_proven() {
        let bound = |kind: &str| BTreeMap::from([(kind.to_string(), Value::from("alice"))]);
        for (mode, unbound, kerberos, other) in [
            ("disabled", true, true, true),
            ("permissive", true, false, true),
            ("strict", true, false, false),
            ("required", false, false, false),
            ("kerberos", false, false, false),
        ] {
            let mode = BindMode::parse(mode);
            let got =
                [BTreeMap::new(), bound("kerberos"), bound("x509")].map(|bind| mode.accepts(&bind));
            assert_eq!(got, [unbound, kerberos, other], "{mode:?}");
        }
    }
}
