//! `auth_strategy = noauth`: everybody is an administrator, as in Neutron's noauth pipeline.
//!
//! Without identity headers the caller is admin of project `fake_project_id`. The headers that
//! keystonemiddleware would set (`X-Project-Id`, `X-User-Id`, `X-Roles`, ...) are honoured, which
//! lets a trusted proxy, or a test of the policies, say on whose behalf it speaks: `X-Roles`
//! alone decides the rights then. Without `X-Roles` the caller stays admin.

use async_trait::async_trait;
use axum::http::HeaderMap;
use neutrino_types::Context;

use super::{Asked, AuthError, Authenticator, header};

/// Neutron's project of callers that name none.
const FAKE_PROJECT_ID: &str = "fake_project_id";

/// Trusts whatever the request says of its sender.
#[derive(Debug, Default, Clone, Copy)]
pub struct NoAuth;

#[async_trait]
impl Authenticator for NoAuth {
    async fn authenticate(
        &self,
        asked: Asked<'_>,
        request_id: String,
    ) -> Result<Context, AuthError> {
        Ok(context(asked.headers, request_id))
    }
}

fn context(headers: &HeaderMap, request_id: String) -> Context {
    let owned = |name| header(headers, name).map(str::to_string);
    let project = header(headers, "x-project-id").or_else(|| header(headers, "x-tenant-id"));
    let roles = header(headers, "x-roles");
    let ctx = Context {
        user_id: owned("x-user-id"),
        user_name: owned("x-user-name"),
        project_id: Some(project.unwrap_or(FAKE_PROJECT_ID).to_string()),
        project_name: owned("x-project-name"),
        roles: roles
            .map(|r| r.split(',').map(|r| r.trim().to_string()).collect())
            .unwrap_or_default(),
        request_id,
        ..Context::default()
    };
    if project.is_none() || roles.is_none() {
        return ctx.elevated();
    }
    let is_admin = ctx.has_role("admin");
    Context { is_admin, ..ctx }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(k, v)| (k.parse().expect("name"), v.parse().expect("value"))).collect()
    }

    #[test]
    fn no_headers_means_admin_of_the_fake_project() {
        let ctx = context(&HeaderMap::new(), "req-1".into());
        assert!(ctx.is_admin && ctx.has_role("admin"));
        assert_eq!(ctx.project(), "fake_project_id");
    }

    #[test]
    fn roles_header_decides_the_rights() {
        let ctx =
            context(&headers(&[("x-project-id", "p1"), ("x-roles", "member, reader")]), "r".into());
        assert!(!ctx.is_admin && ctx.has_role("reader"));
        assert_eq!(ctx.project(), "p1");
        let ctx = context(&headers(&[("x-tenant-id", "p1")]), "r".into());
        assert!(ctx.is_admin);
    }
}
