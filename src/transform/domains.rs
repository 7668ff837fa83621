//! `simple_add_domain`, `pattern_add_domain` and their forms for data sets.

use super::containers::Containers;
use super::list::{List, no_members, text_key};
use super::list_item::ListItem;
use super::object::json;
use super::rules::{Rules, Values};
use super::semantics::Semantics;
use super::{
    Addition, AspectChange, AspectTransformer, EntityTypes, Found, Graph, Lookup, PerAspect, TransformError,
    Transformer,
};
use crate::box_future::BoxFuture;
use crate::metadata::{Aspect, Proposal, Urn, model};
use crate::recipe::{Fields, Reported};
use crate::{Error, ErrorKind};

/// The domains of `domains`.
pub(super) const DOMAINS: List =
    List { aspect_name: "domains", member: "domains", key: text_key, new: no_members };

/// Why domains need a server.
pub(super) const NEEDS_GRAPH: &str = "the names of domains are looked up";

/// Adds domains.
struct AddDomains {
    semantics: Semantics,
    types: EntityTypes,
    domains: Values,
    /// An entity with a domain on the server keeps it (`on_conflict: DO_NOTHING`).
    keeps_existing: bool,
    containers: Containers,
}

pub(super) fn simple(fields: &mut Fields<'_>) -> Result<Box<dyn Transformer>, Reported> {
    read_simple(fields, false)
}

pub(super) fn simple_dataset(fields: &mut Fields<'_>) -> Result<Box<dyn Transformer>, Reported> {
    read_simple(fields, true)
}

pub(super) fn pattern(fields: &mut Fields<'_>) -> Result<Box<dyn Transformer>, Reported> {
    read_pattern(fields, false)
}

pub(super) fn pattern_dataset(fields: &mut Fields<'_>) -> Result<Box<dyn Transformer>, Reported> {
    read_pattern(fields, true)
}

fn read_simple(fields: &mut Fields<'_>, is_old: bool) -> Result<Box<dyn Transformer>, Reported> {
    let (semantics, types) = read_shared(fields, is_old);
    let conflict = fields.choice("on_conflict", &[("DO_UPDATE", false), ("DO_NOTHING", true)]);
    let expected = "a list of domains: URNs, ids or names";
    let domains = Values::read_list(fields, "domains", expected, |domain| Ok(domain_item(domain)));
    let domains = domains.ok_or_else(|| fields.reported())?;
    Ok(PerAspect::boxed(AddDomains {
        semantics,
        types,
        domains,
        keeps_existing: conflict.unwrap_or_default(),
        containers: Containers::default(),
    }))
}

fn read_pattern(fields: &mut Fields<'_>, is_old: bool) -> Result<Box<dyn Transformer>, Reported> {
    let (semantics, types) = read_shared(fields, is_old);
    let domains = Rules::read(fields, "domain_pattern", |domain| Ok(domain_item(domain)));
    let containers = Containers::read(fields);
    let domains = domains.map(Values::Rules).ok_or_else(|| fields.reported())?;
    Ok(PerAspect::boxed(AddDomains { semantics, types, domains, keeps_existing: false, containers }))
}

fn read_shared(fields: &mut Fields<'_>, is_old: bool) -> (Semantics, EntityTypes) {
    let semantics = Semantics::read(fields);
    let given = fields.strings("entity_types");
    let types = if is_old {
        EntityTypes::of(["dataset"])
    } else {
        EntityTypes::configured(given, &EntityTypes::WITH_CONTAINERS)
    };
    (semantics, types)
}

/// A domain as the recipe names it, until [`resolve`] has found its URN.
pub(super) fn domain_item(domain: &str) -> ListItem {
    ListItem { key: domain.to_owned(), json: json(domain) }
}

/// Replaces ids and names by URNs. Python resolves some of them anew for each entity; a name that does not
/// exist is found here before anything is read.
pub(super) async fn resolve(items: Vec<&mut ListItem>, graph: Option<&dyn Graph>) -> Result<(), Error> {
    for item in items {
        if item.key.starts_with("urn:li:domain") {
            continue;
        }
        let urn = match graph {
            // A bare GUID is the id of a domain.
            _ if item.key.matches('-').count() == 4 => format!("urn:li:domain:{}", item.key),
            Some(graph) => resolve_name(&item.key, graph).await?,
            None => continue,
        };
        *item = domain_item(&urn);
    }
    Ok(())
}

async fn resolve_name(name: &str, graph: &dyn Graph) -> Result<String, Error> {
    let by_id = Urn::parse(&format!("urn:li:domain:{name}")).ok();
    if let Some(urn) = by_id {
        let properties = graph.aspects(&urn, &[model::intern("domainProperties")]).await?;
        if properties.iter().any(Option::is_some) {
            return Ok(urn.as_str().to_owned());
        }
    }
    match graph.domain_named(name).await? {
        Some(urn) => Ok(urn.as_str().to_owned()),
        None => Err(Error::new(
            ErrorKind::Input,
            format!(
                "the domain {name:?} of a transformer does not exist in DataHub: create it, or write its URN"
            ),
        )),
    }
}

impl AspectTransformer for AddDomains {
    fn aspect_name(&self) -> &'static str {
        DOMAINS.aspect_name
    }

    fn entity_types(&self) -> EntityTypes {
        self.types.clone()
    }

    fn needs_graph(&self) -> Option<&'static str> {
        Some(NEEDS_GRAPH)
    }

    fn start<'a>(&'a mut self, graph: Option<&'a dyn Graph>) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(resolve(self.domains.all_mut(), graph))
    }

    fn lookups(&self, _entity: &Urn, _current: Option<&Aspect>) -> Vec<&'static str> {
        if self.semantics.is_patch || self.keeps_existing { vec![DOMAINS.aspect_name] } else { Vec::new() }
    }

    fn see(&mut self, proposal: &Proposal) {
        self.containers.see(proposal);
    }

    fn change(
        &mut self,
        entity: &Urn,
        current: Option<&Aspect>,
        found: &Found,
    ) -> Result<AspectChange, TransformError> {
        let server = found.aspect(entity, DOMAINS.aspect_name)?;
        if self.keeps_existing
            && let Some(server) = server
            && !DOMAINS.items(&super::object::Object::of(server)?)?.is_empty()
        {
            return Ok(AspectChange::Omit);
        }
        let configured = self.domains.of(entity.as_str())?;
        let server = server.filter(|_| self.semantics.is_patch);
        DOMAINS.change(self.semantics, current, configured, server, found)
    }

    fn next_extra(&mut self, limit: usize) -> Result<Vec<Addition>, Error> {
        self.containers.next_additions(limit)
    }

    fn extra_lookups(&self, addition: &Addition) -> Vec<Lookup> {
        Containers::lookups(addition)
    }

    fn add_extra(
        &mut self,
        addition: &Addition,
        found: &Found,
        output: &mut Vec<Proposal>,
    ) -> Result<(), TransformError> {
        let domains = &self.domains;
        if let Some(items) = self.containers.collect(addition, found, |entity| domains.of(entity.as_str()))?
            && let AspectChange::Write(aspect) = DOMAINS.write(None, &items, found)
        {
            output.push(addition.proposal(DOMAINS.aspect_name, aspect));
        }
        Ok(())
    }
}
