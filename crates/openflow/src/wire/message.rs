//! Messages on the wire.

use super::{
    DecodeError, EncodeError, Reader, Writer,
    action::{put_action, put_instructions},
    action_decode::{get_actions, get_instructions},
    error_names::TYPE_EXPERIMENTER,
    multipart, oxm,
};
use crate::{
    flow::{Command, Flow, FlowFlags, FlowMod, FlowStats},
    message::{
        BundleAdd, BundleControl, BundleStep, ErrorMessage, Features, FlowRemoved, Fragments,
        HEADER_LEN, Message, ONF, PacketIn, PacketOut, PortStatus, VERSION,
    },
};

/// `ofp_type` values.
mod kind {
    pub(super) const HELLO: u8 = 0;
    pub(super) const ERROR: u8 = 1;
    pub(super) const ECHO_REQUEST: u8 = 2;
    pub(super) const ECHO_REPLY: u8 = 3;
    pub(super) const EXPERIMENTER: u8 = 4;
    pub(super) const FEATURES_REQUEST: u8 = 5;
    pub(super) const FEATURES_REPLY: u8 = 6;
    pub(super) const SET_CONFIG: u8 = 9;
    pub(super) const PACKET_IN: u8 = 10;
    pub(super) const FLOW_REMOVED: u8 = 11;
    pub(super) const PORT_STATUS: u8 = 12;
    pub(super) const PACKET_OUT: u8 = 13;
    pub(super) const FLOW_MOD: u8 = 14;
    pub(super) const MULTIPART_REQUEST: u8 = 18;
    pub(super) const MULTIPART_REPLY: u8 = 19;
    pub(super) const BARRIER_REQUEST: u8 = 20;
    pub(super) const BARRIER_REPLY: u8 = 21;
}

/// ONF experimenter type of bundle control.
const ONF_BUNDLE_CONTROL: u32 = 2300;
/// ONF experimenter type of bundle add.
const ONF_BUNDLE_ADD: u32 = 2301;
/// Hello element type of the version bitmap.
const HELLO_BITMAP: u16 = 1;
/// "Not buffered on the switch."
const NO_BUFFER: u32 = u32::MAX;
/// Messages within messages that are followed.
const MAX_DEPTH: usize = 1;

const FRAGMENTS: [Fragments; 4] =
    [Fragments::Normal, Fragments::Drop, Fragments::Reassemble, Fragments::Match];

const STEPS: [BundleStep; 8] = [
    BundleStep::OpenRequest,
    BundleStep::OpenReply,
    BundleStep::CloseRequest,
    BundleStep::CloseReply,
    BundleStep::CommitRequest,
    BundleStep::CommitReply,
    BundleStep::DiscardRequest,
    BundleStep::DiscardReply,
];

const COMMANDS: [Command; 5] =
    [Command::Add, Command::Modify, Command::ModifyStrict, Command::Delete, Command::DeleteStrict];

/// The length of the first message in `bytes`, or `None` when not even its header is there.
///
/// # Errors
/// When the header's length is shorter than the header.
pub fn frame_length(bytes: &[u8]) -> Result<Option<usize>, DecodeError> {
    let [_, _, high, low, ..] = bytes else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if length < HEADER_LEN {
        return Err(DecodeError::BadLength { what: "message", length });
    }
    Ok(Some(length))
}

impl Message {
    /// The message as bytes.
    ///
    /// # Errors
    /// When it is longer than the protocol allows (64 KiB).
    pub fn encode(&self, xid: u32) -> Result<Vec<u8>, EncodeError> {
        let mut w = Writer::default();
        self.put(&mut w, xid)?;
        Ok(w.bytes)
    }

    fn put(&self, w: &mut Writer, xid: u32) -> Result<(), EncodeError> {
        let start = w.bytes.len();
        let version = match self {
            Self::Hello { version, .. } | Self::Other { version, .. } => *version,
            _ => VERSION,
        };
        w.u8(version);
        w.u8(self.kind());
        w.u16(0);
        w.u32(xid);
        self.put_body(w, xid)?;
        w.set_length(start, "message")
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Hello { .. } => kind::HELLO,
            Self::Error(_) => kind::ERROR,
            Self::EchoRequest(_) => kind::ECHO_REQUEST,
            Self::EchoReply(_) => kind::ECHO_REPLY,
            Self::FeaturesRequest => kind::FEATURES_REQUEST,
            Self::FeaturesReply(_) => kind::FEATURES_REPLY,
            Self::SetConfig { .. } => kind::SET_CONFIG,
            Self::FlowMod(_) => kind::FLOW_MOD,
            Self::BarrierRequest => kind::BARRIER_REQUEST,
            Self::BarrierReply => kind::BARRIER_REPLY,
            Self::MultipartRequest(_) => kind::MULTIPART_REQUEST,
            Self::MultipartReply { .. } => kind::MULTIPART_REPLY,
            Self::BundleControl(_) | Self::BundleAdd(_) => kind::EXPERIMENTER,
            Self::PacketIn(_) => kind::PACKET_IN,
            Self::PacketOut(_) => kind::PACKET_OUT,
            Self::PortStatus(_) => kind::PORT_STATUS,
            Self::FlowRemoved(_) => kind::FLOW_REMOVED,
            Self::Other { kind, .. } => *kind,
        }
    }

    fn put_body(&self, w: &mut Writer, xid: u32) -> Result<(), EncodeError> {
        match self {
            Self::Hello { bitmap: 0, .. }
            | Self::FeaturesRequest
            | Self::BarrierRequest
            | Self::BarrierReply => {}
            Self::Hello { bitmap, .. } => {
                w.u16(HELLO_BITMAP);
                w.u16(8);
                w.u32(*bitmap);
            }
            Self::Error(error) => {
                w.u16(error.kind);
                w.u16(error.code);
                if let Some(vendor) = error.experimenter {
                    w.u32(vendor);
                }
                w.put(&error.data);
            }
            Self::EchoRequest(data) | Self::EchoReply(data) => w.put(data),
            Self::FeaturesReply(features) => put_features(w, features),
            Self::SetConfig { fragments, miss_send_len } => {
                let flags = FRAGMENTS.iter().position(|mode| mode == fragments);
                w.u16(flags.map_or(0, |at| at as u16));
                w.u16(*miss_send_len);
            }
            Self::FlowMod(flow_mod) => put_flow_mod(w, flow_mod)?,
            Self::MultipartRequest(request) => multipart::put_request(w, request)?,
            Self::MultipartReply { more, reply } => multipart::put_reply(w, *more, reply)?,
            Self::BundleControl(control) => {
                w.u32(ONF);
                w.u32(ONF_BUNDLE_CONTROL);
                w.u32(control.bundle_id);
                let step = STEPS.iter().position(|step| *step == control.step);
                w.u16(step.map_or(0, |at| at as u16));
                w.u16(control.flags);
            }
            Self::BundleAdd(add) => {
                w.u32(ONF);
                w.u32(ONF_BUNDLE_ADD);
                w.u32(add.bundle_id);
                w.u16(0);
                w.u16(add.flags);
                add.message.put(w, xid)?;
            }
            Self::PacketIn(packet) => put_packet_in(w, packet)?,
            Self::PacketOut(packet) => put_packet_out(w, packet)?,
            Self::PortStatus(status) => {
                w.u8(status.reason);
                w.zeros(7);
                multipart::put_port(w, &status.port);
            }
            Self::FlowRemoved(removed) => put_flow_removed(w, removed)?,
            Self::Other { body, .. } => w.put(body),
        }
        Ok(())
    }

    /// Reads one whole message; returns its xid and what it says.
    ///
    /// # Errors
    /// When the bytes are not a message of OpenFlow 1.3 (hellos and errors may be of any version).
    pub fn decode(bytes: &[u8]) -> Result<(u32, Self), DecodeError> {
        Self::decode_nested(bytes, 0)
    }

    fn decode_nested(bytes: &[u8], depth: usize) -> Result<(u32, Self), DecodeError> {
        if depth > MAX_DEPTH {
            return Err(DecodeError::TooDeep);
        }
        let mut r = Reader::new(bytes, "message");
        let (version, kind, length, xid) = (r.u8()?, r.u8()?, usize::from(r.u16()?), r.u32()?);
        let bad = DecodeError::BadLength { what: "message", length };
        let body = r.sub(length.checked_sub(HEADER_LEN).ok_or(bad)?, "message")?;
        Ok((xid, Self::decode_body(version, kind, body, depth)?))
    }

    fn decode_body(
        version: u8,
        kind: u8,
        mut r: Reader<'_>,
        depth: usize,
    ) -> Result<Self, DecodeError> {
        match kind {
            kind::HELLO => return Ok(get_hello(version, r)),
            // The refusal of our hello comes in whatever version the switch speaks.
            kind::ERROR => return get_error(&mut r).map(Self::Error),
            _ if version != VERSION => {
                return Err(DecodeError::BadValue { what: "version", value: version.into() });
            }
            _ => {}
        }
        let other = Self::Other { version, kind, body: r.rest().to_vec() };
        Ok(match kind {
            kind::ECHO_REQUEST => Self::EchoRequest(r.rest().to_vec()),
            kind::ECHO_REPLY => Self::EchoReply(r.rest().to_vec()),
            kind::FEATURES_REQUEST => Self::FeaturesRequest,
            kind::FEATURES_REPLY => Self::FeaturesReply(get_features(&mut r)?),
            kind::SET_CONFIG => {
                let (flags, miss_send_len) = (r.u16()?, r.u16()?);
                let fragments = FRAGMENTS.get(usize::from(flags)).copied();
                let bad = DecodeError::BadValue { what: "switch config", value: flags.into() };
                Self::SetConfig { fragments: fragments.ok_or(bad)?, miss_send_len }
            }
            kind::FLOW_MOD => Self::FlowMod(get_flow_mod(&mut r)?),
            kind::BARRIER_REQUEST => Self::BarrierRequest,
            kind::BARRIER_REPLY => Self::BarrierReply,
            kind::MULTIPART_REQUEST => {
                multipart::get_request(&mut r)?.map_or(other, Self::MultipartRequest)
            }
            kind::MULTIPART_REPLY => {
                let (more, reply) = multipart::get_reply(&mut r)?;
                Self::MultipartReply { more, reply }
            }
            kind::EXPERIMENTER => get_experimenter(&mut r, depth)?.unwrap_or(other),
            kind::PACKET_IN => Self::PacketIn(get_packet_in(&mut r)?),
            kind::PACKET_OUT => Self::PacketOut(get_packet_out(&mut r)?),
            kind::PORT_STATUS => {
                let reason = r.u8()?;
                r.skip(7)?;
                Self::PortStatus(PortStatus { reason, port: multipart::get_port(&mut r)? })
            }
            kind::FLOW_REMOVED => Self::FlowRemoved(get_flow_removed(&mut r)?),
            _ => other,
        })
    }
}

/// A hello of any version; elements that cannot be read are as good as absent.
fn get_hello(version: u8, mut r: Reader<'_>) -> Message {
    let mut bitmap = 0;
    while let (Ok(element), Ok(length)) = (r.u16(), r.u16()) {
        let length = usize::from(length);
        let Some(body_length) = length.checked_sub(4) else { break };
        let Ok(mut body) = r.sub(body_length, "hello element") else { break };
        if element == HELLO_BITMAP {
            bitmap = body.u32().unwrap_or(0);
        }
        if r.skip((length.next_multiple_of(8) - length).min(r.len())).is_err() {
            break;
        }
    }
    Message::Hello { version, bitmap }
}

fn get_error(r: &mut Reader<'_>) -> Result<ErrorMessage, DecodeError> {
    let (kind, code) = (r.u16()?, r.u16()?);
    let experimenter = if kind == TYPE_EXPERIMENTER { Some(r.u32()?) } else { None };
    Ok(ErrorMessage { kind, code, experimenter, data: r.rest().to_vec() })
}

fn put_features(w: &mut Writer, features: &Features) {
    w.u64(features.datapath_id);
    w.u32(features.n_buffers);
    w.u8(features.n_tables);
    w.u8(features.auxiliary_id);
    w.zeros(2);
    w.u32(features.capabilities);
    w.zeros(4);
}

fn get_features(r: &mut Reader<'_>) -> Result<Features, DecodeError> {
    let (datapath_id, n_buffers, n_tables, auxiliary_id) = (r.u64()?, r.u32()?, r.u8()?, r.u8()?);
    r.skip(2)?;
    Ok(Features { datapath_id, n_buffers, n_tables, auxiliary_id, capabilities: r.u32()? })
}

fn put_flow_mod(w: &mut Writer, flow_mod: &FlowMod) -> Result<(), EncodeError> {
    let flow = &flow_mod.flow;
    w.u64(flow.cookie);
    w.u64(flow_mod.cookie_mask);
    w.u8(flow.table);
    let command = COMMANDS.iter().position(|command| *command == flow_mod.command);
    w.u8(command.map_or(0, |at| at as u8));
    w.u16(flow.idle_timeout);
    w.u16(flow.hard_timeout);
    w.u16(flow.priority);
    w.u32(NO_BUFFER);
    w.u32(flow_mod.out_port);
    w.u32(flow_mod.out_group);
    w.u16(flow.flags.0);
    w.zeros(2);
    oxm::put_match(w, &flow.fields)?;
    put_instructions(w, &flow.actions)
}

fn get_flow_mod(r: &mut Reader<'_>) -> Result<FlowMod, DecodeError> {
    let (cookie, cookie_mask, table) = (r.u64()?, r.u64()?, r.u8()?);
    let command = r.u8()?;
    let command = *COMMANDS
        .get(usize::from(command))
        .ok_or(DecodeError::BadValue { what: "flow-mod command", value: command.into() })?;
    let (idle_timeout, hard_timeout, priority) = (r.u16()?, r.u16()?, r.u16()?);
    r.skip(4)?;
    let (out_port, out_group, flags) = (r.u32()?, r.u32()?, FlowFlags(r.u16()?));
    r.skip(2)?;
    let fields = oxm::get_match(r)?;
    let actions = get_instructions(r)?;
    let flow = Flow { table, priority, cookie, idle_timeout, hard_timeout, flags, fields, actions };
    Ok(FlowMod { command, flow, cookie_mask, out_port, out_group })
}

/// An experimenter message this crate knows.
fn get_experimenter(r: &mut Reader<'_>, depth: usize) -> Result<Option<Message>, DecodeError> {
    let (vendor, kind) = (r.u32()?, r.u32()?);
    Ok(match (vendor, kind) {
        (ONF, ONF_BUNDLE_CONTROL) => {
            let (bundle_id, step, flags) = (r.u32()?, r.u16()?, r.u16()?);
            let step = *STEPS
                .get(usize::from(step))
                .ok_or(DecodeError::BadValue { what: "bundle control type", value: step.into() })?;
            Some(Message::BundleControl(BundleControl { bundle_id, step, flags }))
        }
        (ONF, ONF_BUNDLE_ADD) => {
            let bundle_id = r.u32()?;
            r.skip(2)?;
            let flags = r.u16()?;
            let (_, message) = Message::decode_nested(r.rest(), depth + 1)?;
            let message = Box::new(message);
            Some(Message::BundleAdd(BundleAdd { bundle_id, flags, message }))
        }
        _ => None,
    })
}

fn put_packet_in(w: &mut Writer, packet: &PacketIn) -> Result<(), EncodeError> {
    w.u32(packet.buffer_id);
    w.u16(packet.total_len);
    w.u8(packet.reason);
    w.u8(packet.table);
    w.u64(packet.cookie);
    oxm::put_match(w, &packet.fields)?;
    w.zeros(2);
    w.put(&packet.data);
    Ok(())
}

fn get_packet_in(r: &mut Reader<'_>) -> Result<PacketIn, DecodeError> {
    let (buffer_id, total_len, reason, table, cookie) =
        (r.u32()?, r.u16()?, r.u8()?, r.u8()?, r.u64()?);
    let fields = oxm::get_match(r)?;
    r.skip(2)?;
    let data = r.rest().to_vec();
    Ok(PacketIn { buffer_id, total_len, reason, table, cookie, fields, data })
}

fn put_packet_out(w: &mut Writer, packet: &PacketOut) -> Result<(), EncodeError> {
    w.u32(NO_BUFFER);
    w.u32(packet.in_port);
    let length_at = w.bytes.len();
    w.u16(0);
    w.zeros(6);
    let start = w.bytes.len();
    for action in &packet.actions {
        put_action(w, action)?;
    }
    let length = w.bytes.len() - start;
    let short = u16::try_from(length).map_err(|_| EncodeError { what: "action list", length })?;
    w.bytes[length_at..length_at + 2].copy_from_slice(&short.to_be_bytes());
    w.put(&packet.data);
    Ok(())
}

fn get_packet_out(r: &mut Reader<'_>) -> Result<PacketOut, DecodeError> {
    r.skip(4)?;
    let (in_port, length) = (r.u32()?, r.u16()?);
    r.skip(6)?;
    let actions = get_actions(&mut r.sub(length.into(), "action list")?, 0)?;
    Ok(PacketOut { in_port, actions, data: r.rest().to_vec() })
}

fn put_flow_removed(w: &mut Writer, removed: &FlowRemoved) -> Result<(), EncodeError> {
    let FlowStats { flow, duration_sec, duration_nsec, packets, bytes } = &removed.stats;
    w.u64(flow.cookie);
    w.u16(flow.priority);
    w.u8(removed.reason);
    w.u8(flow.table);
    w.u32(*duration_sec);
    w.u32(*duration_nsec);
    w.u16(flow.idle_timeout);
    w.u16(flow.hard_timeout);
    w.u64(*packets);
    w.u64(*bytes);
    oxm::put_match(w, &flow.fields)
}

fn get_flow_removed(r: &mut Reader<'_>) -> Result<FlowRemoved, DecodeError> {
    let (cookie, priority, reason, table) = (r.u64()?, r.u16()?, r.u8()?, r.u8()?);
    let (duration_sec, duration_nsec) = (r.u32()?, r.u32()?);
    let (idle_timeout, hard_timeout) = (r.u16()?, r.u16()?);
    let (packets, bytes) = (r.u64()?, r.u64()?);
    let fields = oxm::get_match(r)?;
    let flow = Flow { cookie, idle_timeout, hard_timeout, ..Flow::new(table, priority, fields) };
    let stats = FlowStats { flow, duration_sec, duration_nsec, packets, bytes };
    Ok(FlowRemoved { reason, stats })
}
