//! Matches and single fields on the wire.

use super::{DecodeError, EncodeError, Reader, Writer};
use crate::{
    action::Subfield,
    field::Field,
    matching::{Match, RawOxm},
    message::ONF,
};

/// `ofp_match.type` of an OXM match.
const MATCH_OXM: u16 = 1;

/// The 32-bit header of `field` in OXM class and number `(class, number)`.
const fn header(class: u16, number: u8, masked: bool, length: u8) -> u32 {
    (class as u32) << 16 | (number as u32) << 9 | (masked as u32) << 8 | length as u32
}

/// OXM class of fields defined by an experimenter, who is named in front of the value.
const CLASS_EXPERIMENTER: u16 = 0xffff;
/// Number of `tcp_flags` among the fields of the ONF (OpenFlow 1.5 has it as a basic field).
const ONF_TCP_FLAGS: u8 = 42;

/// One field with its value as OpenFlow 1.3 spells it.
pub(crate) fn put_field(w: &mut Writer, field: Field, value: u128, mask: Option<u128>) {
    let (class, number) = field.oxm_header();
    let bytes = field.info().bytes;
    let length = if mask.is_some() { bytes * 2 } else { bytes };
    if field == Field::TcpFlags {
        w.u32(header(CLASS_EXPERIMENTER, ONF_TCP_FLAGS, mask.is_some(), length + 4));
        w.u32(ONF);
    } else {
        w.u32(header(class, number, mask.is_some(), length));
    }
    w.uint(value, bytes.into());
    if let Some(mask) = mask {
        w.uint(mask, bytes.into());
    }
}

fn put_vlan(w: &mut Writer, value: u128, mask: u128) {
    match mask & 0x1fff {
        0 => {}
        0x1fff => put_field(w, Field::VlanVid, value & 0x1fff, None),
        vid_mask => put_field(w, Field::VlanVid, value & vid_mask, Some(vid_mask)),
    }
    if mask & 0xe000 == 0xe000 && value & 0x1000 != 0 {
        put_field(w, Field::VlanPcp, value >> 13, None);
    }
}

/// A whole `ofp_match`, padded.
pub(crate) fn put_match(w: &mut Writer, fields: &Match) -> Result<(), EncodeError> {
    let start = w.bytes.len();
    w.u16(MATCH_OXM);
    w.u16(0);
    for entry in fields.fields() {
        let mask = (entry.mask != entry.field.full_mask()).then_some(entry.mask);
        match entry.field {
            Field::VlanTci => put_vlan(w, entry.value, entry.mask),
            field => put_field(w, field, entry.value, mask),
        }
    }
    for raw in fields.raw() {
        w.u32(raw.header);
        w.put(&raw.body);
    }
    w.set_length(start, "match")?;
    w.pad8(start);
    Ok(())
}

/// One field as it stands on the wire.
pub(crate) enum Entry {
    /// A field of ours; no mask means all of it.
    Known { field: Field, value: u128, mask: Option<u128> },
    /// Some other field.
    Raw(RawOxm),
}

/// One field with its value.
pub(crate) fn get_field(r: &mut Reader<'_>) -> Result<Entry, DecodeError> {
    let head = r.u32()?;
    let length = usize::from((head & 0xff) as u8);
    let masked = head >> 8 & 1 == 1;
    let mut body = r.sub(length, "match field")?;
    let whole = body;
    let (class, number) = ((head >> 16) as u16, (head >> 9 & 0x7f) as u8);
    let field = if class == CLASS_EXPERIMENTER {
        (number == ONF_TCP_FLAGS && body.u32()? == ONF).then_some(Field::TcpFlags)
    } else {
        Field::from_header(class, number)
    };
    let Some(field) = field else {
        return Ok(Entry::Raw(RawOxm { header: head, body: whole.rest().to_vec() }));
    };
    let bytes = usize::from(field.info().bytes);
    let expected = if masked { bytes * 2 } else { bytes };
    if body.len() != expected {
        return Err(DecodeError::BadLength { what: "match field", length });
    }
    let value = body.uint(bytes)?;
    let mask = if masked { Some(body.uint(bytes)?) } else { None };
    Ok(Entry::Known { field, value, mask })
}

/// A whole `ofp_match` with its padding.
pub(crate) fn get_match(r: &mut Reader<'_>) -> Result<Match, DecodeError> {
    let kind = r.u16()?;
    let length = usize::from(r.u16()?);
    if kind != MATCH_OXM {
        return Err(DecodeError::BadValue { what: "match type", value: kind.into() });
    }
    let bad = DecodeError::BadLength { what: "match", length };
    let mut body = r.sub(length.checked_sub(4).ok_or(bad)?, "match")?;
    // The last match of a message may come without its padding.
    r.skip((length.next_multiple_of(8) - length).min(r.len()))?;
    let mut out = Match::new();
    while !body.is_empty() {
        match get_field(&mut body)? {
            Entry::Known { field, value, mask } => {
                out.insert(field, value, mask.unwrap_or_else(|| field.full_mask()));
            }
            Entry::Raw(raw) => out.push_raw(raw),
        }
    }
    Ok(out)
}

/// The header by which Nicira actions name a field.
pub(crate) fn put_nxm_header(w: &mut Writer, field: Field) {
    let (class, number) = field.nxm_header();
    w.u32(header(class, number, false, field.info().bytes));
}

/// A field named by a header in a Nicira action; `None` for one this crate does not know.
pub(crate) fn get_nxm_header(r: &mut Reader<'_>) -> Result<Option<Field>, DecodeError> {
    let head = r.u32()?;
    Ok(Field::from_header((head >> 16) as u16, (head >> 9 & 0x7f) as u8))
}

/// A run of bits if it lies inside the field.
pub(crate) fn subfield(field: Option<Field>, ofs: u16, n_bits: u16) -> Option<Subfield> {
    let field = field?;
    let inside = n_bits > 0 && u32::from(ofs) + u32::from(n_bits) <= u32::from(field.info().bits);
    inside.then_some(Subfield { field, ofs, n_bits })
}

/// The `(ofs << 6) | (n_bits - 1)` form of a run of at most 64 bits.
pub(crate) fn ofs_nbits(sub: Subfield) -> u16 {
    sub.ofs << 6 | (sub.n_bits.saturating_sub(1) & 0x3f)
}

/// Start and width out of [`ofs_nbits`].
pub(crate) const fn split_ofs_nbits(value: u16) -> (u16, u16) {
    (value >> 6, (value & 0x3f) + 1)
}
