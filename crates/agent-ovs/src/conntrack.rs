//! Cutting tracked connections that are no longer allowed.

use neutrino_dataplane::firewall::conntrack::{Connection, Deletions};
use neutrino_linux::{Family, conntrack::Conntrack};

/// Cuts all connections of this network namespace that `deletions` names. Blocks.
///
/// # Errors
/// The kernel refused.
pub fn cut(deletions: &Deletions) -> neutrino_linux::Result<()> {
    if deletions.is_empty() {
        return Ok(());
    }
    let mut tracked = Conntrack::open()?;
    let mut cut = 0_usize;
    for family in [Family::V4, Family::V6] {
        for entry in tracked.list(family)? {
            let connection = Connection {
                zone: entry.zone,
                protocol: entry.protocol,
                source: entry.source,
                destination: entry.destination,
            };
            if deletions.hits(&connection) {
                cut += usize::from(tracked.delete(&entry)?);
            }
        }
    }
    if cut > 0 {
        tracing::info!(connections = cut, "connections cut");
    }
    Ok(())
}
