//! Flows, changes of flows, and flows as a switch reports them.

use crate::{action::Action, field::Field, matching::Match};

/// `OFPFF_*` flags of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FlowFlags(pub u16);

impl FlowFlags {
    /// Send a message when the flow is removed.
    pub const SEND_FLOW_REM: u16 = 1;
    /// Refuse to overlap another flow of the same priority.
    pub const CHECK_OVERLAP: u16 = 2;
    /// Adding resets the counters.
    pub const RESET_COUNTS: u16 = 4;
    /// Keep no packet counter.
    pub const NO_PKT_COUNTS: u16 = 8;
    /// Keep no byte counter.
    pub const NO_BYT_COUNTS: u16 = 16;

    pub(crate) const NAMES: [(u16, &'static str); 5] = [
        (Self::SEND_FLOW_REM, "send_flow_rem"),
        (Self::CHECK_OVERLAP, "check_overlap"),
        (Self::RESET_COUNTS, "reset_counts"),
        (Self::NO_PKT_COUNTS, "no_packet_counts"),
        (Self::NO_BYT_COUNTS, "no_byte_counts"),
    ];
}

/// A flow. Displays as `ovs-ofctl -O OpenFlow13 --no-stats dump-flows` prints it and parses from
/// that text (counters, durations and ages in the text are skipped).
///
/// `==` compares everything; [`Flow::same`] compares what Neutron means by "the same flow".
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    /// Table it is in.
    pub table: u8,
    /// Higher wins.
    pub priority: u16,
    /// Opaque mark of who installed it.
    pub cookie: u64,
    /// Seconds without a packet until removal, 0 for never.
    pub idle_timeout: u16,
    /// Seconds until removal, 0 for never.
    pub hard_timeout: u16,
    /// `OFPFF_*`.
    pub flags: FlowFlags,
    /// Which packets.
    pub fields: Match,
    /// What happens to them; empty drops.
    pub actions: Vec<Action>,
}

impl Default for Flow {
    fn default() -> Self {
        Self::new(0, Self::DEFAULT_PRIORITY, Match::new())
    }
}

/// What identifies a flow within a bridge.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowKey {
    /// Table.
    pub table: u8,
    /// Priority.
    pub priority: u16,
    /// Match.
    pub fields: Match,
}

impl Flow {
    /// Priority of a flow that names none.
    pub const DEFAULT_PRIORITY: u16 = 0x8000;

    /// A drop flow without cookie or timeouts.
    #[must_use]
    pub const fn new(table: u8, priority: u16, fields: Match) -> Self {
        Self {
            table,
            priority,
            cookie: 0,
            idle_timeout: 0,
            hard_timeout: 0,
            flags: FlowFlags(0),
            fields,
            actions: Vec::new(),
        }
    }

    /// The same flow with these actions.
    #[must_use]
    pub fn then(mut self, actions: impl IntoIterator<Item = Action>) -> Self {
        self.actions = actions.into_iter().collect();
        self
    }

    /// The same flow that continues in `table`.
    #[must_use]
    pub fn goto(self, table: u8) -> Self {
        self.then([Action::GotoTable(table)])
    }

    /// The same flow under `cookie`.
    #[must_use]
    pub const fn with_cookie(mut self, cookie: u64) -> Self {
        self.cookie = cookie;
        self
    }

    /// What a switch keeps at most one flow of.
    #[must_use]
    pub fn key(&self) -> FlowKey {
        FlowKey { table: self.table, priority: self.priority, fields: self.fields.clone() }
    }

    /// Equal but for the cookie (also that of learned flows) and flags.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        self.table == other.table
            && self.priority == other.priority
            && self.idle_timeout == other.idle_timeout
            && self.hard_timeout == other.hard_timeout
            && self.fields == other.fields
            && same_actions(&self.actions, &other.actions)
    }

    /// The same flow without cookie (also that of learned flows) and flags: what tests compare.
    #[must_use]
    pub fn canonical(mut self) -> Self {
        self.cookie = 0;
        self.flags = FlowFlags(0);
        for action in &mut self.actions {
            if let Action::Learn(learn) = action {
                learn.cookie = 0;
            }
        }
        self
    }

    /// The ports the flow sends to by number, in order.
    pub fn output_ports(&self) -> impl Iterator<Item = u32> + '_ {
        self.actions.iter().filter_map(|action| match action {
            Action::Output(port) => Some(*port),
            _ => None,
        })
    }

    /// The ingress port it matches, if it does.
    #[must_use]
    pub fn in_port(&self) -> Option<u32> {
        self.fields.exact(Field::InPort).and_then(|port| u32::try_from(port).ok())
    }
}

fn same_actions(left: &[Action], right: &[Action]) -> bool {
    left.len() == right.len()
        && left.iter().zip(right).all(|pair| match pair {
            (Action::Learn(a), Action::Learn(b)) => {
                let mut b = (**b).clone();
                b.cookie = a.cookie;
                **a == b
            }
            (a, b) => a == b,
        })
}

/// What to do with the flows a [`FlowMod`] names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Add, or replace the flow of the same key.
    Add,
    /// Change the actions of every flow within the match.
    Modify,
    /// Change the actions of the flow of this key.
    ModifyStrict,
    /// Delete every flow within the match.
    Delete,
    /// Delete the flow of this key.
    DeleteStrict,
}

/// A change of a switch's flows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FlowMod {
    /// What to do.
    pub command: Command,
    /// With which flow, or with flows within its match.
    pub flow: Flow,
    /// For all but [`Command::Add`]: only flows whose cookie agrees under this mask.
    pub cookie_mask: u64,
    /// For deletes: only flows that send to this port; [`crate::port::ANY`] for no such filter.
    pub out_port: u32,
    /// For deletes: only flows that use this group; `0xffffffff` for no such filter.
    pub out_group: u32,
}

impl FlowMod {
    /// Table number of a delete in every table.
    pub const ALL_TABLES: u8 = 0xff;

    fn new(command: Command, flow: Flow) -> Self {
        Self { command, flow, cookie_mask: 0, out_port: crate::port::ANY, out_group: u32::MAX }
    }

    /// Adds `flow`, replacing one of the same key.
    #[must_use]
    pub fn add(flow: Flow) -> Self {
        Self::new(Command::Add, flow)
    }

    /// Changes the actions (not the cookie) of the flow with the key of `flow`, if it is there.
    #[must_use]
    pub fn modify_strict(flow: Flow) -> Self {
        Self::new(Command::ModifyStrict, flow)
    }

    /// Deletes the flow with the key of `flow`, whatever its cookie and actions.
    #[must_use]
    pub fn delete_strict(flow: &Flow) -> Self {
        let target = Flow::new(flow.table, flow.priority, flow.fields.clone());
        Self::new(Command::DeleteStrict, target)
    }

    /// Deletes every flow of `table` ([`Self::ALL_TABLES`] for all) within `fields`.
    #[must_use]
    pub fn delete(table: u8, fields: Match) -> Self {
        Self::new(Command::Delete, Flow::new(table, Flow::DEFAULT_PRIORITY, fields))
    }

    /// Restricts a delete or modify to flows whose cookie agrees with `cookie` under `mask`.
    #[must_use]
    pub const fn only_cookie(mut self, cookie: u64, mask: u64) -> Self {
        self.flow.cookie = cookie;
        self.cookie_mask = mask;
        self
    }
}

/// A flow as a switch reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowStats {
    /// The flow.
    pub flow: Flow,
    /// Whole seconds since it was added.
    pub duration_sec: u32,
    /// Nanoseconds beyond those.
    pub duration_nsec: u32,
    /// Packets it took.
    pub packets: u64,
    /// Bytes it took.
    pub bytes: u64,
}
