//! Cutting tracked connections that are no longer allowed, in the kernel's tracker
//! (`iptables_hybrid`) or that of the switch's datapath (`openvswitch`).
//!
//! Which ones is the data plane's word ([`Deletions`]). Both ways list once and cut what matches.
//! Blocking, for use in `spawn_blocking`.

use std::{
    collections::HashSet,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use neutrino_dataplane::{
    firewall::{
        conntrack::{Connection, Deletions},
        openflow::CT_MARK_INVALID,
    },
    view::HostView,
};
use neutrino_linux::{
    Error as LinuxError, Family,
    conntrack::{Conntrack, Entry},
};
use neutrino_types::ip_protocol;

use crate::unixctl::{Unixctl, UnixctlError, switch_socket};

/// When cut connections are looked for the first time; each pause is twice as long as the last.
const FIRST_LOOK: Duration = Duration::from_millis(25);
/// How often: half a minute in all.
const LOOKS: u32 = 10;
/// Where ovs-vswitchd runs unless told otherwise.
const RUN_DIRECTORY: &str = "/var/run/openvswitch";

/// What the openvswitch firewall leaves to be done in the switch's tracker.
#[derive(Clone, Debug, Default)]
pub struct Cuts {
    /// Whatever their mark.
    pub left: Deletions,
    /// Those marked as not allowed.
    pub marked: Deletions,
}

impl Cuts {
    /// What the change between two views leaves. Zones are local VLANs.
    #[must_use]
    pub fn between(old: &HostView, new: &HostView) -> Self {
        let zone = |port: &neutrino_dataplane::view::Port| port.vlan;
        Self { left: Deletions::left(old, new, zone), marked: Deletions::regained(old, new, zone) }
    }

    fn is_empty(&self) -> bool {
        self.left.is_empty() && self.marked.is_empty()
    }

    fn hits(&self, connection: &Connection, mark: u32) -> bool {
        self.left.hits(connection) || mark == CT_MARK_INVALID && self.marked.hits(connection)
    }
}

/// Keeps the tracker of the switch in step with the openvswitch firewall.
#[derive(Debug)]
pub struct Tracker {
    run_directory: PathBuf,
    /// What the flows were last made of.
    view: Option<Arc<HostView>>,
}

impl Tracker {
    /// Nothing known yet; `ovsdb_connection` may say where Open vSwitch runs.
    #[must_use]
    pub fn new(ovsdb_connection: &str) -> Self {
        let socket = ovsdb_connection.strip_prefix("unix:").map(Path::new);
        let run_directory = socket.and_then(Path::parent).unwrap_or(Path::new(RUN_DIRECTORY));
        Self { run_directory: run_directory.to_path_buf(), view: None }
    }

    /// Takes note that the flows are made of `view` and cuts what that leaves. A failure is
    /// logged only: the firewall itself is as it should be, and connections end.
    pub async fn sync(&mut self, view: &Arc<HostView>) {
        if self.view.as_ref().is_some_and(|old| old.filters_as(view)) {
            return;
        }
        let cuts = self.view.as_ref().map(|old| Cuts::between(old, view)).unwrap_or_default();
        self.view = Some(Arc::clone(view));
        if cuts.is_empty() {
            return;
        }
        let run_directory = self.run_directory.clone();
        let done = tokio::task::spawn_blocking(move || {
            let mut switch = Unixctl::connect(&switch_socket(&run_directory)?)?;
            cut_in_switch(&mut switch, &cuts)
        });
        match done.await {
            Ok(Ok(0)) => {}
            Ok(Ok(connections)) => tracing::info!(connections, "connections cut"),
            Ok(Err(error)) => tracing::warn!(%error, "connections are left to their timeout"),
            // The agent stops.
            Err(_) => {}
        }
    }
}

/// Cuts connections in the kernel's tracker of this network namespace; those that were cut.
///
/// # Errors
/// When the kernel refuses to list or cut.
pub fn cut_in_kernel(deletions: &Deletions) -> Result<Vec<Entry>, LinuxError> {
    if deletions.is_empty() {
        return Ok(Vec::new());
    }
    cut_those(|entry| {
        let connection = Connection {
            zone: entry.zone,
            protocol: entry.protocol,
            source: entry.source,
            destination: entry.destination,
        };
        deletions.hits(&connection)
    })
}

fn cut_those(mut hits: impl FnMut(&Entry) -> bool) -> Result<Vec<Entry>, LinuxError> {
    let mut conntrack = Conntrack::open()?;
    let mut cut = Vec::new();
    for family in [Family::V4, Family::V6] {
        for entry in conntrack.list(family)? {
            if hits(&entry) && conntrack.delete(&entry)? {
                cut.push(entry);
            }
        }
    }
    Ok(cut)
}

/// Keeps connections cut in the kernel's tracker. An answer that was under way when its connection
/// was cut leaves the instance as a new one, if it may send, and then both directions pass again.
/// Looks for such connections for half a minute and cuts them too: one on which both sides talk in
/// turn ends, one on which the instance itself never stops sending does not.
pub async fn keep_cut(connections: Vec<Entry>) {
    let connections = Arc::new(connections);
    let mut pause = FIRST_LOOK;
    for _ in 0..LOOKS {
        tokio::time::sleep(pause).await;
        pause *= 2;
        let connections = Arc::clone(&connections);
        let look = move || {
            let answers: HashSet<_> = connections.iter().map(Entry::answer_key).collect();
            cut_those(|entry| answers.contains(&entry.key()))
        };
        match tokio::task::spawn_blocking(look).await {
            Ok(Ok(cut)) if cut.is_empty() => {}
            Ok(Ok(cut)) => tracing::info!(connections = cut.len(), "connections cut again"),
            Ok(Err(error)) => tracing::warn!(%error, "cut connections may come back"),
            // The agent stops.
            Err(_) => return,
        }
    }
}

/// Cuts connections in the tracker of the switch's datapath, be it the kernel's or its own; how
/// many were cut.
///
/// ICMPv6 is left to the firewall's flows and to its timeout: ovs-vswitchd 3.1 aborts when it is
/// told to forget such a connection, also when a condition without protocol meets one. That is
/// why nothing is ever cut by less than the whole tuple.
///
/// # Errors
/// When the switch cannot be asked or refuses.
pub fn cut_in_switch(switch: &mut Unixctl, cuts: &Cuts) -> Result<usize, UnixctlError> {
    if cuts.is_empty() {
        return Ok(0);
    }
    let mut cut = 0;
    let datapaths = switch.run("dpctl/dump-dps", &[])?;
    let datapaths: Vec<&str> = datapaths.lines().collect();
    for datapath in &datapaths {
        // Named only where there is a choice: 3.1 does not understand every name it prints.
        let named = &[*datapath][..usize::from(datapaths.len() > 1)];
        let dump = switch.run("dpctl/dump-conntrack", named)?;
        for tracked in dump.lines().filter_map(Tracked::parse) {
            let Connection { zone, protocol, .. } = tracked.connection;
            if protocol == ip_protocol::IPV6_ICMP || !cuts.hits(&tracked.connection, tracked.mark) {
                continue;
            }
            let zone = format!("zone={zone}");
            let arguments = [named, &[&zone, &tracked.tuple]].concat();
            match switch.run("dpctl/flush-conntrack", &arguments) {
                Ok(_) => cut += 1,
                // It ended by itself meanwhile.
                Err(UnixctlError::Refused { reason, .. })
                    if reason.contains("No such file or directory") => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(cut)
}

/// A line of `dpctl/dump-conntrack`.
struct Tracked {
    connection: Connection,
    mark: u32,
    /// What `dpctl/flush-conntrack` calls it.
    tuple: String,
}

impl Tracked {
    /// None for what is not understood.
    fn parse(line: &str) -> Option<Self> {
        let (protocol, rest) = line.split_once(",orig=(")?;
        let (original, rest) = rest.split_once(')')?;
        let protocol = ip_protocol::number(protocol)?;
        let field = |name: &str| {
            original.split(',').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
        };
        let source: IpAddr = field("src")?.parse().ok()?;
        let destination: IpAddr = field("dst")?.parse().ok()?;
        let zone = rest.split(',').find_map(|pair| pair.strip_prefix("zone="));
        let zone = zone.map_or(Some(0), |zone| zone.parse().ok())?;
        let mark = rest.split(',').find_map(|pair| pair.strip_prefix("mark="));
        let mark = mark.map_or(Some(0), |mark| mark.parse().ok())?;
        let version = if source.is_ipv4() { "nw" } else { "ipv6" };
        let mut tuple = format!(
            "ct_{version}_src={source},ct_{version}_dst={destination},ct_nw_proto={protocol}"
        );
        let more = [
            ("sport", "ct_tp_src"),
            ("dport", "ct_tp_dst"),
            ("type", "icmp_type"),
            ("code", "icmp_code"),
            ("id", "icmp_id"),
        ];
        for (shown, asked) in more {
            if let Some(value) = field(shown) {
                tuple += &format!(",{asked}={value}");
            }
        }
        Some(Self { connection: Connection { zone, protocol, source, destination }, mark, tuple })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_switch_are_read() {
        let line = "icmp,orig=(src=10.0.0.1,dst=10.0.0.2,id=77,type=8,code=0),\
                    reply=(src=10.0.0.2,dst=10.0.0.1,id=77,type=0,code=0),zone=5,mark=1";
        let tracked = Tracked::parse(line).expect("understood");
        assert_eq!(tracked.mark, 1);
        assert_eq!((tracked.connection.zone, tracked.connection.protocol), (5, 1));
        assert_eq!(
            tracked.tuple,
            "ct_nw_src=10.0.0.1,ct_nw_dst=10.0.0.2,ct_nw_proto=1,icmp_type=8,icmp_code=0,icmp_id=77"
        );
        let line = "tcp,orig=(src=2001:db8::1,dst=2001:db8::2,sport=1,dport=2),\
                    reply=(src=2001:db8::2,dst=2001:db8::1,sport=2,dport=1),protoinfo=(state=X)";
        let tracked = Tracked::parse(line).expect("understood");
        assert_eq!(tracked.connection.zone, 0);
        assert!(tracked.tuple.ends_with("ct_nw_proto=6,ct_tp_src=1,ct_tp_dst=2"));
        for bad in ["", "tcp", "tcp,orig=(src=x,dst=y),zone=1", "tcp,orig=(src=10.0.0.1"] {
            assert!(Tracked::parse(bad).is_none(), "{bad:?}");
        }
    }
}
