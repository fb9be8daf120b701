//! Neutron's topics, methods and oslo envelope over the embedded transport.
//!
//! Owns what goes between server and agents and how it travels:
//! - [`topics`], [`methods`], [`shapes`]: names, versions and argument shapes, stated once;
//! - [`objects`]: versioned objects and their primitives;
//! - [`envelope`], [`context`]: the bytes oslo.messaging would send;
//! - [`client`], [`dispatch`]: the calling and the serving side, free of any transport;
//! - [`transport`]: the seam to a bus, and the `embedded` bus that needs no broker process.
//!
//! Owns neither what the methods do (server and agent crates) nor any configuration file.

pub mod client;
pub mod context;
pub mod dispatch;
pub mod envelope;
pub mod error;
pub mod methods;
pub mod objects;
pub mod shapes;
pub mod topics;
pub mod transport;

pub use client::RpcClient;
pub use dispatch::{Dispatcher, Endpoint, Version};
pub use envelope::Request;
pub use error::{Failure, RpcError};
pub use transport::{BusEvent, Handler, Target, Transport};
