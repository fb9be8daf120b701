//! Network types and the numbers that come with them.

use std::{fmt, str::FromStr};

/// `provider:network_type`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum NetworkType {
    /// Traffic never leaves the host.
    Local,
    /// Untagged on a physical network.
    Flat,
    /// 802.1Q on a physical network.
    Vlan,
    /// GRE with key.
    Gre,
    /// VXLAN (RFC 7348).
    Vxlan,
    /// Geneve (RFC 8926).
    Geneve,
}

impl NetworkType {
    /// Every type, in the order of Neutron's default `type_drivers`.
    pub const ALL: [Self; 6] =
        [Self::Local, Self::Flat, Self::Vlan, Self::Gre, Self::Vxlan, Self::Geneve];

    /// The name used in API, RPC and configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Flat => "flat",
            Self::Vlan => "vlan",
            Self::Gre => "gre",
            Self::Vxlan => "vxlan",
            Self::Geneve => "geneve",
        }
    }

    /// Whether segments of this type are carried between hosts in IP tunnels.
    #[must_use]
    pub const fn is_tunnel(self) -> bool {
        matches!(self, Self::Gre | Self::Vxlan | Self::Geneve)
    }

    /// Whether segments of this type live on a named physical network.
    #[must_use]
    pub const fn is_physical(self) -> bool {
        matches!(self, Self::Flat | Self::Vlan)
    }
}

impl fmt::Display for NetworkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text named no known network type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a known network type")]
pub struct UnknownNetworkType(pub String);

impl FromStr for NetworkType {
    type Err = UnknownNetworkType;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|t| t.as_str() == s)
            .ok_or_else(|| UnknownNetworkType(s.to_string()))
    }
}

impl serde::Serialize for NetworkType {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for NetworkType {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}
