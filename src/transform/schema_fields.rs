//! `pattern_add_dataset_schema_tags` and `pattern_add_dataset_schema_terms`: tags and terms of columns.

use std::collections::HashMap;

use super::list::List;
use super::list_item::{ListItem, deduplicated};
use super::object::{Json, Object};
use super::rules::Rules;
use super::semantics::Semantics;
use super::tags::{TAGS, tag_item};
use super::terms::{TERMS, term_item};
use super::{AspectChange, AspectTransformer, EntityTypes, Found, PerAspect, TransformError, Transformer};
use crate::metadata::{Aspect, Urn};
use crate::recipe::{Fields, Reported};

const SCHEMA: &str = "schemaMetadata";

/// Adds tags or terms to the columns whose field path a rule matches.
struct AddToColumns {
    semantics: Semantics,
    rules: Rules,
    /// The member of a column, which holds `list`.
    member: &'static str,
    list: List,
    /// The order of the result.
    order: Order,
}

/// The order in which a column's items are written. Python's transformers differ.
#[derive(Clone, Copy)]
enum Order {
    /// First the items that the server lacks, then those that it has.
    ServerLast,
    ServerFirst,
}

pub(super) fn tags(fields: &mut Fields<'_>) -> Result<Box<dyn Transformer>, Reported> {
    let semantics = Semantics::read(fields);
    let rules = Rules::read(fields, "tag_pattern", tag_item).ok_or_else(|| fields.reported())?;
    let (member, list, order) = (TAGS.aspect_name, TAGS, Order::ServerLast);
    Ok(PerAspect::boxed(AddToColumns { semantics, rules, member, list, order }))
}

pub(super) fn terms(fields: &mut Fields<'_>) -> Result<Box<dyn Transformer>, Reported> {
    let semantics = Semantics::read(fields);
    let rules = Rules::read(fields, "term_pattern", term_item).ok_or_else(|| fields.reported())?;
    let (member, list, order) = (TERMS.aspect_name, TERMS, Order::ServerFirst);
    Ok(PerAspect::boxed(AddToColumns { semantics, rules, member, list, order }))
}

impl AspectTransformer for AddToColumns {
    fn aspect_name(&self) -> &'static str {
        SCHEMA
    }

    fn entity_types(&self) -> EntityTypes {
        EntityTypes::of(["dataset"])
    }

    fn needs_graph(&self) -> Option<&'static str> {
        self.semantics.needs_graph()
    }

    /// With PATCH, the schema on the server is changed if no record has one.
    fn adds(&self) -> bool {
        self.semantics.is_patch
    }

    fn lookups(&self, _entity: &Urn, _current: Option<&Aspect>) -> Vec<&'static str> {
        self.semantics.lookups(SCHEMA)
    }

    fn change(
        &mut self,
        entity: &Urn,
        current: Option<&Aspect>,
        found: &Found,
    ) -> Result<AspectChange, TransformError> {
        let server = found.aspect(entity, SCHEMA)?.filter(|_| self.semantics.is_patch);
        // Without a schema in a record, the one of the server is changed as if it were in a record.
        let Some(base) = current.or(server) else { return Ok(AspectChange::Keep) };
        let mut schema = Object::of(base)?;
        let server = server
            .filter(|_| current.is_some())
            .map(|server| self.items_by_path(server))
            .transpose()?
            .unwrap_or_default();
        let mut fields = schema.items("fields")?;
        let mut is_changed = false;
        for field in &mut fields {
            if let Some(changed) = self.change_field(field, &server, found)? {
                *field = changed;
                is_changed = true;
            }
        }
        if !is_changed {
            return Ok(AspectChange::Keep);
        }
        schema.set_items("fields", &fields);
        Ok(AspectChange::Write(schema.to_aspect()))
    }
}

impl AddToColumns {
    /// The items of the columns that the server has, by field path.
    fn items_by_path(&self, schema: &Aspect) -> Result<HashMap<String, Vec<ListItem>>, TransformError> {
        let mut by_path = HashMap::new();
        for field in Object::of(schema)?.items("fields")? {
            let field = parse_field(&field)?;
            if let Some(path) = field.text("fieldPath") {
                by_path.insert(path, self.items_of(&field)?);
            }
        }
        Ok(by_path)
    }

    fn holder_of(&self, field: &Object) -> Result<Option<Object>, TransformError> {
        let Some(holder) = field.get(self.member) else { return Ok(None) };
        serde_json::from_str(holder.get())
            .map_err(|_| TransformError::new(format!("`{}` of a field: expected an object", self.member)))
    }

    fn items_of(&self, field: &Object) -> Result<Vec<ListItem>, TransformError> {
        match self.holder_of(field)? {
            Some(holder) => self.list.items(&holder),
            None => Ok(Vec::new()),
        }
    }

    /// The changed field; `None` if no rule matches it, or if nothing changes.
    fn change_field(
        &self,
        field: &Json,
        server: &HashMap<String, Vec<ListItem>>,
        found: &Found,
    ) -> Result<Option<Json>, TransformError> {
        let mut field = parse_field(field)?;
        let Some(path) = field.text("fieldPath") else { return Ok(None) };
        let configured = self.rules.items(&path)?;
        if configured.is_empty() {
            return Ok(None);
        }
        let holder = self.holder_of(&field)?;
        let before = match &holder {
            Some(holder) => self.list.items(holder)?,
            None => Vec::new(),
        };
        let mut own = configured;
        if !self.semantics.replaces {
            own.extend(before.iter().cloned());
        }
        let server = server.get(&path).cloned().unwrap_or_default();
        let items = match self.order {
            Order::ServerFirst => server.into_iter().chain(own).collect(),
            Order::ServerLast => {
                own.retain(|item| !server.iter().any(|known| known.key == item.key));
                own.into_iter().chain(server).collect()
            }
        };
        match self.list.write(
            Some(holder.unwrap_or_else(|| (self.list.new)(found))),
            &deduplicated(items),
            found,
        ) {
            AspectChange::Write(aspect) => {
                let holder = Object::of(&aspect)?;
                field.set(self.member, holder.to_json());
                Ok(Some(field.to_json()))
            }
            _ => Ok(None),
        }
    }
}

fn parse_field(field: &Json) -> Result<Object, TransformError> {
    Object::parse(field.get()).map_err(|_| TransformError::new("a field of the schema: expected an object"))
}
