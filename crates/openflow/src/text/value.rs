//! Field values in text.

use std::{
    fmt::{self, Write as _},
    net::{Ipv4Addr, Ipv6Addr},
};

use neutrino_types::MacAddr;

use super::{ParseError, parse_num, parse_u128};
use crate::{
    field::{Field, Format},
    matching::prefix_mask,
    port::PortName,
};

/// Names of the `ct_state` bits, lowest first.
const CT_STATE: [&str; 8] = ["new", "est", "rel", "rpl", "inv", "trk", "snat", "dnat"];
/// Names of the TCP flags, lowest first.
const TCP_FLAGS: [&str; 12] =
    ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ns", "[200]", "[400]", "[800]"];
/// Fragment kinds: name, value, mask (bit 0: a fragment; bit 1: not the first).
const FRAGS: [(&str, u128, u128); 5] =
    [("no", 0, 3), ("first", 1, 3), ("later", 3, 3), ("yes", 1, 1), ("not_later", 0, 2)];

/// Hexadecimal with `0x`, zero as a bare 0.
pub(super) struct Hex(pub u128);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 { f.write_str("0") } else { write!(f, "{:#x}", self.0) }
    }
}

pub(super) fn mac(value: u128) -> MacAddr {
    let bytes = value.to_be_bytes();
    let mut out = [0; 6];
    out.copy_from_slice(&bytes[10..]);
    MacAddr(out)
}

pub(super) fn ipv4(value: u128) -> Ipv4Addr {
    Ipv4Addr::from((value & 0xffff_ffff) as u32)
}

/// The length of `mask` if it is a netmask of a `bits` wide field.
fn prefix_len(bits: u16, mask: u128) -> Option<u8> {
    let len = u8::try_from(mask.count_ones()).ok()?;
    (prefix_mask(bits, len) == mask).then_some(len)
}

fn write_flags(f: &mut fmt::Formatter<'_>, names: &[&str], value: u128, mask: u128) -> fmt::Result {
    for (bit, name) in names.iter().enumerate() {
        if mask >> bit & 1 == 1 {
            f.write_char(if value >> bit & 1 == 1 { '+' } else { '-' })?;
            f.write_str(name)?;
        }
    }
    Ok(())
}

fn write_flag_list(f: &mut fmt::Formatter<'_>, names: &[&str], value: u128) -> fmt::Result {
    let mut first = true;
    for (bit, name) in names.iter().enumerate() {
        if value >> bit & 1 == 1 {
            if !first {
                f.write_char('|')?;
            }
            first = false;
            f.write_str(name)?;
        }
    }
    if first { f.write_str("0") } else { Ok(()) }
}

/// Displays value and mask of a field as ovs-ofctl does in `set_field` and in a match.
pub(super) struct Masked {
    pub field: Field,
    pub value: u128,
    pub mask: u128,
}

impl fmt::Display for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, value, mask } = *self;
        let info = field.info();
        let full = mask == field.full_mask();
        match info.format {
            Format::Port if full && field == Field::InPort16 => {
                write!(f, "{}", PortName(crate::port::from_u16((value & 0xffff) as u16)))
            }
            Format::Port if full => write!(f, "{}", PortName((value & 0xffff_ffff) as u32)),
            Format::Dec | Format::Port if full => write!(f, "{value}"),
            Format::Dec | Format::Port => write!(f, "{value}/{}", Hex(mask)),
            Format::Hex if full => write!(f, "{}", Hex(value)),
            Format::Hex => write!(f, "{}/{}", Hex(value), Hex(mask)),
            Format::Mac if full => write!(f, "{}", mac(value)),
            Format::Mac => write!(f, "{}/{}", mac(value), mac(mask)),
            Format::Ip4 => match prefix_len(32, mask) {
                Some(32) => write!(f, "{}", ipv4(value)),
                Some(len) => write!(f, "{}/{len}", ipv4(value)),
                None => write!(f, "{}/{}", ipv4(value), ipv4(mask)),
            },
            Format::Ip6 => match prefix_len(128, mask) {
                Some(128) => write!(f, "{}", Ipv6Addr::from(value)),
                Some(len) => write!(f, "{}/{len}", Ipv6Addr::from(value)),
                None => write!(f, "{}/{}", Ipv6Addr::from(value), Ipv6Addr::from(mask)),
            },
            Format::CtState if full => write_flag_list(f, &CT_STATE, value),
            Format::CtState => write_flags(f, &CT_STATE, value, mask),
            Format::TcpFlags if full => write_flag_list(f, &TCP_FLAGS, value),
            Format::TcpFlags => write_flags(f, &TCP_FLAGS, value, mask),
            Format::Frag => {
                let known = FRAGS.iter().find(|(_, v, m)| *v == value && *m == mask);
                f.write_str(known.map_or("<error>", |(name, ..)| name))
            }
        }
    }
}

fn parse_flags(names: &[&str], text: &str) -> Result<(u128, u128), ParseError> {
    let bad = || ParseError::new("unknown flag", text);
    let bit = |name: &str| names.iter().position(|n| *n == name).map(|at| 1u128 << at);
    if text.starts_with(['+', '-']) {
        let (mut value, mut mask) = (0, 0);
        let mut rest = text;
        while let Some(sign) = rest.chars().next() {
            rest = &rest[1..];
            let end = rest.find(['+', '-']).unwrap_or(rest.len());
            let flag = bit(&rest[..end]).ok_or_else(bad)?;
            mask |= flag;
            if sign == '+' {
                value |= flag;
            }
            rest = &rest[end..];
        }
        return Ok((value, mask));
    }
    let all = (1 << names.len()) - 1;
    let mut value = 0;
    for name in text.split('|') {
        value |= match bit(name) {
            Some(flag) => flag,
            None => parse_u128(name).map_err(|_| bad())?,
        };
    }
    Ok((value & all, all))
}

fn parse_single(field: Field, text: &str) -> Result<u128, ParseError> {
    let bad = |what| ParseError::new(what, text);
    match field.info().format {
        Format::Mac => {
            let mac: MacAddr = text.parse().map_err(|_| bad("not a MAC address"))?;
            Ok(mac.0.iter().fold(0, |acc, byte| acc << 8 | u128::from(*byte)))
        }
        Format::Ip4 => {
            let ip: Ipv4Addr = text.parse().map_err(|_| bad("not an IPv4 address"))?;
            Ok(u32::from(ip).into())
        }
        Format::Ip6 => {
            let ip: Ipv6Addr = text.parse().map_err(|_| bad("not an IPv6 address"))?;
            Ok(ip.into())
        }
        Format::Port => crate::port::parse(text).map(u128::from).ok_or_else(|| bad("no such port")),
        _ => parse_u128(text),
    }
}

/// Value and mask of `field` written as `text`.
pub(super) fn parse(field: Field, text: &str) -> Result<(u128, u128), ParseError> {
    let full = field.full_mask();
    match field.info().format {
        Format::CtState => return parse_flags(&CT_STATE, text),
        Format::TcpFlags => return parse_flags(&TCP_FLAGS, text),
        Format::Frag => {
            let known = FRAGS.iter().find(|(name, ..)| *name == text);
            return match known {
                Some((_, value, mask)) => Ok((*value, *mask)),
                None => Err(ParseError::new("unknown fragment kind", text)),
            };
        }
        _ => {}
    }
    let (value, mask) = match text.split_once('/') {
        None => (text, None),
        Some((value, mask)) => (value, Some(mask)),
    };
    let value = parse_single(field, value)?;
    let mask = match (mask, field.info().format) {
        (None, _) => full,
        (Some(mask), Format::Ip4 | Format::Ip6) if mask.bytes().all(|b| b.is_ascii_digit()) => {
            let len: u8 = parse_num(mask)?;
            if u16::from(len) > field.info().bits {
                return Err(ParseError::new("prefix length out of range", text));
            }
            prefix_mask(field.info().bits, len)
        }
        (Some(mask), _) => parse_single(field, mask)?,
    };
    if value > full || mask > full {
        return Err(ParseError::new("value too large for its field", text));
    }
    Ok((value, mask))
}
