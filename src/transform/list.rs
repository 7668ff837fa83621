//! Lists of an aspect, for example the tags of `globalTags`, and how their items are recognised.

use std::collections::HashMap;

use serde_json::value::RawValue;

use super::object::{Json, Object};
use super::semantics::Semantics;
use super::{AspectChange, Found, TransformError};
use crate::metadata::Aspect;

/// An item of a list.
#[derive(Clone, Debug)]
pub(super) struct ListItem {
    /// Items with the same key are the same.
    pub(super) key: String,
    pub(super) json: Json,
}

/// Removes duplicates: the last one of several stands in the place of the first one.
pub(super) fn deduplicated(items: Vec<ListItem>) -> Vec<ListItem> {
    let mut places = HashMap::with_capacity(items.len());
    let mut kept: Vec<ListItem> = Vec::with_capacity(items.len());
    for item in items {
        let place = *places.entry(item.key.clone()).or_insert(kept.len());
        match kept.get_mut(place) {
            Some(earlier) => *earlier = item,
            None => kept.push(item),
        }
    }
    kept
}

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

#[cfg(test)]
mod tests {
    use super::super::object::json;
    use super::*;

    fn item(key: &str, value: u32) -> ListItem {
        ListItem { key: key.into(), json: json(&value) }
    }

    #[test]
    fn a_duplicate_keeps_the_first_place_and_the_last_value() {
        let kept = deduplicated(vec![item("a", 1), item("b", 2), item("a", 3)]);
        let kept: Vec<_> = kept.iter().map(|item| (item.key.as_str(), item.json.get())).collect();
        assert_eq!(kept, [("a", "3"), ("b", "2")]);
    }
}
