//! OpenFlow 1.3 and Nicira codec, with the text form of ovs-ofctl.
//!
//! Owns the values (flows, matches, actions, messages), their wire form and their text form.
//! Does no I/O: bytes and text in, values out, and back. Connections are `neutrino-ofconn`'s.
//!
//! A flow reads as `ovs-ofctl -O OpenFlow13 --no-stats dump-flows` prints it:
//!
//! ```
//! use neutrino_openflow::{Action, Flow, Match};
//!
//! let flow = Flow::new(4, 1, Match::new().tun_id(1))
//!     .then([Action::PUSH_VLAN, Action::set_vlan_vid(3), Action::GotoTable(10)]);
//! assert_eq!(
//!     flow.to_string(),
//!     "table=4, priority=1,tun_id=0x1 \
//!      actions=push_vlan:0x8100,set_field:4099->vlan_vid,goto_table:10"
//! );
//! assert_eq!(flow.to_string().parse::<Flow>().unwrap(), flow);
//! ```

pub mod action;
pub mod field;
pub mod flow;
pub mod matching;
pub mod message;
pub mod port;
mod text;
mod wire;

pub use action::{Action, Ct, CtZone, Learn, LearnSource, LearnSpec, Nat, NatRange, Subfield};
pub use field::{Field, Format};
pub use flow::{Command, Flow, FlowFlags, FlowKey, FlowMod, FlowStats};
pub use matching::{FieldMatch, Match, RawOxm};
pub use message::Message;
pub use text::{Of10, ParseError};
pub use wire::{DecodeError, EncodeError, message::frame_length};
