//! Reads actions and instructions. What this crate does not know it keeps as bytes, so that the
//! flows of other programs survive a dump.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{
    DecodeError, Reader,
    action::{NICIRA, NO_TABLE, instruction, kind, nx},
    learn, oxm,
};
use crate::{
    action::{Action, Ct, CtZone, Nat, NatRange},
    port,
};

/// Deepest nesting of actions within actions that is followed; real flows have one level.
const MAX_DEPTH: usize = 4;

/// The instructions of a flow as one list, in the order Open vSwitch prints them.
pub(crate) fn get_instructions(r: &mut Reader<'_>) -> Result<Vec<Action>, DecodeError> {
    let mut out: Vec<(u8, Action)> = Vec::new();
    while !r.is_empty() {
        let kind = r.u16()?;
        let length = usize::from(r.u16()?);
        let bad = DecodeError::BadLength { what: "instruction", length };
        let mut body = r.sub(length.checked_sub(4).ok_or(bad)?, "instruction")?;
        match kind {
            instruction::METER => out.push((0, Action::Meter(body.u32()?))),
            instruction::APPLY_ACTIONS => {
                body.skip(4)?;
                out.extend(get_actions(&mut body, 0)?.into_iter().map(|action| (1, action)));
            }
            instruction::CLEAR_ACTIONS => out.push((2, Action::ClearActions)),
            instruction::WRITE_ACTIONS => {
                body.skip(4)?;
                out.push((3, Action::WriteActions(get_actions(&mut body, 1)?)));
            }
            instruction::WRITE_METADATA => {
                body.skip(4)?;
                let (value, mask) = (body.u64()?, body.u64()?);
                out.push((4, Action::WriteMetadata { value, mask }));
            }
            instruction::GOTO_TABLE => out.push((5, Action::GotoTable(body.u8()?))),
            other => {
                return Err(DecodeError::BadValue {
                    what: "instruction type",
                    value: other.into(),
                });
            }
        }
    }
    out.sort_by_key(|(order, _)| *order);
    Ok(out.into_iter().map(|(_, action)| action).collect())
}

/// A list of actions up to the end of `r`.
pub(crate) fn get_actions(r: &mut Reader<'_>, depth: usize) -> Result<Vec<Action>, DecodeError> {
    if depth > MAX_DEPTH {
        return Err(DecodeError::TooDeep);
    }
    let mut out = Vec::new();
    while !r.is_empty() {
        let whole = r.rest();
        let kind = r.u16()?;
        let length = usize::from(r.u16()?);
        if length < 8 || length % 8 != 0 || length > whole.len() {
            return Err(DecodeError::BadLength { what: "action", length });
        }
        let mut body = r.sub(length - 4, "action")?;
        let action = get_action(kind, &mut body, depth)?;
        out.push(action.unwrap_or_else(|| Action::Unknown(whole[..length].to_vec())));
    }
    Ok(out)
}

fn get_action(kind: u16, r: &mut Reader<'_>, depth: usize) -> Result<Option<Action>, DecodeError> {
    Ok(Some(match kind {
        kind::OUTPUT => match r.u32()? {
            port::CONTROLLER => Action::Controller(r.u16()?),
            other => Action::output(other),
        },
        kind::PUSH_VLAN => Action::PushVlan(r.u16()?),
        kind::POP_VLAN => Action::PopVlan,
        kind::SET_QUEUE => Action::SetQueue(r.u32()?),
        kind::GROUP => Action::Group(r.u32()?),
        kind::DEC_TTL => Action::DecTtl,
        kind::SET_FIELD => return get_set_field(r),
        kind::EXPERIMENTER if r.u32()? == NICIRA => {
            let subtype = r.u16()?;
            return get_nicira(subtype, r, depth);
        }
        _ => return Ok(None),
    }))
}

fn get_set_field(r: &mut Reader<'_>) -> Result<Option<Action>, DecodeError> {
    Ok(match oxm::get_field(r)? {
        oxm::Entry::Known { field, value, mask } => {
            let full = field.full_mask();
            let mask = mask.map_or(full, |mask| mask & full);
            Some(Action::SetField { field, value: value & mask, mask })
        }
        oxm::Entry::Raw(_) => None,
    })
}

fn get_nicira(
    subtype: u16,
    r: &mut Reader<'_>,
    depth: usize,
) -> Result<Option<Action>, DecodeError> {
    Ok(match subtype {
        nx::RESUBMIT => {
            Some(Action::Resubmit { in_port: Some(port::from_u16(r.u16()?)), table: None })
        }
        nx::RESUBMIT_TABLE => {
            let (in_port, table) = (port::from_u16(r.u16()?), r.u8()?);
            Some(Action::Resubmit {
                in_port: (in_port != port::IN_PORT).then_some(in_port),
                table: (table != NO_TABLE).then_some(table),
            })
        }
        nx::OUTPUT_REG => {
            let (ofs, n_bits) = oxm::split_ofs_nbits(r.u16()?);
            oxm::subfield(oxm::get_nxm_header(r)?, ofs, n_bits).map(Action::OutputReg)
        }
        nx::REG_MOVE => get_move(r)?,
        nx::REG_LOAD => {
            let (ofs, n_bits) = oxm::split_ofs_nbits(r.u16()?);
            let dst = oxm::subfield(oxm::get_nxm_header(r)?, ofs, n_bits);
            let value = r.u64()?;
            dst.map(|dst| Action::Load { dst, value })
        }
        nx::REG_LOAD2 => get_set_field(r)?,
        nx::NOTE => Some(Action::Note(r.rest().to_vec())),
        nx::LEARN => learn::get(r)?.map(|learn| Action::Learn(Box::new(learn))),
        nx::CONTROLLER => {
            let (max_len, controller, reason) = (r.u16()?, r.u16()?, r.u8()?);
            // Reason 1 is "an action said so"; anything else is not plain `CONTROLLER:n`.
            (controller == 0 && reason == 1).then_some(Action::Controller(max_len))
        }
        nx::CONJUNCTION => {
            let (clause, n_clauses, id) = (r.u8()?, r.u8()?, r.u32()?);
            Some(Action::Conjunction { id, clause: clause.saturating_add(1), n_clauses })
        }
        nx::CT => get_ct(r, depth)?.map(|ct| Action::Ct(Box::new(ct))),
        nx::NAT => Some(Action::Nat(get_nat(r)?)),
        nx::CT_CLEAR => Some(Action::CtClear),
        nx::POP_QUEUE => Some(Action::PopQueue),
        _ => None,
    })
}

fn get_move(r: &mut Reader<'_>) -> Result<Option<Action>, DecodeError> {
    let (n_bits, src_ofs, dst_ofs) = (r.u16()?, r.u16()?, r.u16()?);
    let src = oxm::subfield(oxm::get_nxm_header(r)?, src_ofs, n_bits);
    let dst = oxm::subfield(oxm::get_nxm_header(r)?, dst_ofs, n_bits);
    Ok(src.zip(dst).map(|(src, dst)| Action::Move { src, dst }))
}

fn get_ct(r: &mut Reader<'_>, depth: usize) -> Result<Option<Ct>, DecodeError> {
    let flags = r.u16()?;
    let mut zone_header = *r;
    let zone_is_value = r.u32()? == 0;
    let zone = r.u16()?;
    let zone = if zone_is_value {
        CtZone::Value(zone)
    } else {
        let (ofs, n_bits) = oxm::split_ofs_nbits(zone);
        match oxm::subfield(oxm::get_nxm_header(&mut zone_header)?, ofs, n_bits) {
            Some(field) => CtZone::Field(field),
            None => return Ok(None),
        }
    };
    let table = r.u8()?;
    r.skip(3)?;
    let alg = r.u16()?;
    let exec = get_actions(r, depth + 1)?;
    Ok(Some(Ct {
        commit: flags & 1 != 0,
        force: flags & 2 != 0,
        table: (table != NO_TABLE).then_some(table),
        zone,
        alg,
        exec,
    }))
}

fn get_nat(r: &mut Reader<'_>) -> Result<Nat, DecodeError> {
    r.skip(2)?;
    let flags = r.u16()?;
    let present = r.u16()?;
    let has = |bit: u16| present & bit != 0;
    let mut range = NatRange::None;
    if has(1) {
        let first = Ipv4Addr::from(r.u32()?);
        let last = if has(2) { Some(Ipv4Addr::from(r.u32()?)) } else { None };
        range = NatRange::V4(first, last);
    } else if has(4) {
        let first = Ipv6Addr::from(r.uint(16)?);
        let last = if has(8) { Some(Ipv6Addr::from(r.uint(16)?)) } else { None };
        range = NatRange::V6(first, last);
    }
    let port_min = if has(16) { r.u16()? } else { 0 };
    let port_max = if has(32) { r.u16()? } else { 0 };
    Ok(Nat { flags, range, port_min, port_max })
}
