//! The descriptions of keys, from the tables in the documents.

use std::collections::HashMap;

const CONFIGURATION: &str = include_str!("../../../docs/reference/configuration.md");
const TRANSFORMERS: &str = include_str!("../../../docs/guide/transformers.md");

/// The section of docs/reference/configuration.md with the keys of a whole recipe.
const TOP_LEVEL: &str = "Top level";

/// The sections of docs/guide/transformers.md.
const TRANSFORMER_KEYS: &str = "Keys that most transformers have";
const TRANSFORMER_TYPES: &str = "Types";

/// Descriptions by section and key. A section is empty for the top level, or named as its heading (``Sink
/// `file` ``); the section of a transformer is its type.
pub(super) struct Descriptions {
    keys: HashMap<(String, String), String>,
    sections: HashMap<String, String>,
}

impl Descriptions {
    pub(super) fn read() -> Self {
        let mut descriptions = Self { keys: HashMap::new(), sections: HashMap::new() };
        for row in rows(CONFIGURATION) {
            let section = if row.section == TOP_LEVEL { "" } else { row.section };
            descriptions.add(section, &row);
        }
        for row in rows(TRANSFORMERS) {
            match row.section {
                TRANSFORMER_KEYS => descriptions.add(TRANSFORMER_KEYS, &row),
                TRANSFORMER_TYPES => {
                    for kind in row.keys() {
                        let meaning = row.cells.last().map(|cell| plain(cell)).unwrap_or_default();
                        descriptions.sections.insert(kind.to_owned(), meaning);
                    }
                }
                _ => {}
            }
        }
        descriptions
    }

    /// The description of a key.
    pub(super) fn of(&self, section: &str, path: &str) -> Option<String> {
        let find = |section: &str, key: &str| self.keys.get(&(section.to_owned(), key.to_owned())).cloned();
        let name = path.rsplit('.').next().unwrap_or_default();
        let of_transformers =
            || self.sections.contains_key(section).then(|| find(TRANSFORMER_KEYS, name)).flatten();
        find(section, path).or_else(of_transformers)
    }

    /// The effect of a type of transformer.
    pub(super) fn of_section(&self, section: &str) -> Option<String> {
        self.sections.get(section).cloned()
    }

    fn add(&mut self, section: &str, row: &Row<'_>) {
        let Some(meaning) = row.cells.last() else { return };
        let default = row
            .cells
            .get(1)
            .filter(|default| row.cells.len() > 2 && !default.is_empty() && **default != "required");
        let mut text = plain(meaning);
        if let Some(default) = default {
            text = format!("{}. Default: {}", text.trim_end_matches('.'), plain(default));
        }
        for key in row.keys() {
            self.keys.insert((section.to_owned(), key.to_owned()), text.clone());
        }
    }
}

/// A row of a table.
struct Row<'a> {
    /// The heading of level 2 above it.
    section: &'a str,
    cells: Vec<&'a str>,
}

impl<'a> Row<'a> {
    /// The names in the first cell.
    fn keys(&self) -> impl Iterator<Item = &'a str> {
        self.cells.first().into_iter().flat_map(|cell| cell.split('`').skip(1).step_by(2))
    }
}

fn rows(document: &'static str) -> Vec<Row<'static>> {
    let mut section = "";
    let mut rows = Vec::new();
    for line in document.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            section = heading;
        } else if let Some(cells) = line.strip_prefix("| ").and_then(|line| line.strip_suffix(" |")) {
            let cells: Vec<&str> = cells.split(" | ").map(str::trim).collect();
            if cells.first().is_some_and(|cell| cell.starts_with('`')) {
                rows.push(Row { section, cells });
            }
        }
    }
    rows
}

/// Text without links and marks.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        plain += before;
        match after.split_once("][") {
            Some((words, target)) if !words.contains(']') => {
                plain += words;
                rest = target.split_once(']').map_or("", |(_, rest)| rest);
            }
            _ => {
                plain.push('[');
                rest = after;
            }
        }
    }
    plain += rest;
    plain.replace("**+** ", "").replace(" **+**", "").replace('`', "")
}
