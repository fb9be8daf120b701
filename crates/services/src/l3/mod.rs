//! Routers, floating IPs and what L3 agents are told of them.
