//! What a flow does: OpenFlow actions, Nicira actions, and the instructions among them.
//!
//! As in Open vSwitch one list holds both: `goto_table`, `write_metadata`, `meter` and
//! `clear_actions` are instructions on the wire and actions in this list.

use std::net::{Ipv4Addr, Ipv6Addr};

use neutrino_types::MacAddr;

use crate::field::{Field, VLAN_PRESENT};

/// A run of bits of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subfield {
    /// The field.
    pub field: Field,
    /// First bit, counted from the least significant.
    pub ofs: u16,
    /// Number of bits.
    pub n_bits: u16,
}

impl Subfield {
    /// All of `field` (`NAME[]`).
    #[must_use]
    pub const fn all(field: Field) -> Self {
        Self { field, ofs: 0, n_bits: field.info().bits }
    }

    /// Bits `first` to `last`, both included (`NAME[first..last]`).
    #[must_use]
    pub const fn bits(field: Field, first: u16, last: u16) -> Self {
        Self { field, ofs: first, n_bits: last.saturating_sub(first).saturating_add(1) }
    }
}

/// Where a learn specification takes its bits from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LearnSource {
    /// A field of the packet at hand.
    Field(Subfield),
    /// A constant, right-aligned (at most 128 bits).
    Value(u128),
}

/// One part of a flow that `learn` makes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LearnSpec {
    /// The learned flow matches `dst` equal to the source (`dst=src`, `dst`).
    Match {
        /// Bits matched by the learned flow.
        dst: Subfield,
        /// Wanted value.
        src: LearnSource,
    },
    /// The learned flow loads the source into `dst` (`load:src->dst`).
    Load {
        /// Bits written by the learned flow.
        dst: Subfield,
        /// Written value.
        src: LearnSource,
    },
    /// The learned flow outputs to the port found in the source (`output:src`).
    Output(Subfield),
}

/// The `learn` action: makes a flow out of the packet at hand.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Learn {
    /// Table of the learned flow.
    pub table: u8,
    /// Priority of the learned flow.
    pub priority: u16,
    /// Its idle timeout in seconds, 0 for none.
    pub idle_timeout: u16,
    /// Its hard timeout in seconds, 0 for none.
    pub hard_timeout: u16,
    /// Idle timeout after a FIN or RST, 0 for none.
    pub fin_idle_timeout: u16,
    /// Hard timeout after a FIN or RST, 0 for none.
    pub fin_hard_timeout: u16,
    /// Its cookie.
    pub cookie: u64,
    /// `NX_LEARN_F_*`: 1 sends flow-removed, 2 deletes the learned flows with this one.
    pub flags: u16,
    /// What it matches and does.
    pub specs: Vec<LearnSpec>,
}

impl Default for Learn {
    fn default() -> Self {
        Self {
            table: 1,
            priority: 0x8000,
            idle_timeout: 0,
            hard_timeout: 0,
            fin_idle_timeout: 0,
            fin_hard_timeout: 0,
            cookie: 0,
            flags: 0,
            specs: Vec::new(),
        }
    }
}

/// The address range of a `nat` action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NatRange {
    /// Addresses are left to the connection tracker.
    #[default]
    None,
    /// First and last IPv4 address.
    V4(Ipv4Addr, Option<Ipv4Addr>),
    /// First and last IPv6 address.
    V6(Ipv6Addr, Option<Ipv6Addr>),
}

/// The `nat` action inside `ct`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Nat {
    /// `NX_NAT_F_*`: 1 source, 2 destination, 4 persistent, 8 hash, 16 random.
    pub flags: u16,
    /// Addresses.
    pub range: NatRange,
    /// First port, 0 for none.
    pub port_min: u16,
    /// Last port, 0 for none.
    pub port_max: u16,
}

impl Nat {
    /// Source NAT.
    pub const SRC: u16 = 1;
    /// Destination NAT.
    pub const DST: u16 = 2;
}

/// Which zone a `ct` action works in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CtZone {
    /// A constant; 0 is the default zone.
    Value(u16),
    /// Taken from a field, e.g. `NXM_NX_REG6[0..15]`.
    Field(Subfield),
}

/// The `ct` action: hands the packet to the connection tracker.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ct {
    /// Commit the connection.
    pub commit: bool,
    /// Commit even when the packet runs in the reverse direction.
    pub force: bool,
    /// Continue in this table with the connection state known.
    pub table: Option<u8>,
    /// Zone.
    pub zone: CtZone,
    /// Application gateway by well-known port (21 ftp, 69 tftp), 0 for none.
    pub alg: u16,
    /// `nat` and what `exec(...)` holds.
    pub exec: Vec<Action>,
}

impl Default for Ct {
    fn default() -> Self {
        Self {
            commit: false,
            force: false,
            table: None,
            zone: CtZone::Value(0),
            alg: 0,
            exec: Vec::new(),
        }
    }
}

/// One action or instruction. A flow without any drops the packet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// Send out of a port; reserved ports other than those with a variant are written by name.
    Output(u32),
    /// Send back where it came from (`IN_PORT`).
    InPort,
    /// Process as a learning switch (`NORMAL`).
    Normal,
    /// Send to the controller, at most this many bytes.
    Controller(u16),
    /// Send to a port of which the number is in a field.
    OutputReg(Subfield),
    /// Continue in another table, then come back. `in_port: None` keeps the ingress port,
    /// `table: None` means the table at hand.
    Resubmit {
        /// Ingress port to look up with.
        in_port: Option<u32>,
        /// Table to look up in.
        table: Option<u8>,
    },
    /// Put an empty VLAN tag of this EtherType in front.
    PushVlan(u16),
    /// Take the outer VLAN tag off (`pop_vlan`, `strip_vlan`).
    PopVlan,
    /// Write a whole field, or the masked bits of it. VLAN ids include the present bit.
    SetField {
        /// The field.
        field: Field,
        /// New value, right-aligned.
        value: u128,
        /// Bits written.
        mask: u128,
    },
    /// Copy bits between fields of the same width.
    Move {
        /// From here.
        src: Subfield,
        /// To here.
        dst: Subfield,
    },
    /// Write a constant into some bits (`load`, NXAST_REG_LOAD).
    Load {
        /// Written bits (at most 64).
        dst: Subfield,
        /// Their value.
        value: u64,
    },
    /// Make a flow.
    Learn(Box<Learn>),
    /// Use the connection tracker.
    Ct(Box<Ct>),
    /// Translate addresses; only inside [`Ct::exec`].
    Nat(Nat),
    /// Forget the connection state.
    CtClear,
    /// Contribute to a conjunctive match.
    Conjunction {
        /// Conjunction id.
        id: u32,
        /// Clause number, from 1.
        clause: u8,
        /// Number of clauses.
        n_clauses: u8,
    },
    /// Process by a group.
    Group(u32),
    /// Choose a transmit queue.
    SetQueue(u32),
    /// Forget the chosen queue.
    PopQueue,
    /// Decrement the TTL.
    DecTtl,
    /// Nothing; carries bytes.
    Note(Vec<u8>),
    /// An action this crate does not know, kept as it came (header included).
    Unknown(Vec<u8>),
    /// Rate limit (instruction).
    Meter(u32),
    /// Empty the action set (instruction).
    ClearActions,
    /// Add to the action set (instruction).
    WriteActions(Vec<Action>),
    /// Write metadata under a mask (instruction).
    WriteMetadata {
        /// Value.
        value: u64,
        /// Bits written.
        mask: u64,
    },
    /// Continue in a later table (instruction).
    GotoTable(u8),
}

fn mac_value(mac: MacAddr) -> u128 {
    mac.0.iter().fold(0, |acc, byte| acc << 8 | u128::from(*byte))
}

impl Action {
    /// Put an empty 802.1Q tag in front.
    pub const PUSH_VLAN: Self = Self::PushVlan(0x8100);

    /// Send out of `port`, with the reserved ports in their own variants.
    #[must_use]
    pub fn output(port: u32) -> Self {
        match port {
            crate::port::IN_PORT => Self::InPort,
            crate::port::NORMAL => Self::Normal,
            crate::port::CONTROLLER => Self::Controller(u16::MAX),
            _ => Self::Output(port),
        }
    }

    /// `resubmit(,table)`.
    #[must_use]
    pub const fn resubmit(table: u8) -> Self {
        Self::Resubmit { in_port: None, table: Some(table) }
    }

    /// Writes all of `field`.
    #[must_use]
    pub const fn set_field(field: Field, value: u128) -> Self {
        Self::SetField { field, value, mask: field.full_mask() }
    }

    /// Writes the VLAN id of a tagged packet.
    #[must_use]
    pub fn set_vlan_vid(vid: u16) -> Self {
        Self::set_field(Field::VlanVid, u128::from(vid | VLAN_PRESENT))
    }

    /// Writes the tunnel key.
    #[must_use]
    pub fn set_tun_id(id: u64) -> Self {
        Self::set_field(Field::TunId, u128::from(id))
    }

    /// Writes the Ethernet source.
    #[must_use]
    pub fn set_eth_src(mac: MacAddr) -> Self {
        Self::set_field(Field::EthSrc, mac_value(mac))
    }

    /// Writes the Ethernet destination.
    #[must_use]
    pub fn set_eth_dst(mac: MacAddr) -> Self {
        Self::set_field(Field::EthDst, mac_value(mac))
    }

    /// Writes a MAC field such as `arp_sha`.
    #[must_use]
    pub fn set_mac(field: Field, mac: MacAddr) -> Self {
        Self::set_field(field, mac_value(mac))
    }

    /// Writes an IPv4 field such as `arp_spa`.
    #[must_use]
    pub fn set_ipv4(field: Field, ip: Ipv4Addr) -> Self {
        Self::set_field(field, u32::from(ip).into())
    }

    /// Writes a register.
    #[must_use]
    pub fn set_reg(n: u8, value: u32) -> Self {
        Self::set_field(Field::reg(n), u128::from(value))
    }

    /// Copies all of `src` to `dst`.
    #[must_use]
    pub const fn move_field(src: Field, dst: Field) -> Self {
        Self::Move { src: Subfield::all(src), dst: Subfield::all(dst) }
    }

    /// Whether this is an instruction of its own on the wire.
    #[must_use]
    pub const fn is_instruction(&self) -> bool {
        matches!(
            self,
            Self::Meter(_)
                | Self::ClearActions
                | Self::WriteActions(_)
                | Self::WriteMetadata { .. }
                | Self::GotoTable(_)
        )
    }

    /// The actions that answer an ARP request at hand with `mac` and `ip`, in Neutron's order.
    #[must_use]
    pub fn arp_responder(mac: MacAddr, ip: Ipv4Addr) -> Vec<Self> {
        vec![
            Self::set_field(Field::ArpOp, 2),
            Self::move_field(Field::ArpSha, Field::ArpTha),
            Self::move_field(Field::ArpSpa, Field::ArpTpa),
            Self::set_mac(Field::ArpSha, mac),
            Self::set_ipv4(Field::ArpSpa, ip),
            Self::move_field(Field::EthSrc, Field::EthDst),
            Self::set_eth_src(mac),
            Self::InPort,
        ]
    }
}
