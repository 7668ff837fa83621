//! The registry of transformers.

use super::semantics::check_compatibility;
use super::{
    Transformer, attribution, browse_path, browse_path_v1, cleanup_ownership, data_products, domain_mapping,
    domains, external_url, extract_tags, ownership, ownership_from_tags, properties, remove_ownership,
    schema_fields, status, tags, tags_to_properties, tags_to_term, terms, usage_users,
};
use crate::recipe::registry::Registry;
use crate::recipe::{Fields, Node, Reported, Value};

/// Reads the configuration of a transformer.
type Read = fn(&mut Fields<'_>) -> Result<Box<dyn Transformer>, Reported>;

/// Finds a transformer by the `type` of an item of the recipe's `transformers`.
pub type TransformerRegistry = Registry<Box<dyn Transformer>>;

impl Default for TransformerRegistry {
    /// The transformers of this crate: those that acryl-datahub 1.7.0 registers.
    fn default() -> Self {
        let mut registry = Self::new("transformer", |_| None);
        let mut add = |kind: &'static str, read: Read| {
            registry.register(kind, move |fields| {
                check_compatibility(fields);
                read(fields)
            });
        };
        add("simple_add_dataset_tags", tags::simple);
        add("pattern_add_dataset_tags", tags::pattern);
        add("extract_dataset_tags", extract_tags::read);
        add("simple_add_dataset_terms", terms::simple);
        add("pattern_add_dataset_terms", terms::pattern);
        add("pattern_add_dataset_schema_tags", schema_fields::tags);
        add("pattern_add_dataset_schema_terms", schema_fields::terms);
        add("simple_add_ownership", ownership::simple);
        add("pattern_add_ownership", ownership::pattern);
        add("simple_add_dataset_ownership", ownership::simple_dataset);
        add("pattern_add_dataset_ownership", ownership::pattern_dataset);
        add("simple_remove_dataset_ownership", |_| Ok(remove_ownership::read()));
        add("pattern_cleanup_ownership", cleanup_ownership::read);
        add("extract_ownership_from_tags", ownership_from_tags::read);
        add("simple_add_domain", domains::simple);
        add("pattern_add_domain", domains::pattern);
        add("simple_add_dataset_domain", domains::simple_dataset);
        add("pattern_add_dataset_domain", domains::pattern_dataset);
        add("domain_mapping_based_on_tags", domain_mapping::read);
        add("simple_add_dataset_properties", properties::read);
        add("mark_dataset_status", status::read);
        add("set_dataset_browse_path", browse_path_v1::read);
        add("set_browse_path", browse_path::read);
        add("simple_add_dataset_dataproduct", data_products::simple);
        add("pattern_add_dataset_dataproduct", data_products::pattern);
        add("replace_external_url", external_url::dataset);
        add("replace_external_url_container", external_url::container);
        add("pattern_cleanup_dataset_usage_user", usage_users::read);
        add("set_attribution", attribution::read);
        add("tags_to_term", tags_to_term::read);
        add("tags_to_structured_properties", tags_to_properties::read);
        registry
    }
}

const CALLBACKS: [&str; 8] = [
    "add_dataset_dataproduct",
    "add_dataset_domain",
    "add_dataset_ownership",
    "add_dataset_properties",
    "add_dataset_tags",
    "add_dataset_terms",
    "add_domain",
    "add_ownership",
];

/// The transformers of DataHub's Python client that call a function or class of the user's, and so run in
/// Python only.
pub fn callback_types() -> impl Iterator<Item = &'static str> {
    CALLBACKS.into_iter()
}

/// Whether an item of the recipe's `transformers` runs in Python: its `type` is a class, or names a
/// transformer that calls a function of the user's.
pub fn is_python(item: &Node) -> bool {
    item.get("type").is_some_and(|kind| match &kind.value {
        Value::String(kind) => kind.contains('.') || CALLBACKS.contains(&kind.as_str()),
        _ => false,
    })
}
