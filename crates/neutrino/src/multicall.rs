//! Neutron's command names, for links to this binary.

use std::{ffi::OsString, path::Path};

/// Command name to the subcommand it stands for.
const COMMANDS: &[(&str, &[&str])] = &[
    ("neutron-server", &["server"]),
    ("neutron-rpc-server", &["rpc-server"]),
    ("neutron-periodic-workers", &["periodic-workers"]),
    ("neutron-openvswitch-agent", &["agent", "openvswitch"]),
    ("neutron-dhcp-agent", &["agent", "dhcp"]),
    ("neutron-l3-agent", &["agent", "l3"]),
    ("neutron-metadata-agent", &["agent", "metadata"]),
    ("neutron-db-manage", &["db"]),
];

/// Replaces the first argument by `neutrino` and, for a known link name, its subcommand.
pub fn rewrite(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut args = args.into_iter();
    let program = args.next().unwrap_or_default();
    let name = Path::new(&program).file_name().and_then(|n| n.to_str()).unwrap_or_default();
    let subcommand = COMMANDS.iter().find(|(link, _)| *link == name).map_or(&[][..], |(_, s)| s);
    std::iter::once(OsString::from("neutrino"))
        .chain(subcommand.iter().map(OsString::from))
        .chain(args)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(args: &[&str]) -> Vec<String> {
        let args = args.iter().map(OsString::from);
        rewrite(args).into_iter().filter_map(|a| a.into_string().ok()).collect()
    }

    #[test]
    fn link_name_selects_subcommand() {
        assert_eq!(
            rewritten(&["/usr/bin/neutron-openvswitch-agent", "--config-file", "a"]),
            ["neutrino", "agent", "openvswitch", "--config-file", "a"]
        );
        assert_eq!(
            rewritten(&["neutron-db-manage", "--subproject", "neutron", "upgrade", "heads"]),
            ["neutrino", "db", "--subproject", "neutron", "upgrade", "heads"]
        );
        assert_eq!(rewritten(&["neutron-rpc-server"]), ["neutrino", "rpc-server"]);
        assert_eq!(rewritten(&["./neutrino", "server"]), ["neutrino", "server"]);
    }
}
