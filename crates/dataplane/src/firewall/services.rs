//! What both drivers must know of the protocols that give an instance its addresses.

/// UDP ports of DHCPv4: the client's and the server's.
pub(super) const DHCP: (u16, u16) = (68, 67);
/// UDP ports of DHCPv6: the client's and the server's.
pub(super) const DHCPV6: (u16, u16) = (546, 547);

/// Types of ICMPv6 messages.
pub(super) mod icmpv6 {
    /// Multicast listener query.
    pub const MLD_QUERY: u8 = 130;
    /// Multicast listener report.
    pub const MLD_REPORT: u8 = 131;
    /// Router solicitation.
    pub const RS: u8 = 133;
    /// Router advertisement, which an instance may not send.
    pub const RA: u8 = 134;
    /// Neighbour solicitation.
    pub const NS: u8 = 135;
    /// Neighbour advertisement, which may be about own addresses only.
    pub const NA: u8 = 136;
    /// Multicast listener report, version 2.
    pub const MLD2_REPORT: u8 = 143;
}
