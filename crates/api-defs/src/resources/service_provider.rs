//! `service_providers`.

use crate::{
    attribute::{Attribute, Shape},
    resource::{Operations, resource},
};

resource! {
    /// Providers of advanced services.
    SERVICE_PROVIDERS: [
        Attribute::read_only("service_type", Shape::Text, "Service provided."),
        Attribute::read_only("name", Shape::Text, "Name of the provider.").primary_key(),
        Attribute::read_only("default", Shape::Bool, "Whether it is taken when none is named."),
    ], {
        collection: "service_providers",
        extension: "service-type",
        member: "service_provider",
        path: "service-providers",
        parent: None,
        operations: Operations::LIST,
        validates_filters: false,
        standard_attributes: false,
    }
}
