//! The kernel's tracked connections (ctnetlink): list them, cut one.
//!
//! Listing once and cutting those that match costs as many messages as there are matches; the
//! `conntrack` tool would be a process for every address that might.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::{
    DecodeError, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkDeserializable, NetlinkHeader,
    NetlinkSerializable, NlasIterator,
};
use netlink_sys::protocols::NETLINK_NETFILTER;

use crate::error::Result;
use crate::family::Family;
use crate::netlink::Wire;
use crate::netns::NetNs;

/// `NFNL_SUBSYS_CTNETLINK` in the upper byte of a message type.
const SUBSYSTEM: u16 = 1 << 8;
/// `IPCTNL_MSG_CT_GET`.
const GET: u16 = SUBSYSTEM | 1;
/// `IPCTNL_MSG_CT_DELETE`.
const DELETE: u16 = SUBSYSTEM | 2;
/// Length of `struct nfgenmsg`: family, version, resource id.
const GENERIC_HEADER_LEN: usize = 4;
/// An attribute that holds attributes (`NLA_F_NESTED`).
const NESTED: u16 = 1 << 15;

/// Attributes of a connection (`CTA_*`).
mod attribute {
    pub const TUPLE_ORIG: u16 = 1;
    pub const TUPLE_REPLY: u16 = 2;
    pub const ID: u16 = 12;
    pub const ZONE: u16 = 18;
}

/// Attributes of a tuple (`CTA_TUPLE_*`).
mod tuple {
    pub const IP: u16 = 1;
    pub const PROTO: u16 = 2;
}

/// Attributes of a tuple's addresses (`CTA_IP_*`).
mod ip {
    pub const V4_SRC: u16 = 1;
    pub const V4_DST: u16 = 2;
    pub const V6_SRC: u16 = 3;
    pub const V6_DST: u16 = 4;
}

/// Attributes of a tuple's protocol (`CTA_PROTO_*`).
mod protocol {
    pub const NUM: u16 = 1;
    pub const DST_PORT: u16 = 3;
}

/// A tracked connection, by its first packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Zone; 0 unless told otherwise.
    pub zone: u16,
    /// IP protocol number.
    pub protocol: u8,
    /// Who opened it.
    pub source: IpAddr,
    /// To whom.
    pub destination: IpAddr,
    /// To which port, of protocols that have ports.
    pub destination_port: Option<u16>,
    /// To whom answers are sent: the address that the sender's was translated to, if it was.
    pub answered_to: Option<IpAddr>,
    /// The kernel's own words for it.
    tuple: Vec<u8>,
    /// Those for what answers it.
    reply: Vec<u8>,
    id: Option<[u8; 4]>,
}

impl Entry {
    /// Zone and first packet: no other connection of its network namespace has the same.
    #[must_use]
    pub fn key(&self) -> (u16, &[u8]) {
        (self.zone, &self.tuple)
    }

    /// The key of a connection that begins with an answer to this one, because nobody knows any
    /// more what it answers.
    #[must_use]
    pub fn answer_key(&self) -> (u16, &[u8]) {
        (self.zone, &self.reply)
    }
}

/// A socket to the connection tracking of one network namespace.
pub struct Conntrack(Wire);

impl Conntrack {
    /// Opens a socket in the caller's network namespace.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`] when the socket is refused.
    pub fn open() -> Result<Self> {
        Wire::open(NETLINK_NETFILTER).map(Self)
    }

    /// Opens a socket inside `namespace`; it keeps working there whoever uses it.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`] when the namespace or the socket is refused.
    pub fn open_in(namespace: &NetNs) -> Result<Self> {
        namespace.run(Self::open)
    }

    /// All connections of an IP version.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`] when the kernel refuses.
    pub fn list(&mut self, family: Family) -> Result<Vec<Entry>> {
        let request = Message { kind: GET, body: generic_header(family).to_vec() };
        let flags = NLM_F_REQUEST | NLM_F_DUMP;
        let answers = self.0.exchange("list tracked connections", request, flags)?;
        // What has no addresses is no connection one could name.
        Ok(answers.iter().filter_map(|answer| entry(&answer.body).ok().flatten()).collect())
    }

    /// Cuts a connection that [`Conntrack::list`] told; false when it had ended by itself.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`] when the kernel refuses.
    pub fn delete(&mut self, entry: &Entry) -> Result<bool> {
        let family = if entry.source.is_ipv4() { Family::V4 } else { Family::V6 };
        let mut body = generic_header(family).to_vec();
        push(&mut body, attribute::TUPLE_ORIG | NESTED, &entry.tuple);
        push(&mut body, attribute::ZONE, &entry.zone.to_be_bytes());
        if let Some(id) = entry.id {
            push(&mut body, attribute::ID, &id);
        }
        let request = Message { kind: DELETE, body };
        match self.0.exchange("cut a tracked connection", request, NLM_F_REQUEST | NLM_F_ACK) {
            Ok(_) => Ok(true),
            Err(error) if error.is_missing() => Ok(false),
            Err(error) => Err(error),
        }
    }
}

const fn generic_header(family: Family) -> [u8; GENERIC_HEADER_LEN] {
    let family = match family {
        Family::V4 => libc::AF_INET,
        Family::V6 => libc::AF_INET6,
    };
    // Address families are small numbers.
    [family as u8, 0, 0, 0]
}

/// Appends an attribute, padded to four bytes.
fn push(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    // The kernel's own attributes, which are never long.
    let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
    body.extend(length.to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

/// Reads a connection; none when it lacks what names it.
fn entry(message: &[u8]) -> std::result::Result<Option<Entry>, DecodeError> {
    let body = message.get(GENERIC_HEADER_LEN..).unwrap_or_default();
    let (mut zone, mut id, mut tuple, mut reply) = (0, None, None, Vec::new());
    for attribute in NlasIterator::new(body) {
        let attribute = attribute?;
        let value = attribute.value();
        match attribute.kind() {
            attribute::TUPLE_ORIG => tuple = Some(value.to_vec()),
            attribute::TUPLE_REPLY => reply = value.to_vec(),
            attribute::ZONE => zone = value.try_into().map_or(0, u16::from_be_bytes),
            attribute::ID => id = value.try_into().ok(),
            _ => {}
        }
    }
    let Some(tuple) = tuple else { return Ok(None) };
    let first = ends(&tuple)?;
    let (Some(source), Some(destination), Some(protocol)) =
        (first.source, first.destination, first.protocol)
    else {
        return Ok(None);
    };
    let destination_port = first.destination_port;
    let answered_to = ends(&reply)?.destination;
    Ok(Some(Entry {
        zone,
        protocol,
        source,
        destination,
        destination_port,
        answered_to,
        tuple,
        reply,
        id,
    }))
}

/// What a tuple says.
#[derive(Default)]
struct Ends {
    source: Option<IpAddr>,
    destination: Option<IpAddr>,
    protocol: Option<u8>,
    destination_port: Option<u16>,
}

fn ends(tuple: &[u8]) -> std::result::Result<Ends, DecodeError> {
    let mut out = Ends::default();
    for part in NlasIterator::new(tuple) {
        let part = part?;
        for attribute in NlasIterator::new(part.value()) {
            let attribute = attribute?;
            let value = attribute.value();
            match (part.kind(), attribute.kind()) {
                (tuple::IP, ip::V4_SRC | ip::V6_SRC) => out.source = address(value),
                (tuple::IP, ip::V4_DST | ip::V6_DST) => out.destination = address(value),
                (tuple::PROTO, protocol::NUM) => out.protocol = value.first().copied(),
                (tuple::PROTO, protocol::DST_PORT) => {
                    out.destination_port = value.try_into().ok().map(u16::from_be_bytes);
                }
                _ => {}
            }
        }
    }
    Ok(out)
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(|b| Ipv4Addr::from(b).into()),
        16 => <[u8; 16]>::try_from(bytes).ok().map(|b| Ipv6Addr::from(b).into()),
        _ => None,
    }
}

/// A message of the subsystem, as bytes.
struct Message {
    kind: u16,
    body: Vec<u8>,
}

impl NetlinkSerializable for Message {
    fn message_type(&self) -> u16 {
        self.kind
    }

    fn buffer_len(&self) -> usize {
        self.body.len()
    }

    fn serialize(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(&self.body);
    }
}

impl NetlinkDeserializable for Message {
    type Error = DecodeError;

    fn deserialize(
        header: &NetlinkHeader,
        payload: &[u8],
    ) -> std::result::Result<Self, DecodeError> {
        Ok(Self { kind: header.message_type, body: payload.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Vec<u8> {
        let (mut ips, mut proto, mut tuple) = (Vec::new(), Vec::new(), Vec::new());
        push(&mut ips, ip::V4_SRC, &[192, 0, 2, 1]);
        push(&mut ips, ip::V4_DST, &[192, 0, 2, 2]);
        push(&mut proto, protocol::NUM, &[17]);
        push(&mut proto, protocol::DST_PORT, &53u16.to_be_bytes());
        push(&mut tuple, tuple::IP | NESTED, &ips);
        push(&mut tuple, tuple::PROTO | NESTED, &proto);
        let mut body = generic_header(Family::V4).to_vec();
        push(&mut body, attribute::TUPLE_ORIG | NESTED, &tuple);
        push(&mut body, attribute::ZONE, &4097u16.to_be_bytes());
        body
    }

    #[test]
    fn connection_is_read() {
        let entry = entry(&message()).expect("well formed").expect("complete");
        assert_eq!((entry.zone, entry.protocol), (4097, 17));
        assert_eq!((entry.destination_port, entry.answered_to), (Some(53), None));
        assert_eq!(
            (entry.source.to_string(), entry.destination.to_string()),
            ("192.0.2.1".into(), "192.0.2.2".into())
        );
    }

    #[test]
    fn damaged_messages_are_no_panic() {
        let whole = message();
        for at in 0..whole.len() {
            let _ = entry(&whole[..at]);
            for byte in [0, 1, 3, 0x7f, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] = byte;
                let _ = entry(&damaged);
            }
        }
    }
}
