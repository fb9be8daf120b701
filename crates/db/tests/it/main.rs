//! The schema as rendered for each backend, and the schema as SQLite has it.

mod ddl;
mod indices;
