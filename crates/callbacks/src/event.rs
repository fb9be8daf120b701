//! What is published: the resource, the event and the data that goes with it.

use std::fmt;

use neutrino_types::{Attrs, Context};

/// The kind of thing an event is about (`neutron_lib.callbacks.resources`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(usize)]
pub enum Resource {
    /// A network.
    Network,
    /// A segment of a network.
    Segment,
    /// A subnet.
    Subnet,
    /// The address scope of a subnet pool.
    SubnetPoolAddressScope,
    /// A port.
    Port,
    /// A port that was wired on another host than the one it is bound to (only updates are
    /// published).
    PortWiredElsewhere,
    /// An agent.
    Agent,
    /// A security group.
    SecurityGroup,
    /// A rule of a security group.
    SecurityGroupRule,
    /// An address group.
    AddressGroup,
    /// A router.
    Router,
    /// A router's port on a project network.
    RouterInterface,
    /// A router's port on its external network.
    RouterGateway,
    /// A floating IP.
    FloatingIp,
    /// A port forwarding of a floating IP.
    PortForwarding,
}

impl Resource {
    /// How many resources there are.
    pub(crate) const COUNT: usize = Self::PortForwarding as usize + 1;

    /// The name used in logs and in API paths (singular).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Segment => "segment",
            Self::Subnet => "subnet",
            Self::SubnetPoolAddressScope => "subnetpool_address_scope",
            Self::Port => "port",
            Self::PortWiredElsewhere => "port_wired_elsewhere",
            Self::Agent => "agent",
            Self::SecurityGroup => "security_group",
            Self::SecurityGroupRule => "security_group_rule",
            Self::AddressGroup => "address_group",
            Self::Router => "router",
            Self::RouterInterface => "router_interface",
            Self::RouterGateway => "router_gateway",
            Self::FloatingIp => "floatingip",
            Self::PortForwarding => "port_forwarding",
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// When in the life of an operation an event is published.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(usize)]
pub enum Phase {
    /// Before the transaction; may veto.
    Before,
    /// Inside the transaction; may read, write and veto.
    Precommit,
    /// After the commit; failures are logged only.
    After,
}

impl Phase {
    pub(crate) const COUNT: usize = Self::After as usize + 1;

    /// The name as Neutron's logs write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::Precommit => "precommit",
            Self::After => "after",
        }
    }
}

/// What happens to the resource.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(usize)]
pub enum Action {
    /// It comes into being.
    Create,
    /// It changes.
    Update,
    /// It goes.
    Delete,
}

impl Action {
    pub(crate) const COUNT: usize = Self::Delete as usize + 1;

    /// The verb used in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// The data of one event (`DBEventPayload`).
#[derive(Clone, Copy, Debug)]
pub struct Payload<'a> {
    /// Who asked for the change.
    pub ctx: &'a Context,
    /// The resource's id; empty before a create chose one.
    pub id: &'a str,
    /// What the user asked for: the attributes of a create, the changes of an update.
    pub request: Option<&'a Attrs>,
    /// The resource as it was; `None` for creates.
    pub original: Option<&'a Attrs>,
    /// The resource as it is (PRECOMMIT, AFTER); `None` where it is not known yet or gone.
    pub current: Option<&'a Attrs>,
}

impl<'a> Payload<'a> {
    /// A payload that names the resource only.
    #[must_use]
    pub fn new(ctx: &'a Context, id: &'a str) -> Self {
        Self { ctx, id, request: None, original: None, current: None }
    }

    /// The payload with the user's request.
    #[must_use]
    pub fn request(mut self, request: &'a Attrs) -> Self {
        self.request = Some(request);
        self
    }

    /// The payload with the resource's former state.
    #[must_use]
    pub fn original(mut self, original: &'a Attrs) -> Self {
        self.original = Some(original);
        self
    }

    /// The payload with the resource's present state.
    #[must_use]
    pub fn current(mut self, current: &'a Attrs) -> Self {
        self.current = Some(current);
        self
    }

    /// The newest state the payload holds: present, else former, else asked for.
    #[must_use]
    pub fn latest(&self) -> Option<&'a Attrs> {
        self.current.or(self.original).or(self.request)
    }
}
