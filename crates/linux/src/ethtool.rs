//! Offload settings of interfaces through the `SIOCETHTOOL` ioctl.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::error::{Error, Result};

/// `ETHTOOL_STXCSUM`: transmit checksum offload.
const SET_TX_CHECKSUM: u32 = 0x17;
/// `ETHTOOL_STSO`: TCP segmentation offload.
const SET_TSO: u32 = 0x1f;
/// `ETHTOOL_SGSO`: generic segmentation offload.
const SET_GSO: u32 = 0x24;

#[repr(C)]
struct Value {
    command: u32,
    data: u32,
}

/// Does what `ethtool -K <interface> tx off` does, in the caller's network namespace.
///
/// Open vSwitch's userspace datapath reads raw packets: a checksum or a segmentation left for the
/// hardware would never be done.
///
/// # Errors
/// [`Error::Kernel`] when there is no such interface or its driver refuses.
pub fn disable_tx_offload(interface: &str) -> Result<()> {
    let attempt = || format!("turn off transmit offloads of {interface}");
    // SAFETY: a plain socket() call; the result is checked before it is owned.
    let raw = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if raw < 0 {
        return Err(Error::kernel(attempt())(io::Error::last_os_error()));
    }
    // SAFETY: `raw` is a descriptor that nothing else owns.
    let socket = unsafe { OwnedFd::from_raw_fd(raw) };
    for command in [SET_TSO, SET_GSO, SET_TX_CHECKSUM] {
        set(&socket, interface, command).map_err(Error::kernel(attempt()))?;
    }
    Ok(())
}

fn set(socket: &OwnedFd, interface: &str, command: u32) -> io::Result<()> {
    let mut value = Value { command, data: 0 };
    // SAFETY: ifreq is plain data for which all zeroes is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if interface.len() >= request.ifr_name.len() {
        return Err(io::Error::from_raw_os_error(libc::ENODEV));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(interface.bytes()) {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_data = (&raw mut value).cast();
    // SAFETY: `request` names the interface and points to a `Value` that outlives the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL, &raw mut request) };
    let error = io::Error::last_os_error();
    match (result, error.raw_os_error()) {
        (0.., _) => Ok(()),
        // A driver without the feature has nothing to turn off.
        (_, Some(libc::EOPNOTSUPP)) => Ok(()),
        _ => Err(error),
    }
}
