//! What one attribute of a resource is: the single definition validation, queries, policy and the
//! OpenAPI document read.
//!
//! Everything here is `const` data. Behaviour lives in [`crate::convert`], [`crate::validators`],
//! [`crate::validate`] and [`crate::query`].

/// One attribute of a resource, as Neutron's `RESOURCE_ATTRIBUTE_MAP` describes it.
#[derive(Debug, Clone, Copy)]
pub struct Attribute {
    /// Name in request and response bodies, e.g. `provider:network_type`.
    pub name: &'static str,
    /// One line for the OpenAPI document.
    pub doc: &'static str,
    /// Alias of the extension that adds it; empty for core attributes.
    pub extension: &'static str,
    /// Shape of the JSON value.
    pub shape: Shape,
    /// Accepted in POST (`allow_post`).
    pub post: bool,
    /// Accepted in PUT (`allow_put`).
    pub put: bool,
    /// What a POST without it means; `None` makes it required.
    pub default: Option<Initial>,
    /// Conversion before validation (`convert_to`); also applied to filter values.
    pub convert: Convert,
    /// Validation after conversion (`validate`).
    pub validate: Validate,
    /// Part of responses (`is_visible`).
    pub visible: bool,
    /// May be used to filter lists (`is_filter`).
    pub filter: bool,
    /// Filter values have the form `key=value` (`convert_list_to`), e.g. `fixed_ips`.
    pub filter_pairs: bool,
    /// May be used as `sort_key` (`is_sort_key`).
    pub sort: bool,
    /// Setting it asks the policy rule `<action>_<resource>:<name>` (`enforce_policy`).
    pub enforce_policy: bool,
    /// Policy rules look at it, so it is read even when `fields` leaves it out.
    pub required_by_policy: bool,
    /// Identifies the resource within its collection (`primary_key`).
    pub primary_key: bool,
}

/// Shape of an attribute's JSON value, for the OpenAPI document and for filter values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A string.
    Text,
    /// A UUID in a string.
    Uuid,
    /// An RFC 3339 time in a string.
    Time,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int,
    /// A list of strings.
    TextList,
    /// A list of objects.
    ObjectList,
    /// An object.
    Object,
}

/// The value of an attribute that a POST leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Initial {
    /// Stays absent (`ATTR_NOT_SPECIFIED`): the plugin decides.
    Unset,
    /// `null`.
    Null,
    /// A boolean.
    Bool(bool),
    /// A number.
    Int(i64),
    /// A string.
    Text(&'static str),
    /// `[]`.
    EmptyList,
}

/// Conversion applied before validation (neutron-lib `api.converters`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Convert {
    /// Taken as given.
    None,
    /// Booleans, 0/1 and words such as `true`, `yes`, `off`.
    Boolean,
    /// As [`Convert::Boolean`]; `null` stays.
    BooleanOrNone,
    /// Whole numbers, also from strings.
    Int,
    /// `null` becomes `[]`.
    NoneToEmptyList,
    /// IPv6 addresses in canonical form.
    Ip,
    /// A CIDR with its address in canonical form.
    Cidr,
    /// Allocation pools with canonical addresses; `null` becomes `[]`.
    AllocationPools,
    /// Lower-case, colon-separated MAC address.
    Mac,
    /// One of these words, whatever its case and the white space around it; `what` names it in
    /// the refusal.
    Word {
        /// What the words are.
        what: &'static str,
        /// The words, in lower case.
        words: &'static [&'static str],
    },
    /// An IP protocol by name or number; `any` becomes `null`.
    Protocol,
    /// `IPv4` or `IPv6`, whatever the case.
    Ethertype,
    /// A port number, also from a string; `null` stays.
    PortNumber,
    /// A CIDR with its prefix length filled in; what is empty becomes `null`.
    IpPrefix,
    /// A string in lower case.
    LowerCase,
    /// An IP protocol by a name iptables knows or by number; `null` stays.
    ForwardedProtocol,
}

/// Validation rule (neutron-lib `api.validators`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validate {
    /// Anything goes.
    None,
    /// A UUID.
    Uuid,
    /// A UUID or `null`.
    UuidOrNone,
    /// A printable name of at most so many characters, without outer white space.
    Name(usize),
    /// As [`Validate::Name`], but not empty.
    NameNotEmpty(usize),
    /// A string of at most so many characters.
    Text(usize),
    /// As [`Validate::Text`], or `null`.
    TextOrNone(usize),
    /// A number not below zero.
    NonNegative,
    /// A number within the bounds, both included.
    Range(i64, i64),
    /// As [`Validate::Range`], or `null`.
    RangeOrNone(i64, i64),
    /// A port within the bounds, two of them as `first:last`, or `null`.
    PortRangeOrNone(u16, u16),
    /// One of these strings.
    OneOf(&'static [&'static str]),
    /// One of these numbers.
    OneOfInt(&'static [i64]),
    /// A MAC address that is neither all zeros nor broadcast, or `null`.
    MacOrNone,
    /// An IP address.
    Ip,
    /// An IP address or `null`.
    IpOrNone,
    /// A CIDR or `null`.
    CidrOrNone,
    /// A subnet pool's UUID, `prefix_delegation` or `null`.
    SubnetPoolIdOrNone,
    /// A list of `{start, end}`.
    IpPools,
    /// A list of distinct IP addresses.
    Nameservers,
    /// A list of distinct `{destination, nexthop}`.
    HostRoutes,
    /// A list of `{subnet_id and/or ip_address}`.
    FixedIps,
    /// An object or `null`.
    ObjectOrNone,
    /// A list of `{ip_address, mac_address}`.
    AddressPairs,
    /// A list of `{opt_name, opt_value, ip_version}` or `null`.
    ExtraDhcpOpts,
    /// A list of distinct strings, each of at most so many characters.
    UniqueTexts(usize),
    /// A list of distinct CIDRs.
    Cidrs,
    /// A project's UUID, or `*` for every project.
    TargetProject,
    /// A list of distinct UUIDs.
    Uuids,
    /// As [`Validate::Text`], but not `default`, which is every project's own security group.
    NameNotDefault(usize),
    /// A list of distinct strings that fits the column of availability zone hints.
    AvailabilityZoneHints,
    /// `{network_id, external_fixed_ips, enable_snat}` of a router's gateway; nothing, or what
    /// Python takes for false, for none.
    GatewayInfo,
    /// A list of `{provider:network_type, provider:physical_network, provider:segmentation_id}`.
    Segments,
    /// A DNS name of at most so many characters, or nothing.
    DnsName(usize),
    /// A relative DNS name that makes at most so many characters with a domain, or nothing.
    RelativeDnsName(usize),
    /// A DNS domain, ending with a period, of at most so many characters with a name, or nothing.
    DnsDomain(usize),
}

impl Attribute {
    /// A visible attribute that users cannot set.
    #[must_use]
    pub const fn read_only(name: &'static str, shape: Shape, doc: &'static str) -> Self {
        Self {
            name,
            doc,
            extension: "",
            shape,
            post: false,
            put: false,
            default: None,
            convert: Convert::None,
            validate: Validate::None,
            visible: true,
            filter: false,
            filter_pairs: false,
            sort: false,
            enforce_policy: false,
            required_by_policy: false,
            primary_key: false,
        }
    }

    /// A visible attribute that POST and PUT accept.
    #[must_use]
    pub const fn writable(name: &'static str, shape: Shape, doc: &'static str) -> Self {
        Self { post: true, put: true, ..Self::read_only(name, shape, doc) }
    }

    /// A visible attribute that only POST accepts.
    #[must_use]
    pub const fn create_only(name: &'static str, shape: Shape, doc: &'static str) -> Self {
        Self { post: true, ..Self::read_only(name, shape, doc) }
    }

    /// A visible attribute that only PUT accepts.
    #[must_use]
    pub const fn update_only(name: &'static str, shape: Shape, doc: &'static str) -> Self {
        Self { put: true, ..Self::read_only(name, shape, doc) }
    }

    /// With the value a POST without it means.
    #[must_use]
    pub const fn default(mut self, initial: Initial) -> Self {
        self.default = Some(initial);
        self
    }

    /// Absent unless the user gives it.
    #[must_use]
    pub const fn unset(self) -> Self {
        self.default(Initial::Unset)
    }

    /// Converted by `convert`.
    #[must_use]
    pub const fn convert(mut self, convert: Convert) -> Self {
        self.convert = convert;
        self
    }

    /// Validated by `validate`.
    #[must_use]
    pub const fn validate(mut self, validate: Validate) -> Self {
        self.validate = validate;
        self
    }

    /// Filterable and sortable.
    #[must_use]
    pub const fn listed(self) -> Self {
        self.filter().sort()
    }

    /// Filterable.
    #[must_use]
    pub const fn filter(mut self) -> Self {
        self.filter = true;
        self
    }

    /// Filterable by `key=value` pairs.
    #[must_use]
    pub const fn filter_pairs(mut self) -> Self {
        self.filter = true;
        self.filter_pairs = true;
        self
    }

    /// Sortable.
    #[must_use]
    pub const fn sort(mut self) -> Self {
        self.sort = true;
        self
    }

    /// Guarded by its own policy rule.
    #[must_use]
    pub const fn enforce_policy(mut self) -> Self {
        self.enforce_policy = true;
        self
    }

    /// Needed by policy rules of the resource.
    #[must_use]
    pub const fn required_by_policy(mut self) -> Self {
        self.required_by_policy = true;
        self
    }

    /// Never part of a response.
    #[must_use]
    pub const fn hidden(mut self) -> Self {
        self.visible = false;
        self
    }

    /// The collection's key.
    #[must_use]
    pub const fn primary_key(mut self) -> Self {
        self.primary_key = true;
        self
    }

    /// Added by the extension `alias`.
    #[must_use]
    pub const fn extension(mut self, alias: &'static str) -> Self {
        self.extension = alias;
        self
    }

    /// Whether `value` is what a POST without the attribute would have meant.
    ///
    /// Neutron asks no attribute rule for a value equal to the default.
    #[must_use]
    pub fn is_default(&self, value: &serde_json::Value) -> bool {
        use serde_json::Value;
        match (self.default, value) {
            (Some(Initial::Null), Value::Null) => true,
            (Some(Initial::Bool(d)), Value::Bool(v)) => d == *v,
            (Some(Initial::Int(d)), Value::Number(v)) => v.as_i64() == Some(d),
            (Some(Initial::Text(d)), Value::String(v)) => d == v,
            (Some(Initial::EmptyList), Value::Array(v)) => v.is_empty(),
            _ => false,
        }
    }
}

impl Initial {
    /// The value as JSON; `None` for [`Initial::Unset`].
    #[must_use]
    pub fn to_json(self) -> Option<serde_json::Value> {
        use serde_json::Value;
        Some(match self {
            Self::Unset => return None,
            Self::Null => Value::Null,
            Self::Bool(b) => Value::Bool(b),
            Self::Int(i) => Value::from(i),
            Self::Text(s) => Value::from(s),
            Self::EmptyList => Value::Array(Vec::new()),
        })
    }
}
