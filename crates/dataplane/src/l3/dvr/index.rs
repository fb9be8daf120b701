//! Numbers of routing tables made of addresses.

use ipnet::IpNet;

/// Bits of a table's number that is made of an IPv6 address.
const MASK: u32 = 0x3fff_ffff;
/// Numbers below are the kernel's.
const FIRST: u32 = 32_768;

/// Number of the table, and priority of its rule, of an address: an IPv4 address as a number, or
/// the CRC-32 of an IPv6 address's text folded to 30 bits.
pub(super) fn table_index(address: IpNet) -> u32 {
    match address {
        IpNet::V4(v4) => v4.addr().into(),
        IpNet::V6(v6) => {
            let sum = crc32(v6.to_string().as_bytes());
            let folded = (sum >> MASK.count_ones()) ^ (sum & MASK);
            if folded < FIRST { folded + MASK } else { folded }
        }
    }
}

/// CRC-32 as of IEEE 802.3.
fn crc32(data: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0xedb8_8320;
    let sum = data.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ if sum & 1 == 1 { POLYNOMIAL } else { 0 }
        })
    });
    !sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_are_neutrons() {
        let of = |text: &str| table_index(text.parse().expect("valid"));
        // The first seed's.
        assert_eq!(of("192.168.0.1/16"), 3_232_235_521);
        assert_eq!(of("11.0.102.1/24"), 184_575_489);
        // python3: as DvrLocalRouter._get_snat_idx folds binascii.crc32.
        assert_eq!(of("2001:db8:5::1/64"), 176_016_695);
        assert_eq!(of("fd00:1::/64"), 211_626_203);
        assert_eq!(of("2001:db8::7364/64"), 1_073_747_885);
    }
}
