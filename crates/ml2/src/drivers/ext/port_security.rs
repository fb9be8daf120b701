//! `port_security`: whether anti-spoofing applies to a port, by default as its network says.

use neutrino_types::{ApiError, ApiResult, Attrs, constants::device_owner};

use super::ExtensionDriver;
use crate::models::{network::Network, port::Port};

/// The port security extension driver.
pub struct PortSecurity;

const ATTRIBUTE: &str = "port_security_enabled";

fn asked(request: &Attrs) -> Option<bool> {
    request.get(ATTRIBUTE).and_then(serde_json::Value::as_bool)
}

/// `AddressPairAndPortSecurityRequired` (409).
fn pairs_need_port_security(port: &Port) -> ApiResult<()> {
    if port.port_security_enabled || port.address_pairs.is_empty() {
        return Ok(());
    }
    Err(ApiError::conflict(
        "AddressPairAndPortSecurityRequired",
        "Port Security must be enabled in order to have allowed address pairs on a port.",
    ))
}

impl ExtensionDriver for PortSecurity {
    fn name(&self) -> &'static str {
        "port_security"
    }

    fn alias(&self) -> &'static str {
        "port-security"
    }

    fn create_network(&self, request: &Attrs, network: &mut Network) -> ApiResult<()> {
        network.port_security_enabled = asked(request).unwrap_or(true);
        Ok(())
    }

    fn update_network(&self, changes: &Attrs, network: &mut Network) -> ApiResult<()> {
        if let Some(enabled) = asked(changes) {
            network.port_security_enabled = enabled;
        }
        Ok(())
    }

    fn create_port(&self, request: &Attrs, network: &Network, port: &mut Port) -> ApiResult<()> {
        // Service ports are trusted; a user's choice does not matter for them.
        port.port_security_enabled = if port.device_owner.starts_with(device_owner::NETWORK_PREFIX)
        {
            false
        } else {
            asked(request).unwrap_or(network.port_security_enabled)
        };
        pairs_need_port_security(port)
    }

    fn update_port(&self, changes: &Attrs, _: &Port, port: &mut Port) -> ApiResult<()> {
        if let Some(enabled) = asked(changes) {
            port.port_security_enabled = enabled;
        }
        pairs_need_port_security(port)
    }
}
