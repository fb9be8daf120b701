//! Statements that store, change and delete ports and what hangs on them.

use neutrino_db::{
    Prepared, ip,
    schema::{
        AllowedAddressPairs as A, ExtraDhcpOpts as E, IpAllocations as I, Ports as P,
        ProvisioningBlocks as V, Tags,
    },
    sea_query::{Expr, ExprTrait, InsertStatement, Query, UpdateStatement},
    security_groups, time,
};
use neutrino_types::new_id;

use super::{AddressPair, COLUMNS, DhcpOpt, FixedIp, Port};
use crate::models::{binding, is_in};

/// Statements that store new ports with all that hangs on them.
#[must_use]
pub fn insert(ports: &[Port]) -> Vec<Prepared> {
    let mut statement = Query::insert();
    statement.into_table(P::Table).columns(COLUMNS);
    for p in ports {
        statement.values_panic([
            p.id.as_str().into(),
            p.project_id.as_str().into(),
            p.network_id.as_str().into(),
            p.name.as_str().into(),
            p.description.as_str().into(),
            p.mac_address.to_string().into(),
            p.admin_state_up.into(),
            p.status.as_str().into(),
            p.device_id.as_str().into(),
            p.device_owner.as_str().into(),
            p.ip_allocation.clone().into(),
            p.port_security_enabled.into(),
            p.propagate_uplink_status.into(),
            p.revision.into(),
            p.created_at.as_str().into(),
            p.updated_at.as_str().into(),
            p.dns_name.as_str().into(),
        ]);
    }
    let mut out = vec![Prepared::new(&statement)];
    let bindings = ports.iter().map(|p| (p.id.as_str(), &p.binding));
    out.push(Prepared::new(&binding::insert(bindings)));
    out.extend(insert_ips(
        ports.iter().map(|p| (p.id.as_str(), p.network_id.as_str(), p.fixed_ips.as_slice())),
    ));
    out.extend(insert_pairs(ports.iter().map(|p| (&*p.id, p.address_pairs.as_slice()))));
    out.extend(insert_opts(ports.iter().map(|p| (&*p.id, p.dhcp_opts.as_slice()))));
    out.extend(security_groups::bind(
        ports.iter().map(|p| (p.id.as_str(), p.security_groups.as_slice())),
    ));
    let tags = ports.iter().flat_map(|p| p.tags.iter().map(|t| (p.id.as_str(), t.as_str())));
    out.extend(insert_tags("ports", tags));
    out
}

fn unless_empty(statement: &InsertStatement, rows: usize) -> Option<Prepared> {
    (rows > 0).then(|| Prepared::new(statement))
}

/// Stores addresses of ports: port, network, addresses.
pub fn insert_ips<'a>(
    of: impl Iterator<Item = (&'a str, &'a str, &'a [FixedIp])>,
) -> Option<Prepared> {
    let mut statement = Query::insert();
    statement.into_table(I::Table).columns([
        I::PortId,
        I::IpAddress,
        I::IpKey,
        I::SubnetId,
        I::NetworkId,
    ]);
    let mut rows = 0;
    for (port, network, ips) in of {
        for fixed in ips {
            rows += 1;
            statement.values_panic([
                port.into(),
                fixed.ip_address.to_string().into(),
                ip::to_key(fixed.ip_address).into(),
                fixed.subnet_id.as_str().into(),
                network.into(),
            ]);
        }
    }
    unless_empty(&statement, rows)
}

/// Stores address pairs.
pub fn insert_pairs<'a>(
    of: impl Iterator<Item = (&'a str, &'a [AddressPair])>,
) -> Option<Prepared> {
    let mut statement = Query::insert();
    statement.into_table(A::Table).columns([A::PortId, A::MacAddress, A::IpAddress]);
    let mut rows = 0;
    for (port, pairs) in of {
        for pair in pairs {
            rows += 1;
            statement.values_panic([
                port.into(),
                pair.mac_address.as_str().into(),
                pair.ip_address.as_str().into(),
            ]);
        }
    }
    unless_empty(&statement, rows)
}

/// Stores DHCP options.
pub fn insert_opts<'a>(of: impl Iterator<Item = (&'a str, &'a [DhcpOpt])>) -> Option<Prepared> {
    let mut statement = Query::insert();
    statement.into_table(E::Table).columns([
        E::Id,
        E::PortId,
        E::OptName,
        E::OptValue,
        E::IpVersion,
    ]);
    let mut rows = 0;
    for (port, opts) in of {
        for opt in opts {
            rows += 1;
            statement.values_panic([
                new_id().into(),
                port.into(),
                opt.name.as_str().into(),
                opt.value.as_str().into(),
                i32::from(opt.ip_version).into(),
            ]);
        }
    }
    unless_empty(&statement, rows)
}

/// Stores tags given with a create.
pub fn insert_tags<'a>(
    collection: &str,
    tags: impl Iterator<Item = (&'a str, &'a str)>,
) -> Option<Prepared> {
    let mut statement = Query::insert();
    statement.into_table(Tags::Table).columns([Tags::ResourceId, Tags::Tag, Tags::ResourceType]);
    let mut rows = 0;
    for (id, tag) in tags {
        rows += 1;
        statement.values_panic([id.into(), tag.into(), collection.into()]);
    }
    unless_empty(&statement, rows)
}

/// Removes every row of `table` that belongs to `port`.
#[must_use]
pub fn delete_rows<T>(table: T, key: T, port: &str) -> Prepared
where
    T: neutrino_db::sea_query::Iden + Copy + 'static,
{
    let statement = Query::delete().from_table(table).and_where(Expr::col(key).eq(port)).to_owned();
    Prepared::new(&statement)
}

/// Removes all address pairs of `port`.
#[must_use]
pub fn delete_pairs(port: &str) -> Prepared {
    delete_rows(A::Table, A::PortId, port)
}

/// Removes all DHCP options of `port`.
#[must_use]
pub fn delete_opts(port: &str) -> Prepared {
    delete_rows(E::Table, E::PortId, port)
}

/// Removes some addresses of `port`.
#[must_use]
pub fn delete_ips(port: &str, ips: &[FixedIp]) -> Prepared {
    let keys: Vec<String> = ips.iter().map(|f| f.ip_address.to_string()).collect();
    let statement = Query::delete()
        .from_table(I::Table)
        .and_where(Expr::col(I::PortId).eq(port))
        .and_where(is_in(I::IpAddress, keys.iter().map(String::as_str)))
        .to_owned();
    Prepared::new(&statement)
}

/// Overwrites a port's own columns.
#[must_use]
pub fn update(p: &Port) -> Prepared {
    let statement = Query::update()
        .table(P::Table)
        .values([
            (P::Name, p.name.as_str().into()),
            (P::Description, p.description.as_str().into()),
            (P::MacAddress, p.mac_address.to_string().into()),
            (P::AdminStateUp, p.admin_state_up.into()),
            (P::Status, p.status.as_str().into()),
            (P::DeviceId, p.device_id.as_str().into()),
            (P::DeviceOwner, p.device_owner.as_str().into()),
            (P::IpAllocation, p.ip_allocation.clone().into()),
            (P::PortSecurityEnabled, p.port_security_enabled.into()),
            (P::PropagateUplinkStatus, p.propagate_uplink_status.into()),
            (P::RevisionNumber, p.revision.into()),
            (P::UpdatedAt, p.updated_at.as_str().into()),
            (P::DnsName, p.dns_name.as_str().into()),
        ])
        .and_where(Expr::col(P::Id).eq(p.id.as_str()))
        .to_owned();
    Prepared::new(&statement)
}

/// Sets the status of several ports, counting their revisions up.
#[must_use]
pub fn set_status(ports: &[&str], status: &str) -> UpdateStatement {
    Query::update()
        .table(P::Table)
        .value(P::Status, status)
        .value(P::RevisionNumber, Expr::col(P::RevisionNumber).add(1))
        .value(P::UpdatedAt, time::now())
        .and_where(is_in(P::Id, ports.iter().copied()))
        .to_owned()
}

/// Deletes ports; what hangs on them goes with them.
#[must_use]
pub fn delete(ports: &[&str]) -> Prepared {
    let statement = Query::delete()
        .from_table(P::Table)
        .and_where(is_in(P::Id, ports.iter().copied()))
        .to_owned();
    Prepared::new(&statement)
}

/// Stores provisioning blocks: port and entity.
pub fn insert_blocks<'a>(blocks: impl Iterator<Item = (&'a str, &'a str)>) -> Option<Prepared> {
    let mut statement = Query::insert();
    statement.into_table(V::Table).columns([V::PortId, V::Entity]);
    let mut rows = 0;
    for (port, entity) in blocks {
        rows += 1;
        statement.values_panic([port.into(), entity.into()]);
    }
    statement.on_conflict(
        neutrino_db::sea_query::OnConflict::columns([V::PortId, V::Entity])
            .do_nothing_on([V::PortId])
            .to_owned(),
    );
    unless_empty(&statement, rows)
}
