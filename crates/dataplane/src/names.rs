//! Names of ports and devices that operators, os-vif and Neutron agree on.
//!
//! Owns the naming rules; creating the ports is the agent's business.

use std::net::IpAddr;

use blake2::{Blake2b, digest::consts::U20};
use neutrino_types::NetworkType;
use sha1::{Digest, Sha1};

/// Longest name of a Linux network device.
pub const DEVICE_NAME_MAX_LEN: usize = 15;
/// Length of the device names of ports (`constants.LINUX_DEV_LEN`).
const VIF_DEVICE_LEN: usize = 14;
/// An instance's tap device.
pub const TAP_PREFIX: &str = "tap";
/// The Linux bridge's end of the pair that plugs an instance through it.
pub const HYBRID_BRIDGE_SIDE_PREFIX: &str = "qvb";
/// Open vSwitch's end of the pair between the Linux bridge of a port and Open vSwitch.
pub const HYBRID_OVS_SIDE_PREFIX: &str = "qvo";
/// Hex digits of SHA1 that replace the cut part of a long name.
const INTERFACE_HASH_LEN: usize = 6;
/// br-int end of a physical bridge's patch pair.
pub const PEER_INTEGRATION_PREFIX: &str = "int-";
/// Physical-bridge end of the pair.
pub const PEER_PHYSICAL_PREFIX: &str = "phy-";
/// Peer of a patch port that must not pass traffic yet.
pub const NONEXISTENT_PEER: &str = "nonexistent-peer";

/// Prefix of the namespace's end where a veth pair stands in for an internal port.
pub const NAMESPACE_END_PREFIX: &str = "ns-";
/// `int-<bridge>`, cut by Neutron's rule when too long.
#[must_use]
pub fn int_patch(bridge: &str) -> String {
    interface_name(PEER_INTEGRATION_PREFIX, bridge)
}

/// `phy-<bridge>`, cut by Neutron's rule when too long.
#[must_use]
pub fn phys_patch(bridge: &str) -> String {
    interface_name(PEER_PHYSICAL_PREFIX, bridge)
}

/// A device of a port: the prefix (e.g. [`TAP_PREFIX`]) and the beginning of the port's id.
#[must_use]
pub fn vif_device(prefix: &str, port_id: &str) -> String {
    prefix.chars().chain(port_id.chars()).take(VIF_DEVICE_LEN).collect()
}

/// Prefix and name if they fit a device name, else a cut name that ends in the first six hex
/// digits of the SHA1 of `name` (neutron-lib `get_interface_name`).
#[must_use]
pub fn interface_name(prefix: &str, name: &str) -> String {
    if prefix.len() + name.len() <= DEVICE_NAME_MAX_LEN {
        return format!("{prefix}{name}");
    }
    let keep = DEVICE_NAME_MAX_LEN.saturating_sub(prefix.len() + INTERFACE_HASH_LEN);
    let digest = Sha1::digest(name.as_bytes());
    let hash: String = digest.iter().map(|b| format!("{b:02x}")).collect();
    let head: String = name.chars().take(keep).collect();
    format!("{prefix}{head}{}", &hash[..INTERFACE_HASH_LEN])
}

/// Name of the tunnel port to `remote`: `vxlan-0a000108`, or a hash for IPv6.
#[must_use]
pub fn tunnel_port(network_type: NetworkType, remote: IpAddr) -> String {
    let hash = match remote {
        IpAddr::V4(v4) => format!("{:08x}", u32::from(v4)),
        IpAddr::V6(v6) => {
            let room = DEVICE_NAME_MAX_LEN.saturating_sub(network_type.as_str().len() + 1);
            let mut text = base32_lower(&blake2b_160(v6.to_string().as_bytes()));
            text.truncate(room);
            text
        }
    };
    format!("{network_type}-{hash}")
}

fn blake2b_160(data: &[u8]) -> [u8; 20] {
    Blake2b::<U20>::digest(data).into()
}

/// RFC 4648 base32 in lower case; `data` is a multiple of five bytes, so no padding arises.
fn base32_lower(data: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut out = String::with_capacity(data.len() * 8 / 5);
    for chunk in data.chunks(5) {
        let bits = chunk.iter().fold(0u64, |acc, byte| (acc << 8) | u64::from(*byte));
        for i in (0..8).rev() {
            out.push(char::from(ALPHABET[((bits >> (5 * i)) & 31) as usize]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_devices_have_eleven_characters_of_the_id() {
        let id = "9f4b9171-7e2c-4f7a-9a57-0f4f2b6ad5f7";
        assert_eq!(vif_device(TAP_PREFIX, id), "tap9f4b9171-7e");
        assert_eq!(vif_device(NAMESPACE_END_PREFIX, id), "ns-9f4b9171-7e");
    }

    #[test]
    fn short_bridge_name_is_kept() {
        assert_eq!(int_patch("br-phys"), "int-br-phys");
        assert_eq!(phys_patch("br-12345678"), "phy-br-12345678");
    }

    #[test]
    fn long_bridge_name_ends_in_sha1() {
        // python3: hashlib.sha1(b"br-provider-network").hexdigest()[:6]
        assert_eq!(int_patch("br-provider-network"), "int-br-pr0c5bfc");
        assert_eq!(int_patch("br-provider-network").len(), DEVICE_NAME_MAX_LEN);
    }

    #[test]
    fn tunnel_port_of_ipv4_is_hex() {
        let ip = "10.0.1.8".parse().expect("valid");
        assert_eq!(tunnel_port(NetworkType::Vxlan, ip), "vxlan-0a000108");
        assert_eq!(tunnel_port(NetworkType::Gre, ip), "gre-0a000108");
    }

    #[test]
    fn tunnel_port_of_ipv6_is_base32_of_blake2b() {
        // python3: base64.b32encode(hashlib.blake2b(b"2001:db8::1", digest_size=20).digest())
        let ip = "2001:db8::1".parse().expect("valid");
        assert_eq!(tunnel_port(NetworkType::Vxlan, ip), "vxlan-xsyzhsi4u");
        assert_eq!(tunnel_port(NetworkType::Geneve, ip), "geneve-xsyzhsi4");
    }
}
