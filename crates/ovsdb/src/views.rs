//! Typed looks at the rows of the Open_vSwitch schema.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::{Datum, Replica, replica::Row};

static EMPTY: Datum = Datum::empty();

fn column<'r>(row: &'r Row, name: &str) -> &'r Datum {
    row.get(name).unwrap_or(&EMPTY)
}

macro_rules! view {
    ($(#[$doc:meta])* $view:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $view<'r> {
            /// The row's id.
            pub id: Uuid,
            replica: &'r Replica,
            row: &'r Row,
        }

        impl<'r> $view<'r> {
            /// The tables the row belongs to.
            #[must_use]
            pub fn replica(&self) -> &'r Replica {
                self.replica
            }

            /// Any column; the empty set when absent.
            #[must_use]
            pub fn column(&self, name: &str) -> &'r Datum {
                column(self.row, name)
            }

            /// `name`.
            #[must_use]
            pub fn name(&self) -> &'r str {
                self.column("name").as_str().unwrap_or("")
            }

            /// `other_config`.
            #[must_use]
            pub fn other_config(&self) -> BTreeMap<String, String> {
                self.column("other_config").pairs()
            }

            /// `external_ids`.
            #[must_use]
            pub fn external_ids(&self) -> BTreeMap<String, String> {
                self.column("external_ids").pairs()
            }
        }
    };
}

view!(
    /// A row of `Bridge`.
    BridgeView
);
view!(
    /// A row of `Port`.
    PortView
);
view!(
    /// A row of `Interface`.
    InterfaceView
);
view!(
    /// A row of `Controller`.
    ControllerView
);

impl<'r> BridgeView<'r> {
    /// The bridge's ports, its own internal port included.
    pub fn ports(&self) -> impl Iterator<Item = PortView<'r>> + use<'r> {
        let replica = self.replica;
        self.column("ports")
            .uuids()
            .filter_map(move |id| Some(PortView { id, replica, row: replica.row("Port", id)? }))
    }

    /// The bridge's controllers.
    pub fn controllers(&self) -> impl Iterator<Item = ControllerView<'r>> + use<'r> {
        let replica = self.replica;
        self.column("controller").uuids().filter_map(move |id| {
            Some(ControllerView { id, replica, row: replica.row("Controller", id)? })
        })
    }

    /// `datapath_id` as the number OpenFlow uses; `None` until ovs-vswitchd has set it.
    #[must_use]
    pub fn datapath_id(&self) -> Option<u64> {
        u64::from_str_radix(self.column("datapath_id").as_str()?, 16).ok()
    }
}

impl<'r> PortView<'r> {
    /// The port's interfaces.
    pub fn interfaces(&self) -> impl Iterator<Item = InterfaceView<'r>> + use<'r> {
        let replica = self.replica;
        self.column("interfaces").uuids().filter_map(move |id| {
            Some(InterfaceView { id, replica, row: replica.row("Interface", id)? })
        })
    }

    /// `tag`.
    #[must_use]
    pub fn tag(&self) -> Option<u16> {
        self.column("tag").as_int().and_then(|n| u16::try_from(n).ok())
    }
}

impl InterfaceView<'_> {
    /// `ofport` when ovs-vswitchd has given one; `None` while pending or failed (-1).
    #[must_use]
    pub fn ofport(&self) -> Option<u32> {
        self.column("ofport").as_int().filter(|n| *n > 0).and_then(|n| u32::try_from(n).ok())
    }

    /// `type`; empty for a system device.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.column("type").as_str().unwrap_or("")
    }

    /// `options`.
    #[must_use]
    pub fn options(&self) -> BTreeMap<String, String> {
        self.column("options").pairs()
    }

    /// `error`: why ovs-vswitchd could not set the interface up.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.column("error").as_str().filter(|e| !e.is_empty())
    }
}

impl<'r> ControllerView<'r> {
    /// `target`, e.g. `tcp:127.0.0.1:6633`.
    #[must_use]
    pub fn target(&self) -> &'r str {
        self.column("target").as_str().unwrap_or("")
    }
}

impl Replica {
    /// All bridges.
    pub fn bridges(&self) -> impl Iterator<Item = BridgeView<'_>> {
        self.table("Bridge").into_iter().flatten().map(|(id, row)| BridgeView {
            id: *id,
            replica: self,
            row,
        })
    }

    /// The bridge called `name`.
    #[must_use]
    pub fn bridge(&self, name: &str) -> Option<BridgeView<'_>> {
        self.by_name("Bridge", name).map(|(id, row)| BridgeView { id, replica: self, row })
    }

    /// The port called `name`.
    #[must_use]
    pub fn port(&self, name: &str) -> Option<PortView<'_>> {
        self.by_name("Port", name).map(|(id, row)| PortView { id, replica: self, row })
    }

    /// The interface called `name`.
    #[must_use]
    pub fn interface(&self, name: &str) -> Option<InterfaceView<'_>> {
        self.by_name("Interface", name).map(|(id, row)| InterfaceView { id, replica: self, row })
    }

    /// The only row of `Open_vSwitch` and its id.
    #[must_use]
    pub fn root(&self) -> Option<(Uuid, &Row)> {
        self.table("Open_vSwitch")?.iter().next().map(|(id, row)| (*id, row.as_ref()))
    }

    /// A column of the only row of `Open_vSwitch`.
    #[must_use]
    pub fn root_column(&self, name: &str) -> &Datum {
        self.root().map_or(&EMPTY, |(_, row)| column(row, name))
    }
}
