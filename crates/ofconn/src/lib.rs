//! OpenFlow controller end: handshake, bundles, barriers, multipart, reconnect.
//!
//! Owns the listening socket and the connections of the bridges, known by datapath id. Owns no
//! flows: what a bridge should hold is `neutrino-dataplane`'s to say, and the caller's to compare.
//!
//! ```no_run
//! # async fn example() -> Result<(), neutrino_ofconn::OfError> {
//! use std::time::Duration;
//!
//! use neutrino_ofconn::OfController;
//! use neutrino_openflow::{Action, Flow, FlowMod, Match};
//!
//! let controller = OfController::listen("127.0.0.1:6633").await?;
//! let switch = controller.wait_for(0x1a83_664a_af47, Duration::from_secs(30)).await?;
//! let flow = Flow::new(0, 0, Match::new()).then([Action::Normal]);
//! switch.bundle(vec![FlowMod::add(flow)]).await?;
//! let flows = switch.dump_flows().await?;
//! # Ok(())
//! # }
//! ```

mod connection;
mod controller;
mod error;
mod pending;
mod switch;

pub use controller::{Changes, OfController, Timing};
pub use error::{OfError, Refusal};
pub use switch::Switch;
