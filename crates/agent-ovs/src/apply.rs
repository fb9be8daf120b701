//! Writing to Open vSwitch's database: planned changes to one transaction.

use std::collections::BTreeMap;

use neutrino_ovsdb::{Datum, InterfaceSpec, OvsdbError, PortSpec, Replica, Txn};
use neutrino_types::constants::DEAD_VLAN;

use crate::{
    config::Config,
    plan::{self, DbChange},
};

/// The transaction that makes all of `changes`.
///
/// # Errors
/// A row the changes name has gone meanwhile; look again.
pub fn transaction<'r>(
    config: &Config,
    replica: &'r Replica,
    changes: &[DbChange],
) -> Result<Txn<'r>, OvsdbError> {
    let mut txn = Txn::new(replica);
    for change in changes {
        add(&mut txn, config, change)?;
    }
    Ok(txn)
}

fn probe_ms(config: &Config) -> i64 {
    i64::try_from(config.of_inactivity_probe_secs.saturating_mul(1000)).unwrap_or(i64::MAX)
}

fn borrowed(pairs: &BTreeMap<String, String>) -> Vec<(&str, &str)> {
    pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect()
}

fn add(txn: &mut Txn<'_>, config: &Config, change: &DbChange) -> Result<(), OvsdbError> {
    match change {
        DbChange::AddBridge { .. }
        | DbChange::SetDatapathType { .. }
        | DbChange::SetSecure { .. }
        | DbChange::AddProtocols { .. }
        | DbChange::SetBridgeConfig { .. }
        | DbChange::SetSnooping { .. }
        | DbChange::SetController { .. }
        | DbChange::TuneController { .. } => bridge(txn, config, change),
        _ => port(txn, config, change),
    }
}

fn bridge(txn: &mut Txn<'_>, config: &Config, change: &DbChange) -> Result<(), OvsdbError> {
    match change {
        DbChange::AddBridge { bridge, other_config } => {
            txn.ensure_bridge(bridge, &config.datapath_type)?;
            txn.set_bridge_keys(bridge, "other_config", &borrowed(other_config))?;
        }
        DbChange::SetDatapathType { bridge } => {
            let value = Datum::scalar(config.datapath_type.as_str());
            txn.set_bridge(bridge, [("datapath_type", value)])?;
        }
        DbChange::SetSecure { bridge } => {
            txn.set_bridge(bridge, [("fail_mode", Datum::scalar("secure"))])?;
        }
        DbChange::AddProtocols { bridge } => {
            let wanted = ["OpenFlow10", "OpenFlow13", "OpenFlow14"];
            txn.add_to_bridge_set(bridge, "protocols", &wanted)?;
        }
        DbChange::SetBridgeConfig { bridge, pairs } => {
            txn.set_bridge_keys(bridge, "other_config", &borrowed(pairs))?;
        }
        DbChange::SetSnooping { bridge, enable } => {
            txn.set_bridge(bridge, [("mcast_snooping_enable", Datum::scalar(*enable))])?;
        }
        DbChange::SetController { bridge } => {
            txn.set_controller(bridge, &config.controller_target, probe_ms(config))?;
        }
        DbChange::TuneController { controller } => {
            let columns = [
                ("inactivity_probe", Datum::scalar(probe_ms(config))),
                ("max_backoff", Datum::scalar(plan::MAX_BACKOFF_MS)),
            ];
            txn.update("Controller", *controller, columns);
        }
        // Everything else is a port's and does not come here.
        _ => {}
    }
    Ok(())
}

fn port(txn: &mut Txn<'_>, config: &Config, change: &DbChange) -> Result<(), OvsdbError> {
    match change {
        DbChange::AddPatch { bridge, name, peer, other_config } => {
            let options = BTreeMap::from([("peer".to_string(), peer.clone())]);
            let interface =
                InterfaceSpec { kind: "patch".into(), options, ..InterfaceSpec::default() };
            let spec = PortSpec {
                name: name.clone(),
                interface,
                other_config: other_config.clone(),
                ..PortSpec::default()
            };
            txn.add_port(bridge, &spec)?;
        }
        DbChange::SetPortConfig { port, pairs } => {
            txn.set_keys("Port", *port, "other_config", &borrowed(pairs));
        }
        DbChange::SetPeer { interface, peer } => {
            txn.update(
                "Interface",
                *interface,
                [("options", Datum::map([("peer", peer.as_str())]))],
            );
        }
        DbChange::AddTunnel { name, kind, options } => {
            let interface = InterfaceSpec {
                kind: (*kind).to_string(),
                options: options.clone(),
                ..InterfaceSpec::default()
            };
            let spec = PortSpec { name: name.clone(), interface, ..PortSpec::default() };
            txn.add_port(&config.tunnel_bridge, &spec)?;
        }
        DbChange::SetTunnelOptions { interface, options } => {
            let columns = [("options", Datum::map(borrowed(options)))];
            txn.update("Interface", *interface, columns);
        }
        DbChange::DelPort { name } => txn.del_port(name),
        DbChange::BindPort { port, tag, pairs, clear_trunk } => {
            let mut columns = vec![("tag", Datum::scalar(i64::from(*tag)))];
            if *clear_trunk {
                columns.push(("vlan_mode", Datum::empty()));
                columns.push(("trunks", Datum::empty()));
            }
            txn.update("Port", *port, columns);
            if !pairs.is_empty() {
                txn.set_keys("Port", *port, "other_config", &borrowed(pairs));
            }
        }
        DbChange::KillPort { port } => {
            txn.update("Port", *port, [("tag", Datum::scalar(i64::from(DEAD_VLAN)))]);
        }
        // Everything else is a bridge's and does not come here.
        _ => {}
    }
    Ok(())
}
