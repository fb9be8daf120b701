//! What can go wrong between controller and switch.

use std::{fmt, io, time::Duration};

use neutrino_openflow::{DecodeError, EncodeError, message::ErrorMessage};

/// A switch refused a part of what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What was refused: the text of a flow-mod, or the name of the request.
    pub what: String,
    /// The switch's reason.
    pub error: ErrorMessage,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for {}", self.error, self.what)
    }
}

/// An operation on the controller or a switch failed.
#[derive(Debug, thiserror::Error)]
pub enum OfError {
    /// The address cannot be listened on.
    #[error("listening for switches on {address}")]
    Listen {
        /// The address.
        address: String,
        /// Why not.
        source: io::Error,
    },
    /// The bridge did not connect in time.
    #[error("switch {datapath_id:016x} did not connect within {waited:?}")]
    NotConnected {
        /// The bridge.
        datapath_id: u64,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The connection ended before the answer came. Whether the request took effect is unknown.
    #[error("switch {datapath_id:016x} disconnected during {request}")]
    Disconnected {
        /// The bridge.
        datapath_id: u64,
        /// What was asked.
        request: &'static str,
    },
    /// No answer in time. Whether the request took effect is unknown.
    #[error("switch {datapath_id:016x} did not answer {request} within {waited:?}")]
    Timeout {
        /// The bridge.
        datapath_id: u64,
        /// What was asked.
        request: &'static str,
        /// How long there was no progress.
        waited: Duration,
    },
    /// The switch refused. Of a bundle nothing took effect, of plain flow-mods all others did.
    #[error("switch {datapath_id:016x} refused {request}: {}", first(refusals))]
    Refused {
        /// The bridge.
        datapath_id: u64,
        /// What was asked.
        request: &'static str,
        /// What was refused and why; never empty.
        refusals: Vec<Refusal>,
    },
    /// The answer cannot be read. The connection stands.
    #[error("switch {datapath_id:016x} answered {request} with what cannot be read")]
    Malformed {
        /// The bridge.
        datapath_id: u64,
        /// What was asked.
        request: &'static str,
    },
    /// Too long for the protocol.
    #[error("encoding {what}")]
    Encode {
        /// What was to be sent.
        what: String,
        /// Why it cannot be.
        source: EncodeError,
    },
}

fn first(refusals: &[Refusal]) -> String {
    match refusals {
        [] => "no reason given".to_owned(),
        [only] => only.to_string(),
        [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
    }
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error("the switch closed the connection")]
    Closed,
    #[error("reading or writing failed: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Encode(#[from] EncodeError),
    #[error("the switch does not speak OpenFlow 1.3 (it offers version {version:#x}, {bitmap:#x})")]
    Version { version: u8, bitmap: u32 },
    #[error("the switch did not complete the handshake in time")]
    Handshake,
    #[error("the switch refused the handshake: {0}")]
    Refused(ErrorMessage),
    #[error("the switch was silent for too long")]
    Silent,
    #[error("this side closed it: a newer connection took over, or the agent stops")]
    Replaced,
}
