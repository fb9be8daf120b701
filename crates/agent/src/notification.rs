//! What the server tells agents without being asked.

use std::{collections::BTreeSet, fmt};

use async_trait::async_trait;
use neutrino_rpc::{
    BusEvent, Failure, Handler, Request, Version, methods,
    objects::{
        self, Decoded, Push,
        catalog::{ADDRESS_GROUP, PORT_FORWARDING},
    },
    shapes::{FdbEntries, FdbUpdate, dvr::DvrMac},
    transport::Answer,
};
use neutrino_types::Attrs;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use tokio::sync::mpsc;

/// Why everything must be read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResyncReason {
    /// The server dropped notifications because this agent was slow.
    Overflow,
    /// The server had taken this agent for dead.
    Revived,
}

/// One notification, in the order the server sent them.
#[derive(Clone, Debug, PartialEq)]
pub enum Notification {
    /// Connected and subscribed. What was sent before is lost: read everything again.
    Connected,
    /// The server cannot be reached. Nothing on the host may change because of it.
    Disconnected,
    /// Still connected, but notifications are missing: read everything again, as after
    /// [`Notification::Connected`].
    Resync(ResyncReason),
    /// A port changed.
    PortUpdate {
        /// The port's id.
        port_id: String,
        /// The port as the API shows it.
        port: Attrs,
        /// Of the bound segment.
        network_type: Option<String>,
        /// Of the bound segment.
        segmentation_id: Option<u32>,
        /// Of the bound segment.
        physical_network: Option<String>,
    },
    /// A port was deleted.
    PortDelete {
        /// The port's id.
        port_id: String,
    },
    /// A binding came into force: the port has been migrated to `host`.
    BindingActivate {
        /// The port's id.
        port_id: String,
        /// The binding's host; every agent hears of it.
        host: String,
    },
    /// A binding is no longer in force: the port has been migrated away from `host`.
    BindingDeactivate {
        /// The port's id.
        port_id: String,
        /// The binding's host; every agent hears of it.
        host: String,
    },
    /// A network changed.
    NetworkUpdate {
        /// The network's id.
        network_id: String,
        /// The network as the API shows it.
        network: Attrs,
    },
    /// A network was deleted.
    NetworkDelete {
        /// The network's id.
        network_id: String,
    },
    /// A tunnel endpoint appeared.
    TunnelUpdate {
        /// Its address.
        tunnel_ip: String,
        /// `vxlan`, `gre` or `geneve`.
        tunnel_type: String,
    },
    /// A tunnel endpoint went away.
    TunnelDelete {
        /// Its address.
        tunnel_ip: String,
        /// `vxlan`, `gre` or `geneve`.
        tunnel_type: String,
    },
    /// Rules of security groups changed, or an address group that rules of them name.
    SecurityGroupsRuleUpdated {
        /// The groups whose rules are to be asked for again.
        security_groups: Vec<String>,
    },
    /// Ports joined or left security groups, or their addresses changed.
    SecurityGroupsMemberUpdated {
        /// The groups whose members are to be asked for again.
        security_groups: Vec<String>,
    },
    /// Addresses of address groups changed.
    AddressGroupsUpdated {
        /// The groups whose addresses are to be asked for again.
        address_groups: Vec<String>,
    },
    /// The MACs of all hosts' distributed routers.
    DvrMacs(Vec<DvrMac>),
    /// Forwarding entries to add.
    AddFdb(FdbEntries),
    /// Forwarding entries to remove.
    RemoveFdb(FdbEntries),
    /// Forwarding entries whose address changed.
    UpdateFdb(FdbUpdate),
    /// The DHCP or L3 agent was enabled or disabled.
    AgentUpdated,
    /// What a DHCP agent is to look at again.
    Dhcp(DhcpEvent),
    /// What an L3 agent is to look at again.
    L3(L3Event),
}

/// A notification of an L3 agent. But for neighbours, none carries state: the router is read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum L3Event {
    /// Routers changed, or are this agent's now.
    Routers {
        /// The routers.
        router_ids: Vec<String>,
    },
    /// Ports of floating IPs of routers are forwarded otherwise; every agent hears of it.
    Forwardings {
        /// The routers.
        router_ids: Vec<String>,
    },
    /// A router is gone, or another agent's now.
    RouterGone {
        /// The router.
        router_id: String,
    },
    /// A neighbour of a distributed router came or went.
    Neighbour {
        /// The router.
        router_id: String,
        /// Subnet of the address.
        subnet_id: String,
        /// The address.
        ip_address: String,
        /// MAC.
        mac_address: String,
        /// Whether it came.
        present: bool,
    },
    /// No router needs an external network's namespace any more.
    ExternalNetworkGone {
        /// The network.
        network_id: String,
    },
}

/// A notification of a DHCP agent. None carries state: the network is read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DhcpEvent {
    /// A network or one of its subnets is to be served as it is now.
    Network {
        /// The network.
        network_id: String,
    },
    /// A network is gone, or served by another agent now.
    NetworkGone {
        /// The network.
        network_id: String,
    },
    /// A port was made or changed.
    Port {
        /// Its network.
        network_id: String,
        /// The port.
        port_id: String,
    },
    /// A port was deleted.
    PortGone {
        /// Its network.
        network_id: String,
    },
}

#[derive(Deserialize)]
struct PortArgs {
    port: Attrs,
    #[serde(default)]
    network_type: Option<String>,
    #[serde(default)]
    segmentation_id: Option<u32>,
    #[serde(default)]
    physical_network: Option<String>,
}

#[derive(Deserialize)]
struct NetworkArgs {
    network: Attrs,
}

#[derive(Deserialize)]
struct PortId {
    port_id: String,
}

#[derive(Deserialize)]
struct Binding {
    port_id: String,
    host: String,
}

#[derive(Deserialize)]
struct NetworkId {
    network_id: String,
}

#[derive(Deserialize)]
struct Tunnel {
    tunnel_ip: String,
    tunnel_type: String,
}

#[derive(Deserialize)]
struct Groups {
    security_groups: Vec<String>,
}

#[derive(Deserialize)]
struct DvrMacs {
    dvr_macs: Vec<DvrMac>,
}

#[derive(Deserialize)]
struct Fdb<T> {
    fdb_entries: T,
}

#[derive(Deserialize)]
struct Payload<T> {
    payload: T,
}

#[derive(Deserialize)]
struct NetworkPayload {
    network: Id,
}

#[derive(Deserialize)]
struct SubnetPayload {
    subnet: OfNetwork,
}

#[derive(Deserialize)]
struct PortPayload {
    port: OfNetwork,
}

#[derive(Deserialize)]
struct Id {
    id: String,
}

#[derive(Deserialize)]
struct OfNetwork {
    id: String,
    network_id: String,
}

impl DhcpEvent {
    /// The event behind a method, if it is one of a DHCP agent's.
    fn decode(method: &str, args: Map<String, Value>) -> Result<Option<Self>, Failure> {
        let m = method;
        let is = |methods: &[methods::Method]| methods.iter().any(|known| known.name == m);
        Ok(Some(if is(&[methods::NETWORK_CREATE_END, methods::NETWORK_UPDATE_END]) {
            let Payload { payload: NetworkPayload { network } } = arguments(m, args)?;
            Self::Network { network_id: network.id }
        } else if is(&[methods::NETWORK_DELETE_END]) {
            let Payload { payload: NetworkId { network_id } } = arguments(m, args)?;
            Self::NetworkGone { network_id }
        } else if is(&[methods::SUBNET_CREATE_END, methods::SUBNET_UPDATE_END]) {
            let Payload { payload: SubnetPayload { subnet } } = arguments(m, args)?;
            Self::Network { network_id: subnet.network_id }
        } else if is(&[methods::SUBNET_DELETE_END]) {
            let Payload { payload: NetworkId { network_id } } = arguments(m, args)?;
            Self::Network { network_id }
        } else if is(&[methods::PORT_CREATE_END, methods::PORT_UPDATE_END]) {
            let Payload { payload: PortPayload { port } } = arguments(m, args)?;
            Self::Port { network_id: port.network_id, port_id: port.id }
        } else if is(&[methods::PORT_DELETE_END]) {
            let Payload { payload: NetworkId { network_id } } = arguments(m, args)?;
            Self::PortGone { network_id }
        } else {
            return Ok(None);
        }))
    }
}

#[derive(Deserialize)]
struct RouterList {
    routers: Vec<RouterRef>,
}

/// A router by its id, or (before version 1.1 of the interface) as a whole.
#[derive(Deserialize)]
#[serde(untagged)]
enum RouterRef {
    Id(String),
    Whole(Id),
}

#[derive(Deserialize)]
struct RouterId {
    router_id: String,
}

#[derive(Deserialize)]
struct ArpPayload {
    router_id: String,
    arp_table: ArpEntry,
}

#[derive(Deserialize)]
struct ArpEntry {
    ip_address: String,
    mac_address: String,
    subnet_id: String,
}

#[derive(Deserialize)]
struct ExternalNetwork {
    ext_net_id: String,
}

impl L3Event {
    const METHODS: [methods::Method; 7] = [
        methods::ROUTERS_UPDATED,
        methods::ROUTER_ADDED_TO_AGENT,
        methods::ROUTER_DELETED,
        methods::ROUTER_REMOVED_FROM_AGENT,
        methods::ADD_ARP_ENTRY,
        methods::DEL_ARP_ENTRY,
        methods::FIPNAMESPACE_DELETE_ON_EXT_NET,
    ];

    /// The event behind one of [`Self::METHODS`].
    fn decode(method: &str, args: Map<String, Value>) -> Result<Self, Failure> {
        let m = method;
        let ids = |routers: Vec<RouterRef>| {
            let id = |router| match router {
                RouterRef::Id(id) | RouterRef::Whole(Id { id }) => id,
            };
            Self::Routers { router_ids: routers.into_iter().map(id).collect() }
        };
        Ok(if m == methods::ROUTERS_UPDATED.name {
            ids(arguments::<RouterList>(m, args)?.routers)
        } else if m == methods::ROUTER_ADDED_TO_AGENT.name {
            ids(arguments::<Payload<Vec<RouterRef>>>(m, args)?.payload)
        } else if m == methods::ROUTER_DELETED.name {
            Self::RouterGone { router_id: arguments::<RouterId>(m, args)?.router_id }
        } else if m == methods::ROUTER_REMOVED_FROM_AGENT.name {
            let Payload { payload: RouterId { router_id } } = arguments(m, args)?;
            Self::RouterGone { router_id }
        } else if m == methods::ADD_ARP_ENTRY.name || m == methods::DEL_ARP_ENTRY.name {
            let Payload { payload: ArpPayload { router_id, arp_table } } = arguments(m, args)?;
            Self::Neighbour {
                router_id,
                subnet_id: arp_table.subnet_id,
                ip_address: arp_table.ip_address,
                mac_address: arp_table.mac_address,
                present: m == methods::ADD_ARP_ENTRY.name,
            }
        } else {
            let ExternalNetwork { ext_net_id: network_id } = arguments(m, args)?;
            Self::ExternalNetworkGone { network_id }
        })
    }
}

impl Notification {
    /// The notification behind a method and its arguments.
    pub fn decode(method: &str, args: Map<String, Value>) -> Result<Self, Failure> {
        let m = method;
        let out = if m == methods::PORT_UPDATE.name {
            let args: PortArgs = arguments(m, args)?;
            Self::PortUpdate {
                port_id: id_of(m, &args.port)?,
                port: args.port,
                network_type: args.network_type,
                segmentation_id: args.segmentation_id,
                physical_network: args.physical_network,
            }
        } else if m == methods::PORT_DELETE.name {
            Self::PortDelete { port_id: arguments::<PortId>(m, args)?.port_id }
        } else if m == methods::BINDING_ACTIVATE.name {
            let Binding { port_id, host } = arguments(m, args)?;
            Self::BindingActivate { port_id, host }
        } else if m == methods::BINDING_DEACTIVATE.name {
            let Binding { port_id, host } = arguments(m, args)?;
            Self::BindingDeactivate { port_id, host }
        } else if m == methods::NETWORK_UPDATE.name {
            let NetworkArgs { network } = arguments(m, args)?;
            Self::NetworkUpdate { network_id: id_of(m, &network)?, network }
        } else if m == methods::NETWORK_DELETE.name {
            Self::NetworkDelete { network_id: arguments::<NetworkId>(m, args)?.network_id }
        } else if m == methods::TUNNEL_UPDATE.name {
            let Tunnel { tunnel_ip, tunnel_type } = arguments(m, args)?;
            Self::TunnelUpdate { tunnel_ip, tunnel_type }
        } else if m == methods::TUNNEL_DELETE.name {
            let Tunnel { tunnel_ip, tunnel_type } = arguments(m, args)?;
            Self::TunnelDelete { tunnel_ip, tunnel_type }
        } else if m == methods::SECURITY_GROUPS_RULE_UPDATED.name {
            let Groups { security_groups } = arguments(m, args)?;
            Self::SecurityGroupsRuleUpdated { security_groups }
        } else if m == methods::SECURITY_GROUPS_MEMBER_UPDATED.name {
            let Groups { security_groups } = arguments(m, args)?;
            Self::SecurityGroupsMemberUpdated { security_groups }
        } else if m == methods::DVR_MAC_ADDRESS_UPDATE.name {
            Self::DvrMacs(arguments::<DvrMacs>(m, args)?.dvr_macs)
        } else if m == methods::ADD_FDB_ENTRIES.name {
            Self::AddFdb(arguments::<Fdb<FdbEntries>>(m, args)?.fdb_entries)
        } else if m == methods::REMOVE_FDB_ENTRIES.name {
            Self::RemoveFdb(arguments::<Fdb<FdbEntries>>(m, args)?.fdb_entries)
        } else if m == methods::UPDATE_FDB_ENTRIES.name {
            Self::UpdateFdb(arguments::<Fdb<FdbUpdate>>(m, args)?.fdb_entries)
        } else if m == methods::DHCP_AGENT_UPDATED.name {
            // The L3 agent's has the same name.
            Self::AgentUpdated
        } else if m == methods::PUSH.name {
            Self::pushed(&arguments::<Push>(m, args)?)?
        } else if L3Event::METHODS.iter().any(|known| known.name == m) {
            Self::L3(L3Event::decode(m, args)?)
        } else {
            let event = DhcpEvent::decode(m, args)?;
            Self::Dhcp(event.ok_or_else(|| Failure::no_such_method(m))?)
        };
        Ok(out)
    }

    /// The notification behind versioned objects that were pushed: of kinds that agents listen for.
    fn pushed(push: &Push) -> Result<Self, Failure> {
        let bad = |error: &dyn fmt::Display| Failure::bad_arguments(methods::PUSH.name, error);
        let mut kinds = BTreeSet::new();
        // What identifies what is to be looked at again; not in what was deleted by id.
        let mut ids = BTreeSet::new();
        for primitive in &push.resource_list {
            let Decoded { object, attributes, .. } =
                objects::decode(primitive).map_err(|error| bad(&error))?;
            let key = if object.name == PORT_FORWARDING.name { "router_id" } else { "id" };
            kinds.insert(object.name);
            ids.extend(attributes.get(key).and_then(Value::as_str).map(str::to_string));
        }
        let ids = ids.into_iter().collect();
        // A push is of one kind.
        match kinds.into_iter().collect::<Vec<_>>()[..] {
            [kind] if kind == PORT_FORWARDING.name => {
                Ok(Self::L3(L3Event::Forwardings { router_ids: ids }))
            }
            [kind] if kind == ADDRESS_GROUP.name => {
                Ok(Self::AddressGroupsUpdated { address_groups: ids })
            }
            ref kinds => Err(bad(&format!("{kinds:?} are not listened for"))),
        }
    }
}

fn arguments<T: DeserializeOwned>(method: &str, args: Map<String, Value>) -> Result<T, Failure> {
    serde_json::from_value(Value::Object(args)).map_err(|e| Failure::bad_arguments(method, e))
}

fn id_of(method: &str, resource: &Attrs) -> Result<String, Failure> {
    resource
        .get("id")
        .and_then(Value::as_str)
        .map(str::to_string)
        .ok_or_else(|| Failure::bad_arguments(method, "the resource has no id"))
}

/// Turns messages into notifications. Waits when the agent's loop is behind, which in turn makes
/// the server merge what is still to come.
pub(crate) struct Receiver {
    sender: mpsc::Sender<Notification>,
}

impl Receiver {
    pub(crate) fn new(sender: mpsc::Sender<Notification>) -> Self {
        Self { sender }
    }

    async fn send(&self, notification: Notification) {
        // An error means that the agent stops.
        let _ = self.sender.send(notification).await;
    }
}

#[async_trait]
impl Handler for Receiver {
    async fn handle(&self, request: Request) -> Answer {
        let asked = request.version.as_deref().unwrap_or("1.0");
        let served: Version = methods::AGENT_VERSION.parse().unwrap_or(Version::DEFAULT);
        let supported = asked.parse::<Version>().is_ok_and(|asked| served.serves(asked));
        let decoded = if supported {
            Notification::decode(&request.method, request.args)
        } else {
            Err(Failure::unsupported_version(asked, &request.method))
        };
        match decoded {
            Ok(notification) => {
                self.send(notification).await;
                Ok(Value::Null)
            }
            Err(failure) => {
                tracing::warn!(
                    method = request.method,
                    error = failure.message,
                    "notification not understood"
                );
                Err(failure)
            }
        }
    }

    async fn event(&self, event: BusEvent) {
        self.send(match event {
            BusEvent::Connected => Notification::Connected,
            BusEvent::Disconnected => Notification::Disconnected,
            BusEvent::Resync => Notification::Resync(ResyncReason::Overflow),
            // What an agent casts, it reports again by itself.
            BusEvent::CastsLost => return,
        })
        .await;
    }
}

#[cfg(test)]
mod tests;
