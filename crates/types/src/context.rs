//! Who asks: the request context that travels with every API request and RPC message.

use serde::{Deserialize, Serialize};

/// The identity and rights behind one request (neutron-lib `context.Context`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// The caller's user id.
    pub user_id: Option<String>,
    /// The caller's user name.
    pub user_name: Option<String>,
    /// The project the token is scoped to.
    pub project_id: Option<String>,
    /// That project's name.
    pub project_name: Option<String>,
    /// The domain the token is scoped to, when it is not to a project.
    #[serde(default)]
    pub domain_id: Option<String>,
    /// The domain of the user.
    #[serde(default)]
    pub user_domain_id: Option<String>,
    /// The domain of the project.
    #[serde(default)]
    pub project_domain_id: Option<String>,
    /// `all` when the token is scoped to the system.
    #[serde(default)]
    pub system_scope: Option<String>,
    /// Role names, as the identity service spells them.
    pub roles: Vec<String>,
    /// `context_is_admin`: sees and may change every project's resources.
    pub is_admin: bool,
    /// `req-<uuid>`; answered as `X-Openstack-Request-Id` and logged on every line.
    pub request_id: String,
    /// The `req-<uuid>` of the request elsewhere that this one serves, if its sender told.
    #[serde(default)]
    pub global_request_id: Option<String>,
}

impl Context {
    /// The context of the server's own work: admin, no project.
    #[must_use]
    pub fn admin() -> Self {
        Self {
            roles: vec!["admin".into(), "member".into(), "reader".into()],
            is_admin: true,
            request_id: new_request_id(),
            ..Self::default()
        }
    }

    /// The same request with admin rights (`Context.elevated`): the roles admin, member and
    /// reader, since default rules ask for each of them.
    #[must_use]
    pub fn elevated(&self) -> Self {
        let mut out = self.clone();
        out.is_admin = true;
        for role in ["admin", "member", "reader"] {
            if !out.has_role(role) {
                out.roles.push(role.into());
            }
        }
        out
    }

    /// Whether the caller holds `role` (case-insensitive, as oslo.policy compares).
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|r| r.eq_ignore_ascii_case(role))
    }

    /// Whether queries are not limited to one project: for admins and other services.
    #[must_use]
    pub fn sees_all_projects(&self) -> bool {
        self.is_admin || self.has_role("service")
    }

    /// The caller's project, or the empty string.
    #[must_use]
    pub fn project(&self) -> &str {
        self.project_id.as_deref().unwrap_or("")
    }
}

/// A fresh `req-<uuid>`.
#[must_use]
pub fn new_request_id() -> String {
    format!("req-{}", uuid::Uuid::new_v4())
}
