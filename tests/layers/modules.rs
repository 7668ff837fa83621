//! The modules of a crate: what each defines, imports and names.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A module's path below the crate root, whose own path is empty.
pub(crate) type ModulePath = Vec<String>;

/// The modules of one crate, test modules left out.
pub(crate) struct Modules {
    pub(crate) by_path: BTreeMap<ModulePath, Module>,
    /// Files of test modules: they belong to the crate, and are not looked at.
    test_files: BTreeSet<String>,
}

#[derive(Default)]
pub(crate) struct Module {
    pub(crate) file: String,
    /// The names of functions, types, constants and macros.
    pub(crate) items: BTreeSet<String>,
    /// The names of the modules inside, in this file or in their own.
    pub(crate) children: BTreeSet<String>,
    pub(crate) uses: Vec<Use>,
    /// Paths of two or more segments that the code names.
    pub(crate) paths: BTreeSet<Vec<String>>,
    /// Single names that occur in the code.
    pub(crate) words: BTreeSet<String>,
}

/// One name, or one `*`, of a `use` declaration.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Use {
    pub(crate) path: Vec<String>,
    /// The name in this module; `None` for `*`.
    pub(crate) name: Option<String>,
    /// Whether other modules see it: `pub use`, `pub(crate) use`.
    pub(crate) is_public: bool,
}

impl Modules {
    /// Reads the crate whose root is the file `root`, with all files that it declares.
    pub(crate) fn of(root: &str, files: &BTreeMap<String, String>) -> Self {
        let mut modules = Self { by_path: BTreeMap::new(), test_files: BTreeSet::new() };
        let folder = root.rsplit_once('/').map_or("", |(folder, _)| folder);
        if let Some(text) = files.get(root) {
            let mut reader = Reader { files, modules: &mut modules };
            reader.file(root, text, folder.to_owned(), Vec::new());
        }
        modules
    }

    /// The module whose file the module `path` is in: itself, unless it is written in braces.
    pub(crate) fn file_module<'a>(&self, path: &'a [String]) -> &'a [String] {
        let file = |path: &[String]| self.by_path.get(path).map(|module| &module.file);
        let mut outermost = path;
        while let [parent @ .., _] = outermost
            && file(parent) == file(path)
        {
            outermost = parent;
        }
        outermost
    }

    /// All files of the crate.
    pub(crate) fn files(&self) -> impl Iterator<Item = &String> {
        let files: BTreeSet<&String> =
            self.by_path.values().map(|module| &module.file).chain(&self.test_files).collect();
        files.into_iter()
    }
}

struct Reader<'a> {
    files: &'a BTreeMap<String, String>,
    modules: &'a mut Modules,
}

/// Where a module is, while it is read.
struct Place<'a> {
    file: &'a str,
    /// The folder that holds the files of its child modules.
    folder: String,
    path: ModulePath,
}

impl Reader<'_> {
    fn file(&mut self, file: &str, text: &str, folder: String, path: ModulePath) {
        let tokens = TokenStream::from_str(text).unwrap_or_else(|error| panic!("{file}: {error}"));
        self.module(&Place { file, folder, path }, tokens);
    }

    fn module(&mut self, place: &Place, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut module = Module { file: place.file.to_owned(), ..Module::default() };
        let mut rest = &tokens[..];
        while !rest.is_empty() {
            rest = self.item(place, &mut module, rest);
        }
        self.modules.by_path.insert(place.path.clone(), module);
    }

    /// Reads one item, and returns what comes after it.
    fn item<'t>(&mut self, place: &Place, module: &mut Module, tokens: &'t [TokenTree]) -> &'t [TokenTree] {
        let (is_test, mut rest) = attributes(tokens);
        let item = rest;
        let mut is_public = false;
        if is_ident(rest.first(), "pub") {
            is_public = true;
            rest = &rest[1..];
            if group(rest.first(), Delimiter::Parenthesis).is_some() {
                rest = &rest[1..];
            }
        }
        if is_ident(rest.first(), "mod")
            && let Some(name) = ident(rest.get(1))
        {
            self.child(place, module, &name, is_test, rest.get(2));
            return &rest[3..];
        }
        if is_ident(rest.first(), "use") {
            let end = rest.iter().position(|token| is_punct(Some(token), ';')).unwrap_or(rest.len());
            if !is_test {
                use_tree(&rest[1..end], &[], is_public, &mut module.uses);
            }
            return rest.get(end + 1..).unwrap_or_default();
        }
        let is_end =
            |token: &TokenTree| is_punct(Some(token), ';') || group(Some(token), Delimiter::Brace).is_some();
        let end = item.iter().position(is_end).map_or(item.len(), |end| end + 1);
        let (item, after) = item.split_at(end);
        if !is_test {
            module.items.extend(defined_name(item));
            code(item, module);
        }
        after
    }

    fn child(
        &mut self,
        place: &Place,
        module: &mut Module,
        name: &str,
        is_test: bool,
        body: Option<&TokenTree>,
    ) {
        let mut path = place.path.clone();
        path.push(name.to_owned());
        let folder = format!("{}/{name}", place.folder);
        if let Some(body) = group(body, Delimiter::Brace) {
            if !is_test {
                module.children.insert(name.to_owned());
                self.module(&Place { file: place.file, folder, path }, body);
            }
            return;
        }
        let candidates = [format!("{folder}.rs"), format!("{folder}/mod.rs")];
        let found = candidates.iter().find_map(|file| Some((file, self.files.get(file)?)));
        let Some((file, text)) = found else { panic!("{}: `mod {name};` has no file", place.file) };
        if is_test {
            let below = format!("{folder}/");
            let inside = self.files.keys().filter(|file| file.starts_with(&below));
            self.modules.test_files.extend(inside.chain([file]).cloned());
        } else {
            module.children.insert(name.to_owned());
            self.file(file, text, folder, path);
        }
    }
}

/// Skips attributes; tells whether they keep an item to tests.
fn attributes(mut tokens: &[TokenTree]) -> (bool, &[TokenTree]) {
    let mut is_test = false;
    while is_punct(tokens.first(), '#') {
        let bang = usize::from(is_punct(tokens.get(1), '!'));
        let Some(attribute) = group(tokens.get(1 + bang), Delimiter::Bracket) else { break };
        is_test |= is_for_tests(attribute);
        tokens = &tokens[2 + bang..];
    }
    (is_test, tokens)
}

/// Whether it is `cfg(test)`, `cfg(doctest)` or `cfg(all(test, …))`.
fn is_for_tests(attribute: TokenStream) -> bool {
    fn holds_test(tokens: TokenStream) -> bool {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        tokens.iter().enumerate().any(|(place, token)| match token {
            TokenTree::Ident(name) => name == "test" || name == "doctest",
            TokenTree::Group(group) => {
                let is_all = place > 0 && is_ident(tokens.get(place - 1), "all");
                is_all && holds_test(group.stream())
            }
            _ => false,
        })
    }
    let tokens: Vec<TokenTree> = attribute.into_iter().collect();
    is_ident(tokens.first(), "cfg") && group(tokens.get(1), Delimiter::Parenthesis).is_some_and(holds_test)
}

/// The name that an item gives to its module. An `impl` gives none.
fn defined_name(item: &[TokenTree]) -> Option<String> {
    const KEYWORDS: [&str; 9] =
        ["fn", "struct", "enum", "trait", "type", "const", "static", "union", "macro_rules"];
    for (place, token) in item.iter().enumerate() {
        if is_ident(Some(token), "impl") {
            return None;
        }
        if KEYWORDS.iter().any(|keyword| is_ident(Some(token), keyword)) {
            let bang = usize::from(is_punct(item.get(place + 1), '!'));
            match ident(item.get(place + 1 + bang)) {
                // `const fn`, `static mut`
                Some(name) if KEYWORDS.contains(&name.as_str()) || name == "mut" || name == "unsafe" => {}
                name => return name,
            }
        }
    }
    None
}

/// Flattens a `use` tree.
fn use_tree(tokens: &[TokenTree], prefix: &[String], is_public: bool, uses: &mut Vec<Use>) {
    let mut path = prefix.to_vec();
    let mut rest = tokens;
    loop {
        match rest {
            [] => break,
            [TokenTree::Punct(punct), after @ ..] if punct.as_char() == ':' => rest = after,
            [TokenTree::Punct(punct), ..] if punct.as_char() == '*' => {
                uses.push(Use { path, name: None, is_public });
                return;
            }
            [TokenTree::Group(group), ..] => {
                let inside: Vec<TokenTree> = group.stream().into_iter().collect();
                for tree in inside.split(|token| is_punct(Some(token), ',')) {
                    if !tree.is_empty() {
                        use_tree(tree, &path, is_public, uses);
                    }
                }
                return;
            }
            [TokenTree::Ident(word), after @ ..] if word == "as" => {
                let name = ident(after.first());
                uses.push(Use { path, name, is_public });
                return;
            }
            [TokenTree::Ident(word), after @ ..] => {
                path.push(word.to_string());
                rest = after;
            }
            [_, after @ ..] => rest = after,
        }
    }
    // `use a::b::{self}` is `use a::b`.
    if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    let name = path.last().cloned();
    uses.push(Use { path, name, is_public });
}

/// Collects what code names: paths, single words, and the `use` declarations inside of functions.
fn code(tokens: &[TokenTree], module: &mut Module) {
    let mut place = 0;
    while let Some(token) = tokens.get(place) {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                let (is_test, rest) = attributes(&tokens[place..]);
                let start = tokens.len() - rest.len();
                if is_test {
                    let is_end = |token: &TokenTree| {
                        is_punct(Some(token), ';')
                            || is_punct(Some(token), ',')
                            || group(Some(token), Delimiter::Brace).is_some()
                    };
                    place = rest.iter().position(is_end).map_or(tokens.len(), |end| start + end + 1);
                } else {
                    place = start.max(place + 1);
                }
            }
            TokenTree::Group(group) => {
                let inside: Vec<TokenTree> = group.stream().into_iter().collect();
                code(&inside, module);
                place += 1;
            }
            TokenTree::Ident(word) if word == "use" && !is_punct(tokens.get(place + 1), '<') => {
                let rest = &tokens[place..];
                let end = rest.iter().position(|token| is_punct(Some(token), ';')).unwrap_or(rest.len());
                use_tree(&rest[1..end], &[], false, &mut module.uses);
                place += end + 1;
            }
            TokenTree::Ident(_) => place = path(tokens, place, module),
            _ => place += 1,
        }
    }
}

/// Reads the path that begins at `start`, and returns the place after it.
fn path(tokens: &[TokenTree], start: usize, module: &mut Module) -> usize {
    let mut segments = Vec::new();
    let mut place = start;
    while let Some(word) = ident(tokens.get(place)) {
        segments.push(word);
        place += 1;
        if !(is_punct(tokens.get(place), ':') && is_punct(tokens.get(place + 1), ':')) {
            break;
        }
        place += 2;
    }
    let before = start.checked_sub(1).and_then(|before| tokens.get(before));
    let is_field =
        is_punct(before, '.') && !is_punct(start.checked_sub(2).and_then(|two| tokens.get(two)), '.');
    // `::name`, and the name of a function that is being defined.
    let is_other = is_punct(before, ':')
        && is_punct(start.checked_sub(2).and_then(|two| tokens.get(two)), ':')
        || is_ident(before, "fn");
    if !is_field && !is_other {
        if segments.len() > 1 {
            module.paths.insert(segments.clone());
        }
        module.words.extend(segments.into_iter().next());
    }
    place.max(start + 1)
}

fn ident(token: Option<&TokenTree>) -> Option<String> {
    match token {
        Some(TokenTree::Ident(name)) => Some(name.to_string()),
        _ => None,
    }
}

fn is_ident(token: Option<&TokenTree>, name: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(ident)) if ident == name)
}

fn is_punct(token: Option<&TokenTree>, character: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == character)
}

fn group(token: Option<&TokenTree>, delimiter: Delimiter) -> Option<TokenStream> {
    match token {
        Some(TokenTree::Group(group)) if group.delimiter() == delimiter => Some(group.stream()),
        _ => None,
    }
}
