//! `domain_mapping_based_on_tags`: domains by the tags of data sets.

use super::domains::{DOMAINS, NEEDS_GRAPH, domain_item, resolve};
use super::list_item::ListItem;
use super::object::Object;
use super::semantics::Semantics;
use super::tags::TAGS;
use super::{
    AspectChange, AspectTransformer, EntityTypes, Found, Graph, PerAspect, TransformError, Transformer,
};
use crate::Error;
use crate::box_future::BoxFuture;
use crate::metadata::{Aspect, Urn};
use crate::recipe::{Fields, Reported};

/// Gives a data set the domains of the tags that it has on the server.
struct MapTagsToDomains {
    semantics: Semantics,
    /// The names of tags, in the order of the recipe.
    tags: Vec<String>,
    /// Their domains.
    domains: Vec<ListItem>,
}

pub(super) fn read(fields: &mut Fields<'_>) -> Result<Box<dyn Transformer>, Reported> {
    let semantics = Semantics::read(fields);
    fields.missing("domain_mapping", "a mapping of names of tags to domains");
    let mapping = fields.string_map("domain_mapping", false).ok_or_else(|| fields.reported())?;
    let (tags, domains): (Vec<String>, Vec<String>) = mapping.into_iter().unzip();
    let domains = domains.iter().map(|domain| domain_item(domain)).collect();
    Ok(PerAspect::boxed(MapTagsToDomains { semantics, tags, domains }))
}

impl AspectTransformer for MapTagsToDomains {
    fn aspect_name(&self) -> &'static str {
        DOMAINS.aspect_name
    }

    fn entity_types(&self) -> EntityTypes {
        EntityTypes::of(["dataset"])
    }

    fn needs_graph(&self) -> Option<&'static str> {
        Some(NEEDS_GRAPH)
    }

    fn start<'a>(&'a mut self, graph: Option<&'a dyn Graph>) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(resolve(self.domains.iter_mut().collect(), graph))
    }

    fn lookups(&self, _entity: &Urn, _current: Option<&Aspect>) -> Vec<&'static str> {
        let mut names = vec![TAGS.aspect_name];
        if self.semantics.is_patch {
            names.push(DOMAINS.aspect_name);
        }
        names
    }

    fn change(
        &mut self,
        entity: &Urn,
        current: Option<&Aspect>,
        found: &Found,
    ) -> Result<AspectChange, TransformError> {
        let tags = match found.aspect(entity, TAGS.aspect_name)? {
            Some(tags) => TAGS.items(&Object::of(tags)?)?,
            None => Vec::new(),
        };
        let has_tag = |name: &String| {
            tags.iter().any(|tag| tag.key.strip_prefix("urn:li:tag:").unwrap_or(&tag.key) == name)
        };
        let configured: Vec<ListItem> = self
            .tags
            .iter()
            .zip(&self.domains)
            .filter(|(tag, _)| has_tag(tag))
            .map(|(_, domain)| domain.clone())
            .collect();
        if configured.is_empty() {
            return Ok(AspectChange::Keep);
        }
        let server = found.aspect(entity, DOMAINS.aspect_name)?;
        // In Python, the mapped domains take the place of those of the record.
        let replaces = self.semantics.replaces || self.semantics.is_strict;
        DOMAINS.change(Semantics { replaces, ..self.semantics }, current, configured, server, found)
    }
}
