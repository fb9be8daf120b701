//! The API server: axum router, identity, controllers, RPC endpoints, periodic tasks.
