//! `auth_strategy = keystone`: tokens are validated by a Keystone, as keystonemiddleware does.
//!
//! [`neutrino_keystone::Tokens`] says what Keystone says of a token; here is decided what that
//! means for a request: expiry, service tokens, access rules, bindings.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::Utc;
use neutrino_conf::{
    Conf,
    opts::keystone_authtoken::{self as opts, AUTH, SESSION},
};
use neutrino_keystone::{
    Auth, AuthSettings, Endpoint, Service, Session, SessionError, SessionSettings, SettingsError,
    TokenInfo, Tokens, TokensSettings, ValidateError, bind::BindMode, service::IDENTITY,
};
use neutrino_types::Context;

use super::{Asked, AuthError, Authenticator, header};

/// Group of its options.
const GROUP: &str = "keystone_authtoken";

/// Why `[keystone_authtoken]` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeystoneError {
    /// It does not say how to authenticate.
    #[error(
        "[{GROUP}] auth_type is missing: auth_strategy = keystone needs a user to validate tokens with"
    )]
    NoUser,
    /// What it says does not do.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Certificates cannot be used.
    #[error("[{GROUP}] {0}")]
    Session(#[from] SessionError),
}

/// What requests are held against besides their token.
#[derive(Debug)]
struct Rules {
    bind: BindMode,
    /// Roles of which a service token needs one.
    service_roles: Vec<String>,
    service_roles_required: bool,
    /// Our type in the catalog.
    service_type: Option<String>,
}

/// Validates tokens with a Keystone.
#[derive(Debug)]
pub struct Keystone {
    tokens: Tokens,
    rules: Rules,
    /// Whether an unreachable Keystone answers 401 like a wrong token.
    delay_auth_decision: bool,
    /// Where users find Keystone.
    uri: String,
}

impl Keystone {
    /// What `[keystone_authtoken]` says. Nothing is sent yet: Keystone may start later than we.
    ///
    /// # Errors
    /// [`KeystoneError`] naming the option.
    pub fn from_conf(conf: &Conf) -> Result<Self, KeystoneError> {
        let auth = AuthSettings::from_conf(conf, &AUTH, GROUP)?.ok_or(KeystoneError::NoUser)?;
        let seconds = |secs: i64| Duration::from_secs(u64::try_from(secs).unwrap_or(0));
        let timeout = conf.get(&opts::HTTP_CONNECT_TIMEOUT).map(seconds);
        let retries = conf.get(&opts::HTTP_REQUEST_MAX_RETRIES);
        let session_settings = SessionSettings::from_conf(conf, &SESSION, timeout, retries);
        let session = Session::new(&session_settings)?;
        let service_type = conf.get(&opts::SERVICE_TYPE);
        let settings = TokensSettings {
            cache_time: seconds(conf.get(&opts::TOKEN_CACHE_TIME)),
            // Nothing but access rules looks at the catalog.
            with_catalog: conf.get(&opts::INCLUDE_SERVICE_CATALOG) && service_type.is_some(),
            patience: session_settings.patience(),
        };
        let uri =
            conf.get(&opts::WWW_AUTHENTICATE_URI).unwrap_or_else(|| auth.public_url().to_string());
        let identity = Service::new(
            session.clone(),
            Arc::new(Auth::new(session, auth)),
            Endpoint {
                kind: IDENTITY,
                interface: conf.get(&opts::INTERFACE),
                region: conf.get(&opts::REGION_NAME),
            },
        );
        announce(conf, &uri);
        Ok(Self {
            tokens: Tokens::new(identity, settings),
            rules: Rules {
                bind: BindMode::parse(&conf.get(&opts::ENFORCE_TOKEN_BIND)),
                service_roles: conf.get(&opts::SERVICE_TOKEN_ROLES),
                service_roles_required: conf.get(&opts::SERVICE_TOKEN_ROLES_REQUIRED),
                service_type,
            },
            delay_auth_decision: conf.get(&opts::DELAY_AUTH_DECISION),
            uri,
        })
    }

    /// The token that `asked` brings and what it may do here.
    async fn token(&self, asked: Asked<'_>) -> Result<Arc<TokenInfo>, ValidateError> {
        let service = match header(asked.headers, "x-service-token") {
            Some(token) => {
                let info = self.tokens.validate(token, false).await?;
                self.rules.check_service(&info)?;
                Some(info)
            }
            None => None,
        };
        let token = header(asked.headers, "x-auth-token")
            .or_else(|| header(asked.headers, "x-storage-token"))
            .ok_or(ValidateError::Invalid)?;
        let may_be_expired = service.as_ref().is_some_and(|info| self.rules.vouches(info));
        let info = self.tokens.validate(token, may_be_expired).await?;
        self.rules.check_user(&info, service.is_some(), may_be_expired, asked)?;
        Ok(info)
    }
}

/// What an operator should know of these options, once at start.
fn announce(conf: &Conf, uri: &str) {
    if conf.get(&opts::WWW_AUTHENTICATE_URI).is_none() {
        tracing::warn!(
            uri,
            "[keystone_authtoken] www_authenticate_uri is not set: users are sent to auth_url to authenticate"
        );
    }
    if !conf.get(&opts::MEMCACHED_SERVERS).is_empty() {
        tracing::info!(
            "[keystone_authtoken] memcached_servers is not used: tokens are remembered in the process"
        );
    }
    if !conf.get(&opts::SERVICE_TOKEN_ROLES_REQUIRED) {
        tracing::warn!(
            "[keystone_authtoken] service_token_roles_required is off: any user's token is accepted as a service's"
        );
    }
}

impl Rules {
    /// Refuses what is no token of a service.
    fn check_service(&self, info: &TokenInfo) -> Result<(), ValidateError> {
        let known = self.vouches(info) || !self.service_roles_required;
        let valid = known && !info.is_expired(Utc::now()) && self.bind.accepts(&info.bind);
        if valid { Ok(()) } else { Err(ValidateError::Invalid) }
    }

    /// Whether the service may act for a user whose token has ended.
    fn vouches(&self, info: &TokenInfo) -> bool {
        info.has_any_role(&self.service_roles)
    }

    /// Refuses a user's token that is not good for `asked`.
    fn check_user(
        &self,
        info: &TokenInfo,
        by_service: bool,
        may_be_expired: bool,
        asked: Asked<'_>,
    ) -> Result<(), ValidateError> {
        let in_time = may_be_expired || !info.is_expired(Utc::now());
        // Who is bound to another authentication shows it to the service, which does not pass it on.
        let bound = by_service || self.bind.accepts(&info.bind);
        if in_time && bound && self.within_access_rules(info, by_service, asked) {
            Ok(())
        } else {
            Err(ValidateError::Invalid)
        }
    }

    /// Whether the application credential behind a token, if any, may be used for `asked`. A
    /// service asks what a user's request, which was held against the rules elsewhere, leads to.
    fn within_access_rules(&self, info: &TokenInfo, by_service: bool, asked: Asked<'_>) -> bool {
        let Some(rules) = &info.access_rules else { return true };
        let Some(own) = self.service_type.as_deref().filter(|own| info.catalog.has(own)) else {
            tracing::warn!(
                service_type = self.service_type,
                "an application credential with access rules is refused: [keystone_authtoken] service_type \
                 does not name a service of the catalog"
            );
            return false;
        };
        by_service || rules.iter().any(|rule| rule.allows(own, asked.method.as_str(), asked.path))
    }
}

#[async_trait]
impl Authenticator for Keystone {
    async fn authenticate(
        &self,
        asked: Asked<'_>,
        request_id: String,
    ) -> Result<Context, AuthError> {
        match self.token(asked).await {
            Ok(info) => Ok(context(&info, request_id)),
            Err(ValidateError::Invalid) => Err(AuthError::Unauthorized),
            Err(ValidateError::Unavailable(problem)) if self.delay_auth_decision => {
                tracing::error!(problem, "a token cannot be validated; it is taken for invalid");
                Err(AuthError::Unauthorized)
            }
            Err(ValidateError::Unavailable(problem)) => Err(AuthError::Unavailable(problem)),
        }
    }

    fn challenge(&self) -> String {
        format!("Keystone uri=\"{}\"", self.uri)
    }
}

/// Who asks, in the words of policies.
fn context(info: &TokenInfo, request_id: String) -> Context {
    let project = info.project.as_ref();
    let domain_of =
        |domain: Option<&neutrino_keystone::token::Domain>| domain.and_then(|d| d.id.clone());
    let context = Context {
        user_id: Some(info.user.id.clone()),
        user_name: info.user.name.clone(),
        user_domain_id: domain_of(info.user.domain.as_ref()),
        project_id: project.map(|project| project.id.clone()),
        project_name: project.and_then(|project| project.name.clone()),
        project_domain_id: domain_of(project.and_then(|project| project.domain.as_ref())),
        domain_id: domain_of(info.domain.as_ref()),
        system_scope: info.system_scope.map(str::to_string),
        roles: info.roles.clone(),
        request_id,
        ..Context::default()
    };
    let is_admin = context.has_role("admin");
    Context { is_admin, ..context }
}
