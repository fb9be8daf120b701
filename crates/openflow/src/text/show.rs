//! Writes flows and matches as ovs-ofctl does.

use std::fmt::{self, Write as _};

use super::{
    action::write_actions,
    value::{Hex, Masked},
};
use crate::{
    field::{Field, Format},
    flow::{Command, Flow, FlowFlags, FlowMod},
    matching::{ETH_ARP, ETH_IP, ETH_IPV6, ETH_RARP, Match, proto},
    port::{self, PortName},
};

/// Which protocol version's spelling of actions to use.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// As on an OpenFlow 1.3 connection.
    Of13,
    /// As on an OpenFlow 1.0 connection, which plain `ovs-ofctl dump-flows` uses.
    Of10,
}

/// Displays a flow as plain `ovs-ofctl --no-stats dump-flows` (OpenFlow 1.0) prints it.
#[derive(Clone, Copy, Debug)]
pub struct Of10<'a>(pub &'a Flow);

impl fmt::Display for Of10<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_flow(f, self.0, Style::Of10)
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_flow(f, self, Style::Of13)
    }
}

fn write_flow(f: &mut fmt::Formatter<'_>, flow: &Flow, style: Style) -> fmt::Result {
    if flow.cookie != 0 {
        write!(f, "cookie={:#x}, ", flow.cookie)?;
    }
    if flow.table != 0 {
        write!(f, "table={}, ", flow.table)?;
    }
    if flow.idle_timeout != 0 {
        write!(f, "idle_timeout={}, ", flow.idle_timeout)?;
    }
    if flow.hard_timeout != 0 {
        write!(f, "hard_timeout={}, ", flow.hard_timeout)?;
    }
    for (bit, name) in FlowFlags::NAMES {
        if flow.flags.0 & bit != 0 {
            write!(f, "{name} ")?;
        }
    }
    let mut fields = String::new();
    if flow.priority != Flow::DEFAULT_PRIORITY {
        write!(fields, "priority={},", flow.priority)?;
    }
    write_match(&mut fields, &flow.fields)?;
    if let Some(fields) = fields.strip_suffix(',') {
        write!(f, "{fields} ")?;
    }
    f.write_str("actions=")?;
    write_actions(f, &flow.actions, style)
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        write_match(&mut out, self)?;
        f.write_str(out.strip_suffix(',').unwrap_or(&out))
    }
}

impl fmt::Display for FlowMod {
    /// As `ovs-ofctl ofp-print` writes a flow-mod, e.g. `DEL table:4 tun_id=0x1 actions=drop`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.command {
            Command::Add => "ADD ",
            Command::Modify => "MOD ",
            Command::ModifyStrict => "MOD_STRICT ",
            Command::Delete => "DEL ",
            Command::DeleteStrict => "DEL_STRICT ",
        })?;
        if self.cookie_mask != 0 {
            write!(f, "cookie:{:#x}/{:#x} ", self.flow.cookie, self.cookie_mask)?;
        }
        if self.out_port != port::ANY {
            write!(f, "out_port:{} ", PortName(self.out_port))?;
        }
        write_flow(f, &self.flow, Style::Of13)
    }
}

/// The shorthand for Ethernet type and protocol, and which of the two it already says.
fn shorthand(eth_type: Option<u16>, ip_proto: Option<u8>) -> (Option<&'static str>, bool, bool) {
    match (eth_type, ip_proto) {
        (Some(ETH_IP), Some(proto::ICMP)) => (Some("icmp"), true, true),
        (Some(ETH_IP), Some(proto::TCP)) => (Some("tcp"), true, true),
        (Some(ETH_IP), Some(proto::UDP)) => (Some("udp"), true, true),
        (Some(ETH_IP), Some(proto::SCTP)) => (Some("sctp"), true, true),
        (Some(ETH_IP), _) => (Some("ip"), true, false),
        (Some(ETH_IPV6), Some(proto::ICMPV6)) => (Some("icmp6"), true, true),
        (Some(ETH_IPV6), Some(proto::TCP)) => (Some("tcp6"), true, true),
        (Some(ETH_IPV6), Some(proto::UDP)) => (Some("udp6"), true, true),
        (Some(ETH_IPV6), Some(proto::SCTP)) => (Some("sctp6"), true, true),
        (Some(ETH_IPV6), _) => (Some("ipv6"), true, false),
        (Some(ETH_ARP), _) => (Some("arp"), true, false),
        (Some(ETH_RARP), _) => (Some("rarp"), true, false),
        _ => (None, false, false),
    }
}

struct MatchWriter<'a> {
    out: &'a mut String,
    fields: &'a Match,
}

impl MatchWriter<'_> {
    fn put(&mut self, field: Field, name: &str) -> fmt::Result {
        let Some((value, mask)) = self.fields.get(field) else { return Ok(()) };
        let full = mask == field.full_mask();
        match field.info().format {
            // 16-bit numbers are decimal when whole and hexadecimal on both sides of the mask.
            Format::Dec if !full => write!(self.out, "{name}={value:#x}/{mask:#x},"),
            Format::Hex if !full && field != Field::CtLabel => {
                write!(self.out, "{name}={}/{},", Hex(value), Hex(mask))
            }
            Format::CtState | Format::TcpFlags if !full => {
                write!(self.out, "{name}={},", Masked { field, value, mask })
            }
            _ => write!(self.out, "{name}={},", Masked { field, value, mask }),
        }
    }

    fn put_named(&mut self, field: Field) -> fmt::Result {
        self.put(field, field.info().name)
    }

    fn vlan(&mut self) -> fmt::Result {
        let Some((value, mask)) = self.fields.get(Field::VlanTci) else { return Ok(()) };
        let (vid, pcp) = (mask & 0xfff, mask & 0xe000);
        let whole = (vid == 0 || vid == 0xfff) && (pcp == 0 || pcp == 0xe000) && vid | pcp != 0;
        if mask & value & 0x1000 != 0 && whole {
            if vid != 0 {
                write!(self.out, "dl_vlan={},", value & 0xfff)?;
            }
            if pcp != 0 {
                write!(self.out, "dl_vlan_pcp={},", value >> 13)?;
            }
            Ok(())
        } else if mask == 0xffff {
            write!(self.out, "vlan_tci={value:#06x},")
        } else {
            write!(self.out, "vlan_tci={value:#06x}/{mask:#06x},")
        }
    }

    fn zone(&mut self) -> fmt::Result {
        match self.fields.get(Field::CtZone) {
            Some((value, 0xffff)) => write!(self.out, "ct_zone={value},"),
            Some((value, mask)) => write!(self.out, "ct_zone={value:#x}/{mask:#x},"),
            None => Ok(()),
        }
    }
}

/// Writes the fields of a match, each followed by a comma.
fn write_match(out: &mut String, fields: &Match) -> fmt::Result {
    let eth_type = fields.exact(Field::EthType).and_then(|v| u16::try_from(v).ok());
    let ip_proto = fields.exact(Field::IpProto).and_then(|v| u8::try_from(v).ok());
    let (short, says_type, says_proto) = shorthand(eth_type, ip_proto);
    let mut w = MatchWriter { out, fields };
    w.put_named(Field::PktMark)?;
    w.put_named(Field::ConjId)?;
    w.put_named(Field::CtState)?;
    w.zone()?;
    w.put_named(Field::CtMark)?;
    w.put_named(Field::CtLabel)?;
    if let Some(short) = short {
        write!(w.out, "{short},")?;
    }
    for n in 0..16 {
        w.put_named(Field::reg(n))?;
    }
    for field in [Field::TunId, Field::TunSrc, Field::TunDst, Field::TunIpv6Src, Field::TunIpv6Dst]
    {
        w.put_named(field)?;
    }
    w.put_named(Field::Metadata)?;
    w.put(Field::InPort, "in_port")?;
    w.vlan()?;
    w.put(Field::EthSrc, "dl_src")?;
    w.put(Field::EthDst, "dl_dst")?;
    if let (Some(eth_type), false) = (eth_type, says_type) {
        write!(w.out, "dl_type={eth_type:#06x},")?;
    }
    write_l3(&mut w, says_proto)?;
    for field in [Field::TcpSrc, Field::UdpSrc, Field::SctpSrc] {
        w.put(field, "tp_src")?;
    }
    for field in [Field::TcpDst, Field::UdpDst, Field::SctpDst] {
        w.put(field, "tp_dst")?;
    }
    w.put_named(Field::Icmpv4Type)?;
    w.put_named(Field::Icmpv4Code)?;
    w.put(Field::Icmpv6Type, "icmp_type")?;
    w.put(Field::Icmpv6Code, "icmp_code")?;
    w.put_named(Field::NdTarget)?;
    w.put_named(Field::NdSll)?;
    w.put_named(Field::NdTll)?;
    w.put_named(Field::TcpFlags)?;
    for raw in fields.raw() {
        write!(w.out, "oxm:{:#010x}=", raw.header)?;
        for byte in &raw.body {
            write!(w.out, "{byte:02x}")?;
        }
        w.out.push(',');
    }
    Ok(())
}

fn write_l3(w: &mut MatchWriter<'_>, says_proto: bool) -> fmt::Result {
    w.put_named(Field::Ipv6Src)?;
    w.put_named(Field::Ipv6Dst)?;
    if let Some((value, mask)) = w.fields.get(Field::Ipv6Label) {
        write!(w.out, "ipv6_label={value:#07x}")?;
        if mask != Field::Ipv6Label.full_mask() {
            write!(w.out, "/{mask:#07x}")?;
        }
        w.out.push(',');
    }
    w.put(Field::ArpSpa, "arp_spa")?;
    w.put(Field::ArpTpa, "arp_tpa")?;
    w.put(Field::Ipv4Src, "nw_src")?;
    w.put(Field::Ipv4Dst, "nw_dst")?;
    w.put(Field::ArpOp, "arp_op")?;
    if !says_proto {
        w.put(Field::IpProto, "nw_proto")?;
    }
    w.put(Field::ArpSha, "arp_sha")?;
    w.put(Field::ArpTha, "arp_tha")?;
    if let Some((dscp, _)) = w.fields.get(Field::IpDscp) {
        write!(w.out, "nw_tos={},", dscp << 2)?;
    }
    w.put(Field::IpEcn, "nw_ecn")?;
    w.put(Field::IpTtl, "nw_ttl")?;
    w.put(Field::IpFrag, "nw_frag")
}
