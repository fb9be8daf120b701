//! Neutron's topics, methods and oslo envelope over the embedded transport.

pub mod shapes;
