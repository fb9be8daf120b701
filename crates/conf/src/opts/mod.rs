//! Every option of every component, defined once. A group is a module.

mod agents;
mod dhcp_agent;
mod keystone;
mod l3_agent;
mod messaging;
mod metadata;
mod server;

pub use agents::{agent, openvswitch_agent_ini, ovs, securitygroup};
pub use dhcp_agent::{dhcp, dhcp_agent_ini, interface};
pub use keystone::{KeystoneAuth, KeystoneSession, keystone_authtoken, nova};
pub use l3_agent::{external_process, l3, l3_agent_ini, ra};
pub use messaging::oslo_messaging_rabbit;
pub use metadata::{
    metadata_agent, metadata_agent_ini, metadata_haproxy, metadata_proxy, metadata_rate_limiting,
};
pub use server::{
    database, default, identity, ml2, ml2_conf, ml2_type_flat, ml2_type_geneve, ml2_type_gre,
    ml2_type_vlan, ml2_type_vxlan, neutron_conf, oslo_middleware, oslo_policy, quotas, rpc,
};

use crate::AnyOpt;

/// All options, group by group.
#[must_use]
pub fn all() -> Vec<&'static dyn AnyOpt> {
    [
        server::all(),
        keystone::all(),
        agents::openvswitch_agent_ini(),
        metadata::all(),
        dhcp_agent::all(),
        l3_agent::all(),
    ]
    .concat()
}

/// The option that answers to `name` in `group`.
#[must_use]
pub fn find(group: &str, name: &str) -> Option<&'static dyn AnyOpt> {
    all().into_iter().find(|o| o.answers_to(group, name))
}

/// Declares the options of one group as constants in a module, and the list of them.
macro_rules! group {
    ($(#[$doc:meta])* $module:ident = $group:literal {
        $($name:ident: $ty:ty = $key:literal, $help:literal $(, $method:ident($($arg:expr),*))* ;)*
    } $(more { $($more:item)* })?) => {
        $(#[$doc])*
        pub mod $module {
            #[allow(unused_imports, reason = "not every group has a map option, or one with many values")]
            use {std::collections::BTreeMap, crate::Multi};
            use crate::{AnyOpt, Opt};
            $(
                #[doc = $help]
                pub const $name: Opt<$ty> = Opt::new($group, $key, $help)$(.$method($($arg),*))*;
            )*
            /// The group's name in files.
            pub const GROUP: &str = $group;
            /// The options of this group.
            pub(crate) const ALL: &[&dyn AnyOpt] = &[$(&$name),*];
            $($($more)*)?
        }
    };
}
pub(crate) use group;

/// Declares options that stand in several groups as the fields of a struct with a constructor that
/// takes the group, and the list of them.
macro_rules! shared_options {
    ($(#[$doc:meta])* $name:ident {
        $($field:ident: $ty:ty = $help:literal $(, $method:ident($($arg:expr),*))* ;)*
    }) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name {
            $(
                #[doc = $help]
                pub $field: Opt<$ty>,
            )*
        }

        impl $name {
            /// These options in `group`.
            #[must_use]
            pub const fn in_group(group: &'static str) -> Self {
                Self {
                    $($field: Opt::new(group, stringify!($field), $help)$(.$method($($arg),*))*,)*
                }
            }

            /// All of them.
            pub(crate) fn all(&'static self) -> Vec<&'static dyn AnyOpt> {
                vec![$(&self.$field),*]
            }
        }
    };
}
pub(crate) use shared_options;
