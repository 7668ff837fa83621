//! The spellings of an entity type.

/// Types that GraphQL calls otherwise than GMS (`EntityTypeMapper`), in their plain forms. `ROLE` is none of them: it is
/// `role`, and `dataHubRole` is `DATAHUB_ROLE`.
const RENAMED: &[(&str, &str)] = &[
    ("accesstoken", "datahubaccesstoken"),
    ("customownershiptype", "ownershiptype"),
    ("executionrequest", "datahubexecutionrequest"),
    ("ingestionsource", "datahubingestionsource"),
];

/// What the spellings of a type have in common: `dataHubPolicy` and `DATAHUB_POLICY`.
pub(crate) fn normalized(entity_type: &str) -> String {
    let plain = entity_type.replace('_', "").to_lowercase();
    match RENAMED.iter().find(|(name, _)| *name == plain) {
        Some((_, name)) => (*name).to_owned(),
        None => plain,
    }
}
