//! GraphQL's names of the entity types (`entity.graphql`).

use async_graphql::Enum;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub(super) enum EntityType {
    AccessToken,
    Application,
    Assertion,
    BusinessAttribute,
    Chart,
    Container,
    CorpGroup,
    CorpUser,
    CustomOwnershipType,
    Dashboard,
    DataContract,
    DataFlow,
    #[graphql(name = "DATAHUB_CONNECTION")]
    DatahubConnection,
    #[graphql(name = "DATAHUB_FILE")]
    DatahubFile,
    #[graphql(name = "DATAHUB_PAGE_MODULE")]
    DatahubPageModule,
    #[graphql(name = "DATAHUB_PAGE_TEMPLATE")]
    DatahubPageTemplate,
    #[graphql(name = "DATAHUB_POLICY")]
    DatahubPolicy,
    #[graphql(name = "DATAHUB_ROLE")]
    DatahubRole,
    #[graphql(name = "DATAHUB_VIEW")]
    DatahubView,
    DataJob,
    DataPlatform,
    DataPlatformInstance,
    DataProcessInstance,
    DataProduct,
    Dataset,
    DataType,
    Document,
    Domain,
    #[graphql(name = "ENTITY_TYPE")]
    TypeOfEntity,
    ErModelRelationship,
    ExecutionRequest,
    Form,
    GlossaryNode,
    GlossaryTerm,
    Incident,
    IngestionSource,
    #[graphql(name = "MLFEATURE")]
    MlFeature,
    #[graphql(name = "MLFEATURE_TABLE")]
    MlFeatureTable,
    #[graphql(name = "MLMODEL")]
    MlModel,
    #[graphql(name = "MLMODEL_GROUP")]
    MlModelGroup,
    #[graphql(name = "MLPRIMARY_KEY")]
    MlPrimaryKey,
    Notebook,
    Other,
    Post,
    Query,
    Restricted,
    Role,
    SchemaField,
    StructuredProperty,
    Tag,
    Test,
    VersionSet,
}
