//! The schema as rendered for each backend, and as the backend of this run has it.

mod ddl;
mod indices;
mod plan;
