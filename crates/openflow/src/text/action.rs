//! Writes actions as ovs-ofctl does.

use std::fmt::{self, Write as _};

use super::{
    show::Style,
    value::{Hex, Masked, ipv4, mac},
};
use crate::{
    action::{Action, Ct, CtZone, Learn, LearnSource, LearnSpec, Nat, NatRange, Subfield},
    field::Field,
    flow::Flow,
    port::{self, PortName},
};

impl fmt::Display for Subfield {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let info = self.field.info();
        f.write_str(info.nxm_name)?;
        if self.ofs == 0 && self.n_bits == info.bits {
            f.write_str("[]")
        } else if self.n_bits == 1 {
            write!(f, "[{}]", self.ofs)
        } else {
            let last = u32::from(self.ofs) + u32::from(self.n_bits).saturating_sub(1);
            write!(f, "[{}..{last}]", self.ofs)
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_action(f, self, Style::Of13)
    }
}

/// Writes a list of actions; an empty one is `drop`.
pub(super) fn write_actions(
    f: &mut fmt::Formatter<'_>,
    actions: &[Action],
    style: Style,
) -> fmt::Result {
    // OpenFlow 1.0 pushes a tag by setting its id, and has no meters.
    let shown = |action: &&Action| {
        style == Style::Of13 || !matches!(action, Action::PushVlan(_) | Action::Meter(_))
    };
    let mut first = true;
    for action in actions.iter().filter(shown) {
        if !first {
            f.write_char(',')?;
        }
        first = false;
        write_action(f, action, style)?;
    }
    if first { f.write_str("drop") } else { Ok(()) }
}

fn write_action(f: &mut fmt::Formatter<'_>, action: &Action, style: Style) -> fmt::Result {
    match action {
        Action::Output(port) => match port::reserved_name(*port) {
            Some(name) => f.write_str(name),
            None => write!(f, "output:{port}"),
        },
        Action::InPort => f.write_str("IN_PORT"),
        Action::Normal => f.write_str("NORMAL"),
        Action::Controller(max_len) => write!(f, "CONTROLLER:{max_len}"),
        Action::OutputReg(src) => write!(f, "output:{src}"),
        Action::Resubmit { in_port, table } => write_resubmit(f, *in_port, *table),
        Action::PushVlan(ethertype) => write!(f, "push_vlan:{ethertype:#x}"),
        Action::PopVlan if style == Style::Of10 => f.write_str("strip_vlan"),
        Action::PopVlan => f.write_str("pop_vlan"),
        Action::SetField { field, value, mask } => {
            if style == Style::Of10 && *mask == field.full_mask() {
                write_set_field_of10(f, *field, *value)
            } else {
                let masked = Masked { field: *field, value: *value, mask: *mask };
                write!(f, "set_field:{masked}->{}", field.info().name)
            }
        }
        Action::Move { src, dst } => write!(f, "move:{src}->{dst}"),
        Action::Load { dst, value } => write!(f, "load:{}->{dst}", Hex(u128::from(*value))),
        Action::Learn(learn) => write_learn(f, learn),
        Action::Ct(ct) => write_ct(f, ct, style),
        Action::Nat(nat) => write_nat(f, nat),
        Action::CtClear => f.write_str("ct_clear"),
        Action::Conjunction { id, clause, n_clauses } => {
            write!(f, "conjunction({id},{clause}/{n_clauses})")
        }
        Action::Group(id) => write!(f, "group:{id}"),
        Action::SetQueue(id) => write!(f, "set_queue:{id}"),
        Action::PopQueue => f.write_str("pop_queue"),
        Action::DecTtl => f.write_str("dec_ttl"),
        Action::Note(bytes) => write_bytes(f, "note:", bytes, "."),
        Action::Unknown(bytes) => write_bytes(f, "unknown:", bytes, ""),
        Action::Meter(id) => write!(f, "meter:{id}"),
        Action::ClearActions => f.write_str("clear_actions"),
        Action::WriteActions(actions) => {
            f.write_str("write_actions(")?;
            write_actions(f, actions, style)?;
            f.write_char(')')
        }
        Action::WriteMetadata { value, mask } => {
            write!(f, "write_metadata:{}", Hex(u128::from(*value)))?;
            if *mask == u64::MAX { Ok(()) } else { write!(f, "/{}", Hex(u128::from(*mask))) }
        }
        Action::GotoTable(table) if style == Style::Of10 => write!(f, "resubmit(,{table})"),
        Action::GotoTable(table) => write!(f, "goto_table:{table}"),
    }
}

fn write_bytes(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    bytes: &[u8],
    separator: &str,
) -> fmt::Result {
    f.write_str(name)?;
    for (at, byte) in bytes.iter().enumerate() {
        if at > 0 {
            f.write_str(separator)?;
        }
        write!(f, "{byte:02x}")?;
    }
    Ok(())
}

fn write_resubmit(
    f: &mut fmt::Formatter<'_>,
    in_port: Option<u32>,
    table: Option<u8>,
) -> fmt::Result {
    match (in_port, table) {
        (Some(port), None) => write!(f, "resubmit:{}", PortName(port)),
        (Some(port), Some(table)) => write!(f, "resubmit({},{table})", PortName(port)),
        (None, Some(table)) => write!(f, "resubmit(,{table})"),
        (None, None) => f.write_str("resubmit(,)"),
    }
}

/// How OpenFlow 1.0, which has no set-field, spells the write of a whole field.
fn write_set_field_of10(f: &mut fmt::Formatter<'_>, field: Field, value: u128) -> fmt::Result {
    match field {
        Field::VlanVid => write!(f, "mod_vlan_vid:{}", value & 0xfff),
        Field::VlanPcp => write!(f, "mod_vlan_pcp:{value}"),
        Field::EthSrc => write!(f, "mod_dl_src:{}", mac(value)),
        Field::EthDst => write!(f, "mod_dl_dst:{}", mac(value)),
        Field::Ipv4Src => write!(f, "mod_nw_src:{}", ipv4(value)),
        Field::Ipv4Dst => write!(f, "mod_nw_dst:{}", ipv4(value)),
        Field::IpDscp => write!(f, "mod_nw_tos:{}", value << 2),
        Field::TcpSrc | Field::UdpSrc => write!(f, "mod_tp_src:{value}"),
        Field::TcpDst | Field::UdpDst => write!(f, "mod_tp_dst:{value}"),
        _ if field.info().bits > 64 => {
            let (high, low) = (value >> 64, value & u128::from(u64::MAX));
            let (low_bits, high_bits) =
                (Subfield::bits(field, 0, 63), Subfield::bits(field, 64, field.info().bits - 1));
            write!(f, "load:{}->{low_bits},load:{}->{high_bits}", Hex(low), Hex(high))
        }
        _ => write!(f, "load:{}->{}", Hex(value), Subfield::all(field)),
    }
}

fn write_learn(f: &mut fmt::Formatter<'_>, learn: &Learn) -> fmt::Result {
    write!(f, "learn(table={}", learn.table)?;
    for (name, value) in [
        ("idle_timeout", learn.idle_timeout),
        ("hard_timeout", learn.hard_timeout),
        ("fin_idle_timeout", learn.fin_idle_timeout),
        ("fin_hard_timeout", learn.fin_hard_timeout),
    ] {
        if value != 0 {
            write!(f, ",{name}={value}")?;
        }
    }
    if learn.priority != Flow::DEFAULT_PRIORITY {
        write!(f, ",priority={}", learn.priority)?;
    }
    if learn.flags & 1 != 0 {
        f.write_str(",send_flow_rem")?;
    }
    if learn.flags & 2 != 0 {
        f.write_str(",delete_learned")?;
    }
    if learn.cookie != 0 {
        write!(f, ",cookie={:#x}", learn.cookie)?;
    }
    for spec in &learn.specs {
        f.write_char(',')?;
        write_spec(f, spec)?;
    }
    f.write_char(')')
}

fn write_spec(f: &mut fmt::Formatter<'_>, spec: &LearnSpec) -> fmt::Result {
    match spec {
        LearnSpec::Match { dst, src: LearnSource::Field(src) } => {
            write!(f, "{dst}")?;
            if src.field == dst.field && src.ofs == dst.ofs { Ok(()) } else { write!(f, "={src}") }
        }
        LearnSpec::Match { dst, src: LearnSource::Value(value) } => {
            if *dst == Subfield::all(dst.field) {
                let mask = dst.field.full_mask();
                let shown = Masked { field: dst.field, value: *value, mask };
                write!(f, "{}={shown}", dst.field.info().name)
            } else {
                write!(f, "{dst}={}", Hex(*value))
            }
        }
        LearnSpec::Load { dst, src: LearnSource::Field(src) } => write!(f, "load:{src}->{dst}"),
        LearnSpec::Load { dst, src: LearnSource::Value(value) } => {
            write!(f, "load:{}->{dst}", Hex(*value))
        }
        LearnSpec::Output(src) => write!(f, "output:{src}"),
    }
}

fn write_ct(f: &mut fmt::Formatter<'_>, ct: &Ct, style: Style) -> fmt::Result {
    let mut args = Vec::new();
    if ct.commit {
        args.push("commit".to_owned());
    }
    if ct.force {
        args.push("force".to_owned());
    }
    if let Some(table) = ct.table {
        args.push(format!("table={table}"));
    }
    match ct.zone {
        CtZone::Field(field) => args.push(format!("zone={field}")),
        CtZone::Value(0) => {}
        CtZone::Value(zone) => args.push(format!("zone={zone}")),
    }
    f.write_str("ct(")?;
    f.write_str(&args.join(","))?;
    let mut first = args.is_empty();
    let mut comma = |f: &mut fmt::Formatter<'_>| {
        let separator = if first { "" } else { "," };
        first = false;
        f.write_str(separator)
    };
    let mut exec = ct.exec.as_slice();
    if let [Action::Nat(nat), rest @ ..] = exec {
        comma(f)?;
        write_nat(f, nat)?;
        exec = rest;
    }
    if !exec.is_empty() {
        comma(f)?;
        f.write_str("exec(")?;
        write_actions(f, exec, style)?;
        f.write_char(')')?;
    }
    match ct.alg {
        0 => {}
        21 => {
            comma(f)?;
            f.write_str("alg=ftp")?;
        }
        69 => {
            comma(f)?;
            f.write_str("alg=tftp")?;
        }
        other => {
            comma(f)?;
            write!(f, "alg={other}")?;
        }
    }
    f.write_char(')')
}

fn write_nat(f: &mut fmt::Formatter<'_>, nat: &Nat) -> fmt::Result {
    f.write_str("nat")?;
    if nat.flags & (Nat::SRC | Nat::DST) == 0 {
        return Ok(());
    }
    f.write_str(if nat.flags & Nat::SRC != 0 { "(src" } else { "(dst" })?;
    match nat.range {
        NatRange::None => {}
        NatRange::V4(first, last) => {
            write!(f, "={first}")?;
            if let Some(last) = last.filter(|last| *last != first) {
                write!(f, "-{last}")?;
            }
        }
        NatRange::V6(first, last) => {
            // Brackets keep the port apart from the address.
            let (open, close) = if nat.port_min == 0 { ("", "") } else { ("[", "]") };
            write!(f, "={open}{first}{close}")?;
            if let Some(last) = last.filter(|last| *last != first) {
                write!(f, "-{open}{last}{close}")?;
            }
        }
    }
    if nat.port_min != 0 {
        write!(f, ":{}", nat.port_min)?;
        if nat.port_max != 0 && nat.port_max != nat.port_min {
            write!(f, "-{}", nat.port_max)?;
        }
    }
    for (bit, name) in [(4, ",persistent"), (8, ",hash"), (16, ",random")] {
        if nat.flags & bit != 0 {
            f.write_str(name)?;
        }
    }
    f.write_char(')')
}
