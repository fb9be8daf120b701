//! The drivers that make ML2 modular: type, mechanism and extension drivers, their traits, and
//! the table by which configuration names them. A new driver is a new file and a line here.

pub mod ext;
pub mod mech;
pub mod types;

use std::sync::Arc;

use crate::{config::Ml2Config, dns::Dns, notifier::AgentNotifier};

pub use ext::ExtensionDriver;
pub use mech::{MechanismDriver, NetworkContext, Op, PortContext, SubnetContext};
pub use types::{SegmentRequest, TypeDriver};

/// A configured driver name nobody registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("loading the {kind} driver '{name}': there is no such driver; known are {known}")]
pub struct UnknownDriver {
    /// `mechanism` or `extension`.
    pub kind: &'static str,
    /// As configured.
    pub name: String,
    /// What there is.
    pub known: String,
}

type MakeMechanism = fn(&Ml2Config, &Arc<dyn AgentNotifier>) -> Arc<dyn MechanismDriver>;
type MakeExtension = fn(&Ml2Config) -> Arc<dyn ExtensionDriver>;

/// `mechanism_drivers` by name.
const MECHANISM_DRIVERS: &[(&str, MakeMechanism)] = &[
    ("openvswitch", |config, _| Arc::new(mech::openvswitch::OpenvSwitch::new(config))),
    ("l2population", |_, notifier| {
        Arc::new(mech::l2population::L2Population::new(Arc::clone(notifier)))
    }),
];

/// `extension_drivers` by name.
const EXTENSION_DRIVERS: &[(&str, MakeExtension)] = &[
    ("port_security", |_| Arc::new(ext::port_security::PortSecurity)),
    (ext::dns::NAME, |config| Arc::new(ext::dns::DnsIntegration(Dns::new(&config.dns_domain)))),
];

fn find<T: Copy>(
    kind: &'static str,
    table: &[(&'static str, T)],
    name: &str,
) -> Result<T, UnknownDriver> {
    table.iter().find(|(n, _)| *n == name).map(|(_, make)| *make).ok_or_else(|| UnknownDriver {
        kind,
        name: name.to_string(),
        known: table.iter().map(|(n, _)| *n).collect::<Vec<_>>().join(", "),
    })
}

/// The configured mechanism drivers, in order.
///
/// # Errors
/// A name that is not registered.
pub fn mechanism_drivers(
    config: &Ml2Config,
    notifier: &Arc<dyn AgentNotifier>,
) -> Result<Vec<Arc<dyn MechanismDriver>>, UnknownDriver> {
    let make = |name: &String| find("mechanism", MECHANISM_DRIVERS, name);
    config.mechanism_drivers.iter().map(|name| Ok(make(name)?(config, notifier))).collect()
}

/// The configured extension drivers, in order. `port_security` is always there: its attribute is
/// part of the core resources here.
///
/// # Errors
/// A name that is not registered.
pub fn extension_drivers(
    config: &Ml2Config,
) -> Result<Vec<Arc<dyn ExtensionDriver>>, UnknownDriver> {
    const ALWAYS: &str = "port_security";
    let configured = config.extension_drivers.iter().map(String::as_str);
    let always = (!config.extension_drivers.iter().any(|n| n == ALWAYS)).then_some(ALWAYS);
    always
        .into_iter()
        .chain(configured)
        .map(|name| Ok(find("extension", EXTENSION_DRIVERS, name)?(config)))
        .collect()
}
