//! What one server offers of all that is defined: some extensions come with a driver.

use crate::{
    extensions::{self, Extension},
    resource::Resource,
    resources,
};

/// Extensions and resources as one server offers them.
#[derive(Debug)]
pub struct Offer {
    /// Aliases of extensions whose driver is not configured.
    off: Vec<&'static str>,
    /// All resources, without attributes of those.
    resources: Vec<&'static Resource>,
}

impl Offer {
    /// What a server offers whose drivers bring the extensions `brought`, by alias. Of the
    /// extensions that no driver brings all are there.
    ///
    /// Resources that lack attributes live as long as the process: a server makes one offer.
    #[must_use]
    pub fn new(brought: &[&str]) -> Self {
        let optional = extensions::BY_DRIVER.iter().copied();
        let off: Vec<&str> = optional.filter(|alias| !brought.contains(alias)).collect();
        let resources = resources::all().iter().map(|r| r.without(&off)).collect();
        Self { off, resources }
    }

    /// All there is.
    #[must_use]
    pub fn everything() -> Self {
        Self::new(extensions::BY_DRIVER)
    }

    /// The extensions, ordered by alias.
    pub fn extensions(&self) -> impl Iterator<Item = &'static Extension> {
        extensions::all().iter().filter(|e| !self.off.contains(&e.alias))
    }

    /// The extension `alias`.
    #[must_use]
    pub fn extension(&self, alias: &str) -> Option<&'static Extension> {
        extensions::find(alias).filter(|e| !self.off.contains(&e.alias))
    }

    /// The resources, sub-resources included.
    #[must_use]
    pub fn resources(&self) -> &[&'static Resource] {
        &self.resources
    }

    /// `resource` with the attributes offered.
    #[must_use]
    pub fn resource(&self, resource: &'static Resource) -> &'static Resource {
        self.resources.iter().copied().find(|r| r.is(resource)).unwrap_or(resource)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NETWORKS, PORTS, SUBNETS};

    #[test]
    fn what_a_driver_brings_is_there_only_with_it() {
        let (with, without) = (Offer::everything(), Offer::new(&[]));
        let alias = "dns-integration";
        assert!(with.extension(alias).is_some() && without.extension(alias).is_none());
        assert_eq!(with.extensions().count(), without.extensions().count() + 1);
        assert!(with.resource(&PORTS).attribute("dns_name").is_some());
        for resource in [&PORTS, &NETWORKS, &SUBNETS] {
            let offered = without.resource(resource);
            assert!(offered.is(resource));
            for (at, attribute) in offered.attributes.iter().enumerate() {
                assert_ne!(attribute.extension, alias);
                assert_eq!(offered.attribute_index(attribute.name), Some(at));
            }
        }
        assert!(std::ptr::eq(without.resource(&SUBNETS), &raw const SUBNETS));
    }
}
