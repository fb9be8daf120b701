//! The metadata path in real namespaces, asked by real curl.

mod proxy;
mod support;
