//! Table and column names, as sea-query identifiers.
//!
//! Tables and columns carry Neutron's names where Neutron has them. Unlike Neutron, a resource's
//! standard attributes (`description`, `revision_number`, `created_at`, `updated_at`) and its
//! one-to-one extension attributes are columns of its own table: a list needs no join for them.
//! Times are text (see [`crate::time`]), JSON is text, booleans are the backend's.

/// Declares one enum of identifiers per table: `Table` and one variant per column.
macro_rules! tables {
    ($($(#[$doc:meta])* $name:ident $table:literal { $($(#[$cdoc:meta])* $column:ident $text:literal),+ $(,)? })+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
            pub enum $name {
                #[doc = concat!("The table `", $table, "`.")]
                Table,
                $(
                    #[doc = concat!("Column `", $text, "`.")]
                    $(#[$cdoc])*
                    $column,
                )+
            }

            impl $name {
                /// The name in SQL.
                #[must_use]
                pub const fn name(self) -> &'static str {
                    match self {
                        Self::Table => $table,
                        $(Self::$column => $text,)+
                    }
                }
            }

            impl sea_query::Iden for $name {
                fn quoted(&self) -> std::borrow::Cow<'static, str> {
                    std::borrow::Cow::Borrowed(self.name())
                }

                fn unquoted(&self) -> &str {
                    self.name()
                }
            }
        )+
    };
}

pub mod core;
pub mod l3;
pub mod ml2;
pub mod rbac;
pub mod security_groups;
pub mod services;
pub mod subnetpools;

pub use core::*;
pub use l3::*;
pub use ml2::*;
pub use rbac::*;
pub use security_groups::*;
pub use services::*;
pub use subnetpools::*;
