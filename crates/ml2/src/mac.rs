//! Generated MAC addresses.

use neutrino_types::MacAddr;
use rand::{Rng, RngExt};

/// A MAC of the pattern `base` (`base_mac`): its first three octets stay, the fourth too unless
/// it is zero; the rest is random. A duplicate on the network surfaces as a unique key violation
/// and the port is tried again.
pub fn generate(base: MacAddr, rng: &mut impl Rng) -> MacAddr {
    let mut octets = base.0;
    let fixed = if octets[3] == 0 { 3 } else { 4 };
    rng.fill(&mut octets[fixed..]);
    MacAddr(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_octets_stay() {
        let mut rng = rand::rng();
        let mac = generate("fa:16:3e:00:00:00".parse().expect("valid"), &mut rng);
        assert_eq!(mac.0[..3], [0xfa, 0x16, 0x3e]);
        let mac = generate("fa:16:3e:4f:00:00".parse().expect("valid"), &mut rng);
        assert_eq!(mac.0[..4], [0xfa, 0x16, 0x3e, 0x4f]);
    }
}
