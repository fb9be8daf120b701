//! Ethernet addresses.

use std::{fmt, str::FromStr};

/// A 48-bit Ethernet address; displays as Neutron writes it: lower-case, colon separated.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct MacAddr(pub [u8; 6]);

/// The text was not a MAC address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a valid MAC address")]
pub struct MacParseError(pub String);

impl MacAddr {
    /// ff:ff:ff:ff:ff:ff.
    pub const BROADCAST: Self = Self([0xff; 6]);
    /// 00:00:00:00:00:00.
    pub const ZERO: Self = Self([0; 6]);

    /// The IPv6 interface identifier made of this MAC (modified EUI-64, RFC 4291 appendix A).
    #[must_use]
    pub fn eui64(self) -> [u8; 8] {
        let m = self.0;
        [m[0] ^ 0x02, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]]
    }

    /// The address SLAAC makes of `prefix` (its first 64 bits) and this MAC.
    #[must_use]
    pub fn eui64_address(self, prefix: std::net::Ipv6Addr) -> std::net::Ipv6Addr {
        let mut octets = prefix.octets();
        octets[8..].copy_from_slice(&self.eui64());
        octets.into()
    }

    /// The link-local address of an interface with this MAC.
    #[must_use]
    pub fn link_local(self) -> std::net::Ipv6Addr {
        self.eui64_address(std::net::Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0))
    }

    /// The MAC an address was made of, if it has the form of [`MacAddr::eui64_address`].
    #[must_use]
    pub fn of_eui64_address(address: std::net::Ipv6Addr) -> Option<Self> {
        match address.octets()[8..] {
            [a, b, c, 0xff, 0xfe, d, e, f] => Some(Self([a ^ 0x02, b, c, d, e, f])),
            _ => None,
        }
    }

    /// Whether the group bit is set (multicast or broadcast).
    #[must_use]
    pub fn is_multicast(self) -> bool {
        self.0[0] & 1 == 1
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        // Lists show thousands of these: no formatting of numbers, one write.
        let mut text = [b':'; 17];
        for (i, octet) in self.0.iter().enumerate() {
            text[i * 3] = HEX[usize::from(octet >> 4)];
            text[i * 3 + 1] = HEX[usize::from(octet & 15)];
        }
        f.pad(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MacAddr {
    type Err = MacParseError;

    /// Accepts every form netaddr knows: six, three or two groups of hex digits, or twelve bare
    /// ones, in either case.
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let bad = || MacParseError(s.to_string());
        let separator = s.chars().find(|c| matches!(c, ':' | '-' | '.'));
        let groups = separator.map_or(1, |c| s.matches(c).count() + 1);
        // Least and most digits of a group, and how many it stands for.
        let (least, most, width) = match (groups, separator) {
            (6, Some(':' | '-')) => (1, 2, 2),
            (3, Some(_)) => (1, 4, 4),
            (2, Some(':' | '-')) => (5, 6, 6),
            (1, None) => (11, 12, 12),
            _ => return Err(bad()),
        };
        let mut number = 0u64;
        for group in s.split(|c| Some(c) == separator) {
            let hex = group.bytes().all(|b| b.is_ascii_hexdigit());
            if !hex || group.len() < least || group.len() > most {
                return Err(bad());
            }
            number = number << (4 * width) | u64::from_str_radix(group, 16).map_err(|_| bad())?;
        }
        let [_, _, octets @ ..] = number.to_be_bytes();
        Ok(Self(octets))
    }
}

impl serde::Serialize for MacAddr {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for MacAddr {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn link_local_flips_universal_bit() {
        let mac: MacAddr = "fa:16:3e:e7:78:2d".parse().expect("valid");
        assert_eq!(mac.link_local().to_string(), "fe80::f816:3eff:fee7:782d");
        assert_eq!(MacAddr::of_eui64_address(mac.link_local()), Some(mac));
        assert_eq!(MacAddr::of_eui64_address("fe80::1".parse().expect("valid")), None);
    }

    #[test]
    fn forms_of_netaddr() {
        let same = ["aabb.ccdd.eeff", "aabbccddeeff", "aabbcc-ddeeff", "AA-BB-CC-DD-EE-FF"];
        for form in same {
            let mac: MacAddr = form.parse().expect(form);
            assert_eq!(mac.to_string(), "aa:bb:cc:dd:ee:ff");
        }
        let short: MacAddr = "1:2:3:4:5:6".parse().expect("short");
        assert_eq!(short.to_string(), "01:02:03:04:05:06");
        for bad in ["", "aa:bb:cc:dd:ee", "aa:bb:cc:dd:ee:ff:00:11", "aa:bb-cc:dd:ee:ff", "g"] {
            assert!(bad.parse::<MacAddr>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn display_parses_back(octets: [u8; 6]) {
            let mac = MacAddr(octets);
            prop_assert_eq!(mac.to_string().parse::<MacAddr>(), Ok(mac));
        }

        #[test]
        fn any_text_is_answered(s in ".{0,40}") {
            let _ = s.parse::<MacAddr>();
        }
    }
}
