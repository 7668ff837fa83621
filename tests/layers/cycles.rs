//! Cycles between files.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::imports::Import;

/// The imports that leave each file, one for each file that they lead to.
type Graph<'a> = BTreeMap<&'a str, BTreeMap<&'a str, &'a Import>>;

/// Describes a shortest cycle through each file that is in one; a file that an earlier one names is left out.
pub(crate) fn describe(imports: &[Import]) -> Vec<String> {
    let mut graph = Graph::new();
    // A parent is made of its children.
    let is_own_child = |import: &Import| import.to.starts_with(&import.from);
    for import in imports.iter().filter(|import| import.is_used && !is_own_child(import)) {
        graph.entry(&import.from_file).or_default().entry(&import.to_file).or_insert(import);
    }
    let mut named = BTreeSet::new();
    let mut described = Vec::new();
    for file in graph.keys() {
        if named.contains(file) {
            continue;
        }
        if let Some(cycle) = shortest_cycle(&graph, file) {
            let mut lines = vec!["a cycle between files:".to_owned()];
            for import in cycle {
                named.insert(import.from_file.as_str());
                let Import { from_file, path, to_file, .. } = import;
                lines.push(format!("    {from_file} imports {path} of {to_file}"));
            }
            described.push(lines.join("\n"));
        }
    }
    described
}

/// A shortest way from `start` back to it.
fn shortest_cycle<'a>(graph: &Graph<'a>, start: &'a str) -> Option<Vec<&'a Import>> {
    let mut came_by: BTreeMap<&str, &Import> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(file) = queue.pop_front() {
        for (next, import) in graph.get(file).into_iter().flatten() {
            if came_by.contains_key(next) {
                continue;
            }
            came_by.insert(next, import);
            if *next == start {
                let mut cycle = vec![*import];
                while cycle[cycle.len() - 1].from_file != start {
                    cycle.push(came_by[cycle[cycle.len() - 1].from_file.as_str()]);
                }
                cycle.reverse();
                return Some(cycle);
            }
            queue.push_back(next);
        }
    }
    None
}
