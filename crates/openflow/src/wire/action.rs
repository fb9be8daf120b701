//! Writes actions and instructions.

use super::{EncodeError, Writer, learn, oxm};
use crate::{
    action::{Action, Ct, CtZone, Nat, NatRange, Subfield},
    port,
};

/// Vendor id of the Nicira extensions.
pub(crate) const NICIRA: u32 = 0x0000_2320;
/// Table number that means "none" or "this one" in Nicira actions.
pub(crate) const NO_TABLE: u8 = 0xff;

/// `ofp_action_type` values.
pub(crate) mod kind {
    pub(crate) const OUTPUT: u16 = 0;
    pub(crate) const PUSH_VLAN: u16 = 17;
    pub(crate) const POP_VLAN: u16 = 18;
    pub(crate) const SET_QUEUE: u16 = 21;
    pub(crate) const GROUP: u16 = 22;
    pub(crate) const DEC_TTL: u16 = 24;
    pub(crate) const SET_FIELD: u16 = 25;
    pub(crate) const EXPERIMENTER: u16 = 0xffff;
}

/// `nx_action_subtype` values.
pub(crate) mod nx {
    pub(crate) const RESUBMIT: u16 = 1;
    pub(crate) const POP_QUEUE: u16 = 5;
    pub(crate) const REG_MOVE: u16 = 6;
    pub(crate) const REG_LOAD: u16 = 7;
    pub(crate) const NOTE: u16 = 8;
    pub(crate) const RESUBMIT_TABLE: u16 = 14;
    pub(crate) const OUTPUT_REG: u16 = 15;
    pub(crate) const LEARN: u16 = 16;
    pub(crate) const CONTROLLER: u16 = 20;
    pub(crate) const REG_LOAD2: u16 = 33;
    pub(crate) const CONJUNCTION: u16 = 34;
    pub(crate) const CT: u16 = 35;
    pub(crate) const NAT: u16 = 36;
    pub(crate) const CT_CLEAR: u16 = 43;
}

/// `ofp_instruction_type` values.
pub(crate) mod instruction {
    pub(crate) const GOTO_TABLE: u16 = 1;
    pub(crate) const WRITE_METADATA: u16 = 2;
    pub(crate) const WRITE_ACTIONS: u16 = 3;
    pub(crate) const APPLY_ACTIONS: u16 = 4;
    pub(crate) const CLEAR_ACTIONS: u16 = 5;
    pub(crate) const METER: u16 = 6;
}

/// The instructions of a flow, in the order Open vSwitch executes and prints them.
pub(crate) fn put_instructions(w: &mut Writer, actions: &[Action]) -> Result<(), EncodeError> {
    for action in actions {
        if let Action::Meter(id) = action {
            w.u16(instruction::METER);
            w.u16(8);
            w.u32(*id);
        }
    }
    let applied: Vec<&Action> = actions.iter().filter(|a| !a.is_instruction()).collect();
    if !applied.is_empty() {
        put_action_instruction(w, instruction::APPLY_ACTIONS, applied)?;
    }
    for action in actions {
        if let Action::ClearActions = action {
            w.u16(instruction::CLEAR_ACTIONS);
            w.u16(8);
            w.zeros(4);
        }
    }
    for action in actions {
        if let Action::WriteActions(written) = action {
            put_action_instruction(w, instruction::WRITE_ACTIONS, written)?;
        }
    }
    for action in actions {
        if let Action::WriteMetadata { value, mask } = action {
            w.u16(instruction::WRITE_METADATA);
            w.u16(24);
            w.zeros(4);
            w.u64(*value);
            w.u64(*mask);
        }
    }
    for action in actions {
        if let Action::GotoTable(table) = action {
            w.u16(instruction::GOTO_TABLE);
            w.u16(8);
            w.u8(*table);
            w.zeros(3);
        }
    }
    Ok(())
}

fn put_action_instruction<'a>(
    w: &mut Writer,
    kind: u16,
    actions: impl IntoIterator<Item = &'a Action>,
) -> Result<(), EncodeError> {
    let start = w.bytes.len();
    w.u16(kind);
    w.u16(0);
    w.zeros(4);
    for action in actions {
        put_action(w, action)?;
    }
    w.set_length(start, "action list")
}

/// One action, padded and with its length.
pub(crate) fn put_action(w: &mut Writer, action: &Action) -> Result<(), EncodeError> {
    let start = w.bytes.len();
    match action {
        Action::Output(port) => put_output(w, *port, 0),
        Action::InPort => put_output(w, port::IN_PORT, 0),
        Action::Normal => put_output(w, port::NORMAL, 0),
        Action::Controller(max_len) => put_output(w, port::CONTROLLER, *max_len),
        Action::PushVlan(ethertype) => {
            open(w, kind::PUSH_VLAN);
            w.u16(*ethertype);
        }
        Action::PopVlan => open(w, kind::POP_VLAN),
        Action::SetField { field, value, mask } => {
            if *mask == field.full_mask() {
                open(w, kind::SET_FIELD);
                oxm::put_field(w, *field, *value, None);
            } else {
                open_nx(w, nx::REG_LOAD2);
                oxm::put_field(w, *field, *value, Some(*mask));
            }
        }
        Action::Group(id) => {
            open(w, kind::GROUP);
            w.u32(*id);
        }
        Action::SetQueue(id) => {
            open(w, kind::SET_QUEUE);
            w.u32(*id);
        }
        Action::DecTtl => open(w, kind::DEC_TTL),
        Action::Unknown(bytes) => w.put(bytes),
        // Instructions have no form as actions; the caller writes them.
        _ if action.is_instruction() => return Ok(()),
        _ => put_nicira(w, action)?,
    }
    w.pad8(start);
    if let Action::Unknown(_) = action { Ok(()) } else { w.set_length(start, "action") }
}

fn open(w: &mut Writer, kind: u16) {
    w.u16(kind);
    w.u16(0);
}

fn open_nx(w: &mut Writer, subtype: u16) {
    open(w, kind::EXPERIMENTER);
    w.u32(NICIRA);
    w.u16(subtype);
}

fn put_output(w: &mut Writer, port: u32, max_len: u16) {
    open(w, kind::OUTPUT);
    w.u32(port);
    w.u16(max_len);
    w.zeros(6);
}

fn put_nicira(w: &mut Writer, action: &Action) -> Result<(), EncodeError> {
    match action {
        Action::Resubmit { in_port, table } => {
            open_nx(w, nx::RESUBMIT_TABLE);
            w.u16(port::to_u16(in_port.unwrap_or(port::IN_PORT)));
            w.u8(table.unwrap_or(NO_TABLE));
        }
        Action::OutputReg(src) => {
            open_nx(w, nx::OUTPUT_REG);
            w.u16(oxm::ofs_nbits(*src));
            oxm::put_nxm_header(w, src.field);
            w.u16(u16::MAX);
        }
        Action::Move { src, dst } => {
            open_nx(w, nx::REG_MOVE);
            w.u16(src.n_bits);
            w.u16(src.ofs);
            w.u16(dst.ofs);
            oxm::put_nxm_header(w, src.field);
            oxm::put_nxm_header(w, dst.field);
        }
        Action::Load { dst, value } => put_load(w, *dst, *value),
        Action::Learn(spec) => learn::put(w, spec),
        Action::Ct(ct) => put_ct(w, ct)?,
        Action::Nat(nat) => put_nat(w, nat),
        Action::CtClear => open_nx(w, nx::CT_CLEAR),
        Action::PopQueue => open_nx(w, nx::POP_QUEUE),
        Action::Conjunction { id, clause, n_clauses } => {
            open_nx(w, nx::CONJUNCTION);
            w.u8(clause.saturating_sub(1));
            w.u8(*n_clauses);
            w.u32(*id);
        }
        Action::Note(bytes) => {
            open_nx(w, nx::NOTE);
            w.put(bytes);
        }
        _ => {}
    }
    Ok(())
}

fn put_load(w: &mut Writer, dst: Subfield, value: u64) {
    open_nx(w, nx::REG_LOAD);
    w.u16(oxm::ofs_nbits(dst));
    oxm::put_nxm_header(w, dst.field);
    w.u64(value);
}

/// The common head of `learn`, filled in by [`learn::put`].
pub(super) fn open_learn(w: &mut Writer) {
    open_nx(w, nx::LEARN);
}

fn put_ct(w: &mut Writer, ct: &Ct) -> Result<(), EncodeError> {
    open_nx(w, nx::CT);
    w.u16(u16::from(ct.commit) | u16::from(ct.force) << 1);
    match ct.zone {
        CtZone::Value(zone) => {
            w.u32(0);
            w.u16(zone);
        }
        CtZone::Field(field) => {
            oxm::put_nxm_header(w, field.field);
            w.u16(oxm::ofs_nbits(field));
        }
    }
    w.u8(ct.table.unwrap_or(NO_TABLE));
    w.zeros(3);
    w.u16(ct.alg);
    for action in &ct.exec {
        put_action(w, action)?;
    }
    Ok(())
}

fn put_nat(w: &mut Writer, nat: &Nat) {
    open_nx(w, nx::NAT);
    w.zeros(2);
    w.u16(nat.flags);
    let present_at = w.bytes.len();
    w.u16(0);
    let mut present = 0u16;
    match nat.range {
        NatRange::None => {}
        NatRange::V4(first, last) => {
            present |= 1;
            w.u32(first.into());
            if let Some(last) = last {
                present |= 2;
                w.u32(last.into());
            }
        }
        NatRange::V6(first, last) => {
            present |= 4;
            w.put(&first.octets());
            if let Some(last) = last {
                present |= 8;
                w.put(&last.octets());
            }
        }
    }
    for (bit, port) in [(16, nat.port_min), (32, nat.port_max)] {
        if port != 0 {
            present |= bit;
            w.u16(port);
        }
    }
    w.bytes[present_at..present_at + 2].copy_from_slice(&present.to_be_bytes());
}
