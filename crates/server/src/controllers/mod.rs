//! One module per place in the URL tree that differs from the generic [`resource`] controller.

pub mod agent_schedulers;
pub mod bindings;
pub mod extensions;
pub mod port_forwardings;
pub mod quotas;
pub mod resource;
pub mod tags;
pub mod view;

use axum::routing::{MethodFilter, MethodRouter, on};

use crate::middleware::error::answer_method_not_allowed;

/// `routes` with HEAD refused, which axum would otherwise answer as GET: Neutron answers 405.
pub fn refuse_head<S: Clone + Send + Sync + 'static>(routes: MethodRouter<S>) -> MethodRouter<S> {
    routes.merge(on(MethodFilter::HEAD, answer_method_not_allowed))
}
