//! A client of the Open vSwitch database: JSON-RPC (RFC 7047) with `monitor_cond`.
//!
//! [`OvsdbClient`] keeps a [`Replica`] of the tables agents look at, always as new as the last
//! message of the server, and sends [`Txn`]s. It reconnects by itself; after a reconnect the
//! replica is read anew. What the rows mean to Neutron is the agents' business.

mod client;
mod datum;
mod framing;
mod messages;
mod replica;
mod schema;
mod txn;
mod views;

pub use client::{ClientOptions, OvsdbClient, Remote};
pub use datum::{Atom, Datum};
pub use framing::{JsonSplitter, MAX_MESSAGE_BYTES};
pub use messages::{Incoming, parse_incoming};
pub use replica::{Replica, Row, Table, apply_updates2};
pub use schema::{ColumnKind, SchemaIndex};
pub use txn::{InterfaceSpec, PortSpec, Txn};
pub use views::{BridgeView, ControllerView, InterfaceView, PortView};

/// Why an OVSDB operation failed.
#[derive(Debug, thiserror::Error)]
pub enum OvsdbError {
    /// The remote is not written as `tcp:IP:PORT` or `unix:PATH`.
    #[error("'{0}' is not an OVSDB remote; write tcp:IP:PORT or unix:PATH")]
    BadRemote(String),
    /// No connection within the time allowed.
    #[error(
        "no connection to the OVSDB server at {remote} within {seconds} s; is ovsdb-server running and listening there?"
    )]
    NotConnected {
        /// Where the server was expected.
        remote: String,
        /// How long was waited, in seconds.
        seconds: u64,
    },
    /// The connection broke before the answer came; the transaction may or may not have happened.
    #[error("the connection to the OVSDB server was lost while a request was under way")]
    Disconnected,
    /// No answer within the time allowed.
    #[error("the OVSDB server did not answer within {0} s")]
    Timeout(u64),
    /// The server refused the transaction.
    #[error("the OVSDB server refused the transaction: {error}: {details}")]
    Refused {
        /// RFC 7047 error string, e.g. `constraint violation`.
        error: String,
        /// Its explanation.
        details: String,
    },
    /// The server's answer was not as RFC 7047 says.
    #[error("the OVSDB server's answer is not understood: {0}")]
    Protocol(String),
    /// ovs-vswitchd did not follow its database in time.
    #[error("ovs-vswitchd has not applied the database yet")]
    NotApplied,
    /// The transaction names a bridge or port the replica does not have.
    #[error("there is no {kind} named '{name}' in the Open vSwitch database")]
    NoSuchRow {
        /// `bridge`, `port` or `interface`.
        kind: &'static str,
        /// Its name.
        name: String,
    },
}

#[cfg(test)]
mod tests;
