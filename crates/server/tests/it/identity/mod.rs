//! Who may use the API: the built-in identity service, a real Keystone.

mod keystone;
mod local;
