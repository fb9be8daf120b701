//! Networks, subnets, ports and what hangs on them.

tables! {
    /// Networks (NETWORK). `availability_zone_hints` is a JSON list.
    Networks "networks" {
        Id "id", ProjectId "project_id", Name "name", Description "description",
        Status "status", AdminStateUp "admin_state_up", Mtu "mtu",
        VlanTransparent "vlan_transparent", Qinq "qinq",
        PortSecurityEnabled "port_security_enabled",
        /// `router:external`.
        External "external",
        /// The default external network.
        IsDefault "is_default",
        DnsDomain "dns_domain", AvailabilityZoneHints "availability_zone_hints",
        RevisionNumber "revision_number", CreatedAt "created_at", UpdatedAt "updated_at",
    }

    /// Who besides its project may use a network: `action` is `access_as_shared` or
    /// `access_as_external`, `target_project` a project or `*`.
    NetworkRbacs "networkrbacs" {
        Id "id", ProjectId "project_id", ObjectId "object_id",
        TargetProject "target_project", Action "action",
    }

    /// Segments of networks.
    NetworkSegments "networksegments" {
        Id "id", NetworkId "network_id", NetworkType "network_type",
        PhysicalNetwork "physical_network", SegmentationId "segmentation_id",
        IsDynamic "is_dynamic", SegmentIndex "segment_index", Name "name",
        Description "description", RevisionNumber "revision_number",
        CreatedAt "created_at", UpdatedAt "updated_at",
    }

    /// Subnets (SUBNET).
    Subnets "subnets" {
        Id "id", ProjectId "project_id", NetworkId "network_id", SegmentId "segment_id",
        Name "name", Description "description", IpVersion "ip_version",
        Cidr "cidr",
        /// First address of the CIDR as a sort key (see [`crate::ip`]): overlaps are range tests.
        FirstIp "first_ip",
        /// Last address of the CIDR as a sort key.
        LastIp "last_ip",
        GatewayIp "gateway_ip", EnableDhcp "enable_dhcp",
        Ipv6RaMode "ipv6_ra_mode", Ipv6AddressMode "ipv6_address_mode",
        SubnetpoolId "subnetpool_id",
        RevisionNumber "revision_number", CreatedAt "created_at", UpdatedAt "updated_at",
    }

    /// Allocation pools of subnets; addresses in text form, in the order of creation.
    IpAllocationPools "ipallocationpools" {
        Id "id", SubnetId "subnet_id", FirstIp "first_ip", LastIp "last_ip",
    }

    /// `dns_nameservers` of subnets, by `order`.
    DnsNameservers "dnsnameservers" {
        SubnetId "subnet_id", Address "address", Order "order",
    }

    /// `host_routes` of subnets.
    SubnetRoutes "subnetroutes" {
        SubnetId "subnet_id", Destination "destination", Nexthop "nexthop",
    }

    /// `service_types` of subnets.
    SubnetServiceTypes "subnet_service_types" {
        SubnetId "subnet_id", ServiceType "service_type",
    }

    /// Ports (PORT).
    Ports "ports" {
        Id "id", ProjectId "project_id", NetworkId "network_id", Name "name",
        Description "description", MacAddress "mac_address", AdminStateUp "admin_state_up",
        Status "status", DeviceId "device_id", DeviceOwner "device_owner",
        IpAllocation "ip_allocation", PortSecurityEnabled "port_security_enabled",
        PropagateUplinkStatus "propagate_uplink_status", DnsName "dns_name",
        RevisionNumber "revision_number", CreatedAt "created_at", UpdatedAt "updated_at",
    }

    /// `fixed_ips` of ports.
    IpAllocations "ipallocations" {
        PortId "port_id",
        /// In text form.
        IpAddress "ip_address",
        /// The address as a sort key (see [`crate::ip`]).
        IpKey "ip_key",
        SubnetId "subnet_id", NetworkId "network_id",
    }

    /// `allowed_address_pairs` of ports.
    AllowedAddressPairs "allowedaddresspairs" {
        PortId "port_id", MacAddress "mac_address", IpAddress "ip_address",
    }

    /// `extra_dhcp_opts` of ports.
    ExtraDhcpOpts "extradhcpopts" {
        Id "id", PortId "port_id", OptName "opt_name", OptValue "opt_value",
        IpVersion "ip_version",
    }

    /// What must still happen before a port may turn ACTIVE; `entity` is `L2` or `DHCP`.
    ProvisioningBlocks "provisioningblocks" {
        PortId "port_id", Entity "entity",
    }
}
