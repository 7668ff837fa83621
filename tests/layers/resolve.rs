//! From a path in the source text to the module that defines what it names.

use crate::modules::{ModulePath, Modules};

/// The target of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A module itself.
    Module(ModulePath),
    /// An item that this module defines.
    Item(ModulePath),
}

/// Re-exports in a circle are rejected by the compiler; glob imports in a circle are not.
const MAX_DEPTH: usize = 32;

impl Modules {
    /// Resolves `path` in `module`; `None` for a name of another crate or of the prelude.
    pub(crate) fn resolve(&self, module: &[String], path: &[String]) -> Option<Target> {
        self.resolve_within(module, path, 0)
    }

    fn resolve_within(&self, module: &[String], path: &[String], depth: usize) -> Option<Target> {
        if depth > MAX_DEPTH {
            return None;
        }
        let mut at = module.to_vec();
        let mut rest = path;
        let mut is_relative = true;
        while let [first, after @ ..] = rest {
            match first.as_str() {
                "crate" => at.clear(),
                "self" => {}
                "super" => drop(at.pop()),
                _ => break,
            }
            is_relative = false;
            rest = after;
        }
        while let [name, after @ ..] = rest {
            match self.member(&at, name, !after.is_empty(), depth) {
                Some(Target::Module(inner)) => at = inner,
                Some(item) => return Some(item),
                // A name that a macro defines.
                None if !is_relative && self.by_path.contains_key(&at) => return Some(Target::Item(at)),
                None => return None,
            }
            is_relative = false;
            rest = after;
        }
        self.by_path.contains_key(&at).then_some(Target::Module(at))
    }

    /// The member `name` of a module: a child, an item, or something that it imports.
    fn member(&self, module: &[String], name: &str, has_more: bool, depth: usize) -> Option<Target> {
        let found = self.by_path.get(module)?;
        let child = || {
            let mut path = module.to_vec();
            path.push(name.to_owned());
            found.children.contains(name).then_some(Target::Module(path))
        };
        let item = || found.items.contains(name).then(|| Target::Item(module.to_vec()));
        // A module and a function may have one name; a longer path leads through the module.
        let own = if has_more { child().or_else(item) } else { item().or_else(child) };
        if own.is_some() {
            return own;
        }
        let named = found.uses.iter().filter(|one| one.name.as_deref() == Some(name));
        for one in named {
            // `use name::Other as name` and `use name` do not lead back here.
            let leads_elsewhere = one.path.len() > 1 || one.path.first().is_some_and(|first| first != name);
            if leads_elsewhere && let Some(target) = self.resolve_within(module, &one.path, depth + 1) {
                return Some(target);
            }
        }
        let globs = found.uses.iter().filter(|one| one.name.is_none());
        for one in globs {
            if let Some(Target::Module(other)) = self.resolve_within(module, &one.path, depth + 1)
                && other != module
                && depth < MAX_DEPTH
                && let Some(target) = self.member(&other, name, has_more, depth + 1)
            {
                return Some(target);
            }
        }
        None
    }
}
