//! The packet filter of a router's namespaces: marks, metadata, source translation, floating IPs.

use std::net::{IpAddr, Ipv4Addr};

use crate::{
    dhcp::metadata::{METADATA_PORT, METADATA_V4, METADATA_V6},
    firewall::Ethertype,
    iptables::{Kind, Rule, TableName, Tables, Wrap},
};

use super::{
    marks::{Marks, ROUTER_MASK, SCOPE_CHAIN, SCOPE_MASK, Scoped, scope_of},
    names::INTERNAL_PREFIX,
    view::{FloatingIp, Port, Settings},
};

/// What the chains of an L3 agent begin with.
pub const WRAP: &str = "neutron-l3-agent";
/// Both IP versions.
const FAMILIES: [Ethertype; 2] = [Ethertype::V4, Ethertype::V6];
/// Chain of the source addresses of floating IPs.
const FLOAT_SNAT: &str = "float-snat";
/// Chain of all source translation.
const SNAT: &str = "snat";
/// Chain of the scopes of packets to floating IPs.
const FLOATING_IP: &str = "floatingip";

/// The tables of a namespace as they come into being.
#[derive(Clone, Debug)]
pub(super) struct Filter<'a> {
    settings: &'a Settings,
    wrap: Wrap,
    pub v4: Tables,
    pub v6: Option<Tables>,
}

impl<'a> Filter<'a> {
    /// The chains every namespace starts from.
    pub(super) fn new(settings: &'a Settings) -> Self {
        let wrap = Wrap::new(WRAP);
        let tables =
            |family| Tables::standard(&wrap, family, Kind::Nat, settings.comment_iptables_rules);
        let v4 = tables(Ethertype::V4);
        let v6 = settings.ipv6.then(|| tables(Ethertype::V6));
        Self { settings, v4, v6, wrap }
    }

    fn tables(&mut self, family: Ethertype) -> Option<&mut Tables> {
        match family {
            Ethertype::V4 => Some(&mut self.v4),
            Ethertype::V6 => self.v6.as_mut(),
        }
    }

    /// Appends a rule; nothing happens for IPv6 on a host that does not speak it.
    pub(super) fn add(
        &mut self,
        family: Ethertype,
        table: TableName,
        chain: &str,
        matches: impl Into<String>,
        target: impl Into<String>,
    ) {
        if let Some(table) = self.tables(family).and_then(|tables| tables.table(table)) {
            table.add(chain, &Rule::new(matches, target));
        }
    }

    /// Makes a chain exist.
    pub(super) fn add_chain(&mut self, family: Ethertype, table: TableName, chain: &str) {
        if let Some(table) = self.tables(family).and_then(|tables| tables.table(table)) {
            table.add_chain(chain);
        }
    }

    /// The full name of the agent's chain.
    pub(super) fn chain(&self, name: &str) -> String {
        self.wrap.chain(name)
    }

    /// `SNAT` to an address.
    fn source(&self, to: Ipv4Addr) -> String {
        let random = if self.settings.use_random_fully { " --random-fully" } else { "" };
        format!("SNAT --to-source {to}{random}")
    }

    /// Chains and rules that carry the address scope of packets and connections.
    pub(super) fn address_scopes(&mut self) {
        let restore =
            format!("CONNMARK --restore-mark --nfmask {SCOPE_MASK:#x} --ctmask {SCOPE_MASK:#x}");
        let scope = self.chain(SCOPE_CHAIN);
        for family in FAMILIES {
            self.add_chain(family, TableName::Mangle, SCOPE_CHAIN);
            self.add_chain(family, TableName::Filter, SCOPE_CHAIN);
            self.add(family, TableName::Filter, "FORWARD", "", scope.clone());
            self.add(family, TableName::Mangle, "PREROUTING", "", scope.clone());
            let marked = format!("-m connmark ! --mark 0x0/{SCOPE_MASK:#x}");
            self.add(family, TableName::Mangle, "PREROUTING", marked, restore.clone());
        }
        let floating = self.chain(FLOATING_IP);
        self.add_chain(Ethertype::V4, TableName::Mangle, FLOATING_IP);
        self.add(Ethertype::V4, TableName::Mangle, "PREROUTING", "", floating);
        self.add(Ethertype::V4, TableName::Mangle, FLOAT_SNAT, UNMARKED, SAVE_MARK);
    }

    /// Rules that lead requests for metadata to the proxy of the namespace.
    pub(super) fn metadata(&mut self) {
        let Settings { metadata_port, metadata_access_mark, .. } = *self.settings;
        let mark = format!("{metadata_access_mark:#x}/{ROUTER_MASK:#x}");
        for family in FAMILIES {
            let service = match family {
                Ethertype::V4 => IpAddr::from(METADATA_V4),
                Ethertype::V6 => IpAddr::from(METADATA_V6),
            };
            let length = if service.is_ipv4() { 32 } else { 128 };
            let request = format!(
                "-d {service}/{length} -i {INTERNAL_PREFIX}+ -p tcp -m tcp --dport {METADATA_PORT}"
            );
            let marked = format!("MARK --set-xmark {mark}");
            self.add(family, TableName::Mangle, "PREROUTING", request.clone(), marked);
            if !self.settings.enable_metadata_proxy {
                continue;
            }
            self.add(
                family,
                TableName::Filter,
                "INPUT",
                format!("-m mark --mark {mark}"),
                "ACCEPT",
            );
            let direct = format!("-p tcp -m tcp --dport {metadata_port}");
            self.add(family, TableName::Filter, "INPUT", direct, "DROP");
            let proxy = format!("REDIRECT --to-ports {metadata_port}");
            self.add(family, TableName::Nat, "PREROUTING", request, proxy);
        }
    }

    /// Marks packets by the scope of the device they come in by, and drops what would leave by a
    /// device of another scope; `exempt` is a device that IPv4 packets may leave by in any case.
    pub(super) fn scopes(&mut self, devices: &[Scoped<'_>], marks: &Marks, exempt: Option<&str>) {
        for family in FAMILIES {
            for scoped in devices.iter().filter(|scoped| scoped.speaks(family)) {
                let (device, mark) = (&scoped.device, marks.of(scoped.scope(family)));
                let set = format!("MARK --set-xmark {mark}");
                self.add(family, TableName::Mangle, SCOPE_CHAIN, format!("-i {device}"), set);
                if family == Ethertype::V4 && exempt == Some(device) {
                    continue;
                }
                let other = format!("-o {device} -m mark ! --mark {mark}");
                self.add(family, TableName::Filter, SCOPE_CHAIN, other, "DROP");
            }
        }
    }

    /// Source translation at the external port `port` with its `device`.
    pub(super) fn gateway(&mut self, port: &Port, device: &str, snat: bool, marks: &Marks) {
        let v4 = Ethertype::V4;
        if snat {
            let unmarked = format!("-o {device} {UNMARKED}");
            self.add(v4, TableName::Mangle, "POSTROUTING", unmarked, SAVE_MARK);
            if let Some(scope) = scope_of(port, v4) {
                let same = format!("-o {device} -m connmark --mark {}", marks.of(Some(scope)));
                self.add(v4, TableName::Nat, SNAT, same, "ACCEPT");
            }
        }
        let address = port.fixed_ips.iter().find_map(|ip| match ip.ip_address {
            IpAddr::V4(ip) => Some(ip),
            IpAddr::V6(_) => None,
        });
        let Some(address) = address else { return };
        let source = self.source(address);
        if snat {
            self.add(v4, TableName::Nat, SNAT, format!("-o {device}"), source.clone());
        }
        self.spare_internal(device);
        let ingress = format!("{:#x}/{ROUTER_MASK:#x}", self.settings.external_ingress_mark);
        let hairpin = format!("-m mark ! --mark {ingress} -m conntrack --ctstate DNAT");
        self.add(v4, TableName::Nat, SNAT, hairpin, source);
        let mark = format!("MARK --set-xmark {ingress}");
        self.add(v4, TableName::Mangle, "mark", format!("-i {device}"), mark);
    }

    /// What does not leave by `device` keeps its source unless its destination was translated.
    pub(super) fn spare_internal(&mut self, device: &str) {
        let internal = format!("! -o {device} -m conntrack ! --ctstate DNAT");
        self.add(Ethertype::V4, TableName::Nat, "POSTROUTING", internal, "ACCEPT");
    }

    /// No source translation at all.
    pub(super) fn no_source_translation(&mut self) {
        if let Some(nat) = self.v4.table(TableName::Nat) {
            nat.empty_chain(SNAT);
        }
    }

    /// Translation of a floating IP; `from` is the only device packets to it come in by, when
    /// there is one.
    pub(super) fn floating_ip(&mut self, fip: &FloatingIp, from: Option<&str>) {
        let FloatingIp { floating_ip_address: floating, fixed_ip_address: fixed, .. } = fip;
        let nat = TableName::Nat;
        let to = format!("DNAT --to-destination {fixed}");
        let reached = match from {
            Some(device) => format!("-d {floating}/32 -i {device}"),
            None => format!("-d {floating}/32"),
        };
        if from.is_none() {
            self.add(Ethertype::V4, nat, "OUTPUT", reached.clone(), to.clone());
        }
        self.add(Ethertype::V4, nat, "PREROUTING", reached, to);
        let source = self.source(*floating);
        self.add(Ethertype::V4, nat, FLOAT_SNAT, format!("-s {fixed}/32"), source);
    }

    /// Marks of floating IPs that lead from the external port's scope into another one; `from` as
    /// in [`Self::floating_ip`].
    pub(super) fn floating_scopes<'f>(
        &mut self,
        fips: impl Iterator<Item = &'f FloatingIp>,
        external: Option<&str>,
        devices: &[Scoped<'_>],
        marks: &Marks,
        from: Option<&str>,
    ) {
        let (v4, mangle) = (Ethertype::V4, TableName::Mangle);
        let crossing: Vec<&FloatingIp> =
            fips.filter(|fip| fip.fixed_ip_address_scope.as_deref() != external).collect();
        if crossing.is_empty() {
            return;
        }
        let outside = marks.of(external);
        let of_outside =
            |scoped: &&Scoped<'_>| scoped.speaks(v4) && marks.of(scoped.scope(v4)) == outside;
        for scoped in devices.iter().filter(of_outside) {
            let leaving = format!("-o {}", scoped.device);
            self.add(v4, mangle, FLOAT_SNAT, leaving, format!("MARK --set-xmark {outside}"));
        }
        let float_snat = self.chain(FLOAT_SNAT);
        for fip in crossing {
            let inside = marks.of(fip.fixed_ip_address_scope.as_deref());
            let reached = match from {
                Some(device) => format!("-d {}/32 -i {device}", fip.floating_ip_address),
                None => format!("-d {}/32", fip.floating_ip_address),
            };
            self.add(v4, mangle, FLOATING_IP, reached, format!("MARK --set-xmark {inside}"));
            let source = format!("-s {}/32", fip.fixed_ip_address);
            self.add(v4, mangle, "FORWARD", source, float_snat.clone());
        }
    }
}

/// Packets whose connection has no scope yet.
const UNMARKED: &str = "-m connmark --mark 0x0/0xffff0000";
/// Gives the connection the packet's scope.
const SAVE_MARK: &str = "CONNMARK --save-mark --nfmask 0xffff0000 --ctmask 0xffff0000";
