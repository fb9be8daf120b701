//! Network interfaces: list, create, change, move, delete.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};

use crate::error::{Error, Result};
use crate::netlink::{Mode, Netlink};

/// A network interface as the kernel shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Interface index in its namespace.
    pub index: u32,
    /// Name, at most 15 bytes.
    pub name: String,
    /// Largest packet in bytes, layer 2 header not counted.
    pub mtu: u32,
    /// Hardware address.
    pub mac: [u8; 6],
    /// Administratively up.
    pub up: bool,
    /// Index of the bridge it is a port of.
    pub master: Option<u32>,
}

impl Link {
    fn from_message(message: &LinkMessage) -> Self {
        let mut link = Self {
            index: message.header.index,
            name: String::new(),
            mtu: 0,
            mac: [0; 6],
            up: message.header.flags.contains(LinkFlags::Up),
            master: None,
        };
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => link.name.clone_from(name),
                LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
                LinkAttribute::Controller(index) => link.master = Some(*index),
                LinkAttribute::Address(bytes) => {
                    if let Ok(mac) = <[u8; 6]>::try_from(bytes.as_slice()) {
                        link.mac = mac;
                    }
                }
                _ => {}
            }
        }
        link
    }
}

impl Netlink {
    /// Every interface of the namespace.
    ///
    /// # Errors
    /// [`Error::Kernel`] when the kernel refuses.
    pub fn links(&mut self) -> Result<Vec<Link>> {
        let request = RouteNetlinkMessage::GetLink(LinkMessage::default());
        let answer = self.dump("list network interfaces", request)?;
        Ok(answer
            .iter()
            .filter_map(|message| match message {
                RouteNetlinkMessage::NewLink(link) => Some(Link::from_message(link)),
                _ => None,
            })
            .collect())
    }

    /// The interface called `name`, when there is one.
    ///
    /// # Errors
    /// [`Error::Kernel`] when the kernel refuses.
    pub fn find_link(&mut self, name: &str) -> Result<Option<Link>> {
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::IfName(name.to_owned()));
        let request = RouteNetlinkMessage::GetLink(message);
        let answer = match self.get(&format!("look for the interface {name}"), request) {
            Err(error) if error.is_missing() => return Ok(None),
            other => other?,
        };
        Ok(answer.iter().find_map(|message| match message {
            RouteNetlinkMessage::NewLink(link) => Some(Link::from_message(link)),
            _ => None,
        }))
    }

    /// The interface called `name`.
    ///
    /// # Errors
    /// [`Error::NoSuchLink`] when there is none.
    pub fn link(&mut self, name: &str) -> Result<Link> {
        self.find_link(name)?.ok_or_else(|| Error::NoSuchLink(name.to_owned()))
    }

    /// Creates a Linux bridge without spanning tree.
    ///
    /// # Errors
    /// [`Error::Kernel`], `EEXIST` when the name is taken.
    pub fn add_bridge(&mut self, name: &str) -> Result<()> {
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::IfName(name.to_owned()));
        message.attributes.push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bridge)]));
        let request = RouteNetlinkMessage::NewLink(message);
        self.request(&format!("create the bridge {name}"), request, Mode::Create)
    }

    /// Creates a veth pair with both ends in this namespace.
    ///
    /// # Errors
    /// [`Error::Kernel`], `EEXIST` when a name is taken.
    pub fn add_veth(&mut self, name: &str, peer: &str) -> Result<()> {
        self.add_veth_pair(name, peer, None)
    }

    /// Creates a veth pair, `name` in this namespace and `peer` in `namespace`.
    ///
    /// # Errors
    /// [`Error::Kernel`], `EEXIST` when a name is taken.
    pub fn add_veth_into(&mut self, name: &str, peer: &str, namespace: &impl AsFd) -> Result<()> {
        self.add_veth_pair(name, peer, Some(namespace.as_fd()))
    }

    fn add_veth_pair(
        &mut self,
        name: &str,
        peer: &str,
        namespace: Option<BorrowedFd<'_>>,
    ) -> Result<()> {
        let mut far = LinkMessage::default();
        far.attributes.push(LinkAttribute::IfName(peer.to_owned()));
        far.attributes.extend(namespace.map(|fd| LinkAttribute::NetNsFd(fd.as_raw_fd())));
        let mut near = LinkMessage::default();
        near.attributes.push(LinkAttribute::IfName(name.to_owned()));
        near.attributes.push(LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(far))),
        ]));
        let request = RouteNetlinkMessage::NewLink(near);
        self.request(&format!("create the veth pair {name}, {peer}"), request, Mode::Create)
    }

    /// Deletes an interface (and, of a veth, its peer).
    ///
    /// # Errors
    /// [`Error::NoSuchLink`] or the kernel's refusal.
    pub fn delete_link(&mut self, name: &str) -> Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = self.link(name)?.index;
        let request = RouteNetlinkMessage::DelLink(message);
        self.request(&format!("delete the interface {name}"), request, Mode::Change)
    }

    /// Sets an interface administratively up.
    ///
    /// # Errors
    /// [`Error::NoSuchLink`] or the kernel's refusal.
    pub fn set_up(&mut self, name: &str) -> Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = self.link(name)?.index;
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
        let request = RouteNetlinkMessage::SetLink(message);
        self.request(&format!("set {name} up"), request, Mode::Change)
    }

    /// Sets the MTU in bytes.
    ///
    /// # Errors
    /// [`Error::NoSuchLink`] or the kernel's refusal.
    pub fn set_mtu(&mut self, name: &str, mtu: u32) -> Result<()> {
        self.change(name, &format!("set the MTU of {name} to {mtu}"), LinkAttribute::Mtu(mtu))
    }

    /// Sets the hardware address.
    ///
    /// # Errors
    /// [`Error::NoSuchLink`] or the kernel's refusal.
    pub fn set_mac(&mut self, name: &str, mac: [u8; 6]) -> Result<()> {
        let attribute = LinkAttribute::Address(mac.to_vec());
        self.change(name, &format!("set the hardware address of {name}"), attribute)
    }

    /// Makes an interface a port of a bridge.
    ///
    /// # Errors
    /// [`Error::NoSuchLink`] or the kernel's refusal.
    pub fn set_master(&mut self, name: &str, bridge: &str) -> Result<()> {
        let index = self.link(bridge)?.index;
        let attempt = format!("make {name} a port of {bridge}");
        self.change(name, &attempt, LinkAttribute::Controller(index))
    }

    /// Renames an interface, which must be down.
    ///
    /// # Errors
    /// [`Error::NoSuchLink`] or the kernel's refusal.
    pub fn rename(&mut self, name: &str, to: &str) -> Result<()> {
        let attribute = LinkAttribute::IfName(to.to_owned());
        self.change(name, &format!("rename {name} to {to}"), attribute)
    }

    /// Moves an interface into another network namespace.
    ///
    /// # Errors
    /// [`Error::NoSuchLink`] or the kernel's refusal.
    pub fn move_to(&mut self, name: &str, namespace: &impl AsFd) -> Result<()> {
        let attribute = LinkAttribute::NetNsFd(namespace.as_fd().as_raw_fd());
        self.change(name, &format!("move {name} to another namespace"), attribute)
    }

    fn change(&mut self, name: &str, attempt: &str, attribute: LinkAttribute) -> Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = self.link(name)?.index;
        message.attributes.push(attribute);
        self.request(attempt, RouteNetlinkMessage::SetLink(message), Mode::Change)
    }
}
