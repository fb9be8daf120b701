//! ML2: port bindings, segment allocations, tunnel endpoints.

tables! {
    /// Port bindings, one row per host; `status` ACTIVE or INACTIVE. `profile` and `vif_details`
    /// are JSON objects, or empty.
    PortBindings "ml2_port_bindings" {
        PortId "port_id", Host "host", VnicType "vnic_type", Profile "profile",
        VifType "vif_type", VifDetails "vif_details", Status "status",
    }

    /// Which driver bound a port to which segment, by level from the top (0).
    PortBindingLevels "ml2_port_binding_levels" {
        PortId "port_id", Host "host", Level "level", Driver "driver", SegmentId "segment_id",
    }

    /// Physical networks taken by flat networks: a row is a taken one.
    FlatAllocations "ml2_flat_allocations" {
        PhysicalNetwork "physical_network",
    }

    /// VLAN ids in use by physical network. Here and in the tables of tunnel ids a row is an id in
    /// use; free ids have none. `allocated` is Neutron's column, true in all rows.
    VlanAllocations "ml2_vlan_allocations" {
        PhysicalNetwork "physical_network", VlanId "vlan_id", Allocated "allocated",
    }

    /// GRE keys in use.
    GreAllocations "ml2_gre_allocations" {
        GreId "gre_id", Allocated "allocated",
    }

    /// VXLAN network identifiers in use.
    VxlanAllocations "ml2_vxlan_allocations" {
        VxlanVni "vxlan_vni", Allocated "allocated",
    }

    /// Geneve network identifiers in use.
    GeneveAllocations "ml2_geneve_allocations" {
        GeneveVni "geneve_vni", Allocated "allocated",
    }

    /// Hosts' GRE tunnel endpoints.
    GreEndpoints "ml2_gre_endpoints" {
        IpAddress "ip_address", Host "host",
    }

    /// Hosts' VXLAN tunnel endpoints.
    VxlanEndpoints "ml2_vxlan_endpoints" {
        IpAddress "ip_address", UdpPort "udp_port", Host "host",
    }

    /// Hosts' Geneve tunnel endpoints.
    GeneveEndpoints "ml2_geneve_endpoints" {
        IpAddress "ip_address", Host "host",
    }
}
