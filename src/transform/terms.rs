//! `simple_add_dataset_terms` and `pattern_add_dataset_terms`.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::list::List;
use super::list_item::ListItem;
use super::object::{Json, Object, array, json};
use super::rules::{Rules, Values};
use super::semantics::Semantics;
use super::tags::urn_of_type;
use super::{AspectChange, AspectTransformer, EntityTypes, Found, PerAspect, TransformError, Transformer};
use crate::metadata::{Aspect, Urn};
use crate::recipe::{Fields, Reported};

/// The terms of `glossaryTerms`.
pub(super) const TERMS: List =
    List { aspect_name: "glossaryTerms", member: "terms", key: term_key, new: new_terms };

/// The actor that DataHub's Python client names in an audit stamp.
const ACTOR: &str = "urn:li:corpUser:restEmitter";

/// Adds glossary terms to data sets.
struct AddTerms {
    semantics: Semantics,
    terms: Values,
}

pub(super) fn simple(fields: &mut Fields<'_>) -> Result<Box<dyn Transformer>, Reported> {
    let semantics = Semantics::read(fields);
    let terms = Values::read_list(fields, "term_urns", "a list of URNs of glossary terms", term_item);
    boxed(fields, semantics, terms)
}

pub(super) fn pattern(fields: &mut Fields<'_>) -> Result<Box<dyn Transformer>, Reported> {
    let semantics = Semantics::read(fields);
    let terms = Rules::read(fields, "term_pattern", term_item).map(Values::Rules);
    boxed(fields, semantics, terms)
}

fn boxed(
    fields: &Fields<'_>,
    semantics: Semantics,
    terms: Option<Values>,
) -> Result<Box<dyn Transformer>, Reported> {
    let terms = terms.ok_or_else(|| fields.reported())?;
    Ok(PerAspect::boxed(AddTerms { semantics, terms }))
}

impl AspectTransformer for AddTerms {
    fn aspect_name(&self) -> &'static str {
        TERMS.aspect_name
    }

    fn entity_types(&self) -> EntityTypes {
        EntityTypes::of(["dataset"])
    }

    fn needs_graph(&self) -> Option<&'static str> {
        self.semantics.needs_graph()
    }

    fn lookups(&self, _entity: &Urn, _current: Option<&Aspect>) -> Vec<&'static str> {
        self.semantics.lookups(TERMS.aspect_name)
    }

    fn change(
        &mut self,
        entity: &Urn,
        current: Option<&Aspect>,
        found: &Found,
    ) -> Result<AspectChange, TransformError> {
        let configured = self.terms.of(entity.as_str())?;
        let server = found.aspect(entity, TERMS.aspect_name)?;
        TERMS.change(self.semantics, current, configured, server, found)
    }
}

/// An item of `glossaryTerms`.
pub(super) fn term_item(urn: &str) -> Result<ListItem, String> {
    let term = urn_of_type(urn, "glossaryTerm")?;
    Ok(ListItem { key: term.as_str().to_owned(), json: json(&serde_json::json!({"urn": term})) })
}

/// The audit stamp of a change at this time.
pub(super) fn audit_stamp(found: &Found) -> Json {
    json(&serde_json::json!({"time": found.now_ms(), "actor": ACTOR}))
}

fn new_terms(found: &Found) -> Object {
    Object::default().with("terms", array(&[])).with("auditStamp", audit_stamp(found))
}

pub(super) fn term_key(item: &RawValue) -> String {
    #[derive(Deserialize)]
    struct Term {
        urn: String,
    }
    serde_json::from_str(item.get()).map_or_else(|_| item.get().to_owned(), |item: Term| item.urn)
}
