//! Address groups, and who besides its owner may use what.

tables! {
    /// Address groups (ADDRESS GROUP).
    AddressGroups "address_groups" {
        Id "id", ProjectId "project_id", Name "name", Description "description",
        RevisionNumber "revision_number", CreatedAt "created_at", UpdatedAt "updated_at",
    }

    /// `addresses` of address groups: CIDRs in canonical form.
    AddressAssociations "address_associations" {
        Address "address", AddressGroupId "address_group_id",
    }

    /// Who besides its project may use an address group; columns as [`super::NetworkRbacs`].
    AddressGroupRbacs "addressgrouprbacs" {
        Id "id", ProjectId "project_id", ObjectId "object_id",
        TargetProject "target_project", Action "action",
    }

    /// Who besides its project may use a security group; columns as [`super::NetworkRbacs`].
    SecurityGroupRbacs "securitygrouprbacs" {
        Id "id", ProjectId "project_id", ObjectId "object_id",
        TargetProject "target_project", Action "action",
    }
}
