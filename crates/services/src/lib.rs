//! Service plugins: agents, quotas, availability zones, tags, RBAC, service providers.
