//! What a rule looks at besides the caller: the resource, its changes, its network, its parent.

use neutrino_types::Attrs;
use serde_json::Value;

/// The object of a policy decision, as layers of borrowed attributes: nothing is copied.
///
/// Rules written for Neutron see `network:project_id` (owner of the resource's network),
/// `security_group:project_id` (owner of the group of a security group rule),
/// `ext_parent:project_id` (owner of the parent) and, for `field:networks:shared`, the network's
/// `shared`. The caller provides them with [`Target::with_network`],
/// [`Target::with_security_group`] and [`Target::with_parent`]; a rule that asks for what is not
/// there is not fulfilled.
#[derive(Debug, Clone, Copy, Default)]
pub struct Target<'a> {
    attrs: Option<&'a Attrs>,
    changes: Option<&'a Attrs>,
    network: Option<&'a Attrs>,
    security_group: Option<&'a Attrs>,
    parent: Option<&'a Attrs>,
}

impl<'a> Target<'a> {
    /// The resource itself: stored attributes, or those of a create request.
    #[must_use]
    pub fn new(attrs: &'a Attrs) -> Self {
        Self { attrs: Some(attrs), ..Self::default() }
    }

    /// With the changes of an update, which hide the stored values.
    #[must_use]
    pub fn with_changes(mut self, changes: &'a Attrs) -> Self {
        self.changes = Some(changes);
        self
    }

    /// With the network a subnet or port belongs to.
    #[must_use]
    pub fn with_network(mut self, network: &'a Attrs) -> Self {
        self.network = Some(network);
        self
    }

    /// With the security group a rule belongs to.
    #[must_use]
    pub fn with_security_group(mut self, group: &'a Attrs) -> Self {
        self.security_group = Some(group);
        self
    }

    /// With the resource a sub-resource belongs to.
    #[must_use]
    pub fn with_parent(mut self, parent: &'a Attrs) -> Self {
        self.parent = Some(parent);
        self
    }

    /// The field `name`; `project_id` and `tenant_id` stand for each other.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a Value> {
        let own = [self.changes, self.attrs].into_iter().flatten().find_map(|m| lookup(m, name));
        own.or_else(|| {
            let (layer, field) = name.split_once(':')?;
            match layer {
                "network" => lookup(self.network?, field),
                "security_group" => lookup(self.security_group?, field),
                "ext_parent" => lookup(self.parent?, field),
                _ => None,
            }
        })
    }

    /// Whether the network of the resource is shared, if it is known.
    #[must_use]
    pub(crate) fn network_field(&self, name: &str) -> Option<&'a Value> {
        lookup(self.network?, name)
    }
}

impl<'a> From<&'a Attrs> for Target<'a> {
    fn from(attrs: &'a Attrs) -> Self {
        Self::new(attrs)
    }
}

fn lookup<'a>(map: &'a Attrs, name: &str) -> Option<&'a Value> {
    map.get(name).or_else(|| match name {
        "project_id" => map.get("tenant_id"),
        "tenant_id" => map.get("project_id"),
        "network:project_id" => map.get("network:tenant_id"),
        "network:tenant_id" => map.get("network:project_id"),
        "ext_parent:project_id" => map.get("ext_parent:tenant_id"),
        "ext_parent:tenant_id" => map.get("ext_parent:project_id"),
        _ => None,
    })
}
