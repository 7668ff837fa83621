//! `set_attribution`: says which source has set tags, owners and terms.
//!
//! An upsert becomes a patch that replaces only what the same source has set before.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::json_pointer::pointer;
use super::list::List;
use super::list_item::ListItem;
use super::object::{self, Json, Object, aspect};
use super::ownership::OWNERS;
use super::tags::TAGS;
use super::terms::TERMS;
use super::{Found, TransformError, Transformer};
use crate::metadata::{Aspect, ChangeType, Proposal};
use crate::recipe::{Fields, Reported};

/// The actor of an attribution without `actor`.
const DEFAULT_ACTOR: &str = "urn:li:corpuser:datahub";

/// Sets the attribution of tags, owners and terms.
struct SetAttribution {
    source: String,
    actor: Option<String>,
    source_detail: Option<Object>,
    /// One operation for each item, in place of one for all.
    is_patch_mode: bool,
}

pub(super) fn read(fields: &mut Fields<'_>) -> Result<Box<dyn Transformer>, Reported> {
    fields.missing("attribution_source", "the URN of what sets the tags, owners and terms");
    let source = fields.string("attribution_source");
    let actor = if fields.is_null("actor") {
        None
    } else {
        Some(fields.string("actor").unwrap_or_else(|| DEFAULT_ACTOR.to_owned()))
    };
    if let Some(actor) = actor.as_ref().filter(|actor| !actor.is_empty() && !actor.starts_with("urn:li:")) {
        fields.mistake("actor", format!("expected the URN of a user, found {actor:?}"));
        return Err(fields.reported());
    }
    let detail = fields.string_map("source_detail", false);
    let is_patch_mode = fields.boolean("patch_mode").unwrap_or_default();
    let source = source.ok_or_else(|| fields.reported())?;
    if let Err(error) = crate::metadata::Urn::parse(&source) {
        fields.mistake("attribution_source", error.to_string());
        return Err(fields.reported());
    }
    let source_detail = detail.map(|detail| {
        let mut object = Object::default();
        for (name, value) in detail {
            object.set(&name, object::json(&value));
        }
        object
    });
    Ok(Box::new(SetAttribution { source, actor, source_detail, is_patch_mode }))
}

/// The lists that have attributions, and the member that identifies an item.
const LISTS: [(List, &str); 3] = [(TAGS, "tag"), (OWNERS, "owner"), (TERMS, "urn")];

/// A patch with array keys (`GenericJsonPatch`).
#[derive(Deserialize)]
struct GenericPatch {
    patch: Vec<Operation>,
}

#[derive(Clone, Deserialize, Serialize)]
struct Operation {
    op: String,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Json>,
}

impl Transformer for SetAttribution {
    fn transform(
        &mut self,
        proposal: Proposal,
        found: &Found,
        output: &mut Vec<Proposal>,
    ) -> Result<(), TransformError> {
        output.push(match (list_of(&proposal), proposal.aspect()) {
            (Some((list, id)), Some(current)) => match proposal.change_type() {
                ChangeType::Upsert => {
                    let patch = self.attribute(&list, id, &Object::of(current)?, found)?;
                    to_patch(&proposal, patch)
                }
                ChangeType::Patch => match self.attribute_patch(&list, id, current, found) {
                    Some(patch) => proposal.with_aspect(Some(patch)),
                    None => proposal,
                },
                _ => proposal,
            },
            _ => proposal,
        });
        Ok(())
    }
}

fn list_of(proposal: &Proposal) -> Option<(List, &'static str)> {
    LISTS.into_iter().find(|(list, _)| list.aspect_name == proposal.aspect_name())
}

/// The patch in place of the proposal, with its system metadata.
fn to_patch(proposal: &Proposal, patch: Aspect) -> Proposal {
    let name = crate::metadata::model::intern(proposal.aspect_name());
    let mut changed = Proposal::new(ChangeType::Patch, proposal.urn().clone(), name, Some(patch));
    if let Some(metadata) = proposal.system_metadata() {
        changed = changed.with_system_metadata(metadata.clone());
    }
    if let Some(origin) = proposal.origin() {
        changed = changed.with_origin(origin.clone());
    }
    for (name, value) in proposal.headers() {
        changed = changed.with_header(name, value);
    }
    changed
}

impl SetAttribution {
    fn attribution(&self, found: &Found) -> Json {
        let mut attribution = Object::default().with("time", object::json(&found.now_ms()));
        if let Some(actor) = &self.actor {
            attribution.set("actor", object::json(actor));
        }
        attribution.set("source", object::json(&self.source));
        if let Some(detail) = &self.source_detail {
            attribution.set("sourceDetail", detail.to_json());
        }
        attribution.to_json()
    }

    fn attribute(
        &self,
        list: &List,
        id: &str,
        current: &Object,
        found: &Found,
    ) -> Result<Aspect, TransformError> {
        let attribution = self.attribution(found);
        let mut items: Vec<ListItem> = Vec::new();
        for item in current.items(list.member)? {
            let item = Object::parse(item.get()).map_err(|_| {
                TransformError::new(format!("an item of `{}`: expected an object", list.member))
            })?;
            let Some(key) = item.text(id) else {
                return Err(TransformError::new(format!("an item of `{}` has no `{id}`", list.member)));
            };
            items.push(ListItem { key, json: item.with("attribution", attribution.clone()).to_json() });
        }
        let source = pointer(&self.source);
        let operations: Vec<Operation> = if self.is_patch_mode {
            items
                .into_iter()
                .map(|item| Operation {
                    op: "add".into(),
                    path: format!("/{}/{source}/{}", list.member, pointer(&item.key)),
                    from: None,
                    value: Some(item.json),
                })
                .collect()
        } else {
            let mut by_id = Object::default();
            for item in items {
                by_id.set(&item.key, item.json);
            }
            vec![Operation {
                op: "add".into(),
                path: format!("/{}/{source}", list.member),
                from: None,
                value: Some(by_id.to_json()),
            }]
        };
        Ok(generic_patch(list, id, &operations))
    }

    /// The patch with attributions; `None` if it is of a form that has none.
    fn attribute_patch(&self, list: &List, id: &str, patch: &Aspect, found: &Found) -> Option<Aspect> {
        let source = pointer(&self.source);
        let own = format!("/{}/{source}/", list.member);
        if let Ok(operations) = serde_json::from_str::<Vec<Operation>>(patch.as_str()) {
            // A plain list has no keys of arrays: its paths end with the id of an item.
            let prefix = format!("/{}/", list.member);
            let operations = operations.into_iter().map(|operation| {
                let rest = operation.path.strip_prefix(&prefix)?;
                let item = rest.split('/').next().unwrap_or(rest);
                let attributed = format!("{own}{item}");
                Some(Operation { path: attributed, ..self.with_attribution(operation, found) })
            });
            let operations: Option<Vec<Operation>> = operations.collect();
            return Some(generic_patch(list, id, &operations?));
        }
        let generic: GenericPatch = serde_json::from_str(patch.as_str()).ok()?;
        let whole = own.trim_end_matches('/');
        let is_own = |operation: &Operation| operation.path.starts_with(&own) || operation.path == whole;
        if !generic.patch.iter().any(is_own) {
            tracing::warn!(source = self.source, "a patch of another source passes without attribution");
            return None;
        }
        let operations: Vec<Operation> = generic
            .patch
            .into_iter()
            .map(|operation| match operation.path == whole {
                true => self.with_attributions(operation, found),
                false if is_own(&operation) => self.with_attribution(operation, found),
                false => operation,
            })
            .collect();
        let mut changed = Object::parse(patch.as_str()).ok()?;
        changed.set("patch", object::json(&operations));
        if changed.get("arrayPrimaryKeys").is_none() {
            changed.set("arrayPrimaryKeys", object::json(&array_keys(list, id)));
            changed.set("forceGenericPatch", object::json(&true));
        }
        Some(aspect(&changed).with_content_type(Aspect::JSON_PATCH))
    }

    /// As [`with_attribution`](Self::with_attribution), for an operation on all items of the source: its
    /// value is a mapping of ids to items.
    fn with_attributions(&self, operation: Operation, found: &Found) -> Operation {
        let items = operation.value.as_ref().and_then(|value| Object::parse(value.get()).ok());
        let Some(items) = items.filter(|_| operation.op != "remove") else { return operation };
        let mut changed = Object::default();
        for (id, item) in items.members() {
            let item = match Object::parse(item.get()) {
                Ok(item) => item.with("attribution", self.attribution(found)).to_json(),
                Err(_) => item.to_owned(),
            };
            changed.set(id, item);
        }
        Operation { value: Some(changed.to_json()), ..operation }
    }

    fn with_attribution(&self, operation: Operation, found: &Found) -> Operation {
        let value = operation.value.as_ref().and_then(|value| Object::parse(value.get()).ok());
        match value {
            Some(value) if operation.op != "remove" => {
                let value = value.with("attribution", self.attribution(found)).to_json();
                Operation { value: Some(value), ..operation }
            }
            _ => operation,
        }
    }
}

fn array_keys(list: &List, id: &str) -> serde_json::Value {
    json!({list.member: ["attribution␟source", id]})
}

fn generic_patch(list: &List, id: &str, operations: &[Operation]) -> Aspect {
    let patch = json!({
        "arrayPrimaryKeys": array_keys(list, id),
        "patch": operations,
        "forceGenericPatch": true,
    });
    aspect(&patch).with_content_type(Aspect::JSON_PATCH)
}
