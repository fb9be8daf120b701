//! The decisions the checks enforce, each with its reason.

use Side::{Agent, DevTool, HostIo, Server, SharedIo, Store, Top, Vocabulary};

/// Where a crate stands. Crates of one side may use each other (cargo refuses cycles).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Plain values and pure functions.
    Vocabulary,
    /// I/O both server and agents do: the message bus, identity.
    SharedIo,
    /// I/O on a host: switch, kernel, other daemons.
    HostIo,
    /// The database.
    Store,
    /// The API server.
    Server,
    /// What runs on every host.
    Agent,
    /// Puts everything together.
    Top,
    /// Used by tests only.
    DevTool,
}

impl Side {
    /// The sides a crate of this side may depend on.
    pub fn may_use(self) -> &'static [Self] {
        match self {
            Vocabulary => &[Vocabulary],
            SharedIo => &[Vocabulary, SharedIo],
            HostIo => &[Vocabulary, HostIo],
            Store => &[Vocabulary, Store],
            Server => &[Vocabulary, SharedIo, Store, Server],
            Agent => &[Vocabulary, SharedIo, HostIo, Agent],
            Top => &[Vocabulary, SharedIo, HostIo, Store, Server, Agent, Top],
            DevTool => &[Vocabulary, HostIo, DevTool],
        }
    }
}

/// The side of one of our crates.
pub fn side(package: &str) -> Option<Side> {
    let name = package.strip_prefix("neutrino-").unwrap_or(package);
    Some(match name {
        "types" | "api-defs" | "conf" | "policy" | "openflow" | "dataplane" => Vocabulary,
        "rpc" | "keystone" => SharedIo,
        "ovsdb" | "ofconn" | "linux" | "service-sandbox" => HostIo,
        "db" | "import" => Store,
        "callbacks" | "ml2" | "services" | "server" => Server,
        "agent" | "agent-ovs" | "agent-dhcp" | "agent-l3" | "agent-metadata" => Agent,
        "lab" | "neutrino" => Top,
        "ovs-sandbox" | "privilege" | "xtask" => DevTool,
        _ => return None,
    })
}

/// Crates whose use would mean that a vocabulary crate does I/O.
pub const DOES_IO: &[&str] =
    &["tokio", "axum", "hyper", "rusqlite", "nix", "netlink-sys", "reqwest", "socket2"];

/// Licences that may be linked into an Apache-2.0 binary.
const LICENCES: &[&str] = &[
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Whether an SPDX expression (or cargo's old `A/B`) leaves a licence we accept: every part of
/// an `AND`, one part of an `OR`.
pub fn licence_accepted(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ").replace(['(', ')'], " ");
    !expression.trim().is_empty()
        && expression
            .split(" AND ")
            .all(|all_of| all_of.split(" OR ").any(|one_of| LICENCES.contains(&one_of.trim())))
}

/// Crates shipped in two versions, and why that is borne.
pub const DUPLICATES: &[(&str, &str)] = &[
    ("getrandom", "ring still uses 0.2, everything else 0.4; both are a few system calls"),
    ("base64", SQLX),
    ("block-buffer", SQLX),
    ("cpufeatures", SQLX),
    ("crypto-common", SQLX),
    ("digest", SQLX),
    ("hashbrown", SQLX),
    ("hashlink", SQLX),
    ("sha2", SQLX),
];

/// Why sqlx may bring its own versions.
const SQLX: &str = "sqlx 0.9 still uses the hashes and maps of last year; small and pure";

/// Crates we decided against.
pub const BANNED: &[(&str, &str)] = &[
    ("openssl-sys", "TLS is rustls with ring: no second C toolchain"),
    ("native-tls", "TLS is rustls with ring: no second C toolchain"),
    ("aws-lc-sys", "TLS is rustls with ring: it builds much faster"),
    ("chrono-tz", "everything is UTC"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licence_expressions() {
        assert!(licence_accepted("MIT OR Apache-2.0"));
        assert!(licence_accepted("MIT/Apache-2.0"));
        assert!(licence_accepted("GPL-3.0 OR MIT"));
        assert!(licence_accepted("Apache-2.0 AND ISC"));
        assert!(licence_accepted("(MIT OR Apache-2.0) AND Unicode-3.0"));
        assert!(!licence_accepted("GPL-3.0"));
        assert!(!licence_accepted("MIT AND GPL-3.0"));
        assert!(!licence_accepted(""));
    }

    #[test]
    fn agents_and_server_do_not_see_each_other() {
        assert!(!Server.may_use().contains(&Agent) && !Server.may_use().contains(&HostIo));
        assert!(!Agent.may_use().contains(&Store) && !Agent.may_use().contains(&Server));
    }
}
