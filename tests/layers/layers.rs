//! Which module may import which.

use std::collections::BTreeSet;

use crate::imports::Import;
use crate::modules::Modules;

/// For each top-level module of a crate: the top-level modules that it may import.
pub(crate) struct Layers {
    /// Modules that import only one another.
    pub(crate) bottom: &'static [&'static str],
    /// The others, and what each may import besides the bottom.
    pub(crate) above: &'static [(&'static str, &'static [&'static str])],
}

/// The layers of docs/architecture.md.
pub(crate) const LIBRARY: Layers = Layers {
    bottom: &[
        "_documentation",
        "atomic_write",
        "box_future",
        "clock",
        "diagnosis",
        "display_text",
        "duration",
        "environment",
        "error",
        "external_sort",
        "file_system",
        "foreign_file",
        "hex",
        "http",
        "metadata",
        "platform",
        "redact",
        "spool",
        "suggest",
        "threads",
    ],
    above: &[
        ("recipe", &[]),
        ("auth", &[]),
        ("gms", &["auth"]),
        ("emitter", &["auth", "gms"]),
        ("source", &["recipe"]),
        ("sink", &["recipe", "auth", "gms", "emitter"]),
        ("transform", &["recipe"]),
        ("pipeline", &["recipe", "auth", "gms", "emitter", "source", "transform", "sink", "embedded"]),
        ("embedded", &[]),
    ],
};

impl Layers {
    /// The imports that lead upwards, and the modules that have no layer.
    pub(crate) fn violations(&self, modules: &Modules, imports: &[Import]) -> Vec<String> {
        let mut violations = Vec::new();
        let mut names: BTreeSet<&str> = self.bottom.iter().copied().collect();
        names.extend(self.above.iter().map(|(name, _)| *name));
        for module in &modules.by_path[&Vec::new()].children {
            if !names.contains(module.as_str()) {
                violations
                    .push(format!("the module `{module}` has no layer: add it to tests/layers/layers.rs"));
            }
        }
        for import in imports {
            // The crate root says where everything is.
            let (Some(from), Some(to)) = (import.from.first(), import.to.first()) else { continue };
            if from != to && !self.allows(from, to) {
                violations.push(format!(
                    "{} imports {}: `{from}` may not import `{to}`",
                    import.from_file, import.path
                ));
            }
        }
        violations
    }

    fn allows(&self, from: &str, to: &str) -> bool {
        let allowed =
            self.above.iter().find(|(name, _)| *name == from).map_or(&[][..], |(_, allowed)| allowed);
        self.bottom.contains(&to) || allowed.contains(&to)
    }
}
