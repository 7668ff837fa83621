//! The places of unions and maps in the aspects that have any.
//!
//! Taken from the models of acryl-datahub 1.7.0.17, and the union with aliases from DataHub's
//! `CostValue.pdl`. Aspects and fields that lead to the same places share a node.

use super::node::{ALIASED_UNION, MAP, Node, UNION};

pub(super) static EDGE: Node = Node::record(&[("properties", &MAP)]);
static EDGES: Node = Node::array(&EDGE);
static ATTRIBUTION: Node = Node::record(&[("sourceDetail", &MAP)]);
static ATTRIBUTED: Node = Node::record(&[("attribution", &ATTRIBUTION)]);
static ATTRIBUTED_ITEMS: Node = Node::array(&ATTRIBUTED);
pub(super) static GLOBAL_TAGS: Node = Node::record(&[("tags", &ATTRIBUTED_ITEMS)]);
pub(super) static GLOSSARY_TERMS: Node = Node::record(&[("terms", &ATTRIBUTED_ITEMS)]);
static TYPE: Node = Node::record(&[("type", &UNION)]);
static SCHEMA_FIELD: Node =
    Node::record(&[("globalTags", &GLOBAL_TAGS), ("glossaryTerms", &GLOSSARY_TERMS), ("type", &TYPE)]);
static SCHEMA_FIELDS: Node = Node::array(&SCHEMA_FIELD);
pub(super) static API_SIGNATURE: Node = Node::record(&[
    ("inputDatasetEdges", &EDGES),
    ("inputFields", &SCHEMA_FIELDS),
    ("outputDatasetEdges", &EDGES),
    ("outputFields", &SCHEMA_FIELDS),
]);
pub(super) static APPLICATION_LINEAGE: Node =
    Node::record(&[("inputEdges", &EDGES), ("outputEdges", &EDGES)]);
pub(super) static CUSTOM_PROPERTIES: Node = Node::record(&[("customProperties", &MAP)]);
static NATIVE_PARAMETERS: Node = Node::record(&[("nativeParameters", &MAP)]);
static FOREIGN_KEYS_SPECS_VALUE: Node = Node::record(&[("foreignKey", &UNION)]);
static FOREIGN_KEYS_SPECS: Node = Node::map(&FOREIGN_KEYS_SPECS_VALUE);
pub(super) static SCHEMA_METADATA: Node = Node::record(&[
    ("fields", &SCHEMA_FIELDS),
    ("foreignKeysSpecs", &FOREIGN_KEYS_SPECS),
    ("platformSchema", &UNION),
]);
static SCHEMA_ASSERTION: Node = Node::record(&[("schema", &SCHEMA_METADATA)]);
pub(super) static ASSERTION_INFO: Node = Node::record(&[
    ("customAssertion", &NATIVE_PARAMETERS),
    ("customProperties", &MAP),
    ("datasetAssertion", &NATIVE_PARAMETERS),
    ("schemaAssertion", &SCHEMA_ASSERTION),
]);
static RESULT: Node = Node::record(&[("error", &EDGE), ("nativeResults", &MAP)]);
pub(super) static ASSERTION_RUN_EVENT: Node =
    Node::record(&[("batchSpec", &CUSTOM_PROPERTIES), ("result", &RESULT), ("runtimeContext", &MAP)]);
pub(super) static BUSINESS_ATTRIBUTE_INFO: Node = Node::record(&[
    ("customProperties", &MAP),
    ("globalTags", &GLOBAL_TAGS),
    ("glossaryTerms", &GLOSSARY_TERMS),
    ("type", &TYPE),
]);
static UNIONS: Node = Node::array(&UNION);
pub(super) static CHART_INFO: Node =
    Node::record(&[("customProperties", &MAP), ("inputEdges", &EDGES), ("inputs", &UNIONS)]);
pub(super) static COST: Node = Node::record(&[("cost", &ALIASED_UNION)]);
pub(super) static DASHBOARD_INFO: Node = Node::record(&[
    ("chartEdges", &EDGES),
    ("customProperties", &MAP),
    ("dashboards", &EDGES),
    ("datasetEdges", &EDGES),
]);
pub(super) static DATA_HUB_EXECUTION_REQUEST_INPUT: Node = Node::record(&[("args", &MAP)]);
static CONFIG: Node = Node::record(&[("extraArgs", &MAP)]);
pub(super) static DATA_HUB_INGESTION_SOURCE_INFO: Node = Node::record(&[("config", &CONFIG)]);
pub(super) static DATA_HUB_UPGRADE_RESULT: Node = Node::record(&[("result", &MAP)]);
pub(super) static DATA_JOB_INFO: Node = Node::record(&[("customProperties", &MAP), ("type", &UNION)]);
pub(super) static DATA_JOB_INPUT_OUTPUT: Node = Node::record(&[
    ("inputDatajobEdges", &EDGES),
    ("inputDatasetEdges", &EDGES),
    ("outputDatasetEdges", &EDGES),
]);
pub(super) static DATA_PROCESS_INSTANCE_INPUT: Node = Node::record(&[("inputEdges", &EDGES)]);
pub(super) static DATA_PROCESS_INSTANCE_OUTPUT: Node = Node::record(&[("outputEdges", &EDGES)]);
pub(super) static DATA_PRODUCT_PROPERTIES: Node =
    Node::record(&[("assets", &EDGES), ("customProperties", &MAP)]);
pub(super) static DATA_PRODUCTS: Node = Node::record(&[("dataProducts", &EDGES)]);
static FIELD_MAPPINGS_ITEM: Node = Node::record(&[("sourceFields", &UNIONS), ("transformation", &UNION)]);
static FIELD_MAPPINGS: Node = Node::array(&FIELD_MAPPINGS_ITEM);
pub(super) static DATASET_UPSTREAM_LINEAGE: Node = Node::record(&[("fieldMappings", &FIELD_MAPPINGS)]);
pub(super) static DOCUMENTATION: Node = Node::record(&[("documentations", &ATTRIBUTED_ITEMS)]);
pub(super) static DOMAINS: Node = Node::record(&[("domainAssociations", &ATTRIBUTED_ITEMS)]);
static EDITABLE_SCHEMA_FIELD_INFO_ITEM: Node =
    Node::record(&[("globalTags", &GLOBAL_TAGS), ("glossaryTerms", &GLOSSARY_TERMS)]);
static EDITABLE_SCHEMA_FIELD_INFO: Node = Node::array(&EDITABLE_SCHEMA_FIELD_INFO_ITEM);
pub(super) static EDITABLE_SCHEMA_METADATA: Node =
    Node::record(&[("editableSchemaFieldInfo", &EDITABLE_SCHEMA_FIELD_INFO)]);
static INPUT_FIELD: Node = Node::record(&[("schemaField", &SCHEMA_FIELD)]);
static INPUT_FIELD_ITEMS: Node = Node::array(&INPUT_FIELD);
pub(super) static INPUT_FIELDS: Node = Node::record(&[("fields", &INPUT_FIELD_ITEMS)]);
pub(super) static LOGICAL_PARENT: Node = Node::record(&[("parent", &EDGE)]);
pub(super) static MCP_SERVER_PROPERTIES: Node = Node::record(&[("customHeaders", &MAP)]);
pub(super) static METRIC_RELATIONSHIPS: Node =
    Node::record(&[("derivedFrom", &EDGES), ("relatedMetrics", &EDGES)]);
pub(super) static METRIC_UPSTREAMS: Node =
    Node::record(&[("datasetUpstreams", &EDGES), ("fieldUpstreams", &EDGES)]);
static VERSION_TAG: Node = Node::record(&[("metadataAttribution", &ATTRIBUTION)]);
pub(super) static ML_FEATURE_PROPERTIES: Node =
    Node::record(&[("customProperties", &MAP), ("version", &VERSION_TAG)]);
static HYPER_PARAMETERS: Node = Node::map(&UNION);
pub(super) static ML_MODEL_PROPERTIES: Node = Node::record(&[
    ("customProperties", &MAP),
    ("hyperParameters", &HYPER_PARAMETERS),
    ("version", &VERSION_TAG),
]);
pub(super) static OWNERSHIP: Node = Node::record(&[("ownerTypes", &MAP), ("owners", &ATTRIBUTED_ITEMS)]);
static ALLOWED_VALUES_ITEM: Node = Node::record(&[("value", &UNION)]);
static ALLOWED_VALUES: Node = Node::array(&ALLOWED_VALUES_ITEM);
static SEARCH_CONFIGURATION: Node =
    Node::record(&[("subfieldBoostScores", &MAP), ("weightsPerFieldValue", &MAP)]);
pub(super) static PROPERTY_DEFINITION: Node = Node::record(&[
    ("allowedValues", &ALLOWED_VALUES),
    ("searchConfiguration", &SEARCH_CONFIGURATION),
    ("typeQualifier", &MAP),
]);
static RANKING: Node = Node::record(&[("parameters", &MAP)]);
pub(super) static SEARCH_TEMPLATE_PROPERTIES: Node =
    Node::record(&[("parameters", &MAP), ("queryFragments", &MAP), ("ranking", &RANKING)]);
pub(super) static SEMANTIC_CONTENT: Node = Node::record(&[("embeddings", &MAP)]);
static PROPERTIES_ITEM: Node = Node::record(&[("attribution", &ATTRIBUTION), ("values", &UNIONS)]);
static PROPERTIES: Node = Node::array(&PROPERTIES_ITEM);
pub(super) static STRUCTURED_PROPERTIES: Node = Node::record(&[("properties", &PROPERTIES)]);
pub(super) static UPSTREAM_LINEAGE: Node = Node::record(&[("upstreams", &EDGES)]);
pub(super) static UPSTREAM_METRICS: Node = Node::record(&[("metrics", &EDGES)]);
static ALIASES: Node = Node::array(&VERSION_TAG);
pub(super) static VERSION_PROPERTIES: Node =
    Node::record(&[("aliases", &ALIASES), ("version", &VERSION_TAG)]);
