//! The items of lists in aspects.

use std::collections::HashMap;

use super::object::Json;

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
