//! What every request passes through: request id and panic guard, authentication, error bodies.

pub mod auth;
pub mod error;
pub mod path;
pub mod proxy;
pub mod request_id;
pub mod retry;
