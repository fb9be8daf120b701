//! Addresses as sort keys: hex text of fixed width, so that text order is address order on every
//! backend, for 32-bit and 128-bit addresses alike.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `ip` as a key: 8 hex digits for IPv4, 32 for IPv6.
#[must_use]
pub fn to_key(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(v4) => number_to_key(u128::from(v4.to_bits()), 4),
        IpAddr::V6(v6) => number_to_key(v6.to_bits(), 6),
    }
}

/// The address numbered `n` of IP version 4 or 6, as a key.
#[must_use]
pub fn number_to_key(n: u128, version: u8) -> String {
    if version == 4 { format!("{n:08x}") } else { format!("{n:032x}") }
}

/// The number behind a key; `None` for text that is no key.
#[must_use]
pub fn key_to_number(key: &str) -> Option<u128> {
    let is_key = matches!(key.len(), 8 | 32) && key.bytes().all(|b| b.is_ascii_hexdigit());
    if is_key { u128::from_str_radix(key, 16).ok() } else { None }
}

/// The address behind a key; `None` for text that is no key.
#[must_use]
pub fn from_key(key: &str) -> Option<IpAddr> {
    let n = key_to_number(key)?;
    Some(match u32::try_from(n) {
        Ok(v4) if key.len() == 8 => Ipv4Addr::from_bits(v4).into(),
        _ => Ipv6Addr::from_bits(n).into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keys_sort_as_addresses(a: u32, b: u32, c: u128, d: u128) {
            let v4 = |n| IpAddr::V4(Ipv4Addr::from_bits(n));
            let v6 = |n| IpAddr::V6(Ipv6Addr::from_bits(n));
            prop_assert_eq!(to_key(v4(a)).cmp(&to_key(v4(b))), a.cmp(&b));
            prop_assert_eq!(to_key(v6(c)).cmp(&to_key(v6(d))), c.cmp(&d));
            prop_assert_eq!(from_key(&to_key(v4(a))), Some(v4(a)));
            prop_assert_eq!(from_key(&to_key(v6(c))), Some(v6(c)));
        }

        #[test]
        fn any_text_is_answered(s in ".{0,40}") {
            let _ = from_key(&s);
        }
    }
}
