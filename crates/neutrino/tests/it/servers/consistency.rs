//! What must hold of the tables whatever was killed when.

use neutrino_db::{
    Db,
    sea_query::{Expr, Query},
};

/// Each counts rows that must not be.
const RULES: &[(&str, &str)] = &[
    (
        "an address is given out twice",
        "SELECT COUNT(*) FROM (SELECT 1 AS one FROM ipallocations \
         GROUP BY network_id, ip_address HAVING COUNT(*) > 1) AS twice",
    ),
    (
        "a MAC is on a network twice",
        "SELECT COUNT(*) FROM (SELECT 1 AS one FROM ports \
         GROUP BY network_id, mac_address HAVING COUNT(*) > 1) AS twice",
    ),
    (
        "a segment is two networks'",
        "SELECT COUNT(*) FROM (SELECT 1 AS one FROM networksegments \
         WHERE segmentation_id IS NOT NULL \
         GROUP BY network_type, physical_network, segmentation_id HAVING COUNT(*) > 1) AS twice",
    ),
    (
        "a router's agents share a binding_index",
        "SELECT COUNT(*) FROM (SELECT 1 AS one FROM routerl3agentbindings \
         GROUP BY router_id, binding_index HAVING COUNT(*) > 1) AS twice",
    ),
    (
        "a network's agents share a binding_index",
        "SELECT COUNT(*) FROM (SELECT 1 AS one FROM networkdhcpagentbindings \
         GROUP BY network_id, binding_index HAVING COUNT(*) > 1) AS twice",
    ),
    (
        "a project has two default groups",
        "SELECT COUNT(*) FROM (SELECT 1 AS one FROM securitygroups WHERE name = 'default' \
         GROUP BY project_id HAVING COUNT(*) > 1) AS twice",
    ),
    (
        "a VNI is taken and no segment has it",
        "SELECT COUNT(*) FROM ml2_vxlan_allocations a WHERE NOT EXISTS (SELECT 1 FROM \
         networksegments s WHERE s.network_type = 'vxlan' AND s.segmentation_id = a.vxlan_vni)",
    ),
    (
        "a segment has a VNI that is not taken",
        "SELECT COUNT(*) FROM networksegments s WHERE s.network_type = 'vxlan' AND NOT EXISTS \
         (SELECT 1 FROM ml2_vxlan_allocations a WHERE a.vxlan_vni = s.segmentation_id)",
    ),
    (
        "a network has no segment",
        "SELECT COUNT(*) FROM networks n WHERE NOT EXISTS \
         (SELECT 1 FROM networksegments s WHERE s.network_id = n.id)",
    ),
    (
        "a port's address is of a subnet of another network",
        "SELECT COUNT(*) FROM ipallocations i JOIN ports p ON p.id = i.port_id \
         JOIN subnets s ON s.id = i.subnet_id \
         WHERE s.network_id <> p.network_id OR i.network_id <> p.network_id",
    ),
    (
        "a port on a network with a subnet has no address",
        "SELECT COUNT(*) FROM ports p WHERE EXISTS (SELECT 1 FROM subnets s WHERE \
         s.network_id = p.network_id) AND NOT EXISTS \
         (SELECT 1 FROM ipallocations i WHERE i.port_id = p.id)",
    ),
    (
        "a port has no binding",
        "SELECT COUNT(*) FROM ports p WHERE NOT EXISTS \
         (SELECT 1 FROM ml2_port_bindings b WHERE b.port_id = p.id)",
    ),
    (
        "a bound port has no binding level",
        "SELECT COUNT(*) FROM ml2_port_bindings b WHERE b.vif_type = 'ovs' AND NOT EXISTS \
         (SELECT 1 FROM ml2_port_binding_levels l WHERE l.port_id = b.port_id AND l.host = b.host)",
    ),
    (
        "a router's port is no interface of it",
        "SELECT COUNT(*) FROM ports p WHERE p.device_owner LIKE 'network:router%' AND NOT EXISTS \
         (SELECT 1 FROM routerports r WHERE r.port_id = p.id AND r.router_id = p.device_id)",
    ),
    (
        "an interface is no port of its router",
        "SELECT COUNT(*) FROM routerports r WHERE NOT EXISTS (SELECT 1 FROM ports p WHERE \
         p.id = r.port_id AND p.device_id = r.router_id AND p.device_owner = r.port_type)",
    ),
    (
        "a gateway is no gateway port",
        "SELECT COUNT(*) FROM routers r WHERE r.gw_port_id IS NOT NULL AND NOT EXISTS (SELECT 1 \
         FROM routerports o WHERE o.port_id = r.gw_port_id AND o.router_id = r.id)",
    ),
    (
        "a tag is on nothing",
        "SELECT COUNT(*) FROM tags t WHERE t.resource_type = 'ports' AND NOT EXISTS \
         (SELECT 1 FROM ports p WHERE p.id = t.resource_id)",
    ),
];

/// Rules the database at `url` breaks, with how often.
pub fn violations(url: &str) -> Vec<String> {
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    runtime.block_on(async {
        let db = Db::open_as_is(url).await.expect("database");
        let conn = db.read().await.expect("connection");
        let mut found = Vec::new();
        for (rule, count) in RULES {
            let query = Query::select().expr(Expr::cust(format!("({count})"))).to_owned();
            let row = conn.fetch_one(&query).await.expect(rule);
            if row.int(0) != 0 {
                found.push(format!("{rule}: {}", row.int(0)));
            }
        }
        found
    })
}
