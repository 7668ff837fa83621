//! `simple_add_ownership`, `pattern_add_ownership` and their forms for data sets.

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::containers::Containers;
use super::json_pointer::pointer;
use super::list::{List, no_members};
use super::list_item::ListItem;
use super::object::{self, Object, aspect};
use super::rules::{Rules, Values};
use super::semantics::Semantics;
use super::tags::urn_of_type;
use super::{
    Addition, AspectChange, AspectTransformer, EntityTypes, Found, Lookup, PerAspect, TransformError,
    Transformer,
};
use crate::Error;
use crate::metadata::{Aspect, ChangeType, Proposal, Urn};
use crate::recipe::{Fields, Reported};

/// The owners of `ownership`.
pub(super) const OWNERS: List =
    List { aspect_name: "ownership", member: "owners", key: owner_key, new: no_members };

/// The types of ownership that DataHub's model has (`OwnershipType.pdl`).
const TYPES: [&str; 12] = [
    "CUSTOM",
    "TECHNICAL_OWNER",
    "BUSINESS_OWNER",
    "DATA_STEWARD",
    "NONE",
    "DEVELOPER",
    "DATAOWNER",
    "DELEGATE",
    "PRODUCER",
    "CONSUMER",
    "STAKEHOLDER",
    "SOURCE_SYSTEM",
];

/// Adds owners.
struct AddOwners {
    semantics: Semantics,
    types: EntityTypes,
    owners: Values,
    /// The containers of the entities get the same owners.
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
    let (semantics, types, kind) = read_shared(fields, is_old);
    let expected = "a list of URNs of users and groups";
    let owners = Values::read_list(fields, "owner_urns", expected, |urn| Ok(owner_item(urn, kind.as_ref())));
    let owners = owners.ok_or_else(|| fields.reported())?;
    kind.ok_or_else(|| fields.reported())?;
    Ok(PerAspect::boxed(AddOwners { semantics, types, owners, containers: Containers::default() }))
}

fn read_pattern(fields: &mut Fields<'_>, is_old: bool) -> Result<Box<dyn Transformer>, Reported> {
    let (semantics, types, kind) = read_shared(fields, is_old);
    let owners = Rules::read(fields, "owner_pattern", |urn| Ok(owner_item(urn, kind.as_ref())));
    let containers = Containers::read(fields);
    let owners = owners.map(Values::Rules).ok_or_else(|| fields.reported())?;
    kind.ok_or_else(|| fields.reported())?;
    Ok(PerAspect::boxed(AddOwners { semantics, types, owners, containers }))
}

/// Reads the keys that all have. The forms for data sets accept `entity_types` without effect.
fn read_shared(fields: &mut Fields<'_>, is_old: bool) -> (Semantics, EntityTypes, Option<OwnershipType>) {
    let semantics = Semantics::read(fields);
    let given = fields.strings("entity_types");
    let types = if is_old {
        EntityTypes::of(EntityTypes::WITHOUT_CONTAINERS)
    } else {
        EntityTypes::configured(given, &EntityTypes::WITH_CONTAINERS)
    };
    // Python reads it and never uses it.
    fields.string("default_actor");
    let kind = match fields.string("ownership_type") {
        None if fields.has("ownership_type") => None,
        None => Some(OwnershipType::named("DATAOWNER")),
        Some(text) => match OwnershipType::parse(&text) {
            Ok(kind) => Some(kind),
            Err(why) => {
                fields.mistake("ownership_type", why);
                None
            }
        },
    };
    (semantics, types, kind)
}

/// The type of an owner.
#[derive(Clone, Debug)]
pub(super) struct OwnershipType {
    pub(super) kind: String,
    pub(super) urn: Option<String>,
}

impl OwnershipType {
    fn named(kind: &str) -> Self {
        Self { kind: kind.to_owned(), urn: None }
    }

    /// A name of DataHub's model in any case, or the URN of an ownership type.
    fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with("urn:li:") {
            let urn = urn_of_type(text, "ownershipType")?;
            return Ok(Self { kind: "CUSTOM".into(), urn: Some(urn.as_str().to_owned()) });
        }
        match TYPES.iter().find(|kind| kind.eq_ignore_ascii_case(text)) {
            Some(kind) => Ok(Self::named(kind)),
            None => Err(format!(
                "unknown ownership type {text:?}: expected the URN of an ownership type, or one of {}",
                TYPES.join(", ")
            )),
        }
    }

    /// Whether `text` is exactly a name of DataHub's model.
    pub(super) fn is_name(text: &str) -> bool {
        TYPES.contains(&text)
    }
}

/// An item of `ownership`.
pub(super) fn owner_item(urn: &str, kind: Option<&OwnershipType>) -> ListItem {
    let kind = kind.cloned().unwrap_or_else(|| OwnershipType::named("DATAOWNER"));
    let mut owner = Object::default().with("owner", object::json(urn)).with("type", object::json(&kind.kind));
    if let Some(urn) = &kind.urn {
        owner.set("typeUrn", object::json(urn));
    }
    let json = owner.to_json();
    ListItem { key: owner_key(&json), json }
}

/// A patch that adds owners and leaves the others.
pub(super) fn owners_patch(owners: &[ListItem]) -> Aspect {
    let operations = owners
        .iter()
        .map(|owner| json!({"op": "add", "path": format!("/owners/{}", owner.key), "value": owner.json}));
    let patch = json!({
        "arrayPrimaryKeys": {"owners": ["owner", "type", "typeUrn", "attribution␟source"]},
        "patch": operations.collect::<Vec<_>>(),
    });
    aspect(&patch).with_content_type(Aspect::JSON_PATCH)
}

/// Owners are the same if owner, type, type's URN and the source of the attribution are.
fn owner_key(item: &RawValue) -> String {
    #[derive(Deserialize)]
    struct Attribution {
        source: Option<String>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Identity {
        owner: String,
        r#type: Option<String>,
        type_urn: Option<String>,
        attribution: Option<Attribution>,
    }
    match serde_json::from_str::<Identity>(item.get()) {
        Ok(Identity { owner, r#type, type_urn, attribution }) => {
            let source = attribution.and_then(|attribution| attribution.source).unwrap_or_default();
            [owner, r#type.unwrap_or_default(), type_urn.unwrap_or_default(), source]
                .map(|part| pointer(&part))
                .join("/")
        }
        Err(_) => item.get().to_owned(),
    }
}

impl AspectTransformer for AddOwners {
    fn aspect_name(&self) -> &'static str {
        OWNERS.aspect_name
    }

    fn entity_types(&self) -> EntityTypes {
        self.types.clone()
    }

    fn needs_graph(&self) -> Option<&'static str> {
        self.semantics.needs_graph().or_else(|| self.containers.needs_graph())
    }

    fn lookups(&self, _entity: &Urn, _current: Option<&Aspect>) -> Vec<&'static str> {
        self.semantics.lookups(OWNERS.aspect_name)
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
        let configured = self.owners.of(entity.as_str())?;
        let server = found.aspect(entity, OWNERS.aspect_name)?;
        OWNERS.change(self.semantics, current, configured, server, found)
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
        let owners = &self.owners;
        if let Some(items) = self.containers.collect(addition, found, |entity| owners.of(entity.as_str()))? {
            let patch = owners_patch(&items);
            output.push(Proposal::new(
                ChangeType::Patch,
                addition.entity.clone(),
                OWNERS.aspect_name,
                Some(patch),
            ));
        }
        Ok(())
    }
}
