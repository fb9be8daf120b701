//! `dns`: names of ports and domains of networks, without an external DNS service.

use neutrino_types::{ApiError, ApiResult, Attrs, request};

use super::ExtensionDriver;
use crate::{
    dns::Dns,
    models::{network::Network, port::Port},
};

/// The name in `extension_drivers`.
pub const NAME: &str = "dns";

const NAME_OF_PORT: &str = "dns_name";
const DOMAIN_OF_NETWORK: &str = "dns_domain";

/// The DNS extension driver.
pub struct DnsIntegration(pub Dns);

impl DnsIntegration {
    /// Takes over the name asked for. Where users cannot name ports it is as good as none.
    fn set_name(&self, request: &Attrs, port: &mut Port) -> ApiResult<()> {
        let Some(name) = request::text(request, NAME_OF_PORT) else { return Ok(()) };
        self.0.check(name).map_err(|reason| {
            let text = format!("Invalid input for {NAME_OF_PORT}. Reason: {reason}.");
            ApiError::bad_request("HTTPBadRequest", text)
        })?;
        if self.0.takes_names() {
            port.dns_name = name.to_string();
        }
        Ok(())
    }
}

impl ExtensionDriver for DnsIntegration {
    fn name(&self) -> &'static str {
        NAME
    }

    fn alias(&self) -> &'static str {
        "dns-integration"
    }

    fn create_network(&self, request: &Attrs, network: &mut Network) -> ApiResult<()> {
        request::set_text(request, DOMAIN_OF_NETWORK, &mut network.dns_domain);
        Ok(())
    }

    fn update_network(&self, changes: &Attrs, network: &mut Network) -> ApiResult<()> {
        request::set_text(changes, DOMAIN_OF_NETWORK, &mut network.dns_domain);
        Ok(())
    }

    fn create_port(&self, request: &Attrs, _: &Network, port: &mut Port) -> ApiResult<()> {
        self.set_name(request, port)
    }

    fn update_port(&self, changes: &Attrs, _: &Port, port: &mut Port) -> ApiResult<()> {
        self.set_name(changes, port)
    }
}
