//! The oslo.policy rule language and Neutron's default rules.
