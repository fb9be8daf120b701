//! The match fields: width, names, and headers on the wire.
//!
//! One table describes every field; codec, text form and builders all read it. The variants are
//! declared in the order in which Open vSwitch puts fields on the wire, so an ordered match needs
//! no second sort to satisfy the prerequisite rule (a field follows those it depends on).

/// How a field's value is written in text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Decimal number.
    Dec,
    /// `0x` hexadecimal number; zero is a bare `0`.
    Hex,
    /// MAC address.
    Mac,
    /// IPv4 address.
    Ip4,
    /// IPv6 address.
    Ip6,
    /// OpenFlow port.
    Port,
    /// Connection state flags (`+est-rel`).
    CtState,
    /// Fragment kind (`no`, `first`, `later`, ...).
    Frag,
    /// TCP flags (`+syn-ack`).
    TcpFlags,
}

/// Static description of a [`Field`].
#[derive(Debug)]
pub struct FieldInfo {
    /// Name as in `set_field:...->name`.
    pub name: &'static str,
    /// Name as in `load:...->NAME[]`.
    pub nxm_name: &'static str,
    /// Width in bits of the meaningful part.
    pub bits: u16,
    /// Width in bytes on the wire.
    pub bytes: u8,
    /// Text form of the value.
    pub format: Format,
    /// NXM class and field number, where there is one.
    pub nxm: Option<(u16, u8)>,
    /// OXM basic class field number, where there is one.
    pub oxm: Option<u8>,
}

/// OXM class of the basic OpenFlow fields.
pub const CLASS_OXM: u16 = 0x8000;

macro_rules! fields {
    ($($variant:ident $name:literal $nxm_name:literal $bits:literal $bytes:literal $format:ident
       $nxm:expr, $oxm:expr, $doc:literal;)*) => {
        /// A header or metadata field of a packet.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Field {
            $(#[doc = $doc] $variant,)*
        }

        impl Field {
            /// Every field, in wire order.
            pub const ALL: &[Field] = &[$(Field::$variant,)*];

            /// The field's description.
            #[must_use]
            pub const fn info(self) -> &'static FieldInfo {
                match self {
                    $(Field::$variant => &FieldInfo {
                        name: $name, nxm_name: $nxm_name, bits: $bits, bytes: $bytes,
                        format: Format::$format, nxm: $nxm, oxm: $oxm,
                    },)*
                }
            }
        }
    };
}

fields! {
    ConjId "conj_id" "NXM_NX_CONJ_ID" 32 4 Dec Some((1, 37)), None, "Id of a satisfied conjunction.";
    InPort "in_port_oxm" "OXM_OF_IN_PORT" 32 4 Port None, Some(0), "Ingress port.";
    InPort16 "in_port" "NXM_OF_IN_PORT" 16 2 Port Some((0, 0)), None, "Ingress port, 16-bit form (only as a source of move and learn).";
    EthSrc "eth_src" "NXM_OF_ETH_SRC" 48 6 Mac Some((0, 2)), Some(4), "Ethernet source.";
    EthDst "eth_dst" "NXM_OF_ETH_DST" 48 6 Mac Some((0, 1)), Some(3), "Ethernet destination.";
    EthType "eth_type" "NXM_OF_ETH_TYPE" 16 2 Hex Some((0, 3)), Some(5), "Ethernet type.";
    VlanTci "vlan_tci" "NXM_OF_VLAN_TCI" 16 2 Hex Some((0, 4)), None, "VLAN tag with the present bit 0x1000; a match keeps all VLAN fields in it.";
    VlanVid "vlan_vid" "OXM_OF_VLAN_VID" 12 2 Dec None, Some(6), "VLAN id with the present bit 0x1000.";
    VlanPcp "vlan_pcp" "OXM_OF_VLAN_PCP" 3 1 Dec None, Some(7), "VLAN priority.";
    Ipv4Src "ip_src" "NXM_OF_IP_SRC" 32 4 Ip4 Some((0, 7)), Some(11), "IPv4 source.";
    Ipv4Dst "ip_dst" "NXM_OF_IP_DST" 32 4 Ip4 Some((0, 8)), Some(12), "IPv4 destination.";
    Ipv6Src "ipv6_src" "NXM_NX_IPV6_SRC" 128 16 Ip6 Some((1, 19)), Some(26), "IPv6 source.";
    Ipv6Dst "ipv6_dst" "NXM_NX_IPV6_DST" 128 16 Ip6 Some((1, 20)), Some(27), "IPv6 destination.";
    IpFrag "ip_frag" "NXM_NX_IP_FRAG" 2 1 Frag Some((1, 26)), None, "Fragment kind.";
    IpDscp "ip_dscp" "OXM_OF_IP_DSCP" 6 1 Dec None, Some(8), "DSCP.";
    IpEcn "nw_ecn" "NXM_NX_IP_ECN" 2 1 Dec Some((1, 28)), Some(9), "ECN.";
    IpTtl "nw_ttl" "NXM_NX_IP_TTL" 8 1 Dec Some((1, 29)), None, "TTL or hop limit.";
    Ipv6Label "ipv6_label" "NXM_NX_IPV6_LABEL" 20 4 Hex Some((1, 27)), Some(28), "IPv6 flow label.";
    IpProto "nw_proto" "NXM_OF_IP_PROTO" 8 1 Dec Some((0, 6)), Some(10), "IP protocol.";
    TcpSrc "tcp_src" "NXM_OF_TCP_SRC" 16 2 Dec Some((0, 9)), Some(13), "TCP source port.";
    TcpDst "tcp_dst" "NXM_OF_TCP_DST" 16 2 Dec Some((0, 10)), Some(14), "TCP destination port.";
    TcpFlags "tcp_flags" "NXM_NX_TCP_FLAGS" 12 2 TcpFlags Some((1, 34)), None, "TCP flags.";
    UdpSrc "udp_src" "NXM_OF_UDP_SRC" 16 2 Dec Some((0, 11)), Some(15), "UDP source port.";
    UdpDst "udp_dst" "NXM_OF_UDP_DST" 16 2 Dec Some((0, 12)), Some(16), "UDP destination port.";
    SctpSrc "sctp_src" "OXM_OF_SCTP_SRC" 16 2 Dec None, Some(17), "SCTP source port.";
    SctpDst "sctp_dst" "OXM_OF_SCTP_DST" 16 2 Dec None, Some(18), "SCTP destination port.";
    Icmpv4Type "icmp_type" "NXM_OF_ICMP_TYPE" 8 1 Dec Some((0, 13)), Some(19), "ICMP type.";
    Icmpv4Code "icmp_code" "NXM_OF_ICMP_CODE" 8 1 Dec Some((0, 14)), Some(20), "ICMP code.";
    Icmpv6Type "icmpv6_type" "NXM_NX_ICMPV6_TYPE" 8 1 Dec Some((1, 21)), Some(29), "ICMPv6 type.";
    Icmpv6Code "icmpv6_code" "NXM_NX_ICMPV6_CODE" 8 1 Dec Some((1, 22)), Some(30), "ICMPv6 code.";
    NdTarget "nd_target" "NXM_NX_ND_TARGET" 128 16 Ip6 Some((1, 23)), Some(31), "Neighbour discovery target.";
    NdSll "nd_sll" "NXM_NX_ND_SLL" 48 6 Mac Some((1, 24)), Some(32), "Neighbour discovery source link-layer address.";
    NdTll "nd_tll" "NXM_NX_ND_TLL" 48 6 Mac Some((1, 25)), Some(33), "Neighbour discovery target link-layer address.";
    ArpOp "arp_op" "NXM_OF_ARP_OP" 16 2 Dec Some((0, 15)), Some(21), "ARP operation.";
    ArpSpa "arp_spa" "NXM_OF_ARP_SPA" 32 4 Ip4 Some((0, 16)), Some(22), "ARP sender IPv4 address.";
    ArpTpa "arp_tpa" "NXM_OF_ARP_TPA" 32 4 Ip4 Some((0, 17)), Some(23), "ARP target IPv4 address.";
    ArpSha "arp_sha" "NXM_NX_ARP_SHA" 48 6 Mac Some((1, 17)), Some(24), "ARP sender MAC.";
    ArpTha "arp_tha" "NXM_NX_ARP_THA" 48 6 Mac Some((1, 18)), Some(25), "ARP target MAC.";
    TunId "tun_id" "NXM_NX_TUN_ID" 64 8 Hex Some((1, 16)), Some(38), "Tunnel key (VNI).";
    TunSrc "tun_src" "NXM_NX_TUN_IPV4_SRC" 32 4 Ip4 Some((1, 31)), None, "Outer IPv4 source.";
    TunDst "tun_dst" "NXM_NX_TUN_IPV4_DST" 32 4 Ip4 Some((1, 32)), None, "Outer IPv4 destination.";
    TunIpv6Src "tun_ipv6_src" "NXM_NX_TUN_IPV6_SRC" 128 16 Ip6 Some((1, 109)), None, "Outer IPv6 source.";
    TunIpv6Dst "tun_ipv6_dst" "NXM_NX_TUN_IPV6_DST" 128 16 Ip6 Some((1, 110)), None, "Outer IPv6 destination.";
    Reg0 "reg0" "NXM_NX_REG0" 32 4 Hex Some((1, 0)), None, "Register 0.";
    Reg1 "reg1" "NXM_NX_REG1" 32 4 Hex Some((1, 1)), None, "Register 1.";
    Reg2 "reg2" "NXM_NX_REG2" 32 4 Hex Some((1, 2)), None, "Register 2.";
    Reg3 "reg3" "NXM_NX_REG3" 32 4 Hex Some((1, 3)), None, "Register 3.";
    Reg4 "reg4" "NXM_NX_REG4" 32 4 Hex Some((1, 4)), None, "Register 4.";
    Reg5 "reg5" "NXM_NX_REG5" 32 4 Hex Some((1, 5)), None, "Register 5 (ofport, in Neutron's firewall).";
    Reg6 "reg6" "NXM_NX_REG6" 32 4 Hex Some((1, 6)), None, "Register 6 (local VLAN, in Neutron's firewall).";
    Reg7 "reg7" "NXM_NX_REG7" 32 4 Hex Some((1, 7)), None, "Register 7 (conjunction id, in Neutron's firewall).";
    Reg8 "reg8" "NXM_NX_REG8" 32 4 Hex Some((1, 8)), None, "Register 8.";
    Reg9 "reg9" "NXM_NX_REG9" 32 4 Hex Some((1, 9)), None, "Register 9.";
    Reg10 "reg10" "NXM_NX_REG10" 32 4 Hex Some((1, 10)), None, "Register 10.";
    Reg11 "reg11" "NXM_NX_REG11" 32 4 Hex Some((1, 11)), None, "Register 11.";
    Reg12 "reg12" "NXM_NX_REG12" 32 4 Hex Some((1, 12)), None, "Register 12.";
    Reg13 "reg13" "NXM_NX_REG13" 32 4 Hex Some((1, 13)), None, "Register 13.";
    Reg14 "reg14" "NXM_NX_REG14" 32 4 Hex Some((1, 14)), None, "Register 14.";
    Reg15 "reg15" "NXM_NX_REG15" 32 4 Hex Some((1, 15)), None, "Register 15.";
    PktMark "pkt_mark" "NXM_NX_PKT_MARK" 32 4 Hex Some((1, 33)), None, "Packet mark (skb mark).";
    CtState "ct_state" "NXM_NX_CT_STATE" 8 4 CtState Some((1, 105)), None, "Connection tracking state.";
    CtZone "ct_zone" "NXM_NX_CT_ZONE" 16 2 Hex Some((1, 106)), None, "Connection tracking zone.";
    CtMark "ct_mark" "NXM_NX_CT_MARK" 32 4 Hex Some((1, 107)), None, "Connection mark.";
    CtLabel "ct_label" "NXM_NX_CT_LABEL" 128 16 Hex Some((1, 108)), None, "Connection label.";
    Metadata "metadata" "OXM_OF_METADATA" 64 8 Hex None, Some(2), "Metadata passed between tables.";
}

/// The registers in order, for [`Field::reg`].
const REGS: [Field; 16] = [
    Field::Reg0,
    Field::Reg1,
    Field::Reg2,
    Field::Reg3,
    Field::Reg4,
    Field::Reg5,
    Field::Reg6,
    Field::Reg7,
    Field::Reg8,
    Field::Reg9,
    Field::Reg10,
    Field::Reg11,
    Field::Reg12,
    Field::Reg13,
    Field::Reg14,
    Field::Reg15,
];

/// The bit of a VLAN tag that says "a tag is present" (the CFI bit's place).
pub const VLAN_PRESENT: u16 = 0x1000;

impl Field {
    /// Register `n`; numbers past 15 wrap, so this never fails.
    #[must_use]
    pub const fn reg(n: u8) -> Self {
        REGS[(n % 16) as usize]
    }

    /// A value with every meaningful bit set. For `vlan_vid` that includes the present bit.
    #[must_use]
    pub const fn full_mask(self) -> u128 {
        match self {
            Self::VlanVid => 0x1fff,
            _ => {
                let bits = self.info().bits;
                if bits >= 128 { u128::MAX } else { (1 << bits) - 1 }
            }
        }
    }

    /// The header that names this field on an OpenFlow 1.3 channel, without mask bit and length.
    #[must_use]
    pub const fn oxm_header(self) -> (u16, u8) {
        let info = self.info();
        match (info.oxm, info.nxm) {
            (Some(number), _) => (CLASS_OXM, number),
            (None, Some(nxm)) => nxm,
            // Every row of the table has one of the two; a test checks it.
            (None, None) => (0, 0),
        }
    }

    /// The header that names this field in Nicira actions, without mask bit and length.
    #[must_use]
    pub const fn nxm_header(self) -> (u16, u8) {
        match self.info().nxm {
            Some(nxm) => nxm,
            None => self.oxm_header(),
        }
    }

    /// The field with this class and number, in either spelling (OXM or NXM).
    #[must_use]
    pub fn from_header(class: u16, number: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|field| {
            let info = field.info();
            if class == CLASS_OXM {
                info.oxm == Some(number)
            } else {
                info.nxm == Some((class, number))
            }
        })
    }

    /// The field ovs-ofctl knows by `name`: its own name, an NXM or OXM name, or a usual alias.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let alias = match name {
            "tunnel_id" | "OXM_OF_TUNNEL_ID" => Some(Self::TunId),
            "dl_src" | "OXM_OF_ETH_SRC" => Some(Self::EthSrc),
            "dl_dst" | "OXM_OF_ETH_DST" => Some(Self::EthDst),
            "dl_type" | "OXM_OF_ETH_TYPE" => Some(Self::EthType),
            "nw_src" | "ipv4_src" | "OXM_OF_IPV4_SRC" => Some(Self::Ipv4Src),
            "nw_dst" | "ipv4_dst" | "OXM_OF_IPV4_DST" => Some(Self::Ipv4Dst),
            "ip_proto" | "OXM_OF_IP_PROTO" => Some(Self::IpProto),
            "ip_ecn" | "OXM_OF_IP_ECN" => Some(Self::IpEcn),
            "nw_frag" => Some(Self::IpFrag),
            "ipv6_flabel" => Some(Self::Ipv6Label),
            "OXM_OF_ARP_OP" => Some(Self::ArpOp),
            "OXM_OF_ARP_SPA" => Some(Self::ArpSpa),
            "OXM_OF_ARP_TPA" => Some(Self::ArpTpa),
            "OXM_OF_ARP_SHA" => Some(Self::ArpSha),
            "OXM_OF_ARP_THA" => Some(Self::ArpTha),
            "OXM_OF_IPV6_SRC" => Some(Self::Ipv6Src),
            "OXM_OF_IPV6_DST" => Some(Self::Ipv6Dst),
            "tp_src" => Some(Self::TcpSrc),
            "tp_dst" => Some(Self::TcpDst),
            _ => None,
        };
        alias.or_else(|| {
            Self::ALL.iter().copied().find(|f| f.info().name == name || f.info().nxm_name == name)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_a_header_and_is_found_by_it() {
        for &field in Field::ALL {
            let info = field.info();
            assert!(info.nxm.is_some() || info.oxm.is_some(), "{field:?}");
            let (class, number) = field.oxm_header();
            assert_eq!(Field::from_header(class, number), Some(field));
            let (class, number) = field.nxm_header();
            assert_eq!(Field::from_header(class, number), Some(field));
            assert_eq!(Field::from_name(info.name), Some(field));
            assert_eq!(Field::from_name(info.nxm_name), Some(field));
            assert!(usize::from(info.bits) <= usize::from(info.bytes) * 8);
        }
    }
}
