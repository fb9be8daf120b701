//! Routers, floating IPs, port forwardings, their scheduling, and distributed routing.

tables! {
    /// Routers (ROUTER). `availability_zone_hints` is a JSON list.
    Routers "routers" {
        Id "id", ProjectId "project_id", Name "name", Description "description",
        Status "status", AdminStateUp "admin_state_up",
        /// The gateway port; NULL without a gateway.
        GwPortId "gw_port_id",
        EnableSnat "enable_snat", Distributed "distributed", Ha "ha",
        AvailabilityZoneHints "availability_zone_hints",
        RevisionNumber "revision_number", CreatedAt "created_at", UpdatedAt "updated_at",
    }

    /// Which ports are a router's; `port_type` is the port's `device_owner`.
    RouterPorts "routerports" {
        RouterId "router_id", PortId "port_id", PortType "port_type",
    }

    /// `routes` of routers.
    RouterRoutes "routerroutes" {
        RouterId "router_id", Destination "destination", Nexthop "nexthop",
    }

    /// Floating IPs (FLOATING IP). The address is that of `floating_port_id`.
    FloatingIps "floatingips" {
        Id "id", ProjectId "project_id", Description "description",
        FloatingIpAddress "floating_ip_address",
        /// The address as a sort key (see [`crate::ip`]).
        FloatingIpKey "floating_ip_key",
        FloatingNetworkId "floating_network_id", FloatingPortId "floating_port_id",
        FixedPortId "fixed_port_id", FixedIpAddress "fixed_ip_address",
        RouterId "router_id",
        /// The router it was last with: its agent still has to be told.
        LastKnownRouterId "last_known_router_id",
        Status "status", DnsName "dns_name", DnsDomain "dns_domain",
        RevisionNumber "revision_number", CreatedAt "created_at", UpdatedAt "updated_at",
    }

    /// Port forwardings of floating IPs. A range of one port has `start` = `end`.
    PortForwardings "portforwardings" {
        Id "id", FloatingIpId "floatingip_id", InternalNeutronPortId "internal_neutron_port_id",
        Protocol "protocol", InternalIpAddress "internal_ip_address",
        InternalPortStart "internal_port_start", InternalPortEnd "internal_port_end",
        ExternalPortStart "external_port_start", ExternalPortEnd "external_port_end",
        Description "description",
        RevisionNumber "revision_number", CreatedAt "created_at", UpdatedAt "updated_at",
    }

    /// Which L3 agents have which routers (of a distributed router: its centralised part).
    RouterL3AgentBindings "routerl3agentbindings" {
        RouterId "router_id", L3AgentId "l3_agent_id", BindingIndex "binding_index",
    }

    /// The MAC by which a host's routers are known to other hosts' switches.
    DvrHostMacs "dvr_host_macs" {
        Host "host", MacAddress "mac_address",
    }

    /// The agents that were given a port to reach floating IPs of an external network through.
    DvrFipGatewayPorts "dvr_fip_gateway_port_network" {
        NetworkId "network_id", AgentId "agent_id",
    }

    /// Bindings of distributed ports, one row per host; `status` is the port's status on that host.
    DistributedPortBindings "ml2_distributed_port_bindings" {
        PortId "port_id", Host "host",
        /// The router whose instance on the host uses the port; NULL when it has left.
        RouterId "router_id",
        VifType "vif_type", VifDetails "vif_details", VnicType "vnic_type", Profile "profile",
        Status "status",
    }
}
