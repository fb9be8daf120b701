//! Which instance asks: by network or router and by source address.

use std::{collections::BTreeSet, net::IpAddr};

use async_trait::async_trait;
use hyper::header::{HeaderMap, HeaderName};
use neutrino_agent::ServerApi;
use neutrino_rpc::{RpcError, methods};
use neutrino_types::{Attrs, MacAddr, constants::device_owner};
use serde_json::{Value, json};

use crate::proxy::{
    Served,
    headers::{FORWARDED_FOR, NETWORK_ID, ROUTER_ID},
};

/// Looks ports up: the server, or a test's table.
#[async_trait]
pub trait PortDirectory: Send + Sync {
    /// Ports that match `filters`, which have the form of the API's list filters.
    async fn get_ports(&self, filters: Value) -> Result<Vec<Attrs>, RpcError>;
}

#[async_trait]
impl PortDirectory for ServerApi {
    async fn get_ports(&self, filters: Value) -> Result<Vec<Attrs>, RpcError> {
        let args = json!({ "filters": filters });
        self.call(methods::GET_PORTS, args).await
    }
}

/// The instance behind a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// `device_id` of its port.
    pub id: String,
    /// `project_id` of its port.
    pub project: String,
}

/// Where a request came from, as the proxy tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The network or the router.
    pub place: Served,
    /// The instance's address as Nova is told.
    pub forwarded_for: String,
    /// How its port is found.
    pub source: Source,
}

/// By what a port is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// One of its fixed addresses.
    Address(IpAddr),
    /// Its MAC, from a link-local address, which Neutron does not know.
    Mac(MacAddr),
}

/// Headers no proxy of Neutron's sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// More than one id: one of them may be forged.
    #[error("more than one network or router is named")]
    BothIds,
    /// No id.
    #[error("neither a network nor a router is named")]
    NoId,
    /// No address, or something else in its place.
    #[error("the source address is missing or malformed")]
    Address,
}

impl Origin {
    /// Reads the headers that the proxy added.
    ///
    /// # Errors
    /// They are not what a proxy adds.
    pub fn read(headers: &HeaderMap) -> Result<Self, OriginError> {
        let place = match (single(headers, &NETWORK_ID)?, single(headers, &ROUTER_ID)?) {
            (Some(_), Some(_)) => return Err(OriginError::BothIds),
            (Some(id), None) => Served::Network(id),
            (None, Some(id)) => Served::Router(id),
            (None, None) => return Err(OriginError::NoId),
        };
        // Neutron's haproxy adds its line after whatever the instance sent, so the last counts.
        let told = headers.get_all(&FORWARDED_FOR).iter().next_back();
        let told = told.and_then(|value| value.to_str().ok()).ok_or(OriginError::Address)?;
        let forwarded_for = told.rsplit(',').next().unwrap_or(told).trim().to_string();
        let address: IpAddr = forwarded_for.parse().map_err(|_| OriginError::Address)?;
        let source = match address.to_canonical() {
            IpAddr::V6(v6) if v6.is_unicast_link_local() => {
                Source::Mac(MacAddr::of_eui64_address(v6).ok_or(OriginError::Address)?)
            }
            address => Source::Address(address),
        };
        Ok(Self { place, forwarded_for, source })
    }
}

/// The only value of a header that a proxy sets; several would mean that one is forged.
fn single(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, OriginError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    match (values.next(), value.to_str()) {
        (None, Ok(text)) => Ok(Some(text.to_string())),
        (Some(_), _) => Err(OriginError::BothIds),
        (None, Err(_)) => Err(OriginError::NoId),
    }
}

/// The instance at `origin`; `None` unless exactly one port is there.
///
/// # Errors
/// The server did not answer.
pub async fn find(
    ports: &dyn PortDirectory,
    origin: &Origin,
) -> Result<Option<Instance>, RpcError> {
    let networks = match &origin.place {
        Served::Network(id) => BTreeSet::from([id.clone()]),
        Served::Router(id) => networks_of_router(ports, id).await?,
    };
    if networks.is_empty() {
        // No filter by network would find whoever has that address anywhere.
        return Ok(None);
    }
    let found = ports.get_ports(filters(&networks, &origin.source)).await?;
    let [port] = found.as_slice() else { return Ok(None) };
    let text = |name| port.get(name).and_then(Value::as_str).unwrap_or_default().to_string();
    let instance = Instance { id: text("device_id"), project: text("project_id") };
    Ok(Some(instance).filter(|instance| !instance.id.is_empty()))
}

async fn networks_of_router(
    ports: &dyn PortDirectory,
    router: &str,
) -> Result<BTreeSet<String>, RpcError> {
    let filters = json!({ "device_id": [router], "device_owner": device_owner::ROUTER_INTERFACES });
    let interfaces = ports.get_ports(filters).await?;
    let network = |port: &Attrs| Some(port.get("network_id")?.as_str()?.to_string());
    Ok(interfaces.iter().filter_map(network).collect())
}

fn filters(networks: &BTreeSet<String>, source: &Source) -> Value {
    match source {
        Source::Mac(mac) => json!({ "mac_address": [mac.to_string()], "network_id": networks }),
        Source::Address(address) => {
            json!({ "fixed_ips": { "ip_address": [address] }, "network_id": networks })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn read(pairs: &[(&HeaderName, &str)]) -> Result<Origin, OriginError> {
        let headers = pairs
            .iter()
            .map(|(n, v)| ((*n).clone(), HeaderValue::from_str(v).expect("value")))
            .collect();
        Origin::read(&headers)
    }

    fn source(address: &str) -> Result<Source, OriginError> {
        read(&[(&NETWORK_ID, "n"), (&FORWARDED_FOR, address)]).map(|origin| origin.source)
    }

    #[test]
    fn addresses_become_filters() {
        let v4 = Source::Address("10.0.0.5".parse().expect("address"));
        assert_eq!(source("10.0.0.5"), Ok(v4.clone()));
        assert_eq!(source("::ffff:10.0.0.5"), Ok(v4.clone()));
        assert_eq!(source("10.0.0.9, 10.0.0.5"), Ok(v4.clone()), "the proxy's own is the last");
        let mac = source("fe80::f816:3eff:fe11:2233").expect("made of a MAC");
        let networks = BTreeSet::from(["n".to_string()]);
        assert_eq!(
            filters(&networks, &mac),
            json!({ "mac_address": ["fa:16:3e:11:22:33"], "network_id": ["n"] })
        );
        assert_eq!(
            filters(&networks, &v4),
            json!({ "fixed_ips": { "ip_address": ["10.0.0.5"] }, "network_id": ["n"] })
        );
    }

    #[test]
    fn headers_no_proxy_sends_are_refused() {
        assert_eq!(source("fe80::1"), Err(OriginError::Address), "not made of a MAC");
        assert_eq!(source("10.0.0.5,"), Err(OriginError::Address));
        let twice = [(&NETWORK_ID, "n"), (&NETWORK_ID, "m"), (&FORWARDED_FOR, "10.0.0.5")];
        assert_eq!(read(&twice), Err(OriginError::BothIds));
        assert_eq!(read(&[(&FORWARDED_FOR, "10.0.0.5")]), Err(OriginError::NoId));
        let both = [(&NETWORK_ID, "n"), (&ROUTER_ID, "r"), (&FORWARDED_FOR, "10.0.0.5")];
        assert_eq!(read(&both), Err(OriginError::BothIds));
    }
}
