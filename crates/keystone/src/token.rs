//! What Keystone says of a valid token.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use crate::{access_rules::AccessRule, catalog::Catalog};

/// Something with an id, possibly with a name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Named {
    /// Its id.
    pub id: String,
    /// Its name.
    #[serde(default)]
    pub name: Option<String>,
}

/// A user or project, and the domain it belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Owned {
    /// Its id.
    pub id: String,
    /// Its name.
    #[serde(default)]
    pub name: Option<String>,
    /// Its domain; federated users may have none.
    #[serde(default)]
    pub domain: Option<Domain>,
}

/// A domain, of which either part may be unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Domain {
    /// Its id.
    #[serde(default)]
    pub id: Option<String>,
    /// Its name.
    #[serde(default)]
    pub name: Option<String>,
}

/// A valid token's contents.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenInfo {
    /// Whose it is.
    pub user: Owned,
    /// The project it is good for.
    pub project: Option<Owned>,
    /// The domain it is good for.
    pub domain: Option<Domain>,
    /// `all` when it is good for the system.
    pub system_scope: Option<&'static str>,
    /// Names of the roles its bearer has there.
    pub roles: Vec<String>,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
    /// The requests its application credential is restricted to; `None` for any.
    pub access_rules: Option<Vec<AccessRule>>,
    /// Other authentications it is bound to, by kind.
    pub bind: BTreeMap<String, Value>,
    /// Where services are; empty when it was not asked for.
    pub catalog: Catalog,
}

/// The body of an answer about a token.
#[derive(Deserialize)]
struct Body {
    token: Raw,
}

#[derive(Deserialize)]
struct Raw {
    user: Owned,
    #[serde(default)]
    project: Option<Owned>,
    #[serde(default)]
    domain: Option<Domain>,
    #[serde(default)]
    system: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    roles: Vec<Role>,
    expires_at: String,
    #[serde(default)]
    application_credential: Option<Credential>,
    #[serde(default)]
    bind: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    catalog: Option<Catalog>,
}

#[derive(Deserialize)]
struct Role {
    name: String,
}

#[derive(Deserialize)]
struct Credential {
    #[serde(default)]
    access_rules: Option<Vec<AccessRule>>,
}

impl TokenInfo {
    /// Reads the body of `GET` or `POST /v3/auth/tokens`.
    ///
    /// # Errors
    /// What is wrong with it, for the log.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        let Body { token } = serde_json::from_slice(body).map_err(|e| e.to_string())?;
        let expires_at = DateTime::parse_from_rfc3339(&token.expires_at)
            .map_err(|e| format!("expires_at {:?}: {e}", token.expires_at))?;
        let all = token.system.is_some_and(|system| system.get("all") == Some(&Value::Bool(true)));
        Ok(Self {
            user: token.user,
            project: token.project,
            domain: token.domain,
            system_scope: all.then_some("all"),
            roles: token.roles.into_iter().map(|role| role.name).collect(),
            expires_at: expires_at.with_timezone(&Utc),
            access_rules: token.application_credential.and_then(|it| it.access_rules),
            bind: token.bind.unwrap_or_default(),
            catalog: token.catalog.unwrap_or_default(),
        })
    }

    /// Whether its end has come.
    #[must_use]
    pub fn is_expired(&self, now: DateTime<Utc>) -> bool {
        self.expires_at <= now
    }

    /// Whether its bearer has one of `roles`.
    #[must_use]
    pub fn has_any_role(&self, roles: &[String]) -> bool {
        self.roles.iter().any(|role| roles.contains(role))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(token: Value) -> Result<TokenInfo, String> {
        TokenInfo::parse(json!({"token": token}).to_string().as_bytes())
    }

    #[test]
    fn token_of_a_project() {
        let token = parse(json!({
            "methods": ["password"], "audit_ids": ["a"], "is_domain": false, "issued_at": "x",
            "user": {"id": "u", "name": "alice", "domain": {"id": "default", "name": "Default"}, "password_expires_at": null},
            "project": {"id": "p", "name": "demo", "domain": {"id": "default", "name": "Default"}},
            "roles": [{"id": "1", "name": "member"}, {"id": "2", "name": "reader"}],
            "expires_at": "2026-11-21T20:51:01.000000Z",
            "catalog": [{"type": "network", "id": "n", "name": "neutron", "endpoints": []}],
        }))
        .expect("a token");
        assert_eq!(token.project.as_ref().map(|p| p.id.as_str()), Some("p"));
        assert_eq!(token.roles, ["member", "reader"]);
        assert_eq!((token.system_scope, token.access_rules.is_none()), (None, true));
        assert!(token.catalog.has("network"));
        let at = |text: &str| text.parse::<DateTime<Utc>>().expect("time");
        assert!(!token.is_expired(at("2026-11-21T20:51:00.999Z")));
        assert!(token.is_expired(at("2026-11-21T20:51:01Z")));
    }

    #[test]
    fn token_of_the_system_and_of_a_restricted_credential() {
        let base = json!({"user": {"id": "u"}, "expires_at": "2026-11-21T20:51:01Z"});
        let mut system = base.clone();
        system["system"] = json!({"all": true});
        assert_eq!(parse(system).expect("a token").system_scope, Some("all"));
        let mut restricted = base.clone();
        let rule = json!({"id": "r", "service": "network", "method": "GET", "path": "/v2.0/*"});
        restricted["application_credential"] =
            json!({"id": "c", "restricted": true, "access_rules": [rule]});
        assert_eq!(parse(restricted).expect("a token").access_rules.expect("rules").len(), 1);
        let mut free = base;
        free["application_credential"] = json!({"id": "c", "restricted": true});
        assert!(parse(free).expect("a token").access_rules.is_none());
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for body in [
            "",
            "[]",
            "{}",
            r#"{"token": {}}"#,
            r#"{"token": {"user": {"id": "u"}, "expires_at": "soon"}}"#,
        ] {
            assert!(TokenInfo::parse(body.as_bytes()).is_err(), "{body}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_body_is_answered(body in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = TokenInfo::parse(&body);
        }
    }
}
