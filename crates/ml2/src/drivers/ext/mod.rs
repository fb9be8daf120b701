//! Extension drivers: attributes that are not ML2's own.

pub mod dns;
pub mod port_security;

use neutrino_types::{ApiResult, Attrs};

use crate::models::{network::Network, port::Port};

/// One extension's attributes (`api.ExtensionDriver`). The hooks read the user's request and set
/// what is stored; they run before anything is written.
pub trait ExtensionDriver: Send + Sync {
    /// The name in `extension_drivers`.
    fn name(&self) -> &'static str;

    /// The API extension it brings.
    fn alias(&self) -> &'static str;

    /// Fills in a new network.
    ///
    /// # Errors
    /// A refusal for the user.
    fn create_network(&self, _request: &Attrs, _network: &mut Network) -> ApiResult<()> {
        Ok(())
    }

    /// Changes a network.
    ///
    /// # Errors
    /// A refusal for the user.
    fn update_network(&self, _changes: &Attrs, _network: &mut Network) -> ApiResult<()> {
        Ok(())
    }

    /// Fills in a new port on `network`.
    ///
    /// # Errors
    /// A refusal for the user.
    fn create_port(&self, _request: &Attrs, _network: &Network, _port: &mut Port) -> ApiResult<()> {
        Ok(())
    }

    /// Changes a port. Called last, when all other changes are in `port`.
    ///
    /// # Errors
    /// A refusal for the user.
    fn update_port(&self, _changes: &Attrs, _original: &Port, _port: &mut Port) -> ApiResult<()> {
        Ok(())
    }
}
