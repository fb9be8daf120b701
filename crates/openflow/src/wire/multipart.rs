//! Multipart requests and replies on the wire.

use neutrino_types::MacAddr;

use super::{
    DecodeError, EncodeError, Reader, Writer, action::put_instructions,
    action_decode::get_instructions, oxm,
};
use crate::{
    flow::{Flow, FlowFlags, FlowStats},
    message::{FlowFilter, MultipartReply, MultipartRequest, PortDesc},
};

/// `ofp_multipart_type` of flow statistics.
const FLOW: u16 = 1;
/// `ofp_multipart_type` of port descriptions.
const PORT_DESC: u16 = 13;
/// `OFPMPF_REPLY_MORE`.
const MORE: u16 = 1;
/// Length of a port name's field.
const NAME_LEN: usize = 16;
/// Length of `ofp_flow_stats` before its match.
const FLOW_STATS_LEN: usize = 48;

fn put_head(w: &mut Writer, kind: u16, flags: u16) {
    w.u16(kind);
    w.u16(flags);
    w.zeros(4);
}

pub(super) fn put_request(w: &mut Writer, request: &MultipartRequest) -> Result<(), EncodeError> {
    match request {
        MultipartRequest::Flows(filter) => {
            put_head(w, FLOW, 0);
            w.u8(filter.table);
            w.zeros(3);
            w.u32(filter.out_port);
            w.u32(filter.out_group);
            w.zeros(4);
            w.u64(filter.cookie);
            w.u64(filter.cookie_mask);
            oxm::put_match(w, &filter.fields)
        }
        MultipartRequest::Ports => {
            put_head(w, PORT_DESC, 0);
            Ok(())
        }
    }
}

/// A request of a known kind.
pub(super) fn get_request(r: &mut Reader<'_>) -> Result<Option<MultipartRequest>, DecodeError> {
    let kind = r.u16()?;
    r.skip(6)?;
    Ok(match kind {
        FLOW => {
            let table = r.u8()?;
            r.skip(3)?;
            let (out_port, out_group) = (r.u32()?, r.u32()?);
            r.skip(4)?;
            let (cookie, cookie_mask) = (r.u64()?, r.u64()?);
            let fields = oxm::get_match(r)?;
            Some(MultipartRequest::Flows(FlowFilter {
                table,
                out_port,
                out_group,
                cookie,
                cookie_mask,
                fields,
            }))
        }
        PORT_DESC => Some(MultipartRequest::Ports),
        _ => None,
    })
}

pub(super) fn put_reply(
    w: &mut Writer,
    more: bool,
    reply: &MultipartReply,
) -> Result<(), EncodeError> {
    let flags = if more { MORE } else { 0 };
    match reply {
        MultipartReply::Flows(flows) => {
            put_head(w, FLOW, flags);
            flows.iter().try_for_each(|flow| put_flow_stats(w, flow))
        }
        MultipartReply::Ports(ports) => {
            put_head(w, PORT_DESC, flags);
            ports.iter().for_each(|port| put_port(w, port));
            Ok(())
        }
        MultipartReply::Other { kind, body } => {
            put_head(w, *kind, flags);
            w.put(body);
            Ok(())
        }
    }
}

/// One part of an answer, and whether more follow.
pub(super) fn get_reply(r: &mut Reader<'_>) -> Result<(bool, MultipartReply), DecodeError> {
    let (kind, flags) = (r.u16()?, r.u16()?);
    r.skip(4)?;
    let reply = match kind {
        FLOW => {
            let mut flows = Vec::new();
            while !r.is_empty() {
                flows.push(get_flow_stats(r)?);
            }
            MultipartReply::Flows(flows)
        }
        PORT_DESC => {
            let mut ports = Vec::new();
            while !r.is_empty() {
                ports.push(get_port(r)?);
            }
            MultipartReply::Ports(ports)
        }
        _ => MultipartReply::Other { kind, body: r.rest().to_vec() },
    };
    Ok((flags & MORE != 0, reply))
}

fn put_flow_stats(w: &mut Writer, stats: &FlowStats) -> Result<(), EncodeError> {
    let FlowStats { flow, duration_sec, duration_nsec, packets, bytes } = stats;
    let mut entry = Writer::default();
    entry.u16(0);
    entry.u8(flow.table);
    entry.u8(0);
    entry.u32(*duration_sec);
    entry.u32(*duration_nsec);
    entry.u16(flow.priority);
    entry.u16(flow.idle_timeout);
    entry.u16(flow.hard_timeout);
    entry.u16(flow.flags.0);
    entry.zeros(4);
    entry.u64(flow.cookie);
    entry.u64(*packets);
    entry.u64(*bytes);
    oxm::put_match(&mut entry, &flow.fields)?;
    put_instructions(&mut entry, &flow.actions)?;
    let length = entry.bytes.len();
    let short =
        u16::try_from(length).map_err(|_| EncodeError { what: "flow statistics", length })?;
    w.u16(short);
    w.put(&entry.bytes[2..]);
    Ok(())
}

fn get_flow_stats(r: &mut Reader<'_>) -> Result<FlowStats, DecodeError> {
    let length = usize::from(r.u16()?);
    if length < FLOW_STATS_LEN {
        return Err(DecodeError::BadLength { what: "flow statistics", length });
    }
    let mut r = r.sub(length - 2, "flow statistics")?;
    let table = r.u8()?;
    r.skip(1)?;
    let (duration_sec, duration_nsec, priority) = (r.u32()?, r.u32()?, r.u16()?);
    let (idle_timeout, hard_timeout, flags) = (r.u16()?, r.u16()?, FlowFlags(r.u16()?));
    r.skip(4)?;
    let (cookie, packets, bytes) = (r.u64()?, r.u64()?, r.u64()?);
    let fields = oxm::get_match(&mut r)?;
    let actions = get_instructions(&mut r)?;
    let flow = Flow { table, priority, cookie, idle_timeout, hard_timeout, flags, fields, actions };
    Ok(FlowStats { flow, duration_sec, duration_nsec, packets, bytes })
}

/// One `ofp_port`.
pub(super) fn put_port(w: &mut Writer, port: &PortDesc) {
    w.u32(port.number);
    w.zeros(4);
    w.put(&port.mac.0);
    w.zeros(2);
    let name = port.name.as_bytes();
    let name = &name[..name.len().min(NAME_LEN - 1)];
    w.put(name);
    w.zeros(NAME_LEN - name.len());
    w.u32(port.config);
    w.u32(port.state);
    // Link features and speeds, which nobody here looks at.
    w.zeros(24);
}

/// One `ofp_port`.
pub(super) fn get_port(r: &mut Reader<'_>) -> Result<PortDesc, DecodeError> {
    let number = r.u32()?;
    r.skip(4)?;
    let mut mac = [0; 6];
    mac.copy_from_slice(r.take(6)?);
    r.skip(2)?;
    let name = r.take(NAME_LEN)?;
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    let name = String::from_utf8_lossy(name).into_owned();
    let (config, state) = (r.u32()?, r.u32()?);
    r.skip(24)?;
    Ok(PortDesc { number, mac: MacAddr(mac), name, config, state })
}
