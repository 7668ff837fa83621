//! Names of DataHub's model on Rest.li: classes of aspects, and of the snapshots of entity types.
//!
//! An aspect is named like its class with a lower-case initial, except for those in [`IRREGULAR`].
//! Unknown aspects follow the same rule, so that custom aspects can be written and read.

use std::collections::HashMap;
use std::sync::LazyLock;

/// The package of unknown classes.
const UNKNOWN_PACKAGE: &str = "com.linkedin.metadata.aspect";

/// The package of key aspects.
const KEY_PACKAGE: &str = "com.linkedin.metadata.key";

/// The aspect of a class, for example `datasetProperties` for `com.linkedin.dataset.DatasetProperties`. The
/// package is ignored, because old records have other packages.
pub(super) fn aspect_of(class: &str) -> String {
    let simple = class.rsplit('.').next().unwrap_or(class);
    IRREGULAR
        .iter()
        .find(|(_, class)| class.rsplit('.').next() == Some(simple))
        .map_or_else(|| lower_first(simple), |(aspect, _)| (*aspect).to_owned())
}

/// The class of an aspect, with its package.
pub(super) fn class_of(aspect: &str) -> String {
    if let Some((_, class)) = IRREGULAR.iter().find(|(name, _)| *name == aspect) {
        return (*class).to_owned();
    }
    let simple = upper_first(aspect);
    let package = PACKAGE_OF.get(simple.as_str()).copied().unwrap_or(if simple.ends_with("Key") {
        KEY_PACKAGE
    } else {
        UNKNOWN_PACKAGE
    });
    format!("{package}.{simple}")
}

/// The class of an entity's snapshot.
pub(super) fn snapshot_of(entity_type: &str) -> String {
    let simple = match entity_type.strip_prefix("ml") {
        Some(rest) if rest.starts_with(char::is_uppercase) => format!("ML{rest}"),
        _ if entity_type == "corpuser" => "CorpUser".to_owned(),
        _ => upper_first(entity_type),
    };
    format!("com.linkedin.metadata.snapshot.{simple}Snapshot")
}

/// Whether an aspect is a time series, of which all values are stored.
pub(super) fn is_timeseries(aspect: &str) -> bool {
    TIMESERIES.contains(&aspect)
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

fn upper_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

static PACKAGE_OF: LazyLock<HashMap<&str, &str>> = LazyLock::new(|| {
    PACKAGES.iter().flat_map(|(package, classes)| classes.iter().map(|class| (*class, *package))).collect()
});

/// Time-series aspects.
pub(super) const TIMESERIES: &[&str] = &[
    "assertionRunEvent",
    "chartUsageStatistics",
    "dashboardUsageStatistics",
    "dataProcessInstanceRunEvent",
    "datahubIngestionCheckpoint",
    "datahubIngestionRunSummary",
    "datasetProfile",
    "datasetUsageStatistics",
    "documentUsageStatistics",
    "operation",
    "queryUsageStatistics",
];

/// Aspects that are not named like their class with a lower-case initial.
const IRREGULAR: &[(&str, &str)] = &[
    ("aiAgentDependencies", "com.linkedin.agent.AIAgentDependencies"),
    ("aiAgentInfo", "com.linkedin.agent.AIAgentInfo"),
    ("aiAgentKey", "com.linkedin.metadata.key.AIAgentKey"),
    ("dataHubExecutionRequestInput", "com.linkedin.execution.ExecutionRequestInput"),
    ("dataHubExecutionRequestKey", "com.linkedin.metadata.key.ExecutionRequestKey"),
    ("dataHubExecutionRequestResult", "com.linkedin.execution.ExecutionRequestResult"),
    ("dataHubExecutionRequestSignal", "com.linkedin.execution.ExecutionRequestSignal"),
    ("editableMlFeatureProperties", "com.linkedin.ml.metadata.EditableMLFeatureProperties"),
    ("editableMlFeatureTableProperties", "com.linkedin.ml.metadata.EditableMLFeatureTableProperties"),
    ("editableMlModelGroupProperties", "com.linkedin.ml.metadata.EditableMLModelGroupProperties"),
    ("editableMlModelProperties", "com.linkedin.ml.metadata.EditableMLModelProperties"),
    ("editableMlPrimaryKeyProperties", "com.linkedin.ml.metadata.EditableMLPrimaryKeyProperties"),
    ("erModelRelationshipKey", "com.linkedin.metadata.key.ERModelRelationshipKey"),
    ("erModelRelationshipProperties", "com.linkedin.ermodelrelation.ERModelRelationshipProperties"),
    ("mlFeatureKey", "com.linkedin.metadata.key.MLFeatureKey"),
    ("mlFeatureProperties", "com.linkedin.ml.metadata.MLFeatureProperties"),
    ("mlFeatureTableKey", "com.linkedin.metadata.key.MLFeatureTableKey"),
    ("mlFeatureTableProperties", "com.linkedin.ml.metadata.MLFeatureTableProperties"),
    ("mlHyperParam", "com.linkedin.ml.metadata.MLHyperParam"),
    ("mlMetric", "com.linkedin.ml.metadata.MLMetric"),
    ("mlModelCaveatsAndRecommendations", "com.linkedin.ml.metadata.CaveatsAndRecommendations"),
    ("mlModelDeploymentKey", "com.linkedin.metadata.key.MLModelDeploymentKey"),
    ("mlModelDeploymentProperties", "com.linkedin.ml.metadata.MLModelDeploymentProperties"),
    ("mlModelEthicalConsiderations", "com.linkedin.ml.metadata.EthicalConsiderations"),
    ("mlModelEvaluationData", "com.linkedin.ml.metadata.EvaluationData"),
    ("mlModelFactorPrompts", "com.linkedin.ml.metadata.MLModelFactorPrompts"),
    ("mlModelGroupKey", "com.linkedin.metadata.key.MLModelGroupKey"),
    ("mlModelGroupProperties", "com.linkedin.ml.metadata.MLModelGroupProperties"),
    ("mlModelKey", "com.linkedin.metadata.key.MLModelKey"),
    ("mlModelMetrics", "com.linkedin.ml.metadata.Metrics"),
    ("mlModelProperties", "com.linkedin.ml.metadata.MLModelProperties"),
    ("mlModelQuantitativeAnalyses", "com.linkedin.ml.metadata.QuantitativeAnalyses"),
    ("mlModelTrainingData", "com.linkedin.ml.metadata.TrainingData"),
    ("mlPrimaryKeyKey", "com.linkedin.metadata.key.MLPrimaryKeyKey"),
    ("mlPrimaryKeyProperties", "com.linkedin.ml.metadata.MLPrimaryKeyProperties"),
    ("mlTrainingRunProperties", "com.linkedin.ml.metadata.MLTrainingRunProperties"),
    ("propertyDefinition", "com.linkedin.structured.StructuredPropertyDefinition"),
    ("schemafieldInfo", "com.linkedin.schemafield.SchemaFieldInfo"),
];

/// The classes of aspects, by package; a key aspect that is missing here is in [`KEY_PACKAGE`].
const PACKAGES: &[(&str, &[&str])] = &[
    ("com.linkedin.access.token", &["DataHubAccessTokenInfo"]),
    ("com.linkedin.agentskill", &["AgentSkillInfo"]),
    ("com.linkedin.api", &["ApiProperties", "ApiSignature", "RestApiProperties"]),
    (
        "com.linkedin.application",
        &["ApplicationKey", "ApplicationLineage", "ApplicationProperties", "Applications"],
    ),
    (
        "com.linkedin.assertion",
        &["AssertionActions", "AssertionInfo", "AssertionNote", "AssertionRunEvent", "AssertionRunSummary"],
    ),
    (
        "com.linkedin.businessattribute",
        &["BusinessAttributeInfo", "BusinessAttributeKey", "BusinessAttributes"],
    ),
    ("com.linkedin.chart", &["ChartInfo", "ChartQuery", "ChartUsageStatistics", "EditableChartProperties"]),
    (
        "com.linkedin.common",
        &[
            "Access",
            "AiContext",
            "Aliases",
            "BrowsePaths",
            "BrowsePathsV2",
            "Cost",
            "DataPlatformInstance",
            "DataTransformLogic",
            "Deprecation",
            "DisplayProperties",
            "Documentation",
            "Embed",
            "Forms",
            "GlobalTags",
            "GlossaryTerms",
            "IncidentsSummary",
            "InputFields",
            "InstitutionalMemory",
            "Operation",
            "Origin",
            "Ownership",
            "SemanticContent",
            "SemanticText",
            "Siblings",
            "Status",
            "SubTypes",
            "UpstreamMetrics",
            "VersionProperties",
        ],
    ),
    ("com.linkedin.connection", &["DataHubConnectionDetails"]),
    ("com.linkedin.container", &["Container", "ContainerProperties", "EditableContainerProperties"]),
    ("com.linkedin.dashboard", &["DashboardInfo", "DashboardUsageStatistics", "EditableDashboardProperties"]),
    ("com.linkedin.datacontract", &["DataContractProperties", "DataContractStatus"]),
    (
        "com.linkedin.datajob",
        &[
            "DataFlowInfo",
            "DataJobInfo",
            "DataJobInputOutput",
            "EditableDataFlowProperties",
            "EditableDataJobProperties",
            "VersionInfo",
        ],
    ),
    ("com.linkedin.datajob.datahub", &["DatahubIngestionCheckpoint", "DatahubIngestionRunSummary"]),
    ("com.linkedin.dataplatform", &["DataPlatformInfo"]),
    ("com.linkedin.dataplatform.slack", &["SlackUserInfo"]),
    ("com.linkedin.dataplatforminstance", &["DataPlatformInstanceProperties", "IcebergWarehouseInfo"]),
    (
        "com.linkedin.dataprocess",
        &[
            "DataProcessInfo",
            "DataProcessInstanceInput",
            "DataProcessInstanceOutput",
            "DataProcessInstanceProperties",
            "DataProcessInstanceRelationships",
            "DataProcessInstanceRunEvent",
        ],
    ),
    ("com.linkedin.dataproduct", &["DataProductKey", "DataProductProperties", "DataProducts"]),
    (
        "com.linkedin.dataset",
        &[
            "DatasetDeprecation",
            "DatasetProfile",
            "DatasetProperties",
            "DatasetUpstreamLineage",
            "DatasetUsageStatistics",
            "EditableDatasetProperties",
            "IcebergCatalogInfo",
            "PartitionsSummary",
            "SemanticModelProperties",
            "UpstreamLineage",
            "ViewProperties",
        ],
    ),
    ("com.linkedin.datatype", &["DataTypeInfo", "DataTypeKey"]),
    ("com.linkedin.domain", &["DomainProperties", "Domains"]),
    ("com.linkedin.entitytype", &["EntityTypeInfo", "EntityTypeKey"]),
    ("com.linkedin.ermodelrelation", &["EditableERModelRelationshipProperties"]),
    ("com.linkedin.file", &["DataHubFileInfo"]),
    ("com.linkedin.form", &["DynamicFormAssignment", "FormInfo"]),
    ("com.linkedin.glossary", &["GlossaryNodeInfo", "GlossaryRelatedTerms", "GlossaryTermInfo"]),
    (
        "com.linkedin.identity",
        &[
            "CorpGroupEditableInfo",
            "CorpGroupInfo",
            "CorpUserCredentials",
            "CorpUserEditableInfo",
            "CorpUserInfo",
            "CorpUserSettings",
            "CorpUserStatus",
            "GroupMembership",
            "InviteToken",
            "NativeGroupMembership",
            "RoleMembership",
        ],
    ),
    ("com.linkedin.incident", &["IncidentExternalLinks", "IncidentInfo", "IncidentNotes", "IncidentSource"]),
    ("com.linkedin.ingestion", &["DataHubIngestionSourceInfo"]),
    ("com.linkedin.knowledge", &["DocumentInfo", "DocumentSettings", "DocumentUsageStatistics"]),
    ("com.linkedin.lifecycle", &["LifecycleStageTypeInfo"]),
    ("com.linkedin.logical", &["LogicalParent"]),
    ("com.linkedin.metadata.search.features", &["StorageFeatures", "UsageFeatures"]),
    ("com.linkedin.metric", &["MetricInfo", "MetricRelationships", "MetricUpstreams"]),
    ("com.linkedin.ml.metadata", &["IntendedUse", "SourceCode"]),
    ("com.linkedin.module", &["DataHubPageModuleProperties"]),
    ("com.linkedin.mxe", &["SystemMetadata"]),
    ("com.linkedin.notebook", &["EditableNotebookProperties", "NotebookContent", "NotebookInfo"]),
    ("com.linkedin.ownership", &["OwnershipTypeInfo"]),
    ("com.linkedin.persona", &["DataHubPersonaInfo"]),
    ("com.linkedin.platformresource", &["PlatformResourceInfo", "PlatformResourceKey"]),
    ("com.linkedin.policy", &["DataHubPolicyInfo", "DataHubRoleInfo"]),
    ("com.linkedin.post", &["PostInfo"]),
    ("com.linkedin.query", &["QueryProperties", "QuerySubjects", "QueryUsageStatistics"]),
    (
        "com.linkedin.repository",
        &["RepositoryKey", "RepositoryLineage", "RepositoryProperties", "RepositorySource"],
    ),
    ("com.linkedin.retention", &["DataHubRetentionConfig"]),
    ("com.linkedin.role", &["Actors", "RoleProperties"]),
    ("com.linkedin.schema", &["EditableSchemaMetadata", "SchemaMetadata"]),
    ("com.linkedin.schemafield", &["SchemaFieldAliases"]),
    ("com.linkedin.search.template", &["SearchTemplateProperties"]),
    ("com.linkedin.secret", &["DataHubSecretValue"]),
    ("com.linkedin.semanticmodel", &["SemanticFieldAnnotation", "SemanticModelInfo"]),
    (
        "com.linkedin.service",
        &["McpServerProperties", "ServiceDefinition", "ServiceKey", "ServiceProperties"],
    ),
    ("com.linkedin.settings.asset", &["AssetSettings"]),
    ("com.linkedin.settings.global", &["GlobalSettingsInfo"]),
    ("com.linkedin.step", &["DataHubStepStateProperties"]),
    (
        "com.linkedin.structured",
        &["StructuredProperties", "StructuredPropertyKey", "StructuredPropertySettings"],
    ),
    ("com.linkedin.tag", &["TagProperties"]),
    ("com.linkedin.telemetry", &["TelemetryClientId"]),
    ("com.linkedin.template", &["DataHubPageTemplateProperties"]),
    ("com.linkedin.test", &["TestInfo", "TestResults"]),
    ("com.linkedin.upgrade", &["DataHubUpgradeRequest", "DataHubUpgradeResult"]),
    ("com.linkedin.versionset", &["VersionSetProperties"]),
    ("com.linkedin.view", &["DataHubViewInfo"]),
];
