//! A collection of the API: its names, its attributes and what may be done with it.

use crate::attribute::Attribute;

/// One collection such as `networks`, or a sub-collection such as a port's `bindings`.
#[derive(Debug)]
pub struct Resource {
    /// Plural, as the key of list and bulk bodies: `networks`, `service_providers`.
    pub collection: &'static str,
    /// Singular, as the key of single bodies: `network`.
    pub member: &'static str,
    /// The collection's path segment under `/v2.0/` (or under its parent): `service-providers`.
    pub path: &'static str,
    /// The collection this one lies under.
    pub parent: Option<Parent>,
    /// Alias of the extension that adds the collection; empty for core collections.
    pub extension: &'static str,
    /// Attributes in the order of Neutron's map: validation errors come out in this order.
    pub attributes: &'static [Attribute],
    /// Positions in [`Resource::attributes`], ordered by attribute name.
    pub by_name: &'static [u8],
    /// What the API offers on the collection.
    pub operations: Operations,
    /// Whether an unknown filter is refused (`filter-validation`) or ignored.
    pub validates_filters: bool,
    /// Whether the collection carries standard attributes: description, revision, times, and
    /// mostly tags.
    pub standard_attributes: bool,
    /// What may be done with a member besides the usual.
    pub actions: &'static [MemberAction],
    /// Whether lists come in pages; where they do not, `limit` and its like are ignored.
    pub pages: bool,
}

/// An operation of its own on a member: `PUT /v2.0/<path>/<id>/<name>`. The policy rule of the same
/// name decides who may do it.
#[derive(Debug, Clone, Copy)]
pub struct MemberAction {
    /// Last segment of the path, and name of the policy rule.
    pub name: &'static str,
    /// One line for the OpenAPI document.
    pub doc: &'static str,
    /// The attributes of the request body, all required.
    pub body: &'static [&'static str],
}

/// The collection a sub-resource lies under.
#[derive(Debug, Clone, Copy)]
pub struct Parent {
    /// Plural: `ports`.
    pub collection: &'static str,
    /// Singular: `port`.
    pub member: &'static str,
}

/// HTTP operations a collection offers; others are answered with 405.
#[derive(Debug, Clone, Copy)]
pub struct Operations {
    /// GET on the collection.
    pub list: bool,
    /// GET on a member.
    pub show: bool,
    /// POST on the collection.
    pub create: bool,
    /// POST of several at once.
    pub bulk: bool,
    /// PUT on a member.
    pub update: bool,
    /// DELETE on a member.
    pub delete: bool,
}

impl Operations {
    /// Everything, bulk create included.
    pub const ALL: Self =
        Self { list: true, show: true, create: true, bulk: true, update: true, delete: true };
    /// Only GET on the collection.
    pub const LIST: Self =
        Self { list: true, show: false, create: false, bulk: false, update: false, delete: false };
}

impl Resource {
    /// What a definition that says nothing else means.
    pub(crate) const PLAIN: Self = Self {
        collection: "",
        member: "",
        path: "",
        parent: None,
        extension: "",
        attributes: &[],
        by_name: &[],
        operations: Operations::LIST,
        validates_filters: true,
        standard_attributes: false,
        actions: &[],
        pages: true,
    };

    /// The attribute `name`, by binary search.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&'static Attribute> {
        self.attribute_index(name).map(|i| &self.attributes[i])
    }

    /// The position of the attribute `name` in [`Resource::attributes`].
    #[must_use]
    pub fn attribute_index(&self, name: &str) -> Option<usize> {
        let found =
            self.by_name.binary_search_by(|i| self.attributes[usize::from(*i)].name.cmp(name));
        found.ok().map(|at| usize::from(self.by_name[at]))
    }

    /// Whether the server offers the collection: its extension, if any, is advertised.
    #[must_use]
    pub fn is_offered(&self) -> bool {
        self.extension.is_empty() || crate::extensions::find(self.extension).is_some()
    }

    /// Whether both are the same collection, whatever attributes of it are offered.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        let parent = |r: &Self| r.parent.map(|p| p.collection);
        self.collection == other.collection && parent(self) == parent(other)
    }

    /// The resource without the attributes of these extensions. What lacks any is made anew and
    /// lives as long as the process.
    pub(crate) fn without(&'static self, extensions: &[&str]) -> &'static Self {
        let kept = |a: &&Attribute| !extensions.contains(&a.extension);
        let attributes: Vec<Attribute> = self.attributes.iter().filter(kept).copied().collect();
        if attributes.len() == self.attributes.len() {
            return self;
        }
        // Positions fit into a byte: those of all attributes do.
        let mut by_name: Vec<u8> = (0..=u8::MAX).take(attributes.len()).collect();
        by_name.sort_by_key(|at| attributes[usize::from(*at)].name);
        let (attributes, by_name) = (attributes.leak(), by_name.leak());
        Box::leak(Box::new(Self { attributes, by_name, ..*self }))
    }

    /// Whether resources belong to a project.
    #[must_use]
    pub fn has_owner(&self) -> bool {
        self.attribute("project_id").is_some()
    }

    /// The name policy rules use after the action: `network`, `port_binding`.
    #[must_use]
    pub fn policy_name(&self) -> String {
        match self.parent {
            Some(parent) => format!("{}_{}", parent.member, self.member),
            None => self.member.to_string(),
        }
    }

    /// The name of the attribute that identifies a member (`id` unless said otherwise).
    #[must_use]
    pub fn primary_key(&self) -> &'static str {
        self.attributes.iter().find(|a| a.primary_key).map_or("id", |a| a.name)
    }
}

/// Positions of `attributes` ordered by name, computed when compiling.
///
/// # Panics
/// At compile time only: when two attributes have the same name.
#[must_use]
pub const fn sort_by_name<const N: usize>(attributes: &[Attribute; N]) -> [u8; N] {
    assert!(N < 256, "positions are kept in one byte");
    let mut order = [0u8; N];
    let mut i = 0;
    while i < N {
        let mut at = i;
        while at > 0 {
            let before = attributes[order[at - 1] as usize].name.as_bytes();
            let this = attributes[i].name.as_bytes();
            match compare(before, this) {
                0 => panic!("attribute defined twice"),
                1 => order[at] = order[at - 1],
                _ => break,
            }
            at -= 1;
        }
        order[at] = i as u8;
        i += 1;
    }
    order
}

/// -1, 0 or 1, as `a` sorts before, with or after `b`.
const fn compare(a: &[u8], b: &[u8]) -> i8 {
    let mut i = 0;
    while i < a.len() && i < b.len() {
        if a[i] < b[i] {
            return -1;
        }
        if a[i] > b[i] {
            return 1;
        }
        i += 1;
    }
    if a.len() < b.len() {
        -1
    } else if a.len() > b.len() {
        1
    } else {
        0
    }
}

/// Defines a `pub static` [`Resource`] together with its name index.
macro_rules! resource {
    ($(#[$doc:meta])* $name:ident: [$($attribute:expr),+ $(,)?], { $($field:ident: $value:expr),+ $(,)? }) => {
        $(#[$doc])*
        pub static $name: $crate::resource::Resource = {
            const LIST: &[$crate::attribute::Attribute] = &[$($attribute),+];
            const N: usize = LIST.len();
            static ATTRIBUTES: [$crate::attribute::Attribute; N] = [$($attribute),+];
            static BY_NAME: [u8; N] = {
                const COPY: [$crate::attribute::Attribute; N] = [$($attribute),+];
                $crate::resource::sort_by_name(&COPY)
            };
            $crate::resource::Resource {
                attributes: &ATTRIBUTES,
                by_name: &BY_NAME,
                $($field: $value,)+
                ..$crate::resource::Resource::PLAIN
            }
        };
    };
}
pub(crate) use resource;
