//! The identity file: users, projects, roles and assignments, read once at start.
//!
//! ```toml
//! [[projects]]
//! name = "demo"
//! [[users]]
//! name = "demo"
//! password_hash = "$argon2id$..."
//! project = "demo"                    # default project
//! [[assignments]]
//! user = "demo"
//! project = "demo"
//! roles = ["member"]
//! ```
//!
//! Ids may be given; those left out are derived from kind, domain and name, so that they are the
//! same after every restart. Roles imply lesser roles as Keystone's bootstrap has it
//! (admin > manager > member > reader).

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::password;

/// Why an identity file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The file cannot be read.
    #[error("reading the identity file {path}")]
    Read {
        /// File asked for.
        path: String,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
    /// The text is not the TOML expected.
    #[error("parsing the identity file: {0}")]
    Parse(#[from] toml::de::Error),
    /// A name in the file refers to nothing.
    #[error("identity file: {what} refers to {kind} '{name}', which is not defined")]
    Dangling {
        /// Which entry.
        what: String,
        /// Kind of thing named.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// Two entries share a name or an id.
    #[error("identity file: {kind} '{name}' is defined twice")]
    Duplicate {
        /// Kind of thing.
        kind: &'static str,
        /// Name or id.
        name: String,
    },
    /// A user's password hash is unusable.
    #[error("identity file: user '{user}'")]
    Password {
        /// User name.
        user: String,
        /// Cause.
        #[source]
        source: password::PasswordError,
    },
}

/// Roles that a role brings along, directly.
const IMPLIED: [(&str, &str); 3] =
    [("admin", "manager"), ("manager", "member"), ("member", "reader")];

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    domains: Vec<NamedFile>,
    roles: Vec<NamedFile>,
    projects: Vec<ProjectFile>,
    users: Vec<UserFile>,
    assignments: Vec<AssignmentFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedFile {
    name: String,
    id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProjectFile {
    name: String,
    id: Option<String>,
    domain: Option<String>,
    #[serde(default)]
    description: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct UserFile {
    name: String,
    id: Option<String>,
    domain: Option<String>,
    password_hash: String,
    project: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AssignmentFile {
    user: String,
    project: String,
    roles: Vec<String>,
}

/// A domain or a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
}

/// A project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Id.
    pub id: String,
    /// Name, unique in its domain.
    pub name: String,
    /// Id of its domain.
    pub domain_id: String,
    /// Free text.
    pub description: String,
}

/// A user.
#[derive(Debug, Clone)]
pub struct User {
    /// Id.
    pub id: String,
    /// Name, unique in its domain.
    pub name: String,
    /// Id of its domain.
    pub domain_id: String,
    /// Argon2 PHC string.
    pub password_hash: String,
    /// Id of the project a token is scoped to when none is asked for.
    pub default_project: Option<String>,
}

/// Everything the identity file says, with ids resolved.
#[derive(Debug)]
pub struct Directory {
    /// Domains, `default` first.
    pub domains: Vec<Named>,
    /// Roles.
    pub roles: Vec<Named>,
    /// Projects.
    pub projects: Vec<Project>,
    /// Users.
    pub users: Vec<User>,
    /// (user id, project id) to role names, implied roles included.
    grants: BTreeMap<(String, String), Vec<String>>,
}

impl Directory {
    /// Reads `path`.
    ///
    /// # Errors
    /// [`DirectoryError`] when the file is unreadable or contradicts itself.
    pub fn load(path: &Path) -> Result<Self, DirectoryError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| DirectoryError::Read { path: path.display().to_string(), source })?;
        Self::parse(&text)
    }

    /// Parses the text of an identity file.
    ///
    /// # Errors
    /// As [`Directory::load`].
    pub fn parse(text: &str) -> Result<Self, DirectoryError> {
        let file: File = toml::from_str(text)?;
        let domains = named("domain", &["default"], file.domains)?;
        let roles =
            named("role", &["admin", "manager", "member", "reader", "service"], file.roles)?;
        let mut out = Self {
            domains,
            roles,
            projects: Vec::new(),
            users: Vec::new(),
            grants: BTreeMap::new(),
        };
        for p in file.projects {
            let domain_id = out.domain_of(&format!("project {}", p.name), p.domain.as_deref())?;
            let id = p.id.unwrap_or_else(|| derived_id("project", &domain_id, &p.name));
            if out.project(&id).is_some() || out.project_named(&p.name, &domain_id).is_some() {
                return Err(DirectoryError::Duplicate { kind: "project", name: p.name });
            }
            out.projects.push(Project { id, name: p.name, domain_id, description: p.description });
        }
        for u in file.users {
            out.add_user(u)?;
        }
        for a in file.assignments {
            out.add_assignment(a)?;
        }
        Ok(out)
    }

    fn add_user(&mut self, u: UserFile) -> Result<(), DirectoryError> {
        let what = format!("user {}", u.name);
        let domain_id = self.domain_of(&what, u.domain.as_deref())?;
        let id = u.id.unwrap_or_else(|| derived_id("user", &domain_id, &u.name));
        if self.user(&id).is_some() || self.user_named(&u.name, &domain_id).is_some() {
            return Err(DirectoryError::Duplicate { kind: "user", name: u.name });
        }
        password::check(&u.password_hash)
            .map_err(|source| DirectoryError::Password { user: u.name.clone(), source })?;
        let default_project = match u.project {
            Some(name) => Some(self.resolve_project(&what, &name)?),
            None => None,
        };
        let password_hash = u.password_hash;
        self.users.push(User { id, name: u.name, domain_id, password_hash, default_project });
        Ok(())
    }

    fn add_assignment(&mut self, a: AssignmentFile) -> Result<(), DirectoryError> {
        let user = self
            .users
            .iter()
            .find(|u| u.id == a.user || u.name == a.user)
            .map(|u| u.id.clone())
            .ok_or_else(|| dangling("an assignment", "user", &a.user))?;
        let what = format!("an assignment of {}", a.user);
        let project = self.resolve_project(&what, &a.project)?;
        for role in &a.roles {
            if !self.roles.iter().any(|r| &r.name == role) {
                return Err(dangling(&what, "role", role));
            }
        }
        let grant = self.grants.entry((user, project)).or_default();
        for role in a.roles {
            add_with_implied(grant, &role);
        }
        Ok(())
    }

    fn domain_of(&self, what: &str, name: Option<&str>) -> Result<String, DirectoryError> {
        let name = name.unwrap_or("default");
        self.domain(name)
            .or_else(|| self.domain_named(name))
            .map(|d| d.id.clone())
            .ok_or_else(|| dangling(what, "domain", name))
    }

    fn resolve_project(&self, what: &str, name: &str) -> Result<String, DirectoryError> {
        self.projects
            .iter()
            .find(|p| p.id == name || p.name == name)
            .map(|p| p.id.clone())
            .ok_or_else(|| dangling(what, "project", name))
    }

    /// The domain with this id.
    #[must_use]
    pub fn domain(&self, id: &str) -> Option<&Named> {
        self.domains.iter().find(|d| d.id == id)
    }

    /// The domain with this name; names of domains compare as Keystone's do, ignoring case.
    #[must_use]
    pub fn domain_named(&self, name: &str) -> Option<&Named> {
        self.domains.iter().find(|d| d.name.eq_ignore_ascii_case(name))
    }

    /// The project with this id.
    #[must_use]
    pub fn project(&self, id: &str) -> Option<&Project> {
        self.projects.iter().find(|p| p.id == id)
    }

    /// The project with this name in the domain.
    #[must_use]
    pub fn project_named(&self, name: &str, domain_id: &str) -> Option<&Project> {
        self.projects.iter().find(|p| p.name == name && p.domain_id == domain_id)
    }

    /// The user with this id.
    #[must_use]
    pub fn user(&self, id: &str) -> Option<&User> {
        self.users.iter().find(|u| u.id == id)
    }

    /// The user with this name in the domain.
    #[must_use]
    pub fn user_named(&self, name: &str, domain_id: &str) -> Option<&User> {
        self.users.iter().find(|u| u.name == name && u.domain_id == domain_id)
    }

    /// Role names of the user in the project; empty when there is no assignment.
    #[must_use]
    pub fn roles_of(&self, user_id: &str, project_id: &str) -> &[String] {
        // A tuple of borrowed strings cannot look up a tuple of owned ones.
        self.grants.get(&(user_id.to_string(), project_id.to_string())).map_or(&[], Vec::as_slice)
    }

    /// Every assignment: user id, project id, role names.
    pub fn assignments(&self) -> impl Iterator<Item = (&str, &str, &[String])> {
        self.grants.iter().map(|((u, p), r)| (u.as_str(), p.as_str(), r.as_slice()))
    }
}

fn dangling(what: &str, kind: &'static str, name: &str) -> DirectoryError {
    DirectoryError::Dangling { what: what.to_string(), kind, name: name.to_string() }
}

fn named(
    kind: &'static str,
    builtin: &[&str],
    given: Vec<NamedFile>,
) -> Result<Vec<Named>, DirectoryError> {
    let mut out: Vec<Named> = Vec::new();
    for n in given {
        let id = n.id.unwrap_or_else(|| builtin_id(kind, &n.name));
        if out.iter().any(|o| o.id == id || o.name == n.name) {
            return Err(DirectoryError::Duplicate { kind, name: n.name });
        }
        out.push(Named { id, name: n.name });
    }
    for name in builtin {
        let id = builtin_id(kind, name);
        if !out.iter().any(|o| o.id == id || o.name.eq_ignore_ascii_case(name)) {
            let name = if kind == "domain" { "Default" } else { name };
            out.push(Named { id, name: name.to_string() });
        }
    }
    Ok(out)
}

/// Keystone's default domain has the id `default`; everything else gets a derived id.
fn builtin_id(kind: &str, name: &str) -> String {
    if kind == "domain" && name.eq_ignore_ascii_case("default") {
        "default".to_string()
    } else {
        derived_id(kind, "", name)
    }
}

/// 32 hex digits, as Keystone's ids have, that depend on nothing but the arguments.
fn derived_id(kind: &str, domain: &str, name: &str) -> String {
    let digest = Sha256::digest(format!("{kind}\0{domain}\0{name}"));
    digest.iter().take(16).fold(String::with_capacity(32), |mut out, b| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{b:02x}");
        out
    })
}

fn add_with_implied(grant: &mut Vec<String>, role: &str) {
    let mut role = role;
    loop {
        if !grant.iter().any(|r| r == role) {
            grant.push(role.to_string());
        }
        match IMPLIED.iter().find(|(from, _)| *from == role) {
            Some((_, to)) => role = to,
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(extra: &str) -> String {
        let hash = password::hash_password("secret").expect("hash");
        format!(
            "[[projects]]\nname='demo'\n[[users]]\nname='alice'\npassword_hash='{hash}'\nproject='demo'\n\
             [[assignments]]\nuser='alice'\nproject='demo'\nroles=['member']\n{extra}"
        )
    }

    #[test]
    fn file_resolves_names_and_implied_roles() {
        let d = Directory::parse(&text("")).expect("parses");
        let user = d.user_named("alice", "default").expect("user");
        let project = d.project_named("demo", "default").expect("project");
        assert_eq!(user.default_project.as_deref(), Some(project.id.as_str()));
        assert_eq!(d.roles_of(&user.id, &project.id), ["member", "reader"]);
        assert_eq!(project.id.len(), 32);
        let again = Directory::parse(&text("")).expect("parses");
        assert_eq!(again.projects, d.projects, "ids survive a restart");
    }

    #[test]
    fn contradictions_are_named() {
        for (extra, expected) in [
            ("[[assignments]]\nuser='bob'\nproject='demo'\nroles=[]", "user 'bob'"),
            ("[[assignments]]\nuser='alice'\nproject='x'\nroles=[]", "project 'x'"),
            ("[[assignments]]\nuser='alice'\nproject='demo'\nroles=['boss']", "role 'boss'"),
            ("[[projects]]\nname='demo'", "twice"),
            ("[[users]]\nname='eve'\npassword_hash='plain'", "user 'eve'"),
        ] {
            let err = Directory::parse(&text(extra)).expect_err(extra).to_string();
            assert!(err.contains(expected), "{err}");
        }
    }
}
