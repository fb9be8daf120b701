//! Agents, quotas, tags, and the database's own revision.

tables! {
    /// Agents. `configurations`, `resource_versions` and `resources_synced` as Neutron: JSON
    /// objects and a nullable boolean.
    Agents "agents" {
        Id "id", AgentType "agent_type", Binary "binary", Topic "topic", Host "host",
        AvailabilityZone "availability_zone", AdminStateUp "admin_state_up",
        CreatedAt "created_at", StartedAt "started_at",
        HeartbeatTimestamp "heartbeat_timestamp", Description "description",
        Configurations "configurations", ResourceVersions "resource_versions", Load "load",
        ResourcesSynced "resources_synced",
    }

    /// Which DHCP agents serve which networks; `binding_index` counts a network's agents from 1.
    NetworkDhcpAgentBindings "networkdhcpagentbindings" {
        NetworkId "network_id", DhcpAgentId "dhcp_agent_id", BindingIndex "binding_index",
    }

    /// Limits that differ from the configured default; -1 is unlimited.
    Quotas "quotas" {
        ProjectId "project_id", Resource "resource", Limit "limit",
    }

    /// Tags of resources. `resource_type` is the collection, e.g. `networks`.
    Tags "tags" {
        ResourceId "resource_id", Tag "tag", ResourceType "resource_type",
    }

    /// What one server at a time does for all, and until when (UTC) it does.
    Leases "leases" {
        Name "name", Holder "holder", ExpiresAt "expires_at",
    }

    /// One row, changed first by every write transaction: they take turns, also between servers.
    WriteTurn "write_turn" {
        Id "id", Count "count",
    }

    /// One row when everything here was taken over from a Neutron database.
    Imports "imports" {
        Id "id",
        /// The URL it was from, without a password.
        Source "source", FinishedAt "finished_at",
        /// When a server first started since; NULL when none has.
        UsedAt "used_at",
    }

    /// The migrations that were applied.
    Revisions "neutrino_revisions" {
        Revision "revision", AppliedAt "applied_at",
    }

    /// How far each migration came: the step tried last, and whether it was refused. Only where
    /// each step is committed by itself.
    RevisionSteps "neutrino_revision_steps" {
        Revision "revision", Step "step", Refused "refused",
    }
}
