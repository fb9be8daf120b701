//! The `learn` action on the wire.

use super::{DecodeError, Reader, Writer, action, oxm};
use crate::action::{Learn, LearnSource, LearnSpec, Subfield};

/// Header bit: the source is a constant.
const SRC_VALUE: u16 = 1 << 13;
/// Header bits: the destination is loaded into.
const DST_LOAD: u16 = 1 << 11;
/// Header bits: the source is a port to output to.
const DST_OUTPUT: u16 = 2 << 11;
/// Header bits that hold the destination.
const DST_MASK: u16 = 3 << 11;
/// Header bits that hold the width.
const BITS_MASK: u16 = 0x3ff;

pub(super) fn put(w: &mut Writer, learn: &Learn) {
    action::open_learn(w);
    w.u16(learn.idle_timeout);
    w.u16(learn.hard_timeout);
    w.u16(learn.priority);
    w.u64(learn.cookie);
    w.u16(learn.flags);
    w.u8(learn.table);
    w.u8(0);
    w.u16(learn.fin_idle_timeout);
    w.u16(learn.fin_hard_timeout);
    for spec in &learn.specs {
        match spec {
            LearnSpec::Match { dst, src } => put_spec(w, 0, src, *dst),
            LearnSpec::Load { dst, src } => put_spec(w, DST_LOAD, src, *dst),
            LearnSpec::Output(src) => {
                w.u16(DST_OUTPUT | (src.n_bits & BITS_MASK));
                put_subfield(w, *src);
            }
        }
    }
}

fn put_spec(w: &mut Writer, kind: u16, src: &LearnSource, dst: Subfield) {
    let width = dst.n_bits & BITS_MASK;
    match src {
        LearnSource::Field(src) => {
            w.u16(kind | width);
            put_subfield(w, *src);
        }
        LearnSource::Value(value) => {
            w.u16(kind | SRC_VALUE | width);
            w.uint(*value, 2 * usize::from(width).div_ceil(16));
        }
    }
    put_subfield(w, dst);
}

fn put_subfield(w: &mut Writer, sub: Subfield) {
    oxm::put_nxm_header(w, sub.field);
    w.u16(sub.ofs);
}

fn get_subfield(r: &mut Reader<'_>, width: u16) -> Result<Option<Subfield>, DecodeError> {
    let field = oxm::get_nxm_header(r)?;
    let ofs = r.u16()?;
    Ok(oxm::subfield(field, ofs, width))
}

/// The body of a `learn` action; `None` when it uses something this crate does not know.
pub(super) fn get(r: &mut Reader<'_>) -> Result<Option<Learn>, DecodeError> {
    let mut learn = Learn {
        idle_timeout: r.u16()?,
        hard_timeout: r.u16()?,
        priority: r.u16()?,
        cookie: r.u64()?,
        flags: r.u16()?,
        table: r.u8()?,
        ..Learn::default()
    };
    r.skip(1)?;
    learn.fin_idle_timeout = r.u16()?;
    learn.fin_hard_timeout = r.u16()?;
    while r.len() >= 2 {
        let header = r.u16()?;
        // Zeros pad the action; no specification has a zero header.
        if header == 0 {
            break;
        }
        let Some(spec) = get_spec(r, header)? else { return Ok(None) };
        learn.specs.push(spec);
    }
    Ok(Some(learn))
}

fn get_spec(r: &mut Reader<'_>, header: u16) -> Result<Option<LearnSpec>, DecodeError> {
    let width = header & BITS_MASK;
    let source = if header & SRC_VALUE == 0 {
        get_subfield(r, width)?.map(LearnSource::Field)
    } else if width <= 128 {
        Some(LearnSource::Value(r.uint(2 * usize::from(width).div_ceil(16))?))
    } else {
        None
    };
    let Some(src) = source else { return Ok(None) };
    if header & DST_MASK == DST_OUTPUT {
        return Ok(match src {
            LearnSource::Field(src) => Some(LearnSpec::Output(src)),
            LearnSource::Value(_) => None,
        });
    }
    let Some(dst) = get_subfield(r, width)? else { return Ok(None) };
    Ok(match header & DST_MASK {
        0 => Some(LearnSpec::Match { dst, src }),
        DST_LOAD => Some(LearnSpec::Load { dst, src }),
        _ => None,
    })
}
