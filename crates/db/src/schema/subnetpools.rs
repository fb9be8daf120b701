//! Subnet pools, and the address scopes they belong to.

tables! {
    /// Address scopes (ADDRESS SCOPE): addresses are unique within one.
    AddressScopes "address_scopes" {
        Id "id", ProjectId "project_id", Name "name", IpVersion "ip_version",
    }

    /// Who besides its project may use an address scope; columns as [`super::NetworkRbacs`].
    AddressScopeRbacs "addressscoperbacs" {
        Id "id", ProjectId "project_id", ObjectId "object_id",
        TargetProject "target_project", Action "action",
    }

    /// Subnet pools (SUBNET POOL).
    SubnetPools "subnetpools" {
        Id "id", ProjectId "project_id", Name "name", Description "description",
        IpVersion "ip_version", DefaultPrefixlen "default_prefixlen",
        MinPrefixlen "min_prefixlen", MaxPrefixlen "max_prefixlen", IsDefault "is_default",
        /// Most addresses (IPv6: /64 networks) a project may have of it; NULL for no limit.
        DefaultQuota "default_quota",
        /// Written anew by whoever takes a block: takers come one after the other.
        Hash "hash",
        AddressScopeId "address_scope_id",
        RevisionNumber "revision_number", CreatedAt "created_at", UpdatedAt "updated_at",
    }

    /// `prefixes` of subnet pools: CIDRs that neither overlap nor could be written as fewer.
    SubnetPoolPrefixes "subnetpoolprefixes" {
        SubnetpoolId "subnetpool_id", Cidr "cidr",
    }

    /// Who besides its project may use a subnet pool; columns as [`super::NetworkRbacs`].
    SubnetPoolRbacs "subnetpoolrbacs" {
        Id "id", ProjectId "project_id", ObjectId "object_id",
        TargetProject "target_project", Action "action",
    }
}
