//! Options of services that use the Identity service: keystoneauth's, which stand in each such
//! group, keystonemiddleware's (`[keystone_authtoken]`) and those of Nova's notifications (`[nova]`).

use super::{group, shared_options};
use crate::{AnyOpt, Opt};

/// All options of these groups.
pub(super) fn all() -> Vec<&'static dyn AnyOpt> {
    [
        keystone_authtoken::ALL.to_vec(),
        keystone_authtoken::AUTH.all(),
        keystone_authtoken::SESSION.all(),
        nova::ALL.to_vec(),
        nova::AUTH.all(),
        nova::SESSION.all(),
    ]
    .concat()
}

shared_options! {
    /// How a service authenticates (keystoneauth's plugins and their options).
    KeystoneAuth {
        auth_type: Option<String> = "How to authenticate: password, v3password, token, v3token, v3applicationcredential, admin_token or none.", deprecated(&[("", "auth_plugin")]);
        auth_section: Option<String> = "Another group to read these options from.";
        auth_url: Option<String> = "URL of the Identity service, with or without /v3.";
        username: Option<String> = "User name.", deprecated(&[("", "user_name")]);
        user_id: Option<String> = "User id.";
        user_domain_name: Option<String> = "Name of the user's domain.";
        user_domain_id: Option<String> = "Id of the user's domain.";
        password: Option<String> = "Password of the user.";
        project_name: Option<String> = "Name of the project to act in.", deprecated(&[("", "tenant_name")]);
        project_id: Option<String> = "Id of the project to act in.", deprecated(&[("", "tenant_id")]);
        project_domain_name: Option<String> = "Name of the project's domain.";
        project_domain_id: Option<String> = "Id of the project's domain.";
        default_domain_name: Option<String> = "Name of the domain of user and project where they have none of their own.";
        default_domain_id: Option<String> = "Id of the domain of user and project where they have none of their own.";
        domain_name: Option<String> = "Name of the domain to act on.";
        domain_id: Option<String> = "Id of the domain to act on.";
        system_scope: Option<String> = "Act on the system: all.";
        trust_id: Option<String> = "Trust to act by.";
        application_credential_id: Option<String> = "Id of the application credential.";
        application_credential_name: Option<String> = "Name of the application credential; its user must be given too.";
        application_credential_secret: Option<String> = "Secret of the application credential.";
        token: Option<String> = "Token to authenticate with (token, v3token) or to send as it is (admin_token).";
        endpoint: Option<String> = "Where the service is, with auth_type admin_token or none.", deprecated(&[("", "url")]);
    }
}

shared_options! {
    /// How connections are secured (keystoneauth's session).
    KeystoneSession {
        cafile: Option<String> = "PEM file of the certificate authorities to trust; those of the system by default.";
        certfile: Option<String> = "PEM file of our certificate.";
        keyfile: Option<String> = "PEM file of the key of certfile; without it the key is in certfile.";
        insecure: bool = "Do not verify certificates.", default("false");
    }
}

group! {
    /// `[keystone_authtoken]`: how tokens are validated with `auth_strategy = keystone`.
    keystone_authtoken = "keystone_authtoken" {
        WWW_AUTHENTICATE_URI: Option<String> = "www_authenticate_uri", "URL of the Identity service for users: a 401 answer names it. By default auth_url.", deprecated(&[("", "auth_uri")]);
        INTERFACE: String = "interface", "Interface of the Identity service's endpoint: internal, public or admin.", default("internal");
        REGION_NAME: Option<String> = "region_name", "Region of the Identity service's endpoint.";
        DELAY_AUTH_DECISION: bool = "delay_auth_decision", "Leave it to the API to refuse requests without a valid token, which it does: answers are 401 also while the Identity service is away.", default("false");
        HTTP_CONNECT_TIMEOUT: Option<i64> = "http_connect_timeout", "Seconds the Identity service has to answer a request; 60 by default.", range(1, 3_600);
        HTTP_REQUEST_MAX_RETRIES: i64 = "http_request_max_retries", "How often a request is tried again when no connection comes about.", default("3"), range(0, 100);
        TOKEN_CACHE_TIME: i64 = "token_cache_time", "Seconds a valid token is remembered, and a revoked one possibly accepted; -1 for not at all.", default("300"), range(-1, 86_400);
        INCLUDE_SERVICE_CATALOG: bool = "include_service_catalog", "Ask for the catalog with each token, which access rules of application credentials need.", default("true");
        ENFORCE_TOKEN_BIND: String = "enforce_token_bind", "What is done about tokens bound to another authentication: disabled, permissive, strict, required, or the name of a binding that must be there.", default("permissive");
        SERVICE_TOKEN_ROLES: Vec<String> = "service_token_roles", "Roles of which a service token must have one.", default("service");
        SERVICE_TOKEN_ROLES_REQUIRED: bool = "service_token_roles_required", "Refuse service tokens without such a role. Without it they are accepted, but never help an expired token.", default("true");
        SERVICE_TYPE: Option<String> = "service_type", "Type of this service in the catalog (network): requests are held against the access rules of application credentials by it. Without it such credentials are refused.";
        MEMCACHED_SERVERS: Vec<String> = "memcached_servers", "Accepted; tokens are remembered in the process.", deprecated(&[("", "memcache_servers")]);
    }
    more {
        /// How we authenticate to validate tokens.
        pub static AUTH: super::KeystoneAuth = super::KeystoneAuth::in_group("keystone_authtoken");
        /// How connections to the Identity service are secured.
        pub static SESSION: super::KeystoneSession = super::KeystoneSession::in_group("keystone_authtoken");
    }
}

group! {
    /// `[nova]`: where Nova is told of ports. Without auth_type it is not.
    nova = "nova" {
        REGION_NAME: Option<String> = "region_name", "Region of Nova's endpoint.";
        ENDPOINT_TYPE: String = "endpoint_type", "Interface of Nova's endpoint.", default("public"), choices(&["public", "admin", "internal"]);
        TIMEOUT: Option<f64> = "timeout", "Seconds Nova and the Identity service have to answer a request; 60 by default.";
    }
    more {
        /// How we authenticate.
        pub static AUTH: super::KeystoneAuth = super::KeystoneAuth::in_group("nova");
        /// How connections are secured.
        pub static SESSION: super::KeystoneSession = super::KeystoneSession::in_group("nova");
    }
}
