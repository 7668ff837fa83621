//! Does every import follow the layers, and is the graph of files free of cycles?
//!
//! The test reads the source text of each crate, collects its `use` declarations and its inline paths
//! (`crate::gms::Client::new`), and resolves each of them to the file that defines the item.
//!
//! - A name that a module re-exports, or imports for itself, resolves to the file that defines it, however
//!   many modules lie between. So `crate::Error` is an import of `src/error/mod.rs`, and not of `src/lib.rs`.
//! - For the layers every import counts, re-exports included.
//! - For cycles, imports count that the code uses: not `mod child;`, and not `pub use` alone. A module and
//!   the modules inside it are a whole and its parts: the children may use what their parent defines, and the
//!   use of its own children by the parent is not counted. Between all other files no cycle is allowed.
//! - Importing a module (`use crate::gms;`) is, for cycles, an import of the items used through it
//!   (`gms::Client`).
//! - Method calls and fields are invisible, because they name no path.
//! - Code under `#[cfg(test)]` is exempt.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, and says where"
)]

mod cycles;
mod detection;
mod imports;
mod layers;
mod modules;
mod resolve;

use std::collections::BTreeMap;
use std::path::Path;

use imports::Import;
use layers::Layers;
use modules::Modules;

/// The root file of each crate, and its layers. The compiler keeps the others from importing more than a
/// public API.
const CRATES: &[(&str, Option<Layers>)] =
    &[("src/lib.rs", Some(layers::LIBRARY)), ("src/main.rs", None), ("crates/embedded-gms/src/lib.rs", None)];

/// The source files below `folder`, by their paths relative to the workspace.
fn read_files(folder: &str) -> BTreeMap<String, String> {
    fn visit(folder: &Path, workspace: &Path, files: &mut BTreeMap<String, String>) {
        let Ok(entries) = folder.read_dir() else { return };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                visit(&path, workspace, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(workspace).unwrap().to_str().unwrap().replace('\\', "/");
                files.insert(name, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = BTreeMap::new();
    visit(&workspace.join(folder), workspace, &mut files);
    files
}

/// The violations in a crate.
fn problems(layers: Option<&Layers>, modules: &Modules, imports: &[Import]) -> Vec<String> {
    let mut problems = Vec::new();
    if let Some(layers) = layers {
        problems.extend(layers.violations(modules, imports));
    }
    problems.extend(cycles::describe(imports));
    problems
}

#[test]
fn the_tree_follows_the_layers_and_has_no_cycle() {
    let mut files = read_files("src");
    files.append(&mut read_files("crates"));
    let mut found = Vec::new();
    let mut unread = files.clone();
    let (mut file_count, mut import_count) = (0, 0);
    for (root, layers) in CRATES {
        assert!(files.contains_key(*root), "there is no {root}");
        let modules = Modules::of(root, &files);
        let imports = imports::between_files(&modules);
        for file in modules.files() {
            unread.remove(file);
        }
        file_count += modules.files().count();
        import_count += imports.len();
        found.extend(problems(layers.as_ref(), &modules, &imports));
    }
    assert!(unread.is_empty(), "files that no crate root declares: {:#?}", unread.keys());
    // A reader of imports that finds none would find nothing wrong either.
    assert!(file_count > 200 && import_count > 600, "{import_count} imports in {file_count} files");
    assert!(found.is_empty(), "{}", found.join("\n"));
}
