//! Reads actions as ovs-ofctl writes them.

use super::{ParseError, parse_num, parse_u64, parse_u128, split_args, value};
use crate::{
    action::{Action, Ct, CtZone, Learn, LearnSource, LearnSpec, Nat, NatRange, Subfield},
    field::{Field, Format},
    port,
};

/// Deepest nesting of actions within actions; real flows have one level.
const MAX_DEPTH: usize = 4;

/// A comma-separated list of actions; `drop` and nothing are the empty list.
pub(super) fn parse_list(text: &str) -> Result<Vec<Action>, ParseError> {
    parse_nested(text, 0)
}

fn parse_nested(text: &str, depth: usize) -> Result<Vec<Action>, ParseError> {
    if depth > MAX_DEPTH {
        return Err(ParseError::new("actions nested too deeply", text));
    }
    let text = text.trim();
    if text == "drop" {
        return Ok(Vec::new());
    }
    split_args(text).into_iter().map(|part| parse_action(part, depth)).collect()
}

/// Splits `name(args)` or `name:args`; the argument of a bare name is empty.
fn split_name(text: &str) -> (&str, &str) {
    match text.find([':', '(']) {
        Some(at) if text[at..].starts_with('(') => {
            (&text[..at], text[at + 1..].strip_suffix(')').unwrap_or(&text[at + 1..]))
        }
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, ""),
    }
}

fn parse_action(text: &str, depth: usize) -> Result<Action, ParseError> {
    let (name, arg) = split_name(text);
    Ok(match name {
        "output" => match port::parse(arg) {
            Some(number) => Action::output(number),
            None => Action::OutputReg(parse_subfield(arg)?),
        },
        "CONTROLLER" | "controller" if arg.is_empty() => Action::Controller(u16::MAX),
        "CONTROLLER" | "controller" => Action::Controller(parse_num(arg)?),
        "normal" => Action::Normal,
        "in_port" => Action::InPort,
        "resubmit" => parse_resubmit(text, arg)?,
        "push_vlan" => Action::PushVlan(parse_num(arg)?),
        "pop_vlan" | "strip_vlan" => Action::PopVlan,
        "mod_vlan_vid" | "set_vlan_vid" => Action::set_vlan_vid(parse_num(arg)?),
        "mod_vlan_pcp" | "set_vlan_pcp" => set_named(Field::VlanPcp, arg)?,
        "mod_dl_src" => set_named(Field::EthSrc, arg)?,
        "mod_dl_dst" => set_named(Field::EthDst, arg)?,
        "mod_nw_src" => set_named(Field::Ipv4Src, arg)?,
        "mod_nw_dst" => set_named(Field::Ipv4Dst, arg)?,
        "mod_nw_tos" => Action::set_field(Field::IpDscp, (parse_num::<u8>(arg)? >> 2).into()),
        "mod_tp_src" => set_named(Field::TcpSrc, arg)?,
        "mod_tp_dst" => set_named(Field::TcpDst, arg)?,
        "set_tunnel" | "set_tunnel64" => Action::set_tun_id(parse_u64(arg)?),
        "set_field" => parse_set_field(arg)?,
        "move" => {
            let (src, dst) = arrow(arg)?;
            Action::Move { src: parse_subfield(src)?, dst: parse_subfield(dst)? }
        }
        "load" => {
            let (src, dst) = arrow(arg)?;
            Action::Load { value: parse_u64(src)?, dst: parse_subfield(dst)? }
        }
        "learn" => Action::Learn(Box::new(parse_learn(arg)?)),
        "ct" => Action::Ct(Box::new(parse_ct(arg, depth)?)),
        "nat" => Action::Nat(parse_nat(arg)?),
        "ct_clear" => Action::CtClear,
        "conjunction" => parse_conjunction(arg)?,
        "group" => Action::Group(parse_num(arg)?),
        "set_queue" => Action::SetQueue(parse_num(arg)?),
        "pop_queue" => Action::PopQueue,
        "dec_ttl" => Action::DecTtl,
        "note" => Action::Note(parse_bytes(arg)?),
        "unknown" => Action::Unknown(parse_bytes(arg)?),
        "meter" => Action::Meter(parse_num(arg)?),
        "clear_actions" => Action::ClearActions,
        "write_actions" => Action::WriteActions(parse_nested(arg, depth + 1)?),
        "write_metadata" => {
            let (value, mask) = arg.split_once('/').unwrap_or((arg, "0xffffffffffffffff"));
            Action::WriteMetadata { value: parse_u64(value)?, mask: parse_u64(mask)? }
        }
        "goto_table" => Action::GotoTable(parse_num(arg)?),
        _ => match port::parse(text) {
            Some(number) => Action::output(number),
            None => return Err(ParseError::new("unknown action", text)),
        },
    })
}

fn set_named(field: Field, text: &str) -> Result<Action, ParseError> {
    let (value, mask) = value::parse(field, text)?;
    Ok(Action::SetField { field, value, mask })
}

fn arrow(text: &str) -> Result<(&str, &str), ParseError> {
    text.split_once("->").ok_or_else(|| ParseError::new("'->' missing", text))
}

fn parse_set_field(text: &str) -> Result<Action, ParseError> {
    let (value, name) = arrow(text)?;
    let field =
        Field::from_name(name).ok_or_else(|| ParseError::new("unknown field to set", name))?;
    set_named(field, value)
}

fn parse_subfield(text: &str) -> Result<Subfield, ParseError> {
    let bad = |what| ParseError::new(what, text);
    let (name, range) = match text.split_once('[') {
        Some((name, range)) => (name, range.strip_suffix(']').ok_or_else(|| bad("']' missing"))?),
        None => (text, ""),
    };
    let field = Field::from_name(name).ok_or_else(|| bad("unknown field"))?;
    // `in_port` names the 32-bit field everywhere but in its NXM spelling.
    let field = if name == "in_port" { Field::InPort } else { field };
    if range.is_empty() {
        return Ok(Subfield::all(field));
    }
    let (first, last) = range.split_once("..").unwrap_or((range, range));
    let (first, last): (u16, u16) = (parse_num(first)?, parse_num(last)?);
    // A vlan_vid of 12 bits is 13 wide on the wire, with its present bit.
    if first > last || last >= field.info().bits {
        return Err(bad("bit range outside the field"));
    }
    Ok(Subfield::bits(field, first, last))
}

fn parse_resubmit(text: &str, arg: &str) -> Result<Action, ParseError> {
    let port = |text: &str| {
        if text.is_empty() {
            return Ok(None);
        }
        port::parse(text).map(Some).ok_or_else(|| ParseError::new("no such port", text))
    };
    if text.starts_with("resubmit:") {
        return Ok(Action::Resubmit { in_port: port(arg)?, table: None });
    }
    let (in_port, table) = arg.split_once(',').unwrap_or((arg, ""));
    let table = if table.is_empty() { None } else { Some(parse_num(table)?) };
    Ok(Action::Resubmit { in_port: port(in_port)?, table })
}

fn parse_conjunction(arg: &str) -> Result<Action, ParseError> {
    let parts = arg
        .split_once(',')
        .and_then(|(id, of)| of.split_once('/').map(|(clause, total)| (id, clause, total)));
    let (id, clause, total) = parts.ok_or_else(|| ParseError::new("malformed conjunction", arg))?;
    Ok(Action::Conjunction {
        id: parse_num(id.trim())?,
        clause: parse_num(clause.trim())?,
        n_clauses: parse_num(total.trim())?,
    })
}

fn parse_bytes(text: &str) -> Result<Vec<u8>, ParseError> {
    let digits: Vec<u8> = text.bytes().filter(|b| *b != b'.').collect();
    let bad = || ParseError::new("not hexadecimal bytes", text);
    digits
        .chunks(2)
        .map(|pair| {
            let pair = std::str::from_utf8(pair).map_err(|_| bad())?;
            if pair.len() != 2 {
                return Err(bad());
            }
            u8::from_str_radix(pair, 16).map_err(|_| bad())
        })
        .collect()
}

fn parse_learn(arg: &str) -> Result<Learn, ParseError> {
    let mut learn = Learn::default();
    for part in split_args(arg) {
        let (name, text) = part.split_once('=').unwrap_or((part, ""));
        match name {
            "table" => learn.table = parse_num(text)?,
            "priority" => learn.priority = parse_num(text)?,
            "idle_timeout" => learn.idle_timeout = parse_num(text)?,
            "hard_timeout" => learn.hard_timeout = parse_num(text)?,
            "fin_idle_timeout" => learn.fin_idle_timeout = parse_num(text)?,
            "fin_hard_timeout" => learn.fin_hard_timeout = parse_num(text)?,
            "cookie" => learn.cookie = parse_u64(text)?,
            "send_flow_rem" => learn.flags |= 1,
            "delete_learned" => learn.flags |= 2,
            _ => learn.specs.push(parse_spec(part)?),
        }
    }
    Ok(learn)
}

fn parse_spec(part: &str) -> Result<LearnSpec, ParseError> {
    if let Some(src) = part.strip_prefix("output:") {
        return Ok(LearnSpec::Output(parse_subfield(src)?));
    }
    if let Some(load) = part.strip_prefix("load:") {
        let (src, dst) = arrow(load)?;
        let dst = parse_subfield(dst)?;
        let src = match parse_u128(src) {
            Ok(value) => LearnSource::Value(value),
            Err(_) => LearnSource::Field(parse_subfield(src)?),
        };
        return Ok(LearnSpec::Load { dst, src });
    }
    let Some((dst, src)) = part.split_once('=') else {
        let dst = parse_subfield(part)?;
        return Ok(LearnSpec::Match { dst, src: LearnSource::Field(dst) });
    };
    let dst = parse_subfield(dst)?;
    let src = match parse_subfield(src) {
        Ok(field) => LearnSource::Field(field),
        Err(_) if dst == Subfield::all(dst.field) && dst.field.info().format != Format::Hex => {
            LearnSource::Value(value::parse(dst.field, src)?.0)
        }
        Err(_) => LearnSource::Value(parse_u128(src)?),
    };
    Ok(LearnSpec::Match { dst, src })
}

fn parse_ct(arg: &str, depth: usize) -> Result<Ct, ParseError> {
    let mut ct = Ct::default();
    for part in split_args(arg) {
        if part.starts_with("exec(") {
            ct.exec.extend(parse_nested(split_name(part).1, depth + 1)?);
            continue;
        }
        if part == "nat" || part.starts_with("nat(") {
            ct.exec.insert(0, Action::Nat(parse_nat(split_name(part).1)?));
            continue;
        }
        let (name, text) = part.split_once('=').unwrap_or((part, ""));
        match name {
            "commit" => ct.commit = true,
            "force" => ct.force = true,
            "table" => ct.table = Some(parse_num(text)?),
            "zone" => {
                ct.zone = match parse_num(text) {
                    Ok(zone) => CtZone::Value(zone),
                    Err(_) => CtZone::Field(parse_subfield(text)?),
                }
            }
            "alg" => {
                ct.alg = match text {
                    "ftp" => 21,
                    "tftp" => 69,
                    _ => parse_num(text)?,
                }
            }
            _ => return Err(ParseError::new("unknown argument of ct", part)),
        }
    }
    Ok(ct)
}

fn parse_nat(arg: &str) -> Result<Nat, ParseError> {
    let mut nat = Nat::default();
    for part in split_args(arg) {
        match part {
            "persistent" => nat.flags |= 4,
            "hash" => nat.flags |= 8,
            "random" => nat.flags |= 16,
            _ => {
                let (direction, range) = part.split_once('=').unwrap_or((part, ""));
                nat.flags |= match direction {
                    "src" => Nat::SRC,
                    "dst" => Nat::DST,
                    _ => return Err(ParseError::new("unknown argument of nat", part)),
                };
                if !range.is_empty() {
                    parse_nat_range(&mut nat, range)?;
                }
            }
        }
    }
    Ok(nat)
}

fn parse_nat_range(nat: &mut Nat, text: &str) -> Result<(), ParseError> {
    let bad = || ParseError::new("malformed nat range", text);
    // IPv6 addresses are full of colons, so a port follows only a closing bracket there.
    let v6 = text.starts_with('[') || text.matches(':').count() > 1;
    let (addresses, ports) = if v6 {
        text.rsplit_once("]:").map_or((text, None), |(a, p)| (a, Some(p)))
    } else {
        text.split_once(':').map_or((text, None), |(a, p)| (a, Some(p)))
    };
    let (first, last) = addresses.split_once('-').map_or((addresses, None), |(a, b)| (a, Some(b)));
    let bare = |text: &str| text.trim_matches(['[', ']']).to_owned();
    nat.range = if v6 {
        let last = last.map(|l| bare(l).parse()).transpose().map_err(|_| bad())?;
        NatRange::V6(bare(first).parse().map_err(|_| bad())?, last)
    } else {
        let last = last.map(str::parse).transpose().map_err(|_| bad())?;
        NatRange::V4(first.parse().map_err(|_| bad())?, last)
    };
    if let Some(ports) = ports {
        let (first, last) = ports.split_once('-').unwrap_or((ports, "0"));
        nat.port_min = parse_num(first)?;
        nat.port_max = parse_num(last)?;
    }
    Ok(())
}
