//! Routing policy: which packets look into which table.

use ipnet::IpNet;
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleFlags, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::error::Result;
use crate::family::Family;
use crate::netlink::{Mode, Netlink};

/// A rule that sends packets to a table by where they come from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// The IP version.
    pub family: Family,
    /// The lower, the earlier.
    pub priority: u32,
    /// The sender; `None` for everybody. Host bits are kept, though nothing looks at them.
    pub source: Option<IpNet>,
    /// Name of the interface the packet came in by; it need not exist.
    pub input: Option<String>,
    /// The table.
    pub table: u32,
}

impl Rule {
    fn message(&self) -> RuleMessage {
        let mut message = RuleMessage::default();
        message.header.family = family(self.family);
        message.header.action = RuleAction::ToTable;
        // Numbers above 255 fit the attribute only.
        message.header.table = u8::try_from(self.table).unwrap_or(0);
        message.attributes.push(RuleAttribute::Table(self.table));
        message.attributes.push(RuleAttribute::Priority(self.priority));
        if let Some(source) = self.source.filter(|net| net.prefix_len() > 0) {
            message.header.src_len = source.prefix_len();
            message.attributes.push(RuleAttribute::Source(source.addr()));
        }
        message.attributes.extend(self.input.clone().map(RuleAttribute::Iifname));
        message
    }
}

fn family(family: Family) -> AddressFamily {
    match family {
        Family::V4 => AddressFamily::Inet,
        Family::V6 => AddressFamily::Inet6,
    }
}

impl Netlink {
    /// The rules of both IP versions that are no more than a [`Rule`] can say.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`] when the kernel refuses.
    pub fn rules(&mut self) -> Result<Vec<Rule>> {
        let request = RouteNetlinkMessage::GetRule(RuleMessage::default());
        let answer = self.dump("list routing rules", request)?;
        Ok(answer
            .iter()
            .filter_map(|message| match message {
                RouteNetlinkMessage::NewRule(rule) => from_message(rule),
                _ => None,
            })
            .collect())
    }

    /// Adds a rule; no error when it is there already.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`] when the kernel refuses.
    pub fn add_rule(&mut self, rule: &Rule) -> Result<()> {
        let request = RouteNetlinkMessage::NewRule(rule.message());
        let attempt = format!("add the routing rule of priority {}", rule.priority);
        match self.request(&attempt, request, Mode::Create) {
            Err(error) if error.is_exists() => Ok(()),
            other => other,
        }
    }

    /// Removes a rule.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`], `ENOENT` when there is no such rule.
    pub fn delete_rule(&mut self, rule: &Rule) -> Result<()> {
        let request = RouteNetlinkMessage::DelRule(rule.message());
        let attempt = format!("delete the routing rule of priority {}", rule.priority);
        self.request(&attempt, request, Mode::Change)
    }
}

fn from_message(message: &RuleMessage) -> Option<Rule> {
    let header = &message.header;
    let family = match header.family {
        AddressFamily::Inet => Family::V4,
        AddressFamily::Inet6 => Family::V6,
        _ => return None,
    };
    let simple = header.action == RuleAction::ToTable
        && !header.flags.contains(RuleFlags::Invert)
        && header.dst_len == 0
        && header.tos == 0;
    if !simple {
        return None;
    }
    let mut rule =
        Rule { family, priority: 0, source: None, input: None, table: u32::from(header.table) };
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Priority(priority) => rule.priority = *priority,
            RuleAttribute::Table(table) => rule.table = *table,
            RuleAttribute::Source(ip) => rule.source = IpNet::new(*ip, header.src_len).ok(),
            RuleAttribute::Iifname(name) => rule.input = Some(name.clone()),
            // These say more about who looks into the table.
            RuleAttribute::FwMark(_)
            | RuleAttribute::Oifname(_)
            | RuleAttribute::UidRange(_)
            | RuleAttribute::IpProtocol(_)
            | RuleAttribute::SourcePortRange(_)
            | RuleAttribute::DestinationPortRange(_)
            | RuleAttribute::TunId(_) => return None,
            _ => {}
        }
    }
    Some(rule)
}
