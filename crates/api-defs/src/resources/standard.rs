//! Attributes that many resources share: identity, ownership and Neutron's standard attributes.

use crate::attribute::{Attribute, Initial, Shape, Validate};

/// Longest DNS name, in characters.
pub const FQDN_MAX: usize = 255;

/// Longest `name`, in characters.
pub const NAME_MAX: usize = 255;
/// Longest `description`, in characters.
pub const DESCRIPTION_MAX: usize = 255;
/// Longest `description` of the resources that allow more, in characters.
pub const LONG_DESCRIPTION_MAX: usize = 1024;
/// Longest `project_id`, in characters.
pub const PROJECT_ID_MAX: usize = 255;
/// Longest tag, in characters.
pub const TAG_MAX: usize = 255;
/// Most tags on one resource.
pub const TAGS_MAX: usize = 50;

/// `id`.
pub const ID: Attribute = Attribute::read_only("id", Shape::Uuid, "Identifier.")
    .validate(Validate::Uuid)
    .listed()
    .primary_key();

/// `name`.
pub const NAME: Attribute = Attribute::writable("name", Shape::Text, "Name, need not be unique.")
    .default(Initial::Text(""))
    .validate(Validate::Name(NAME_MAX))
    .listed();

/// `tenant_id`, the old name of `project_id`.
pub const TENANT_ID: Attribute =
    Attribute::create_only("tenant_id", Shape::Text, "Owner, under its old name.")
        .validate(Validate::Text(PROJECT_ID_MAX))
        .required_by_policy()
        .listed();

/// `project_id`.
pub const PROJECT_ID: Attribute =
    Attribute::create_only("project_id", Shape::Text, "Project that owns the resource.")
        .validate(Validate::Text(PROJECT_ID_MAX))
        .required_by_policy()
        .listed()
        .extension("project-id");

/// `description`.
pub const DESCRIPTION: Attribute =
    Attribute::writable("description", Shape::Text, "Text for people.")
        .default(Initial::Text(""))
        .validate(Validate::Text(DESCRIPTION_MAX))
        .filter()
        .extension("standard-attr-description");

/// `revision_number`.
pub const REVISION_NUMBER: Attribute = Attribute::read_only(
    "revision_number",
    Shape::Int,
    "Counts the changes of the resource and of its children.",
)
.default(Initial::Null)
.filter()
.extension("standard-attr-revisions");

/// `created_at`.
pub const CREATED_AT: Attribute =
    Attribute::read_only("created_at", Shape::Time, "Time of creation (UTC).")
        .default(Initial::Null)
        .extension("standard-attr-timestamp");

/// `updated_at`.
pub const UPDATED_AT: Attribute =
    Attribute::read_only("updated_at", Shape::Time, "Time of the last change (UTC).")
        .default(Initial::Null)
        .extension("standard-attr-timestamp");

/// `changed_since`: a filter only.
pub const CHANGED_SINCE: Attribute =
    Attribute::read_only("changed_since", Shape::Time, "Changed at or after this time.")
        .hidden()
        .filter()
        .extension("standard-attr-timestamp");

/// `tags`.
pub const TAGS: Attribute =
    Attribute::read_only("tags", Shape::TextList, "Tags.").filter().extension("standard-attr-tag");

/// `tags` of ports, which POST accepts too.
pub const PORT_TAGS: Attribute = Attribute::create_only("tags", Shape::TextList, "Tags.")
    .default(Initial::EmptyList)
    .validate(Validate::UniqueTexts(TAG_MAX))
    .filter()
    .extension("tag-ports-during-bulk-creation");

/// `tags-any`: a filter only.
pub const TAGS_ANY: Attribute =
    Attribute::read_only("tags-any", Shape::TextList, "Having any of these tags.")
        .hidden()
        .filter()
        .extension("standard-attr-tag");

/// `not-tags`: a filter only.
pub const NOT_TAGS: Attribute =
    Attribute::read_only("not-tags", Shape::TextList, "Lacking one of these tags.")
        .hidden()
        .filter()
        .extension("standard-attr-tag");

/// `not-tags-any`: a filter only.
pub const NOT_TAGS_ANY: Attribute =
    Attribute::read_only("not-tags-any", Shape::TextList, "Having none of these tags.")
        .hidden()
        .filter()
        .extension("standard-attr-tag");
