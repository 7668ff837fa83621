//! Lists of an aspect, for example the tags of `globalTags`, and how their items are recognised.

use serde_json::value::RawValue;

use super::list_item::ListItem;
use super::object::{Json, Object};
use super::semantics::Semantics;
use super::{AspectChange, Found, TransformError};
use crate::metadata::Aspect;

/// A list in an aspect.
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    pub(super) aspect_name: &'static str,
    /// The member that is the list.
    pub(super) member: &'static str,
    /// The key of an item.
    pub(super) key: fn(&RawValue) -> String,
    /// The other members of a new aspect.
    pub(super) new: fn(&Found) -> Object,
}

impl List {
    /// The items of an aspect.
    pub(super) fn items(&self, aspect: &Object) -> Result<Vec<ListItem>, TransformError> {
        let items = aspect.items(self.member)?;
        Ok(items.into_iter().map(|json| ListItem { key: (self.key)(&json), json }).collect())
    }

    /// Combines the list of a record, the configured items, and the list of the server.
    pub(super) fn change(
        &self,
        semantics: Semantics,
        current: Option<&Aspect>,
        configured: Vec<ListItem>,
        server: Option<&Aspect>,
        found: &Found,
    ) -> Result<AspectChange, TransformError> {
        let record = current.map(Object::of).transpose()?;
        let items = record.as_ref().map(|record| self.items(record)).transpose()?;
        let server = match server {
            Some(aspect) => self.items(&Object::of(aspect)?)?,
            None => Vec::new(),
        };
        Ok(match semantics.combine(items, configured, || server) {
            Some(items) => self.write(record, &items, found),
            None => AspectChange::Omit,
        })
    }

    /// Writes the items to the aspect of a record, or to a new one.
    pub(super) fn write(&self, record: Option<Object>, items: &[ListItem], found: &Found) -> AspectChange {
        let unchanged = record.as_ref().is_some_and(|record| {
            record.items(self.member).is_ok_and(|before| {
                before.len() == items.len()
                    && before.iter().zip(items).all(|(before, after)| before.get() == after.json.get())
            })
        });
        if unchanged {
            return AspectChange::Keep;
        }
        let mut object = record.unwrap_or_else(|| (self.new)(found));
        let items: Vec<Json> = items.iter().map(|item| item.json.clone()).collect();
        object.set_items(self.member, &items);
        AspectChange::Write(object.to_aspect())
    }
}

/// An aspect without other members.
pub(super) fn no_members(_found: &Found) -> Object {
    Object::default()
}

/// The text of an item that is a string, or else its JSON.
pub(super) fn text_key(item: &RawValue) -> String {
    serde_json::from_str(item.get()).unwrap_or_else(|_| item.get().to_owned())
}
