//! Routers: what the namespaces of a host are to hold, computed from what the server says.
