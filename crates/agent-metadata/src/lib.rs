//! The metadata agent, and the proxy that listens inside the namespaces of networks and routers.
