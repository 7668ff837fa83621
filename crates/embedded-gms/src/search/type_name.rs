//! The spellings of an entity type.

/// Types with a different name in GraphQL (`EntityTypeMapper`), in normalized form. `ROLE` is not one of
/// them: it is `role`, and `dataHubRole` is `DATAHUB_ROLE`.
const RENAMED: &[(&str, &str)] = &[
    ("accesstoken", "datahubaccesstoken"),
    ("customownershiptype", "ownershiptype"),
    ("executionrequest", "datahubexecutionrequest"),
    ("ingestionsource", "datahubingestionsource"),
];

/// A form that all spellings of a type share: `dataHubPolicy` and `DATAHUB_POLICY`.
pub(crate) fn normalized(entity_type: &str) -> String {
    let plain = entity_type.replace('_', "").to_lowercase();
    match RENAMED.iter().find(|(name, _)| *name == plain) {
        Some((_, name)) => (*name).to_owned(),
        None => plain,
    }
}
