//! Generated MAC addresses.

use neutrino_types::MacAddr;
use rand::{Rng, RngExt};

/// A MAC of the pattern `base` (`base_mac`): its first three octets stay, the fourth too unless
/// it is zero; the rest is random. A duplicate on the network surfaces as a unique key violation
/// and the port is tried again.
pub fn generate(base: MacAddr, rng: &mut impl Rng) -> MacAddr {
    let mut octets = base.0;
    rng.fill(&mut octets[fixed(base)..]);
    MacAddr(octets)
}

/// How many octets of a pattern stay.
fn fixed(base: MacAddr) -> usize {
    if base.0[3] == 0 { 3 } else { 4 }
}

/// Whether the same MAC may be generated of both patterns.
#[must_use]
pub fn overlap(a: MacAddr, b: MacAddr) -> bool {
    let common = fixed(a).min(fixed(b));
    a.0[..common] == b.0[..common]
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

    #[test]
    fn patterns_overlap_by_what_stays() {
        let overlap = |a: &str, b: &str| overlap(a.parse().expect("MAC"), b.parse().expect("MAC"));
        assert!(overlap("fa:16:3e:00:00:00", "fa:16:3e:4f:00:00"));
        assert!(!overlap("fa:16:3e:01:00:00", "fa:16:3e:4f:00:00"));
        assert!(!overlap("fa:16:3e:00:00:00", "fa:16:3f:00:00:00"));
    }
}
