//! The L3 agent: routers in namespaces, centralised and distributed.
//!
//! Nothing is removed before the server was heard completely; what is right on the host is not touched.
