//! `extract_ownership_from_tags`: owners from the names of tags.

use super::deferred::Deferred;
use super::extract_tags;
use super::list_item::{ListItem, deduplicated};
use super::object::{Object, array, aspect};
use super::ownership::{OWNERS, OwnershipType, owner_item, owners_patch};
use super::pattern::Pattern;
use super::semantics::is_strict;
use super::tags::TAGS;
use super::{Addition, Found, TransformError, Transformer};
use crate::Error;
use crate::metadata::{Aspect, ChangeType, Proposal, Urn};
use crate::recipe::{Fields, Reported};

/// Reads the tags of data sets, and adds owners to them after the last record. The owners are added by a
/// patch, so that those of other records and of the server stay.
struct OwnersFromTags {
    pattern: Pattern,
    /// Longest first.
    mapping: Vec<(String, String)>,
    is_user: bool,
    email_domain: Option<String>,
    kind: Kind,
    /// Writes an upsert in place of the patch, as Python does.
    is_strict: bool,
    owners: Deferred,
    next: Vec<(Urn, String)>,
}

/// The type of the owners.
enum Kind {
    Fixed(OwnershipType),
    /// The id of an ownership type is the first group of the pattern.
    FromPattern,
}

pub(super) fn read(fields: &mut Fields<'_>) -> Result<Box<dyn Transformer>, Reported> {
    // The name of the key in old recipes.
    let key = if fields.has("tag_pattern") { "tag_pattern" } else { "tag_prefix" };
    let given = fields.has(key);
    let pattern = if given { extract_tags::read_pattern(fields, key, "") } else { Pattern::new("").ok() };
    let is_user = fields.boolean("is_user").unwrap_or(true);
    let mut mapping = fields.string_map("tag_character_mapping", false).unwrap_or_default();
    mapping.sort_by_key(|(from, _)| std::cmp::Reverse(from.len()));
    mapping.retain(|(from, _)| !from.is_empty());
    let email_domain = fields.string("email_domain");
    let from_pattern = fields.boolean("extract_owner_type_from_tag_pattern").unwrap_or_default();
    let kind = fields.string("owner_type").unwrap_or_else(|| "TECHNICAL_OWNER".into());
    let urn = fields.string("owner_type_urn");
    let kind = if from_pattern {
        Kind::FromPattern
    } else if OwnershipType::is_name(&kind) && kind != "CUSTOM" {
        Kind::Fixed(OwnershipType { kind, urn: None })
    } else if urn.is_some() {
        Kind::Fixed(OwnershipType { kind: "CUSTOM".into(), urn })
    } else {
        let why = "it is not a type of DataHub's model, so `owner_type_urn` must name an ownership type";
        fields.mistake("owner_type", why);
        return Err(fields.reported());
    };
    let pattern = pattern.ok_or_else(|| fields.reported())?;
    if from_pattern && pattern.groups() == 0 {
        fields.mistake(key, "expected a group, which names the ownership type");
        return Err(fields.reported());
    }
    let (owners, next) = (Deferred::default(), Vec::new());
    let is_strict = is_strict(fields);
    Ok(Box::new(OwnersFromTags { pattern, mapping, is_user, email_domain, kind, is_strict, owners, next }))
}

impl OwnersFromTags {
    fn owner_of(&self, tag: &str) -> Result<Option<ListItem>, TransformError> {
        let name = self.map(tag.strip_prefix("urn:li:tag:").unwrap_or(tag));
        let Some(captures) = self.pattern.search(&name)? else { return Ok(None) };
        let end = captures.get(0).map(|found| found.end()).unwrap_or_default();
        let owner = name.get(end..).unwrap_or_default().trim();
        if owner.is_empty() {
            return Ok(None);
        }
        let domain = self.email_domain.as_ref().map(|domain| format!("@{domain}")).unwrap_or_default();
        let kind = if self.is_user { "corpuser" } else { "corpGroup" };
        let urn = format!("urn:li:{kind}:{owner}{domain}");
        Ok(match &self.kind {
            Kind::Fixed(kind) => Some(owner_item(&urn, Some(kind))),
            Kind::FromPattern => captures.get(1).filter(|group| !group.as_str().is_empty()).map(|group| {
                let kind_urn = format!("urn:li:ownershipType:{}", group.as_str());
                owner_item(&urn, Some(&OwnershipType { kind: "CUSTOM".into(), urn: Some(kind_urn) }))
            }),
        })
    }

    /// Replaces the mapped texts in one pass, the longest one first at each place.
    fn map(&self, name: &str) -> String {
        let mut out = String::with_capacity(name.len());
        let mut rest = name;
        while let Some(first) = rest.chars().next() {
            let hit =
                self.mapping.iter().find_map(|(from, to)| Some((rest.strip_prefix(from.as_str())?, to)));
            if let Some((behind, to)) = hit {
                out.push_str(to);
                rest = behind;
            } else {
                out.push(first);
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
            }
        }
        out
    }

    fn read(&mut self, proposal: &Proposal) -> Result<(), TransformError> {
        let is_read = proposal.change_type() == ChangeType::Upsert
            && proposal.aspect_name() == TAGS.aspect_name
            && proposal.entity_type() == "dataset";
        let Some(tags) = proposal.aspect().filter(|_| is_read) else { return Ok(()) };
        let mut owners = Vec::new();
        for tag in TAGS.items(&Object::of(tags)?)? {
            owners.extend(self.owner_of(&tag.key)?);
        }
        if self.is_strict {
            let owners: Vec<_> = owners.into_iter().map(|owner| owner.json).collect();
            let ownership = Object::default().with(OWNERS.member, array(&owners));
            self.owners.push(proposal.urn(), ownership.to_aspect().as_str());
        } else if !owners.is_empty() {
            self.owners.push(proposal.urn(), owners_patch(&deduplicated(owners)).as_str());
        }
        Ok(())
    }
}

impl Transformer for OwnersFromTags {
    fn transform(
        &mut self,
        proposal: Proposal,
        _found: &Found,
        output: &mut Vec<Proposal>,
    ) -> Result<(), TransformError> {
        self.read(&proposal)?;
        output.push(proposal);
        Ok(())
    }

    fn observe(&mut self, proposal: &Proposal) {
        if let Err(error) = self.read(proposal) {
            tracing::warn!(urn = %proposal.urn(), %error, "no owners are read from these tags");
        }
    }

    fn next_additions(&mut self, limit: usize) -> Result<Vec<Addition>, Error> {
        self.next = self.owners.next(limit)?;
        // The step is the place in the list, because a data set may occur twice.
        Ok(self.next.iter().map(|(entity, _)| Addition::new(entity.clone(), 0)).collect())
    }

    fn add(
        &mut self,
        addition: &Addition,
        _found: &Found,
        output: &mut Vec<Proposal>,
    ) -> Result<(), TransformError> {
        let place = self.next.iter().position(|(entity, _)| *entity == addition.entity);
        let Some(place) = place else { return Ok(()) };
        let (entity, patch) = self.next.remove(place);
        let change = serde_json::from_str::<Object>(&patch)
            .map_err(|error| TransformError::new(format!("the owners: {error}")))?;
        let (change_type, change) = if self.is_strict {
            (ChangeType::Upsert, aspect(&change))
        } else {
            (ChangeType::Patch, aspect(&change).with_content_type(Aspect::JSON_PATCH))
        };
        output.push(Proposal::new(change_type, entity, OWNERS.aspect_name, Some(change)));
        Ok(())
    }
}
