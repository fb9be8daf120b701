//! A client of OpenStack Identity (Keystone v3): authenticates services, validates users' tokens with a
//! cache as keystonemiddleware does, finds endpoints in the catalog.
//!
//! Owns the options keystoneauth reads (`[keystone_authtoken]`, `[nova]`); knows nothing of the API it
//! protects.
