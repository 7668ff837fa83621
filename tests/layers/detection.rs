//! The guard finds what is planted: each test is a crate of a few lines.

use std::collections::BTreeMap;

use super::layers::Layers;
use super::modules::Modules;
use super::{imports, problems};

const LAYERS: Layers = Layers { bottom: &["error"], above: &[("gms", &[]), ("emitter", &["gms"])] };

/// A crate without a finding: three layers, re-exports at the root and in a folder.
const SOUND: &[(&str, &str)] = &[
    ("src/lib.rs", "pub mod emitter; mod error; pub mod gms; pub use error::Error;"),
    ("src/error.rs", "pub struct Error;"),
    ("src/gms/mod.rs", "mod client; mod retry; pub use client::Client; pub(crate) use retry::Policy;"),
    (
        "src/gms/client.rs",
        "use super::Policy; use crate::Error; pub struct Client { policy: Policy, error: Error }",
    ),
    ("src/gms/retry.rs", "pub(crate) struct Policy;"),
    ("src/emitter.rs", "use crate::gms::{self, Client}; pub fn emit(_: Client) { gms::Client::new(); }"),
];

/// [`SOUND`] with some files in another version, or added.
fn findings(changed: &[(&str, &str)]) -> Vec<String> {
    let files: BTreeMap<String, String> =
        SOUND.iter().chain(changed).map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect();
    let modules = Modules::of("src/lib.rs", &files);
    problems(Some(&LAYERS), &modules, &imports::between_files(&modules))
}

/// Checks that there is one finding, with these parts.
#[track_caller]
fn finds(changed: &[(&str, &str)], parts: &[&str]) {
    let found = findings(changed);
    assert!(matches!(&found[..], [one] if parts.iter().all(|part| one.contains(part))), "{found:#?}");
}

#[test]
fn a_sound_crate_has_no_findings() {
    assert_eq!(findings(&[]), Vec::<String>::new());
}

#[test]
fn its_imports_are_seen() {
    let files = SOUND.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect();
    let modules = Modules::of("src/lib.rs", &files);
    let used = imports::between_files(&modules).into_iter().filter(|import| import.is_used);
    let used: Vec<_> =
        used.map(|import| format!("{} {} {}", import.from_file, import.path, import.to_file)).collect();
    assert_eq!(
        used,
        [
            "src/emitter.rs crate::gms::Client src/gms/client.rs",
            "src/emitter.rs gms::Client::new src/gms/client.rs",
            "src/gms/client.rs crate::Error src/error.rs",
            "src/gms/client.rs super::Policy src/gms/retry.rs",
        ]
    );
}

#[test]
fn an_added_cycle_is_found() {
    for import in [
        "use super::Client; pub(crate) struct Policy { client: Client }",
        "use super::*; pub(crate) struct Policy { client: Client }",
        "use super::client::*; pub(crate) struct Policy { client: Client }",
        "pub(crate) struct Policy; fn f() { crate::gms::Client::new(); }",
        "pub(crate) struct Policy; fn f() { let x = vec![super::client::Client]; }",
        "pub(crate) struct Policy; fn f() { use crate::gms::client::Client as Other; }",
        "pub(crate) struct Policy; mod inner { fn f(_: super::super::Client) {} }",
        "use crate::gms as server; pub(crate) struct Policy; impl From<server::Client> for Policy {}",
    ] {
        println!("{import}");
        finds(
            &[("src/gms/retry.rs", import)],
            &[
                "a cycle between files",
                "src/gms/client.rs imports super::Policy of src/gms/retry.rs",
                "src/gms/retry.rs imports ",
                " of src/gms/client.rs",
            ],
        );
    }
}

#[test]
fn a_cycle_of_three_files_is_found_once() {
    finds(
        &[
            ("src/gms/retry.rs", "use super::tls::Tls; pub(crate) struct Policy(Tls);"),
            ("src/gms/tls.rs", "pub(crate) struct Tls; fn f(_: super::Client) {}"),
            (
                "src/gms/mod.rs",
                "mod client; mod retry; mod tls; pub use client::Client; pub(crate) use retry::Policy;",
            ),
        ],
        &["src/gms/client.rs imports", "src/gms/retry.rs imports", "src/gms/tls.rs imports"],
    );
}

#[test]
fn an_added_import_upwards_is_found() {
    for (file, text, path) in [
        ("src/gms/retry.rs", "use crate::emitter::emit; pub(crate) struct Policy;", "crate::emitter::emit"),
        (
            "src/gms/retry.rs",
            "pub(crate) struct Policy; fn f() { crate::emitter::emit(); }",
            "crate::emitter::emit",
        ),
        // Passing on what is above is an import as well, and so is naming the module alone.
        ("src/error.rs", "pub struct Error; pub use crate::emitter::emit;", "crate::emitter::emit"),
        ("src/error.rs", "pub struct Error; use crate::emitter;", "crate::emitter"),
    ] {
        let found = findings(&[(file, text)]);
        let expected = format!("{file} imports {path}: ");
        assert!(found.iter().any(|one| one.starts_with(&expected)), "{text}: {found:#?}");
    }
}

#[test]
fn a_re_export_below_does_not_hide_an_import_upwards() {
    // The root passes on what `emitter` defines, under a name that tells nothing.
    finds(
        &[
            (
                "src/lib.rs",
                "pub mod emitter; mod error; pub mod gms; pub use error::Error; pub use emitter::Queue;",
            ),
            ("src/emitter.rs", "pub struct Queue;"),
            ("src/gms/retry.rs", "pub(crate) struct Policy(crate::Queue);"),
        ],
        &["src/gms/retry.rs imports crate::Queue: `gms` may not import `emitter`"],
    );
}

#[test]
fn a_module_without_a_layer_is_found() {
    finds(
        &[
            ("src/lib.rs", "pub mod emitter; mod error; pub mod gms; mod new; pub use error::Error;"),
            ("src/new.rs", ""),
        ],
        &["the module `new` has no layer"],
    );
}

#[test]
fn tests_are_exempt() {
    for text in [
        "pub(crate) struct Policy; #[cfg(test)] mod tests { use crate::emitter::emit; use super::super::Client; }",
        "pub(crate) struct Policy; #[cfg(all(test, unix))] use crate::emitter::emit;",
        "pub(crate) struct Policy; #[cfg(test)] fn f() { crate::emitter::emit(); }",
        "pub(crate) struct Policy; impl Policy { #[cfg(test)] fn f() { crate::emitter::emit(); } fn g() {} }",
    ] {
        assert_eq!(findings(&[("src/gms/retry.rs", text)]), Vec::<String>::new(), "{text}");
    }
    let text = "pub(crate) struct Policy; #[cfg(not(test))] use crate::emitter::emit;";
    assert!(!findings(&[("src/gms/retry.rs", text)]).is_empty());
}

#[test]
fn a_parent_uses_its_children_and_they_use_what_it_defines() {
    let parent = "mod client; mod retry; pub use client::Client; pub(crate) use retry::Policy; \
                  pub struct Options; fn f() { Client::new(); retry::Policy::default(); }";
    let child = "pub(crate) struct Policy { options: super::Options }";
    assert_eq!(findings(&[("src/gms/mod.rs", parent), ("src/gms/retry.rs", child)]), Vec::<String>::new());
}

#[test]
fn text_and_comments_are_no_imports() {
    let text = r##"//! crate::emitter::emit
        /// [`crate::emitter::emit`]
        pub(crate) struct Policy;
        const TEXT: &str = "use crate::emitter::emit;";
        const RAW: &str = r#"crate::emitter::emit()"#;
        /* use crate::emitter::emit; */"##;
    assert_eq!(findings(&[("src/gms/retry.rs", text)]), Vec::<String>::new());
}
