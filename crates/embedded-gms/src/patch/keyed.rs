//! Conversion of arrays to maps by the keys of their elements, and back (`ArrayMergingTemplate`).

use super::error::PatchError;
use crate::tree::{Node, Object};

/// Separates the steps to a nested key.
const NESTED: char = '␟';

/// Converts the array in a field to a map, with one level for each key. Without keys, an array of strings
/// becomes a map by its elements. An absent field, or one that is not an array, becomes an empty map.
pub(super) fn to_map<K: AsRef<str>>(object: &mut Object, field: &str, keys: &[K]) -> Result<(), PatchError> {
    let mut map = Node::object();
    if let Some(elements) = object.get_mut(field).map(Node::elements).transpose()?.flatten() {
        for mut element in std::mem::take(elements) {
            let mut place = &mut map;
            for key in keys {
                let key = key_of(&mut element, key.as_ref())?;
                place = place.members()?.ok_or(PatchError::NoObject)?.entry(&key);
            }
            let place = place.members()?.ok_or(PatchError::NoObject)?;
            if keys.is_empty() {
                let key = if element.is_string() { element.as_text() } else { String::new() };
                place.set(&key, element);
                continue;
            }
            let Node::Object(element) = element else {
                return Err(PatchError::Shape(format!("an element of {field} is not an object")));
            };
            for (name, value) in element.into_iter() {
                place.set(&name, value);
            }
        }
    }
    object.set(field, map);
    Ok(())
}

/// Converts the map in a field back to an array. An array that the patch set there is not changed.
pub(super) fn to_array<K: AsRef<str>>(
    object: &mut Object,
    field: &str,
    keys: &[K],
) -> Result<(), PatchError> {
    let mut elements = Vec::new();
    match object.get_mut(field) {
        Some(node) if node.is_array() => return Ok(()),
        Some(node) if !node.is_null() => {
            let map = node.members()?.ok_or_else(|| {
                PatchError::Shape(format!("the patch left {field} neither a map nor an array"))
            })?;
            if keys.is_empty() {
                elements.extend(std::mem::take(map).into_iter().map(|(_, value)| value));
            } else {
                merge(Node::Object(std::mem::take(map)), keys, &mut elements)?;
            }
        }
        _ => {}
    }
    object.set(field, Node::Array(elements));
    Ok(())
}

fn merge<K: AsRef<str>>(mut node: Node, keys: &[K], elements: &mut Vec<Node>) -> Result<(), PatchError> {
    let Some((key, rest)) = keys.split_first() else {
        // A patch may have set an array in place of an element.
        match node.elements()? {
            Some(several) => elements.append(several),
            None => elements.push(node),
        }
        return Ok(());
    };
    if let Some(several) = node.elements()? {
        return std::mem::take(several).into_iter().try_for_each(|node| merge(node, rest, elements));
    }
    let Some(map) = node.members()? else { return Ok(()) };
    for (name, value) in std::mem::take(map).into_iter() {
        let first = elements.len();
        merge(value, rest, elements)?;
        // A key that occurs only in the path is added to the element.
        if name.is_empty() || key.as_ref().contains(NESTED) {
            continue;
        }
        for element in elements.iter_mut().skip(first) {
            if let Some(element) = element.members()?
                && element.get(key.as_ref()).is_none()
            {
                element.set(key.as_ref(), Node::string(&name));
            }
        }
    }
    Ok(())
}

/// The text of a key of an element; empty if absent.
fn key_of(element: &mut Node, key: &str) -> Result<String, PatchError> {
    element.members()?;
    let mut node = element;
    for step in key.split(NESTED) {
        match node.members()?.and_then(|object| object.get_mut(step)) {
            Some(found) => node = found,
            None => return Ok(String::new()),
        }
    }
    Ok(node.as_text())
}
