//! 0007: names of ports.

use sea_query::Table;

use super::{
    Step,
    ddl::{NAME, text_or_empty},
};
use crate::schema::Ports as P;

pub(super) fn steps() -> Vec<Step> {
    let ports =
        Table::alter().table(P::Table).add_column(text_or_empty(P::DnsName, NAME)).to_owned();
    vec![Step::Alter(Box::new(ports))]
}
