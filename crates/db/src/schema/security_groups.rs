//! Security groups, their rules, and the ports they protect.

tables! {
    /// Security groups.
    SecurityGroups "securitygroups" {
        Id "id", ProjectId "project_id", Name "name", Stateful "stateful",
        Description "description", RevisionNumber "revision_number",
        CreatedAt "created_at", UpdatedAt "updated_at",
    }

    /// Which group is the default one of a project.
    DefaultSecurityGroups "default_security_group" {
        ProjectId "project_id", SecurityGroupId "security_group_id",
    }

    /// Rules of groups. `remote_ip_prefix` as the user gave it, `normalized_cidr` its network.
    SecurityGroupRules "securitygrouprules" {
        Id "id", ProjectId "project_id", SecurityGroupId "security_group_id",
        RemoteGroupId "remote_group_id", RemoteAddressGroupId "remote_address_group_id",
        Direction "direction", Ethertype "ethertype", Protocol "protocol",
        PortRangeMin "port_range_min", PortRangeMax "port_range_max",
        RemoteIpPrefix "remote_ip_prefix", NormalizedCidr "normalized_cidr",
        Description "description", RevisionNumber "revision_number",
        CreatedAt "created_at", UpdatedAt "updated_at",
    }

    /// Which ports are in which groups.
    SecurityGroupPortBindings "securitygroupportbindings" {
        PortId "port_id", SecurityGroupId "security_group_id",
    }

    /// Rules that new groups start with; `remote_group_id` may be `PARENT`, the group itself.
    SecurityGroupDefaultRules "securitygroupdefaultrules" {
        Id "id", RemoteGroupId "remote_group_id",
        RemoteAddressGroupId "remote_address_group_id",
        Direction "direction", Ethertype "ethertype", Protocol "protocol",
        PortRangeMin "port_range_min", PortRangeMax "port_range_max",
        RemoteIpPrefix "remote_ip_prefix", Description "description",
        UsedInDefaultSg "used_in_default_sg", UsedInNonDefaultSg "used_in_non_default_sg",
    }
}
