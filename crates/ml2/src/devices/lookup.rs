//! From a device as an agent names it to a port id.

use std::collections::HashMap;

use neutrino_db::{Conn, DbResult};
use neutrino_types::{MacAddr, is_uuid};

use super::on_host;
use crate::models::port::{ids_with_macs, ids_with_prefix};

/// Prefixes of interface names; what follows is the beginning of a port id.
const INTERFACE_PREFIXES: [&str; 9] =
    ["tap", "qvb", "qvo", "qr-", "qg-", "sg-", "rfp-", "fpr-", "fg-"];

/// Beginnings of ids asked for in one statement: each is a condition of its own, and the depth of a
/// statement is bounded. Agents name 20 devices at a time.
const BEGINNINGS_AT_ONCE: usize = 200;

/// A device name, understood.
#[derive(Debug, PartialEq, Eq)]
enum Name<'a> {
    Full(&'a str),
    Beginning(&'a str),
    Mac(MacAddr),
    Nonsense,
}

fn understand(device: &str) -> Name<'_> {
    let name =
        INTERFACE_PREFIXES.iter().find_map(|prefix| device.strip_prefix(prefix)).unwrap_or(device);
    if name.len() == 36 && is_uuid(name) {
        return Name::Full(name);
    }
    if let Ok(mac) = name.parse() {
        return Name::Mac(mac);
    }
    let is_beginning = name.len() >= 8
        && name.len() < 36
        && name.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    if is_beginning { Name::Beginning(name) } else { Name::Nonsense }
}

/// The port ids of `devices`; those that name no port, or more than one, are left out. One
/// statement for every [`BEGINNINGS_AT_ONCE`] beginnings, at most two for MACs.
pub(super) async fn port_ids(
    conn: &Conn,
    devices: &[String],
    host: Option<&str>,
) -> DbResult<HashMap<String, String>> {
    let mut out = HashMap::with_capacity(devices.len());
    let mut beginnings: Vec<(&str, &str)> = Vec::new();
    let mut macs: Vec<(&str, String)> = Vec::new();
    for device in devices {
        match understand(device) {
            Name::Full(id) => {
                out.insert(device.clone(), id.to_string());
            }
            Name::Beginning(part) => beginnings.push((device, part)),
            Name::Mac(mac) => macs.push((device, mac.to_string())),
            Name::Nonsense => tracing::debug!(device, "a device that names no port"),
        }
    }
    if !beginnings.is_empty() {
        let parts: Vec<&str> = beginnings.iter().map(|(_, part)| *part).collect();
        let mut ids = Vec::with_capacity(parts.len());
        for some in parts.chunks(BEGINNINGS_AT_ONCE) {
            ids.extend(conn.fetch_map(&ids_with_prefix(some), |r| r.text(0)).await?);
        }
        ids.sort_unstable();
        for (device, part) in beginnings {
            let from = ids.partition_point(|id| id.as_str() < part);
            let mut matching = ids[from..].iter().take_while(|id| id.starts_with(part));
            match (matching.next(), matching.next()) {
                (Some(id), None) => {
                    out.insert(device.to_string(), id.clone());
                }
                (Some(_), Some(_)) => {
                    tracing::error!(device, "several ports have an id that begins so");
                }
                (None, _) => tracing::debug!(device, "no port has an id that begins so"),
            }
        }
    }
    if !macs.is_empty() {
        by_mac(conn, &macs, host, &mut out).await?;
    }
    Ok(out)
}

async fn by_mac(
    conn: &Conn,
    macs: &[(&str, String)],
    host: Option<&str>,
    out: &mut HashMap<String, String>,
) -> DbResult<()> {
    let wanted: Vec<&str> = macs.iter().map(|(_, mac)| mac.as_str()).collect();
    let rows = conn.fetch_map(&ids_with_macs(&wanted), |r| (r.text(0), r.text(1))).await?;
    let mut by_mac: HashMap<String, Vec<String>> = HashMap::new();
    for (mac, id) in rows {
        by_mac.entry(mac).or_default().push(id);
    }
    // The same MAC may be on several networks; the agent means the port on its host.
    let shared: Vec<String> =
        by_mac.values().filter(|ids| ids.len() > 1).flatten().cloned().collect();
    let here = match host {
        Some(host) if !shared.is_empty() => on_host(conn, &shared, host).await?,
        _ => Vec::new(),
    };
    for (device, mac) in macs {
        let Some(ids) = by_mac.get(mac) else { continue };
        let id = match ids.as_slice() {
            [one] => Some(one),
            several => {
                let mut local = several.iter().filter(|id| here.contains(id));
                local.next().filter(|_| local.next().is_none())
            }
        };
        match id {
            Some(id) => {
                out.insert((*device).to_string(), id.clone());
            }
            None => tracing::warn!(device, "several ports have this MAC"),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "45737eb9-d013-4ac0-b37b-8b6f16a41778";

    #[test]
    fn every_form_agents_use_is_understood() {
        assert_eq!(understand(ID), Name::Full(ID));
        assert_eq!(understand("45737eb9-d0"), Name::Beginning("45737eb9-d0"));
        assert_eq!(understand("tap45737eb9-d0"), Name::Beginning("45737eb9-d0"));
        let mac = "fa:16:3e:d0:33:1a";
        assert_eq!(understand(mac), Name::Mac(mac.parse().expect("valid")));
        assert_eq!(understand("eth0"), Name::Nonsense);
        assert_eq!(understand(""), Name::Nonsense);
    }

    proptest! {
        #[test]
        fn any_text_is_answered(device in ".{0,50}") {
            let _ = understand(&device);
        }
    }
}
