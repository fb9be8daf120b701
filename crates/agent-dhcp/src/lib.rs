//! The DHCP agent: one dnsmasq per network in a namespace of its own.
