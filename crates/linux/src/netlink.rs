//! A blocking netlink socket: one request, its answers.
//!
//! The socket belongs to the network namespace in which it was opened and can then be used from
//! anywhere, so no caller has to switch namespaces around each call.

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST,
    NetlinkDeserializable, NetlinkHeader, NetlinkMessage, NetlinkPayload, NetlinkSerializable,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use crate::error::{Error, Result};
use crate::netns::NetNs;

/// How a request treats an object that is or is not there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Change or delete what exists.
    Change,
    /// Create; refuse when it exists.
    Create,
    /// Create or overwrite.
    Replace,
}

/// An rtnetlink socket of one network namespace.
pub struct Netlink(Wire);

/// A netlink socket of one network namespace, whichever subsystem answers.
pub(crate) struct Wire {
    socket: Socket,
    sequence: u32,
}

impl Netlink {
    /// Opens a socket in the caller's network namespace.
    ///
    /// # Errors
    /// [`Error::Kernel`] when the socket is refused.
    pub fn open() -> Result<Self> {
        Wire::open(NETLINK_ROUTE).map(Self)
    }

    /// Opens a socket inside `namespace`; it keeps working there whoever uses it.
    ///
    /// # Errors
    /// [`Error::Kernel`] when the namespace or the socket is refused.
    pub fn open_in(namespace: &NetNs) -> Result<Self> {
        namespace.run(Self::open)
    }

    /// Sends a request that the kernel acknowledges.
    pub(crate) fn request(
        &mut self,
        attempt: &str,
        message: RouteNetlinkMessage,
        mode: Mode,
    ) -> Result<()> {
        let extra = match mode {
            Mode::Change => 0,
            Mode::Create => NLM_F_CREATE | NLM_F_EXCL,
            Mode::Replace => NLM_F_CREATE | NLM_F_REPLACE,
        };
        self.0.exchange(attempt, message, NLM_F_REQUEST | NLM_F_ACK | extra).map(drop)
    }

    /// Asks for one object; its absence is the kernel's refusal.
    pub(crate) fn get(
        &mut self,
        attempt: &str,
        message: RouteNetlinkMessage,
    ) -> Result<Vec<RouteNetlinkMessage>> {
        // The acknowledgement tells that the answer is complete.
        self.0.exchange(attempt, message, NLM_F_REQUEST | NLM_F_ACK)
    }

    /// Sends a dump request and collects every object of the answer.
    pub(crate) fn dump(
        &mut self,
        attempt: &str,
        message: RouteNetlinkMessage,
    ) -> Result<Vec<RouteNetlinkMessage>> {
        self.0.exchange(attempt, message, NLM_F_REQUEST | NLM_F_DUMP)
    }
}

impl Wire {
    /// Opens a socket of `protocol` in the caller's network namespace.
    pub(crate) fn open(protocol: isize) -> Result<Self> {
        let attempt = "open a netlink socket";
        let mut socket = Socket::new(protocol).map_err(Error::kernel(attempt))?;
        socket.bind_auto().map_err(Error::kernel(attempt))?;
        socket.connect(&SocketAddr::new(0, 0)).map_err(Error::kernel(attempt))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Sends a request with these flags and collects every object of the answer.
    pub(crate) fn exchange<M>(&mut self, attempt: &str, message: M, flags: u16) -> Result<Vec<M>>
    where
        M: NetlinkSerializable + NetlinkDeserializable,
    {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = flags;
        header.sequence_number = self.sequence;
        let mut request = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message));
        request.finalize();
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        self.socket.send(&bytes, 0).map_err(Error::kernel(attempt))?;

        let mut objects = Vec::new();
        loop {
            let (datagram, _) = self.socket.recv_from_full().map_err(Error::kernel(attempt))?;
            if self.collect(attempt, &datagram, &mut objects)? {
                return Ok(objects);
            }
        }
    }

    /// Takes the messages of one datagram; true when the answer is complete.
    fn collect<M: NetlinkDeserializable>(
        &self,
        attempt: &str,
        datagram: &[u8],
        objects: &mut Vec<M>,
    ) -> Result<bool> {
        let mut rest = datagram;
        while !rest.is_empty() {
            let answer = NetlinkMessage::<M>::deserialize(rest).map_err(|e| Error::Answer {
                attempt: attempt.to_owned(),
                detail: e.to_string(),
            })?;
            // Messages are padded to four bytes; a length of zero would never end.
            let length = (answer.header.length as usize).next_multiple_of(4);
            rest = rest.get(length.max(16)..).unwrap_or_default();
            if answer.header.sequence_number != self.sequence {
                continue;
            }
            match answer.payload {
                NetlinkPayload::Done(_) => return Ok(true),
                NetlinkPayload::Error(error) if error.code.is_some() => {
                    return Err(Error::Kernel {
                        attempt: attempt.to_owned(),
                        source: error.to_io(),
                    });
                }
                NetlinkPayload::Error(_) => return Ok(true),
                NetlinkPayload::InnerMessage(object) => objects.push(object),
                _ => {}
            }
        }
        Ok(false)
    }
}
