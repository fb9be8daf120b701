//! How a service authenticates, read from a group of keystoneauth's options.

use neutrino_conf::{Conf, ConfError, Opt, OptValue, opts::KeystoneAuth};
use serde_json::{Value, json};

/// Why the options of a group cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// They are missing, contradict each other or ask for what is not supported.
    #[error("[{group}] {problem}")]
    Unusable {
        /// The group.
        group: String,
        /// What is wrong, with the option's name.
        problem: String,
    },
    /// A value is not of its option's type.
    #[error(transparent)]
    Value(#[from] ConfError),
}

/// How to get a token.
#[derive(Clone, PartialEq, Eq)]
pub enum AuthSettings {
    /// By asking the Identity service for one.
    Identity {
        /// Its URL, ending in `/v3`.
        url: String,
        /// The body of `POST /auth/tokens`. Holds secrets.
        request: Value,
    },
    /// Not at all: requests carry this token, or none, and all go to one endpoint.
    Fixed {
        /// Where every service is.
        endpoint: String,
        /// The token; `None` to send none.
        token: Option<String>,
    },
}

impl std::fmt::Debug for AuthSettings {
    /// Without secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Identity { url, .. } => {
                f.debug_struct("Identity").field("url", url).finish_non_exhaustive()
            }
            Self::Fixed { endpoint, .. } => {
                f.debug_struct("Fixed").field("endpoint", endpoint).finish_non_exhaustive()
            }
        }
    }
}

impl AuthSettings {
    /// What the options `opts` say; `None` without `auth_type`.
    ///
    /// # Errors
    /// [`SettingsError`] naming the option.
    pub fn from_conf(
        conf: &Conf,
        opts: &KeystoneAuth,
        group: &str,
    ) -> Result<Option<Self>, SettingsError> {
        let section = conf.get(&opts.auth_section);
        let group = section.as_deref().unwrap_or(group);
        let group = Group { conf, opts, group };
        let Some(kind) = group.get(&opts.auth_type)? else { return Ok(None) };
        let fixed = |token| {
            let endpoint = group.required(&opts.endpoint, "endpoint")?;
            Ok::<_, SettingsError>(Some(Self::Fixed { endpoint: trimmed(&endpoint), token }))
        };
        let (method, identity) = match kind.as_str() {
            "none" => return fixed(None),
            "admin_token" => return fixed(Some(group.required(&opts.token, "token")?)),
            "password" | "v3password" => ("password", group.password()?),
            "token" | "v3token" => ("token", json!({"id": group.required(&opts.token, "token")?})),
            "v3applicationcredential" => {
                ("application_credential", group.application_credential()?)
            }
            other => return Err(group.unusable(format!("auth_type {other} is not supported"))),
        };
        let mut request = json!({"auth": {"identity": {"methods": [method], method: identity}}});
        if let Some(scope) = group.scope()? {
            request["auth"]["scope"] = scope;
        }
        let url = v3(&group.required(&opts.auth_url, "auth_url")?);
        Ok(Some(Self::Identity { url, request }))
    }

    /// The Identity service's URL without version, for users.
    #[must_use]
    pub fn public_url(&self) -> &str {
        match self {
            Self::Identity { url, .. } => url.strip_suffix("/v3").unwrap_or(url),
            Self::Fixed { endpoint, .. } => endpoint,
        }
    }
}

/// `url` of an Identity service with the version that is spoken here.
#[must_use]
pub fn v3(url: &str) -> String {
    let url = trimmed(url);
    if url.ends_with("/v3") { url } else { url + "/v3" }
}

fn trimmed(url: &str) -> String {
    url.trim_end_matches('/').to_string()
}

/// One group of options.
struct Group<'c> {
    conf: &'c Conf,
    opts: &'c KeystoneAuth,
    group: &'c str,
}

impl Group<'_> {
    fn get<T: OptValue>(&self, opt: &Opt<T>) -> Result<T, SettingsError> {
        Ok(self.conf.get_in(self.group, opt)?)
    }

    fn unusable(&self, problem: impl Into<String>) -> SettingsError {
        SettingsError::Unusable { group: self.group.to_string(), problem: problem.into() }
    }

    fn required(&self, opt: &Opt<Option<String>>, name: &str) -> Result<String, SettingsError> {
        self.get(opt)?.ok_or_else(|| self.unusable(format!("{name} is missing")))
    }

    /// `{"id"}` or `{"name"}` of the first that is given.
    fn reference(
        &self,
        id: &Opt<Option<String>>,
        name: &Opt<Option<String>>,
    ) -> Result<Option<Value>, SettingsError> {
        if let Some(id) = self.get(id)? {
            return Ok(Some(json!({"id": id})));
        }
        Ok(self.get(name)?.map(|name| json!({"name": name})))
    }

    /// The domain of what is named, its own or the default one.
    fn domain(
        &self,
        id: &Opt<Option<String>>,
        name: &Opt<Option<String>>,
        what: &str,
    ) -> Result<Value, SettingsError> {
        if let Some(own) = self.reference(id, name)? {
            return Ok(own);
        }
        self.reference(&self.opts.default_domain_id, &self.opts.default_domain_name)?.ok_or_else(
            || {
                self.unusable(
                    format!("{what}_name is given without {what}_domain_id or {what}_domain_name")
                        .replace("user_name", "username"),
                )
            },
        )
    }

    fn user(&self) -> Result<Option<Value>, SettingsError> {
        let mut user = self.reference(&self.opts.user_id, &self.opts.username)?;
        if let Some(user) = user.as_mut().filter(|user| user.get("name").is_some()) {
            user["domain"] =
                self.domain(&self.opts.user_domain_id, &self.opts.user_domain_name, "user")?;
        }
        Ok(user)
    }

    fn password(&self) -> Result<Value, SettingsError> {
        let missing = || self.unusable("neither username nor user_id is given");
        let mut user = self.user()?.ok_or_else(missing)?;
        user["password"] = self.required(&self.opts.password, "password")?.into();
        Ok(json!({"user": user}))
    }

    fn application_credential(&self) -> Result<Value, SettingsError> {
        let (id, name) =
            (&self.opts.application_credential_id, &self.opts.application_credential_name);
        let missing = || {
            self.unusable("neither application_credential_id nor application_credential_name with its user is given")
        };
        let mut credential = self.reference(id, name)?.ok_or_else(missing)?;
        if credential.get("name").is_some() {
            credential["user"] = self.user()?.ok_or_else(missing)?;
        }
        let secret = &self.opts.application_credential_secret;
        credential["secret"] = self.required(secret, "application_credential_secret")?.into();
        Ok(credential)
    }

    /// What the token is to be good for; `None` for the user's default.
    fn scope(&self) -> Result<Option<Value>, SettingsError> {
        let opts = self.opts;
        let mut project = self.reference(&opts.project_id, &opts.project_name)?;
        if let Some(project) = project.as_mut().filter(|project| project.get("name").is_some()) {
            project["domain"] =
                self.domain(&opts.project_domain_id, &opts.project_domain_name, "project")?;
        }
        let system = match self.get(&opts.system_scope)?.as_deref() {
            None => None,
            Some("all") => Some(json!({"all": true})),
            Some(_) => return Err(self.unusable("system_scope: only all is possible")),
        };
        let wanted = [
            ("project", project),
            ("domain", self.reference(&opts.domain_id, &opts.domain_name)?),
            ("OS-TRUST:trust", self.get(&opts.trust_id)?.map(|id| json!({"id": id}))),
            ("system", system),
        ];
        let mut wanted = wanted.into_iter().filter_map(|(kind, value)| Some((kind, value?)));
        let first = wanted.next();
        if first.is_some() && wanted.next().is_some() {
            return Err(
                self.unusable("more than one of project, domain, trust and system_scope is given")
            );
        }
        Ok(first.map(|(kind, value)| json!({kind: value})))
    }
}

#[cfg(test)]
mod tests {
    use neutrino_conf::opts::nova;

    use super::*;

    fn read(text: &str) -> Result<Option<AuthSettings>, SettingsError> {
        let conf = Conf::parse_str(&format!("[nova]\n{text}")).expect("configuration");
        AuthSettings::from_conf(&conf, &nova::AUTH, "nova")
    }

    fn request(text: &str) -> Value {
        match read(text).expect("settings").expect("a method") {
            AuthSettings::Identity { url, request } => {
                assert_eq!(url, "http://k:5000/v3");
                request["auth"].clone()
            }
            other => panic!("{other:?}"),
        }
    }

    const WHO: &str =
        "auth_type = password\nauth_url = http://k:5000/\nusername = neutron\npassword = p\n";

    #[test]
    fn password_as_devstack_and_kolla_write_it() {
        let more = "user_domain_name = Default\nproject_name = service\nproject_domain_id = default\nregion_name = R\n";
        let user = json!({"name": "neutron", "domain": {"name": "Default"}, "password": "p"});
        let scope = json!({"project": {"name": "service", "domain": {"id": "default"}}});
        let expected = json!({"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope});
        assert_eq!(request(&(WHO.to_string() + more)), expected);
    }

    #[test]
    fn older_names_and_default_domain() {
        let text = "auth_plugin = v3password\nauth_url = http://k:5000/v3\nuser_name = u\npassword = p\n\
            tenant_name = t\ndefault_domain_id = default\n";
        let got = request(text);
        assert_eq!(got["identity"]["password"]["user"]["domain"], json!({"id": "default"}));
        assert_eq!(got["scope"]["project"], json!({"name": "t", "domain": {"id": "default"}}));
    }

    #[test]
    fn other_methods() {
        let credential = "auth_type = v3applicationcredential\nauth_url = http://k:5000\n\
            application_credential_id = i\napplication_credential_secret = s\n";
        assert_eq!(
            request(credential),
            json!({"identity": {"methods": ["application_credential"],
                "application_credential": {"id": "i", "secret": "s"}}})
        );
        let token =
            "auth_type = v3token\nauth_url = http://k:5000\ntoken = t\nsystem_scope = all\n";
        assert_eq!(
            request(token),
            json!({"identity": {"methods": ["token"], "token": {"id": "t"}}, "scope": {"system": {"all": true}}})
        );
        let fixed = AuthSettings::Fixed { endpoint: "http://n".into(), token: None };
        assert_eq!(read("auth_type = none\nendpoint = http://n/\n").expect("ok"), Some(fixed));
        assert_eq!(read("region_name = R\n").expect("ok"), None);
    }

    #[test]
    fn another_section_may_hold_the_options() {
        let conf = Conf::parse_str(&format!(
            "[nova]\nauth_section = admin\n[admin]\n{WHO}user_domain_id = default\n"
        ));
        let got = AuthSettings::from_conf(&conf.expect("configuration"), &nova::AUTH, "nova");
        assert_eq!(got.expect("settings").expect("a method").public_url(), "http://k:5000");
    }

    #[test]
    fn what_is_missing_is_named() {
        for (text, expected) in [
            (WHO, "[nova] username is given without user_domain_id or user_domain_name"),
            ("auth_type = password\n", "[nova] neither username nor user_id is given"),
            ("auth_type = v3kerberos\n", "[nova] auth_type v3kerberos is not supported"),
            (
                "auth_type = token\ntoken = t\nproject_id = p\ndomain_id = d\n",
                "[nova] more than one of project, domain, trust and system_scope is given",
            ),
            ("auth_type = token\ntoken = t\n", "[nova] auth_url is missing"),
        ] {
            assert_eq!(read(text).expect_err(text).to_string(), expected);
        }
    }
}
