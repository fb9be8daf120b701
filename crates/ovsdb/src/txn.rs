//! Building transactions: what `ovs-vsctl` does, as values.
//!
//! A transaction is built against a replica (to find rows by name), so it can fail when the
//! database moves on; callers look again and build a new one.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{Atom, Datum, OvsdbError, Replica};

/// An interface to create.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InterfaceSpec {
    /// `type`: empty, `internal`, `patch`, `vxlan`, `gre`, ...
    pub kind: String,
    /// `options`.
    pub options: BTreeMap<String, String>,
    /// `external_ids`.
    pub external_ids: BTreeMap<String, String>,
    /// `mac`, for internal interfaces.
    pub mac: Option<String>,
}

/// A port with one interface of the same name, to create.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PortSpec {
    /// Name of port and interface, at most 15 bytes.
    pub name: String,
    /// Its interface.
    pub interface: InterfaceSpec,
    /// `tag`.
    pub tag: Option<u16>,
    /// `vlan_mode`.
    pub vlan_mode: Option<String>,
    /// `trunks`.
    pub trunks: Vec<u16>,
    /// `other_config` of the port.
    pub other_config: BTreeMap<String, String>,
}

/// Where an operation applies: a row of the replica or one this transaction inserts.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    Existing(Uuid),
    New(String),
}

/// A transaction under construction.
#[derive(Debug)]
pub struct Txn<'r> {
    replica: &'r Replica,
    inserts: BTreeMap<String, (String, BTreeMap<String, Datum>)>,
    new_bridges: BTreeMap<String, String>,
    operations: Vec<Value>,
}

impl<'r> Txn<'r> {
    /// An empty transaction on what `replica` shows.
    #[must_use]
    pub fn new(replica: &'r Replica) -> Self {
        Self {
            replica,
            inserts: BTreeMap::new(),
            new_bridges: BTreeMap::new(),
            operations: Vec::new(),
        }
    }

    /// Whether it would do nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inserts.is_empty() && self.operations.is_empty()
    }

    /// The operations as `transact` takes them, without the database name.
    #[must_use]
    pub fn into_operations(self) -> Vec<Value> {
        let mut all: Vec<Value> = self
            .inserts
            .into_iter()
            .map(|(name, (table, columns))| {
                let row: Map<String, Value> =
                    columns.into_iter().map(|(k, v)| (k, v.to_json())).collect();
                json!({"op": "insert", "table": table, "uuid-name": name, "row": row})
            })
            .collect();
        all.extend(self.operations);
        all
    }

    fn insert(&mut self, table: &str, columns: BTreeMap<String, Datum>) -> String {
        let name = format!("row{}", self.inserts.len());
        self.inserts.insert(name.clone(), (table.to_string(), columns));
        name
    }

    fn mutate(&mut self, table: &str, id: Uuid, mutations: Value) {
        self.operations.push(json!({
            "op": "mutate", "table": table, "where": [["_uuid", "==", ["uuid", id.to_string()]]],
            "mutations": mutations,
        }));
    }

    /// Sets columns of an existing row.
    pub fn update(
        &mut self,
        table: &str,
        id: Uuid,
        columns: impl IntoIterator<Item = (&'static str, Datum)>,
    ) {
        let row: Map<String, Value> =
            columns.into_iter().map(|(k, v)| (k.to_string(), v.to_json())).collect();
        self.operations.push(json!({
            "op": "update", "table": table, "where": [["_uuid", "==", ["uuid", id.to_string()]]],
            "row": row,
        }));
    }

    /// Sets keys of a map column, leaving its other keys alone.
    pub fn set_keys(&mut self, table: &str, id: Uuid, column: &str, pairs: &[(&str, &str)]) {
        let keys: Vec<&str> = pairs.iter().map(|(k, _)| *k).collect();
        let map = Datum::map(pairs.iter().copied());
        self.mutate(
            table,
            id,
            json!([[column, "delete", ["set", keys]], [column, "insert", map.to_json()]]),
        );
    }

    /// Asks ovs-vswitchd to say when it has applied the database as of this transaction: the last
    /// result then holds the `next_cfg` to wait for in `cur_cfg` (see [`Txn::awaited_cfg`]).
    ///
    /// # Errors
    /// The replica has no `Open_vSwitch` row: the database is not initialised.
    pub fn bump_next_cfg(&mut self) -> Result<(), OvsdbError> {
        let (root, _) = self
            .replica
            .root()
            .ok_or(OvsdbError::NoSuchRow { kind: "root row", name: "Open_vSwitch".to_string() })?;
        self.mutate("Open_vSwitch", root, json!([["next_cfg", "+=", 1]]));
        self.operations.push(json!({
            "op": "select", "table": "Open_vSwitch", "columns": ["next_cfg"],
            "where": [["_uuid", "==", ["uuid", root.to_string()]]],
        }));
        Ok(())
    }

    /// The `next_cfg` in the results of a transaction that ended in [`Txn::bump_next_cfg`].
    #[must_use]
    pub fn awaited_cfg(results: &[Value]) -> Option<i64> {
        results.last()?.get("rows")?.get(0)?.get("next_cfg")?.as_i64()
    }

    fn bridge_target(&self, name: &str) -> Result<Target, OvsdbError> {
        if let Some(row) = self.new_bridges.get(name) {
            return Ok(Target::New(row.clone()));
        }
        match self.replica.bridge(name) {
            Some(bridge) => Ok(Target::Existing(bridge.id)),
            None => Err(OvsdbError::NoSuchRow { kind: "bridge", name: name.to_string() }),
        }
    }

    /// Makes the bridge if it is not there (`--may-exist add-br`), with its internal port.
    ///
    /// # Errors
    /// The replica has no `Open_vSwitch` row: the database is not initialised.
    pub fn ensure_bridge(&mut self, name: &str, datapath_type: &str) -> Result<(), OvsdbError> {
        if self.replica.bridge(name).is_some() || self.new_bridges.contains_key(name) {
            return Ok(());
        }
        let (root, _) = self
            .replica
            .root()
            .ok_or(OvsdbError::NoSuchRow { kind: "root row", name: "Open_vSwitch".to_string() })?;
        let port = self.insert_port(&PortSpec {
            name: name.to_string(),
            interface: InterfaceSpec { kind: "internal".into(), ..InterfaceSpec::default() },
            ..PortSpec::default()
        });
        let bridge = self.insert(
            "Bridge",
            BTreeMap::from([
                ("name".to_string(), Datum::scalar(name)),
                ("datapath_type".to_string(), Datum::scalar(datapath_type)),
                ("ports".to_string(), Datum::scalar(Atom::Named(port))),
            ]),
        );
        let reference = Atom::Named(bridge.clone()).to_json();
        self.mutate("Open_vSwitch", root, json!([["bridges", "insert", ["set", [reference]]]]));
        self.new_bridges.insert(name.to_string(), bridge);
        Ok(())
    }

    /// Sets columns of a bridge, new or old.
    ///
    /// # Errors
    /// There is no such bridge.
    pub fn set_bridge(
        &mut self,
        bridge: &str,
        columns: impl IntoIterator<Item = (&'static str, Datum)>,
    ) -> Result<(), OvsdbError> {
        match self.bridge_target(bridge)? {
            Target::Existing(id) => self.update("Bridge", id, columns),
            Target::New(row) => {
                if let Some((_, inserted)) = self.inserts.get_mut(&row) {
                    inserted.extend(columns.into_iter().map(|(k, v)| (k.to_string(), v)));
                }
            }
        }
        Ok(())
    }

    /// Gives a bridge exactly this controller.
    ///
    /// # Errors
    /// There is no such bridge.
    pub fn set_controller(
        &mut self,
        bridge: &str,
        target: &str,
        inactivity_probe_ms: i64,
    ) -> Result<(), OvsdbError> {
        let controller = self.insert(
            "Controller",
            BTreeMap::from([
                ("target".to_string(), Datum::scalar(target)),
                ("inactivity_probe".to_string(), Datum::scalar(inactivity_probe_ms)),
            ]),
        );
        self.set_bridge(bridge, [("controller", Datum::scalar(Atom::Named(controller)))])
    }

    fn insert_port(&mut self, port: &PortSpec) -> String {
        let spec = &port.interface;
        let mut columns = BTreeMap::from([
            ("name".to_string(), Datum::scalar(port.name.as_str())),
            ("type".to_string(), Datum::scalar(spec.kind.as_str())),
            ("options".to_string(), Datum::map(spec.options.clone())),
            ("external_ids".to_string(), Datum::map(spec.external_ids.clone())),
        ]);
        if let Some(mac) = &spec.mac {
            columns.insert("mac".to_string(), Datum::scalar(mac.as_str()));
        }
        let interface = self.insert("Interface", columns);
        let mut columns = BTreeMap::from([
            ("name".to_string(), Datum::scalar(port.name.as_str())),
            ("interfaces".to_string(), Datum::scalar(Atom::Named(interface))),
            ("other_config".to_string(), Datum::map(port.other_config.clone())),
            ("trunks".to_string(), Datum::set(port.trunks.iter().map(|t| i64::from(*t)))),
        ]);
        if let Some(tag) = port.tag {
            columns.insert("tag".to_string(), Datum::scalar(i64::from(tag)));
        }
        if let Some(mode) = &port.vlan_mode {
            columns.insert("vlan_mode".to_string(), Datum::scalar(mode.as_str()));
        }
        self.insert("Port", columns)
    }

    /// Adds a port to a bridge.
    ///
    /// # Errors
    /// There is no such bridge.
    pub fn add_port(&mut self, bridge: &str, port: &PortSpec) -> Result<(), OvsdbError> {
        let target = self.bridge_target(bridge)?;
        let reference = Atom::Named(self.insert_port(port));
        match target {
            Target::Existing(id) => {
                self.mutate(
                    "Bridge",
                    id,
                    json!([["ports", "insert", ["set", [reference.to_json()]]]]),
                );
            }
            Target::New(row) => {
                if let Some((_, columns)) = self.inserts.get_mut(&row) {
                    let ports = columns.entry("ports".to_string()).or_insert_with(Datum::empty);
                    let mut atoms = ports.atoms().to_vec();
                    atoms.push(reference);
                    *ports = Datum::set(atoms);
                }
            }
        }
        Ok(())
    }

    /// Removes a port from whatever bridge has it; no such port is fine (`--if-exists del-port`).
    pub fn del_port(&mut self, name: &str) {
        let Some(port) = self.replica.port(name) else { return };
        let id = port.id;
        let owners: Vec<Uuid> = self
            .replica
            .bridges()
            .filter(|b| b.column("ports").uuids().any(|p| p == id))
            .map(|b| b.id)
            .collect();
        for bridge in owners {
            let reference = Atom::Uuid(id).to_json();
            self.mutate("Bridge", bridge, json!([["ports", "delete", ["set", [reference]]]]));
        }
    }

    /// Removes a bridge with its ports; no such bridge is fine (`--if-exists del-br`).
    pub fn del_bridge(&mut self, name: &str) {
        let (Some(bridge), Some((root, _))) = (self.replica.bridge(name), self.replica.root())
        else {
            return;
        };
        let reference = Atom::Uuid(bridge.id).to_json();
        self.mutate("Open_vSwitch", root, json!([["bridges", "delete", ["set", [reference]]]]));
    }

    /// Adds values to a set column of a bridge, leaving the others alone (e.g. `protocols`).
    ///
    /// # Errors
    /// There is no such bridge in the replica.
    pub fn add_to_bridge_set(
        &mut self,
        bridge: &str,
        column: &'static str,
        values: &[&str],
    ) -> Result<(), OvsdbError> {
        match self.bridge_target(bridge)? {
            Target::Existing(id) => {
                self.mutate("Bridge", id, json!([[column, "insert", ["set", values]]]));
                Ok(())
            }
            Target::New(_) => {
                self.set_bridge(bridge, [(column, Datum::set(values.iter().copied()))])
            }
        }
    }

    /// Sets keys of a map column of a bridge, leaving its other keys alone.
    ///
    /// # Errors
    /// There is no such bridge.
    pub fn set_bridge_keys(
        &mut self,
        bridge: &str,
        column: &'static str,
        pairs: &[(&str, &str)],
    ) -> Result<(), OvsdbError> {
        match self.bridge_target(bridge)? {
            Target::Existing(id) => {
                self.set_keys("Bridge", id, column, pairs);
                Ok(())
            }
            Target::New(_) => {
                self.set_bridge(bridge, [(column, Datum::map(pairs.iter().copied()))])
            }
        }
    }
}
