//! OpenFlow messages: what a controller and a switch say to each other.

use std::fmt;

use crate::{
    flow::{FlowMod, FlowStats},
    matching::Match,
    wire::error_names,
};

/// Protocol version byte of OpenFlow 1.3.
pub const VERSION: u8 = 4;
/// Length of the header of every message.
pub const HEADER_LEN: usize = 8;
/// Experimenter id of the Open Networking Foundation.
pub const ONF: u32 = 0x4f4e_4600;

/// An error message of the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorMessage {
    /// `ofp_error_type`, or 0xffff for one of an experimenter.
    pub kind: u16,
    /// Code within the type (or the experimenter's).
    pub code: u16,
    /// Who defined the error, for type 0xffff.
    pub experimenter: Option<u32>,
    /// At least the first 64 bytes of the offending message.
    pub data: Vec<u8>,
}

impl ErrorMessage {
    /// The error's name as ovs-ofctl prints it, e.g. `OFPBAC_BAD_OUT_PORT`.
    #[must_use]
    pub fn name(&self) -> Option<&'static str> {
        error_names::name(self.kind, self.code, self.experimenter)
    }
}

impl fmt::Display for ErrorMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name(), self.experimenter) {
            (Some(name), _) => f.write_str(name),
            (None, None) => write!(f, "error type {} code {}", self.kind, self.code),
            (None, Some(vendor)) => write!(f, "error of {vendor:#010x} code {}", self.code),
        }
    }
}

/// What a switch says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// Unique id of the bridge.
    pub datapath_id: u64,
    /// Packets it can buffer.
    pub n_buffers: u32,
    /// Number of tables.
    pub n_tables: u8,
    /// 0 on the main connection.
    pub auxiliary_id: u8,
    /// `ofp_capabilities`.
    pub capabilities: u32,
}

/// A port of a switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortDesc {
    /// OpenFlow port number.
    pub number: u32,
    /// MAC address.
    pub mac: neutrino_types::MacAddr,
    /// Interface name (at most 15 bytes).
    pub name: String,
    /// `ofp_port_config` (bit 0: administratively down).
    pub config: u32,
    /// `ofp_port_state` (bit 0: no link, bit 2: live).
    pub state: u32,
}

/// How a switch treats fragments of IP packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fragments {
    /// As other packets, but with ports (and ICMP type and code) zero, also in first fragments:
    /// how Open vSwitch starts.
    Normal,
    /// Drop them.
    Drop,
    /// Put them together; Open vSwitch cannot.
    Reassemble,
    /// As other packets, ports being those of the packet in first fragments and zero in later ones
    /// (Nicira extension).
    Match,
}

/// Which flows a flow statistics request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowFilter {
    /// Table, or [`FlowMod::ALL_TABLES`].
    pub table: u8,
    /// Only flows that output here; [`crate::port::ANY`] for no such filter.
    pub out_port: u32,
    /// Only flows that use this group; `0xffffffff` for no such filter.
    pub out_group: u32,
    /// Only flows whose cookie agrees with this under the mask.
    pub cookie: u64,
    /// Bits of the cookie that matter.
    pub cookie_mask: u64,
    /// Only flows within this match.
    pub fields: Match,
}

impl FlowFilter {
    /// Every flow of `table` ([`FlowMod::ALL_TABLES`] for all tables).
    #[must_use]
    pub fn table(table: u8) -> Self {
        Self {
            table,
            out_port: crate::port::ANY,
            out_group: u32::MAX,
            cookie: 0,
            cookie_mask: 0,
            fields: Match::new(),
        }
    }
}

/// A request for statistics or descriptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MultipartRequest {
    /// Flows.
    Flows(FlowFilter),
    /// Ports.
    Ports,
}

/// One part of the answer to a [`MultipartRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MultipartReply {
    /// Flows.
    Flows(Vec<FlowStats>),
    /// Ports.
    Ports(Vec<PortDesc>),
    /// Something this crate does not know.
    Other {
        /// `ofp_multipart_type`.
        kind: u16,
        /// Its bytes.
        body: Vec<u8>,
    },
}

/// What a bundle control message asks or answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BundleStep {
    /// Open it.
    OpenRequest,
    /// It is open.
    OpenReply,
    /// Accept no more messages.
    CloseRequest,
    /// It is closed.
    CloseReply,
    /// Apply it.
    CommitRequest,
    /// It is applied.
    CommitReply,
    /// Forget it.
    DiscardRequest,
    /// It is forgotten.
    DiscardReply,
}

/// `OFPBF_*` flags of a bundle: all or nothing, and in order.
pub const BUNDLE_ATOMIC_ORDERED: u16 = 1 | 2;

/// Opens, commits or drops a bundle (ONF extension 230).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BundleControl {
    /// Chosen by the controller.
    pub bundle_id: u32,
    /// What is asked or answered.
    pub step: BundleStep,
    /// `OFPBF_*`.
    pub flags: u16,
}

/// A message inside a bundle. Open vSwitch wants the same xid inside and outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleAdd {
    /// The bundle.
    pub bundle_id: u32,
    /// `OFPBF_*`, as the bundle was opened.
    pub flags: u16,
    /// The message.
    pub message: Box<Message>,
}

/// A packet sent up by a switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PacketIn {
    /// Buffer on the switch, `0xffffffff` for none.
    pub buffer_id: u32,
    /// Length of the whole packet.
    pub total_len: u16,
    /// `ofp_packet_in_reason`.
    pub reason: u8,
    /// Table of the flow that sent it.
    pub table: u8,
    /// Cookie of that flow.
    pub cookie: u64,
    /// Its metadata.
    pub fields: Match,
    /// Its first bytes.
    pub data: Vec<u8>,
}

/// A packet to be sent by a switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PacketOut {
    /// Ingress port to pretend.
    pub in_port: u32,
    /// What to do with it.
    pub actions: Vec<crate::action::Action>,
    /// The packet.
    pub data: Vec<u8>,
}

/// A port came, went or changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortStatus {
    /// 0 added, 1 deleted, 2 changed.
    pub reason: u8,
    /// The port.
    pub port: PortDesc,
}

/// A flow was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowRemoved {
    /// `ofp_flow_removed_reason`.
    pub reason: u8,
    /// The flow, without its actions, and its counters.
    pub stats: FlowStats,
}

/// A message of OpenFlow 1.3. What this crate does not know is kept as [`Message::Other`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message {
    /// First message of both sides.
    Hello {
        /// Version in the header: the highest one the sender speaks.
        version: u8,
        /// Bit n set: the sender speaks version n. Empty when it sent no bitmap.
        bitmap: u32,
    },
    /// The peer refuses.
    Error(ErrorMessage),
    /// Are you there?
    EchoRequest(Vec<u8>),
    /// I am.
    EchoReply(Vec<u8>),
    /// Who are you?
    FeaturesRequest,
    /// I am this.
    FeaturesReply(Features),
    /// Settings of the switch.
    SetConfig {
        /// Treatment of fragments, on all connections.
        fragments: Fragments,
        /// Bytes of a packet that comes up for want of a flow, on this connection.
        miss_send_len: u16,
    },
    /// Change flows.
    FlowMod(FlowMod),
    /// Answer when everything before is done.
    BarrierRequest,
    /// Everything before is done.
    BarrierReply,
    /// Ask for statistics or descriptions.
    MultipartRequest(MultipartRequest),
    /// A part of them.
    MultipartReply {
        /// Whether more parts follow under the same xid.
        more: bool,
        /// The part.
        reply: MultipartReply,
    },
    /// Bundle handling.
    BundleControl(BundleControl),
    /// A message into a bundle.
    BundleAdd(BundleAdd),
    /// A packet comes up.
    PacketIn(PacketIn),
    /// A packet goes down.
    PacketOut(PacketOut),
    /// A port changed.
    PortStatus(PortStatus),
    /// A flow was removed.
    FlowRemoved(FlowRemoved),
    /// Any other message.
    Other {
        /// Version in its header.
        version: u8,
        /// `ofp_type`.
        kind: u8,
        /// What follows the header.
        body: Vec<u8>,
    },
}
