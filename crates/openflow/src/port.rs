//! OpenFlow port numbers and the names of the reserved ones.

use std::fmt;

/// Where the packet came in (`OFPP_IN_PORT`).
pub const IN_PORT: u32 = 0xffff_fff8;
/// Process by the flow tables; packet-out only.
pub const TABLE: u32 = 0xffff_fff9;
/// Process as an ordinary learning switch.
pub const NORMAL: u32 = 0xffff_fffa;
/// Every port but the ingress one and those with flooding off.
pub const FLOOD: u32 = 0xffff_fffb;
/// Every port but the ingress one.
pub const ALL: u32 = 0xffff_fffc;
/// The controller.
pub const CONTROLLER: u32 = 0xffff_fffd;
/// The bridge's own internal port.
pub const LOCAL: u32 = 0xffff_fffe;
/// No port, or any port in a delete filter.
pub const ANY: u32 = 0xffff_ffff;

const NAMES: [(u32, &str); 8] = [
    (IN_PORT, "IN_PORT"),
    (TABLE, "TABLE"),
    (NORMAL, "NORMAL"),
    (FLOOD, "FLOOD"),
    (ALL, "ALL"),
    (CONTROLLER, "CONTROLLER"),
    (LOCAL, "LOCAL"),
    (ANY, "ANY"),
];

/// Displays a port as ovs-ofctl does: a number, or the name of a reserved port.
#[derive(Clone, Copy, Debug)]
pub struct PortName(pub u32);

impl fmt::Display for PortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match reserved_name(self.0) {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

/// The name of a reserved port; `None` for an ordinary port number.
#[must_use]
pub fn reserved_name(port: u32) -> Option<&'static str> {
    NAMES.iter().find(|(number, _)| *number == port).map(|(_, name)| *name)
}

/// The port called `text`: a number (decimal or 0x hex) or a reserved name in either case.
#[must_use]
pub fn parse(text: &str) -> Option<u32> {
    if let Some((number, _)) = NAMES.iter().find(|(_, name)| name.eq_ignore_ascii_case(text)) {
        return Some(*number);
    }
    let number = crate::text::parse_u64(text).ok()?;
    // OpenFlow 1.0 spells the reserved ports as 16-bit numbers.
    match u32::try_from(number).ok()? {
        n @ 0xfff8..=0xffff => Some(from_u16(n as u16)),
        n => Some(n),
    }
}

/// The 32-bit form of a 16-bit OpenFlow 1.0 port number (Nicira actions still carry those).
#[must_use]
pub fn from_u16(port: u16) -> u32 {
    if port >= 0xfff8 { 0xffff_0000 | u32::from(port) } else { u32::from(port) }
}

/// The 16-bit form of a port number; OVS has no port above 0xff00 that is not reserved.
#[must_use]
pub fn to_u16(port: u32) -> u16 {
    (port & 0xffff) as u16
}
