//! The types of entities in GraphQL (`EntityTypeMapper`, `EntityTypeUrnMapper`).

use crate::search::normalized;
use crate::urn::Urn;

/// Entity types with an object type of their own in `entities.graphql`.
const OBJECTS: &[(&str, &str)] = &[
    ("application", "Application"),
    ("assertion", "Assertion"),
    ("businessAttribute", "BusinessAttribute"),
    ("chart", "Chart"),
    ("container", "Container"),
    ("corpGroup", "CorpGroup"),
    ("corpuser", "CorpUser"),
    ("dashboard", "Dashboard"),
    ("dataFlow", "DataFlow"),
    ("dataHubConnection", "DataHubConnection"),
    ("dataHubView", "DataHubView"),
    ("dataJob", "DataJob"),
    ("dataPlatform", "DataPlatform"),
    ("dataPlatformInstance", "DataPlatformInstance"),
    ("dataProcessInstance", "DataProcessInstance"),
    ("dataProduct", "DataProduct"),
    ("dataset", "Dataset"),
    ("dataType", "DataTypeEntity"),
    ("document", "Document"),
    ("domain", "Domain"),
    ("entityType", "EntityTypeEntity"),
    ("glossaryNode", "GlossaryNode"),
    ("glossaryTerm", "GlossaryTerm"),
    ("incident", "Incident"),
    ("mlFeature", "MLFeature"),
    ("mlFeatureTable", "MLFeatureTable"),
    ("mlModel", "MLModel"),
    ("mlModelGroup", "MLModelGroup"),
    ("mlPrimaryKey", "MLPrimaryKey"),
    ("ownershipType", "OwnershipTypeEntity"),
    ("query", "QueryEntity"),
    ("schemaField", "SchemaFieldEntity"),
    ("structuredProperty", "StructuredPropertyEntity"),
    ("tag", "Tag"),
];

/// The symbols of the enum `EntityType`.
pub(super) const SYMBOLS: &[&str] = &[
    "ACCESS_TOKEN",
    "APPLICATION",
    "ASSERTION",
    "BUSINESS_ATTRIBUTE",
    "CHART",
    "CONTAINER",
    "CORP_GROUP",
    "CORP_USER",
    "CUSTOM_OWNERSHIP_TYPE",
    "DASHBOARD",
    "DATAHUB_CONNECTION",
    "DATAHUB_FILE",
    "DATAHUB_PAGE_MODULE",
    "DATAHUB_PAGE_TEMPLATE",
    "DATAHUB_POLICY",
    "DATAHUB_ROLE",
    "DATAHUB_VIEW",
    "DATASET",
    "DATA_CONTRACT",
    "DATA_FLOW",
    "DATA_JOB",
    "DATA_PLATFORM",
    "DATA_PLATFORM_INSTANCE",
    "DATA_PROCESS_INSTANCE",
    "DATA_PRODUCT",
    "DATA_TYPE",
    "DOCUMENT",
    "DOMAIN",
    "ENTITY_TYPE",
    "ER_MODEL_RELATIONSHIP",
    "EXECUTION_REQUEST",
    "FORM",
    "GLOSSARY_NODE",
    "GLOSSARY_TERM",
    "INCIDENT",
    "INGESTION_SOURCE",
    "MLFEATURE",
    "MLFEATURE_TABLE",
    "MLMODEL",
    "MLMODEL_GROUP",
    "MLPRIMARY_KEY",
    "NOTEBOOK",
    "OTHER",
    "POST",
    "QUERY",
    "RESTRICTED",
    "ROLE",
    "SCHEMA_FIELD",
    "STRUCTURED_PROPERTY",
    "TAG",
    "TEST",
    "VERSION_SET",
];

/// The object type of an entity.
pub(super) fn object_of(urn: &Urn) -> &'static str {
    let found = OBJECTS.iter().find(|(name, _)| *name == urn.entity_type());
    found.map_or("OtherEntity", |(_, object)| object)
}

/// The symbol of an entity type in any spelling.
pub(super) fn symbol_of(entity_type: &str) -> &'static str {
    let plain = normalized(entity_type);
    SYMBOLS.iter().find(|symbol| normalized(symbol) == plain).copied().unwrap_or("OTHER")
}
