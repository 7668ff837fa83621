//! Rules: lists of values for what matches a pattern (`KeyValuePattern` of DataHub's Python client).

use std::collections::HashSet;

use super::TransformError;
use super::list_item::ListItem;
use super::pattern::{Candidates, Pattern};
use crate::recipe::{Fields, Value};

/// Rules in the order of the recipe.
#[derive(Debug, Default)]
pub(super) struct Rules {
    list: Vec<Rule>,
    candidates: Candidates,
    first_match_only: bool,
}

#[derive(Debug)]
struct Rule {
    pattern: Pattern,
    items: Vec<ListItem>,
}

impl Rules {
    /// Reads a block of `rules` and `first_match_only`. `item` makes the item of a value, or says what is
    /// wrong with it.
    pub(super) fn read(
        fields: &mut Fields<'_>,
        key: &'static str,
        item: impl FnMut(&str) -> Result<ListItem, String>,
    ) -> Option<Self> {
        Self::read_rules(fields, key, false, item)
    }

    fn read_rules(
        fields: &mut Fields<'_>,
        key: &'static str,
        takes_text: bool,
        mut item: impl FnMut(&str) -> Result<ListItem, String>,
    ) -> Option<Self> {
        if !fields.has(key) {
            // Without rules nothing matches, as in Python.
            return Some(Self::default());
        }
        let mut block = fields.block(key);
        let first_match_only = block.boolean("first_match_only").unwrap_or(true);
        let mut rules = Vec::new();
        let mut is_right = true;
        if let Some(node) = block.node("rules") {
            let Some(entries) = node.entries() else {
                block.mistake("rules", "expected a mapping of regular expressions to lists");
                return None;
            };
            for entry in entries {
                let mut mistake = |what: String| {
                    is_right = false;
                    block.mistake("rules", format!("the rule {:?}: {what}", entry.key));
                };
                let pattern = match Pattern::new(&entry.key) {
                    Ok(pattern) => pattern,
                    Err(why) => {
                        mistake(why);
                        continue;
                    }
                };
                let texts: Option<Vec<&str>> = match &entry.node.value {
                    Value::List(items) => items.iter().map(|item| item.as_str()).collect(),
                    Value::String(text) if takes_text => Some(vec![text.as_str()]),
                    _ => None,
                };
                let Some(texts) = texts else {
                    mistake("expected a list of strings".into());
                    continue;
                };
                let mut items = Vec::with_capacity(texts.len());
                for text in texts {
                    match item(text) {
                        Ok(item) => items.push(item),
                        Err(why) => mistake(why),
                    }
                }
                rules.push((pattern, items));
            }
        } else {
            block.missing("rules", "a mapping of regular expressions to lists");
            is_right = false;
        }
        block.finish();
        if !is_right {
            return None;
        }
        match Self::new(rules, first_match_only) {
            Ok(rules) => Some(rules),
            Err(why) => {
                fields.mistake(key, why);
                None
            }
        }
    }

    /// As [`read`](Self::read), for rules that have one value each: in a list, or as it is.
    pub(super) fn read_single(
        fields: &mut Fields<'_>,
        key: &'static str,
        item: impl FnMut(&str) -> Result<ListItem, String>,
    ) -> Option<Self> {
        let rules = Self::read_rules(fields, key, true, item)?;
        if rules.list.iter().any(|rule| rule.items.len() > 1) {
            fields.mistake(
                key,
                "a data set cannot be an asset of two data products: expected one value for each rule",
            );
            return None;
        }
        Some(rules)
    }

    fn new(rules: Vec<(Pattern, Vec<ListItem>)>, first_match_only: bool) -> Result<Self, String> {
        let candidates = Candidates::new(rules.iter().map(|(pattern, _)| pattern.literals()))?;
        let list = rules.into_iter().map(|(pattern, items)| Rule { pattern, items }).collect();
        Ok(Self { list, candidates, first_match_only })
    }

    /// The items for `text`: those of the first matching rule, or of all, without duplicates.
    pub(super) fn items(&self, text: &str) -> Result<Vec<ListItem>, TransformError> {
        let mut items: Vec<ListItem> = Vec::new();
        let mut seen = HashSet::new();
        for rule in self.candidates.of(text).filter_map(|index| self.list.get(index)) {
            if !rule.pattern.matches_start(text)? {
                continue;
            }
            if self.first_match_only {
                return Ok(rule.items.clone());
            }
            items.extend(rule.items.iter().filter(|item| seen.insert(item.key.clone())).cloned());
        }
        Ok(items)
    }

    /// All items of all rules.
    pub(super) fn all_items_mut(&mut self) -> impl Iterator<Item = &mut ListItem> {
        self.list.iter_mut().flat_map(|rule| rule.items.iter_mut())
    }
}

/// The values of a transformer: the same for every entity, or by rules on a text.
#[derive(Debug)]
pub(super) enum Values {
    Fixed(Vec<ListItem>),
    Rules(Rules),
}

impl Values {
    /// The items for an entity, or for a field.
    pub(super) fn of(&self, text: &str) -> Result<Vec<ListItem>, TransformError> {
        match self {
            Self::Fixed(items) => Ok(items.clone()),
            Self::Rules(rules) => rules.items(text),
        }
    }

    /// Reads a required list of strings.
    pub(super) fn read_list(
        fields: &mut Fields<'_>,
        key: &'static str,
        expected: &str,
        mut item: impl FnMut(&str) -> Result<ListItem, String>,
    ) -> Option<Self> {
        fields.missing(key, expected);
        let texts = fields.strings(key)?;
        let mut items = Vec::with_capacity(texts.len());
        let mut is_right = true;
        for text in &texts {
            match item(text) {
                Ok(item) => items.push(item),
                Err(why) => {
                    is_right = false;
                    fields.mistake(key, why);
                }
            }
        }
        is_right.then_some(Self::Fixed(items))
    }

    /// All items, to complete them at the start.
    pub(super) fn all_mut(&mut self) -> Vec<&mut ListItem> {
        match self {
            Self::Fixed(items) => items.iter_mut().collect(),
            Self::Rules(rules) => rules.all_items_mut().collect(),
        }
    }
}
