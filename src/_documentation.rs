//! The guides and the reference, as in the folder `docs/` of the repository.

/// A page of `docs/`. Link targets are defined before the text, where they take precedence over those of the
/// page: in this module, links lead to its pages and not to files.
macro_rules! page {
    ($name:ident, $path:literal) => {
        #[doc = "[recipes]: crate::_documentation::recipes"]
        #[doc = "[any-source]: crate::_documentation::any_source"]
        #[doc = "[transformers]: crate::_documentation::transformers"]
        #[doc = "[stateful-ingestion]: crate::_documentation::stateful_ingestion"]
        #[doc = "[authentication]: crate::_documentation::authentication"]
        #[doc = "[resume]: crate::_documentation::resume"]
        #[doc = "[dead-letters]: crate::_documentation::dead_letters"]
        #[doc = "[kafka]: crate::_documentation::kafka"]
        #[doc = "[library]: crate::_documentation::library"]
        #[doc = "[migrating]: crate::_documentation::migrating"]
        #[doc = "[configuration]: crate::_documentation::configuration"]
        #[doc = "[environment]: crate::_documentation::environment"]
        #[doc = "[exit-codes]: crate::_documentation::exit_codes"]
        #[doc = "[diagnostics]: crate::_documentation::diagnostics"]
        #[doc = "[report]: crate::_documentation::report"]
        #[doc = "[security]: crate::_documentation::security"]
        #[doc = "[api]: crate"]
        #[doc = ""]
        #[doc = include_str!($path)]
        pub mod $name {}
    };
}

page!(recipes, "../docs/guide/recipes.md");
page!(any_source, "../docs/guide/any-source.md");
page!(transformers, "../docs/guide/transformers.md");
page!(stateful_ingestion, "../docs/guide/stateful-ingestion.md");
page!(authentication, "../docs/guide/authentication.md");
page!(resume, "../docs/guide/resume.md");
page!(dead_letters, "../docs/guide/dead-letters.md");
page!(scheduling, "../docs/guide/scheduling.md");
page!(kafka, "../docs/guide/kafka.md");
page!(embedded_gms, "../docs/guide/embedded-gms.md");
page!(library, "../docs/guide/library.md");
page!(migrating, "../docs/guide/migrating.md");
page!(configuration, "../docs/reference/configuration.md");
page!(environment, "../docs/reference/environment.md");
page!(exit_codes, "../docs/reference/exit-codes.md");
page!(diagnostics, "../docs/reference/diagnostics.md");
page!(report, "../docs/reference/report.md");
page!(security, "../docs/reference/security.md");
