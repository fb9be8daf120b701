//! Gratuitous ARP: telling a link who has an address before anybody asks.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::error::{Error, Result};
use crate::netns::NetNs;

const BROADCAST: [u8; 6] = [0xff; 6];
/// Ethernet, IPv4, and the lengths of their addresses.
const PREFIX: [u8; 6] = [0x00, 0x01, 0x08, 0x00, 6, 4];
/// Length of an ARP packet of IPv4 over Ethernet.
const PACKET_LEN: usize = 28;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Request,
    Reply,
}

/// A raw socket of one network namespace from which addresses are announced.
#[derive(Debug)]
pub struct Announcer(OwnedFd);

impl Announcer {
    /// Opens a socket inside `namespace`; it keeps working there whoever uses it, and keeps the
    /// namespace alive.
    ///
    /// # Errors
    /// [`Error::Kernel`] when the namespace or the socket is refused.
    pub fn open_in(namespace: &NetNs) -> Result<Self> {
        namespace.run(|| {
            // Nothing is received: protocol 0.
            // SAFETY: socket takes three integers; its result is checked before use.
            let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_DGRAM, 0) };
            if fd < 0 {
                return Err(Error::kernel("open a packet socket")(io::Error::last_os_error()));
            }
            // SAFETY: the descriptor was just made and is nobody else's.
            Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
        })
    }

    /// Says on the interface of index `device` that `mac` has `ip`: a request and a reply to all,
    /// for there are hosts that believe only one of them.
    ///
    /// # Errors
    /// [`Error::Kernel`], `ENXIO` or `ENETDOWN` when the interface is not there or not up.
    pub fn announce(&self, device: u32, mac: [u8; 6], ip: Ipv4Addr) -> Result<()> {
        for operation in [Operation::Request, Operation::Reply] {
            self.send(device, &packet(operation, mac, ip))
                .map_err(Error::kernel(format!("announce {ip}")))?;
        }
        Ok(())
    }

    fn send(&self, device: u32, packet: &[u8]) -> io::Result<()> {
        // SAFETY: all-zero is a valid value of this plain C structure.
        let mut to: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        // Both are small numbers of the kernel's headers.
        to.sll_family = libc::AF_PACKET as u16;
        to.sll_protocol = (libc::ETH_P_ARP as u16).to_be();
        to.sll_ifindex = i32::try_from(device).unwrap_or(0);
        to.sll_halen = 6;
        to.sll_addr[..6].copy_from_slice(&BROADCAST);
        let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        // SAFETY: both pointers are valid for the lengths given.
        let sent = unsafe {
            libc::sendto(
                self.0.as_raw_fd(),
                packet.as_ptr().cast(),
                packet.len(),
                0,
                (&raw const to).cast(),
                length,
            )
        };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

fn packet(operation: Operation, mac: [u8; 6], ip: Ipv4Addr) -> [u8; PACKET_LEN] {
    // As `arping -U` and `arping -A` fill in whom it is for.
    let (code, target) = match operation {
        Operation::Request => (1, BROADCAST),
        Operation::Reply => (2, mac),
    };
    let mut out = [0; PACKET_LEN];
    let fields: [&[u8]; 6] = [&PREFIX, &[0, code], &mac, &ip.octets(), &target, &ip.octets()];
    let bytes = fields.into_iter().flatten();
    out.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sender_and_target_have_the_address() {
        let mac = [0xfa, 0x16, 0x3e, 1, 2, 3];
        let packet = packet(Operation::Reply, mac, Ipv4Addr::new(192, 0, 2, 7));
        assert_eq!(packet[..8], [0, 1, 8, 0, 6, 4, 0, 2]);
        assert_eq!(packet[8..18], [0xfa, 0x16, 0x3e, 1, 2, 3, 192, 0, 2, 7]);
        assert_eq!(packet[18..], packet[8..18]);
    }
}
