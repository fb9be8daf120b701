//! Tests of the import that need no source.

mod golden;
mod mappings;
mod rows;
mod values;
