//! A client of OpenStack Identity (Keystone v3): authenticates services, validates users' tokens with a
//! cache as keystonemiddleware does, finds endpoints in the catalog.
//!
//! [`settings`], [`catalog`], [`token`], [`access_rules`] and [`bind`] are pure; [`session`] speaks HTTP,
//! [`auth`] keeps our own token, [`service`] sends requests to any service of the catalog and [`tokens`]
//! validates users' tokens. Knows nothing of the API it protects.

pub mod access_rules;
pub mod auth;
pub mod bind;
mod cache;
pub mod catalog;
pub mod service;
pub mod session;
pub mod settings;
pub mod token;
pub mod tokens;

pub use auth::{Auth, AuthError};
pub use service::{Endpoint, Service, ServiceError};
pub use session::{Session, SessionError, SessionSettings};
pub use settings::{AuthSettings, SettingsError};
pub use token::TokenInfo;
pub use tokens::{Tokens, TokensSettings, ValidateError};
