//! What a flow matches: a set of field, value and mask, and builders in Neutron's vocabulary.

use std::net::{Ipv4Addr, Ipv6Addr};

use neutrino_types::MacAddr;

use crate::field::{Field, VLAN_PRESENT};

/// EtherType of IPv4.
pub const ETH_IP: u16 = 0x0800;
/// EtherType of ARP.
pub const ETH_ARP: u16 = 0x0806;
/// EtherType of RARP.
pub const ETH_RARP: u16 = 0x8035;
/// EtherType of IPv6.
pub const ETH_IPV6: u16 = 0x86dd;

/// IP protocol numbers this crate has names for.
pub mod proto {
    /// ICMP.
    pub const ICMP: u8 = 1;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// ICMPv6.
    pub const ICMPV6: u8 = 58;
    /// SCTP.
    pub const SCTP: u8 = 132;
}

/// Bits of `ct_state`.
pub mod ct_state {
    /// A packet of a connection not committed yet.
    pub const NEW: u8 = 0x01;
    /// A packet of a committed connection.
    pub const EST: u8 = 0x02;
    /// Related to a committed connection (ICMP errors, data channels).
    pub const REL: u8 = 0x04;
    /// Runs in the reply direction.
    pub const RPL: u8 = 0x08;
    /// The tracker could not make sense of it.
    pub const INV: u8 = 0x10;
    /// Went through the tracker.
    pub const TRK: u8 = 0x20;
}

/// One field of a match; bits outside `mask` are zero in `value`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldMatch {
    /// The field.
    pub field: Field,
    /// Wanted value, right-aligned.
    pub value: u128,
    /// Bits that matter.
    pub mask: u128,
}

/// A match entry this crate has no field for, kept as it came.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RawOxm {
    /// The whole 32-bit header.
    pub header: u32,
    /// Value and mask bytes.
    pub body: Vec<u8>,
}

/// The match of a flow; empty matches every packet.
///
/// Always normalised (ordered, masked, no empty masks), so `==` is equality of meaning. All VLAN
/// constraints live in one field, [`Field::VlanTci`], as in Open vSwitch.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Match {
    fields: Vec<FieldMatch>,
    raw: Vec<RawOxm>,
}

fn mac_value(mac: MacAddr) -> u128 {
    mac.0.iter().fold(0, |acc, byte| acc << 8 | u128::from(*byte))
}

/// Netmask of `len` leading bits in a field of `bits` bits; `len` beyond `bits` means all of it.
pub(crate) fn prefix_mask(bits: u16, len: u8) -> u128 {
    let len = u16::from(len).min(bits);
    let all = if bits >= 128 { u128::MAX } else { (1u128 << bits) - 1 };
    if len == 0 { 0 } else { all & !(all.checked_shr(u32::from(len)).unwrap_or(0)) }
}

impl Match {
    /// Matches everything.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The fields, in wire order.
    #[must_use]
    pub fn fields(&self) -> &[FieldMatch] {
        &self.fields
    }

    /// Entries of fields unknown to this crate.
    #[must_use]
    pub fn raw(&self) -> &[RawOxm] {
        &self.raw
    }

    /// Whether every packet matches.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.raw.is_empty()
    }

    /// Value and mask wanted of `field`. VLAN constraints are found under [`Field::VlanTci`].
    #[must_use]
    pub fn get(&self, field: Field) -> Option<(u128, u128)> {
        let at = self.fields.binary_search_by_key(&field, |f| f.field).ok()?;
        self.fields.get(at).map(|f| (f.value, f.mask))
    }

    /// The value wanted of `field` when all its bits are wanted.
    #[must_use]
    pub fn exact(&self, field: Field) -> Option<u128> {
        self.get(field).filter(|(_, mask)| *mask == field.full_mask()).map(|(value, _)| value)
    }

    /// The single VLAN id wanted, if the match asks for one.
    #[must_use]
    pub fn vlan(&self) -> Option<u16> {
        let (value, mask) = self.get(Field::VlanTci)?;
        let wanted = mask & 0x1fff == 0x1fff && value & u128::from(VLAN_PRESENT) != 0;
        wanted.then_some((value & 0xfff) as u16)
    }

    /// Wants `value` under `mask` in `field`; an empty mask removes the field from the match.
    #[must_use]
    pub fn set(mut self, field: Field, value: u128, mask: u128) -> Self {
        self.insert(field, value, mask);
        self
    }

    /// [`Match::set`] in place. The bits of VLAN fields are merged into [`Field::VlanTci`].
    pub fn insert(&mut self, field: Field, value: u128, mask: u128) {
        let present = u128::from(VLAN_PRESENT);
        match field {
            Field::VlanVid => self.merge_vlan(value, mask & 0x1fff, 0x1fff),
            Field::VlanPcp => {
                let mask = if mask & 7 == 0 { 0 } else { 0xe000 | present };
                self.merge_vlan((value & 7) << 13 | present, mask, 0xe000);
            }
            // One representation of the ingress port, whichever width it came in.
            Field::InPort16 => {
                let port = crate::port::from_u16((value & 0xffff) as u16);
                self.put(Field::InPort, u128::from(port), Field::InPort.full_mask());
            }
            _ => self.put(field, value, mask),
        }
    }

    fn merge_vlan(&mut self, value: u128, mask: u128, replaces: u128) {
        let (old_value, old_mask) = self.get(Field::VlanTci).unwrap_or((0, 0));
        let mask_out = (old_mask & !replaces) | mask;
        self.put(Field::VlanTci, (old_value & !mask) | (value & mask), mask_out);
    }

    fn put(&mut self, field: Field, value: u128, mask: u128) {
        let mask = mask & field.full_mask();
        let entry = FieldMatch { field, value: value & mask, mask };
        match self.fields.binary_search_by_key(&field, |f| f.field) {
            Ok(at) if mask == 0 => {
                self.fields.remove(at);
            }
            Ok(at) => self.fields[at] = entry,
            Err(_) if mask == 0 => {}
            Err(at) => self.fields.insert(at, entry),
        }
    }

    /// Adds an entry of an unknown field.
    pub fn push_raw(&mut self, raw: RawOxm) {
        let at = self.raw.partition_point(|other| *other < raw);
        self.raw.insert(at, raw);
    }

    fn all(self, field: Field, value: u128) -> Self {
        self.set(field, value, field.full_mask())
    }

    /// Ingress port.
    #[must_use]
    pub fn in_port(self, port: u32) -> Self {
        self.all(Field::InPort, u128::from(port))
    }

    /// Tagged with this VLAN (`dl_vlan=vid`).
    #[must_use]
    pub fn dl_vlan(self, vid: u16) -> Self {
        self.set(Field::VlanVid, u128::from(vid | VLAN_PRESENT), 0x1fff)
    }

    /// Without a VLAN tag (`vlan_tci=0x0000/0x1fff`).
    #[must_use]
    pub fn untagged(self) -> Self {
        self.set(Field::VlanVid, 0, 0x1fff)
    }

    /// With any VLAN tag (`vlan_tci=0x1000/0x1000`).
    #[must_use]
    pub fn tagged(self) -> Self {
        self.set(Field::VlanVid, VLAN_PRESENT.into(), VLAN_PRESENT.into())
    }

    /// Ethernet type.
    #[must_use]
    pub fn eth_type(self, ethertype: u16) -> Self {
        self.all(Field::EthType, u128::from(ethertype))
    }

    /// Ethernet destination.
    #[must_use]
    pub fn eth_dst(self, mac: MacAddr) -> Self {
        self.all(Field::EthDst, mac_value(mac))
    }

    /// Ethernet destination under a mask.
    #[must_use]
    pub fn eth_dst_masked(self, mac: MacAddr, mask: MacAddr) -> Self {
        self.set(Field::EthDst, mac_value(mac), mac_value(mask))
    }

    /// Unicast Ethernet destinations (`dl_dst=00:.../01:00:00:00:00:00`).
    #[must_use]
    pub fn unicast(self) -> Self {
        self.set(Field::EthDst, 0, 1 << 40)
    }

    /// Broadcast and multicast Ethernet destinations (`dl_dst=01:.../01:00:00:00:00:00`).
    #[must_use]
    pub fn multicast(self) -> Self {
        self.set(Field::EthDst, 1 << 40, 1 << 40)
    }

    /// Ethernet source.
    #[must_use]
    pub fn eth_src(self, mac: MacAddr) -> Self {
        self.all(Field::EthSrc, mac_value(mac))
    }

    /// ARP packets.
    #[must_use]
    pub fn arp(self) -> Self {
        self.eth_type(ETH_ARP)
    }

    /// IPv4 packets.
    #[must_use]
    pub fn ipv4(self) -> Self {
        self.eth_type(ETH_IP)
    }

    /// IPv6 packets.
    #[must_use]
    pub fn ipv6(self) -> Self {
        self.eth_type(ETH_IPV6)
    }

    /// ARP operation; call [`Match::arp`] too.
    #[must_use]
    pub fn arp_op(self, op: u16) -> Self {
        self.all(Field::ArpOp, u128::from(op))
    }

    /// ARP sender address in a network; call [`Match::arp`] too.
    #[must_use]
    pub fn arp_spa(self, ip: Ipv4Addr, prefix_len: u8) -> Self {
        self.set(Field::ArpSpa, u32::from(ip).into(), prefix_mask(32, prefix_len))
    }

    /// ARP target address; call [`Match::arp`] too.
    #[must_use]
    pub fn arp_tpa(self, ip: Ipv4Addr) -> Self {
        self.all(Field::ArpTpa, u32::from(ip).into())
    }

    /// ARP target MAC; call [`Match::arp`] too.
    #[must_use]
    pub fn arp_tha(self, mac: MacAddr) -> Self {
        self.all(Field::ArpTha, mac_value(mac))
    }

    /// IP protocol; call [`Match::ipv4`] or [`Match::ipv6`] too.
    #[must_use]
    pub fn ip_proto(self, proto: u8) -> Self {
        self.all(Field::IpProto, u128::from(proto))
    }

    /// IPv4 source in a network; call [`Match::ipv4`] too.
    #[must_use]
    pub fn ipv4_src(self, ip: Ipv4Addr, prefix_len: u8) -> Self {
        self.set(Field::Ipv4Src, u32::from(ip).into(), prefix_mask(32, prefix_len))
    }

    /// IPv4 destination in a network; call [`Match::ipv4`] too.
    #[must_use]
    pub fn ipv4_dst(self, ip: Ipv4Addr, prefix_len: u8) -> Self {
        self.set(Field::Ipv4Dst, u32::from(ip).into(), prefix_mask(32, prefix_len))
    }

    /// IPv6 source in a network; call [`Match::ipv6`] too.
    #[must_use]
    pub fn ipv6_src(self, ip: Ipv6Addr, prefix_len: u8) -> Self {
        self.set(Field::Ipv6Src, ip.into(), prefix_mask(128, prefix_len))
    }

    /// IPv6 destination in a network; call [`Match::ipv6`] too.
    #[must_use]
    pub fn ipv6_dst(self, ip: Ipv6Addr, prefix_len: u8) -> Self {
        self.set(Field::Ipv6Dst, ip.into(), prefix_mask(128, prefix_len))
    }

    /// ICMPv6 of this type (sets the Ethernet type and protocol as well).
    #[must_use]
    pub fn icmpv6_type(self, kind: u8) -> Self {
        self.ipv6().ip_proto(proto::ICMPV6).all(Field::Icmpv6Type, u128::from(kind))
    }

    /// Neighbour discovery target in a network; call [`Match::icmpv6_type`] with 135 or 136 too.
    #[must_use]
    pub fn nd_target(self, ip: Ipv6Addr, prefix_len: u8) -> Self {
        self.set(Field::NdTarget, ip.into(), prefix_mask(128, prefix_len))
    }

    /// Tunnel key (VNI or GRE key).
    #[must_use]
    pub fn tun_id(self, id: u64) -> Self {
        self.all(Field::TunId, u128::from(id))
    }

    /// Register `n` as a whole.
    #[must_use]
    pub fn reg(self, n: u8, value: u32) -> Self {
        self.all(Field::reg(n), u128::from(value))
    }

    /// Connection state: the bits of `set` (see [`ct_state`]) are on, those of `clear` are off.
    #[must_use]
    pub fn ct_state(self, set: u8, clear: u8) -> Self {
        self.set(Field::CtState, set.into(), (set | clear).into())
    }

    /// Connection tracking zone.
    #[must_use]
    pub fn ct_zone(self, zone: u16) -> Self {
        self.all(Field::CtZone, zone.into())
    }

    /// Connection mark.
    #[must_use]
    pub fn ct_mark(self, mark: u32) -> Self {
        self.all(Field::CtMark, mark.into())
    }

    /// Id of a satisfied conjunction.
    #[must_use]
    pub fn conj_id(self, id: u32) -> Self {
        self.all(Field::ConjId, id.into())
    }

    /// UDP between these ports; call [`Match::ipv4`] or [`Match::ipv6`] too.
    #[must_use]
    pub fn udp(self, source: u16, destination: u16) -> Self {
        self.ip_proto(proto::UDP)
            .all(Field::UdpSrc, source.into())
            .all(Field::UdpDst, destination.into())
    }

    /// Metadata.
    #[must_use]
    pub fn metadata(self, value: u64) -> Self {
        self.all(Field::Metadata, u128::from(value))
    }

    /// Packet mark.
    #[must_use]
    pub fn pkt_mark(self, value: u32) -> Self {
        self.all(Field::PktMark, u128::from(value))
    }
}
