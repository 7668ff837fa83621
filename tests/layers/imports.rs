//! The imports of a crate: which file uses an item of which other file.

use crate::modules::{ModulePath, Modules};
use crate::resolve::Target;

/// A file uses, or passes on, what another module defines.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Import {
    /// The module whose file it is.
    pub(crate) from: ModulePath,
    pub(crate) from_file: String,
    pub(crate) to: ModulePath,
    pub(crate) to_file: String,
    /// The path as it is written.
    pub(crate) path: String,
    /// Whether the code uses it. Otherwise it is a re-export, or a module of which nothing is named here.
    pub(crate) is_used: bool,
}

/// All imports between files, sorted.
pub(crate) fn between_files(modules: &Modules) -> Vec<Import> {
    let mut imports = Vec::new();
    for (from, module) in &modules.by_path {
        let file_module = modules.file_module(from);
        let mut add = |path: &[String], is_used: bool| {
            let (to, is_item) = match modules.resolve(from, path) {
                Some(Target::Item(to)) => (to, true),
                Some(Target::Module(to)) => (to, false),
                None => return,
            };
            let to_file = &modules.by_path[&to].file;
            if *to_file != module.file {
                imports.push(Import {
                    from: file_module.to_vec(),
                    from_file: module.file.clone(),
                    to,
                    to_file: to_file.clone(),
                    path: path.join("::"),
                    is_used: is_used && is_item,
                });
            }
        };
        for one in &module.uses {
            let is_used = match &one.name {
                Some(name) => !one.is_public || module.words.contains(name),
                None => false,
            };
            add(&one.path, is_used);
        }
        // A glob import uses those names that the code has from it.
        if module.uses.iter().any(|one| one.name.is_none()) {
            for word in &module.words {
                add(std::slice::from_ref(word), true);
            }
        }
        for path in &module.paths {
            add(path, true);
        }
    }
    imports.sort();
    imports.dedup();
    imports
}
