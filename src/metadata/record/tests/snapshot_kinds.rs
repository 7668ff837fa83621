use super::*;
use crate::metadata::model;

/// Each kind of snapshot, an entity that it may be of, and the aspects that it may hold.
const KINDS: [(&str, &str, &str); 21] = [
    (
        "ChartSnapshot",
        "urn:li:chart:(looker,c1)",
        "browsePaths browsePathsV2 chartInfo chartKey chartQuery dataPlatformInstance editableChartProperties globalTags glossaryTerms institutionalMemory ownership status",
    ),
    ("CorpGroupSnapshot", "urn:li:corpGroup:größe", "corpGroupInfo corpGroupKey globalTags status"),
    (
        "CorpUserSnapshot",
        "urn:li:corpuser:größe",
        "corpUserEditableInfo corpUserInfo corpUserKey corpUserStatus globalTags groupMembership status",
    ),
    (
        "DashboardSnapshot",
        "urn:li:dashboard:(looker,d1)",
        "browsePaths browsePathsV2 dashboardInfo dashboardKey dataPlatformInstance editableDashboardProperties globalTags glossaryTerms institutionalMemory ownership status",
    ),
    (
        "DataFlowSnapshot",
        "urn:li:dataFlow:(airflow,daily,PROD)",
        "browsePaths browsePathsV2 dataFlowInfo dataFlowKey dataPlatformInstance editableDataFlowProperties globalTags glossaryTerms institutionalMemory ownership status",
    ),
    ("DataHubPolicySnapshot", "urn:li:dataHubPolicy:größe", "dataHubPolicyInfo dataHubPolicyKey"),
    (
        "DataHubRetentionSnapshot",
        "urn:li:dataHubRetention:(*,größe)",
        "dataHubRetentionConfig dataHubRetentionKey",
    ),
    (
        "DataJobSnapshot",
        "urn:li:dataJob:(urn:li:dataFlow:(airflow,daily,PROD),load)",
        "browsePaths browsePathsV2 dataJobInfo dataJobInputOutput dataJobKey dataPlatformInstance editableDataJobProperties globalTags glossaryTerms institutionalMemory ownership status",
    ),
    ("DataPlatformSnapshot", "urn:li:dataPlatform:größe", "dataPlatformInfo dataPlatformKey"),
    (
        "DataProcessSnapshot",
        "urn:li:dataProcess:(sqoop,load,PROD)",
        "dataProcessInfo dataProcessKey ownership status",
    ),
    (
        "DatasetSnapshot",
        "urn:li:dataset:(urn:li:dataPlatform:hive,café.orders,PROD)",
        "browsePaths browsePathsV2 dataPlatformInstance datasetDeprecation datasetKey datasetProperties datasetUpstreamLineage editableDatasetProperties editableSchemaMetadata globalTags glossaryTerms institutionalMemory ownership schemaMetadata status upstreamLineage viewProperties",
    ),
    (
        "GlossaryNodeSnapshot",
        "urn:li:glossaryNode:größe",
        "glossaryNodeInfo glossaryNodeKey ownership status",
    ),
    (
        "GlossaryTermSnapshot",
        "urn:li:glossaryTerm:größe",
        "browsePaths glossaryRelatedTerms glossaryTermInfo glossaryTermKey ownership status",
    ),
    (
        "MLFeatureSnapshot",
        "urn:li:mlFeature:(shop,age)",
        "browsePaths browsePathsV2 dataPlatformInstance deprecation globalTags institutionalMemory mlFeatureKey mlFeatureProperties ownership status",
    ),
    (
        "MLFeatureTableSnapshot",
        "urn:li:mlFeatureTable:(urn:li:dataPlatform:hive,users)",
        "browsePaths browsePathsV2 dataPlatformInstance deprecation globalTags institutionalMemory mlFeatureTableKey mlFeatureTableProperties ownership status",
    ),
    (
        "MLModelDeploymentSnapshot",
        "urn:li:mlModelDeployment:(urn:li:dataPlatform:hive,churn,PROD)",
        "dataPlatformInstance deprecation globalTags mlModelDeploymentKey mlModelDeploymentProperties ownership status",
    ),
    (
        "MLModelGroupSnapshot",
        "urn:li:mlModelGroup:(urn:li:dataPlatform:hive,churn,PROD)",
        "browsePaths browsePathsV2 dataPlatformInstance deprecation globalTags mlModelGroupKey mlModelGroupProperties ownership status",
    ),
    (
        "MLModelSnapshot",
        "urn:li:mlModel:(urn:li:dataPlatform:hive,churn,PROD)",
        "browsePaths browsePathsV2 cost dataPlatformInstance deprecation globalTags institutionalMemory intendedUse mlModelCaveatsAndRecommendations mlModelEthicalConsiderations mlModelEvaluationData mlModelFactorPrompts mlModelKey mlModelMetrics mlModelProperties mlModelQuantitativeAnalyses mlModelTrainingData ownership sourceCode status",
    ),
    (
        "MLPrimaryKeySnapshot",
        "urn:li:mlPrimaryKey:(shop,user)",
        "dataPlatformInstance deprecation globalTags institutionalMemory mlPrimaryKeyKey mlPrimaryKeyProperties ownership status",
    ),
    (
        "SchemaFieldSnapshot",
        "urn:li:schemaField:(urn:li:dataset:(urn:li:dataPlatform:hive,orders,PROD),id)",
        "schemaFieldKey",
    ),
    ("TagSnapshot", "urn:li:tag:größe", "ownership status tagKey tagProperties"),
];

/// Where a class is, as Python's classes and as GMS's have it.
const NAMESPACES: [&str; 2] = ["com.linkedin.pegasus2avro.", "com.linkedin."];

fn class(namespace: &str, aspect: &str) -> String {
    let class = model::aspect(aspect).unwrap().class;
    format!("{namespace}{}", class.strip_prefix("com.linkedin.").unwrap())
}

fn snapshot(namespace: &str, kind: &str, urn: &str, aspects: &[String]) -> String {
    let aspects: Vec<_> =
        aspects.iter().map(|class| format!(r#"{{"{class}":{{"x":null,"y":"{class}"}}}}"#)).collect();
    format!(
        r#"{{"auditHeader":null,"proposedSnapshot":{{"{namespace}metadata.snapshot.{kind}":{{"urn":"{urn}","aspects":[{}]}}}}}}"#,
        aspects.join(",")
    )
}

#[test]
fn each_kind_is_taken_apart_into_each_of_its_aspects() {
    for (kind, urn, aspects) in KINDS {
        let names: Vec<_> = aspects.split(' ').collect();
        for namespace in NAMESPACES {
            let classes: Vec<_> = names.iter().map(|name| class(namespace, name)).collect();
            let found = proposals(&snapshot(namespace, kind, urn, &classes));
            assert_eq!(found.len(), names.len(), "{kind}");
            for ((proposal, name), class) in found.iter().zip(&names).zip(&classes) {
                assert_eq!((proposal.urn.as_str(), proposal.urn.storage_problem()), (urn, None));
                assert_eq!(proposal.entity_type, proposal.urn.entity_type());
                assert_eq!(proposal.change_type, ChangeType::Upsert);
                assert_eq!(proposal.aspect_name, *name, "{kind}");
                let expected = format!(r#"{{"y":"{class}"}}"#);
                assert_eq!(text(proposal.aspect.as_ref()), expected);
                assert_eq!(proposal.aspect.as_ref().unwrap().content_type, Aspect::JSON);
            }
        }
        let model = model::snapshot(&format!("com.linkedin.metadata.snapshot.{kind}")).unwrap();
        assert_eq!(model.aspects.len(), names.len(), "{kind}");
    }
}

#[test]
fn a_misspelt_tag_gets_a_suggestion() {
    for (kind, urn, aspects) in KINDS {
        for namespace in NAMESPACES {
            for name in aspects.split(' ') {
                let class = class(namespace, name);
                let misspelt = format!("{class}s");
                let meant = class.rsplit('.').next().unwrap();
                let record = snapshot(namespace, kind, urn, std::slice::from_ref(&misspelt));
                let error = error(&record);
                assert!(
                    error.reason.starts_with(&format!("unknown aspect `{misspelt}` in a snapshot")),
                    "{error}"
                );
                assert!(error.reason.ends_with(&format!("; did you mean `{meant}`?")), "{error}");
                assert!(record.get(error.offset..).unwrap().starts_with(&format!("\"{misspelt}\"")));
            }
        }
    }
}

#[test]
fn an_aspect_of_another_kind_is_unknown() {
    for (kind, urn, aspects) in KINDS {
        for other in ["schemaMetadata", "tagProperties", "corpUserInfo"] {
            if !aspects.split(' ').any(|name| name == other) {
                let record = snapshot("com.linkedin.", kind, urn, &[class("com.linkedin.", other)]);
                check_error(&record, "unknown aspect `com.linkedin.", "\"com.linkedin.");
            }
        }
    }
}

#[test]
fn a_models_cost_is_what_its_discriminator_names() {
    let found = proposals(
        r#"{"proposedSnapshot":{"com.linkedin.pegasus2avro.metadata.snapshot.MLModelSnapshot":{
            "urn":"urn:li:mlModel:(urn:li:dataPlatform:science,m1,PROD)",
            "aspects":[{"com.linkedin.pegasus2avro.common.Cost":{
                "costType":"ORG_COST_TYPE","cost":{"fieldDiscriminator":"costCode","costId":null,"costCode":"CC-1"}}}]}},
            "proposedDelta":null}"#,
    );
    assert_eq!(
        text(found.first().unwrap().aspect.as_ref()),
        r#"{"costType":"ORG_COST_TYPE","cost":{"costCode":"CC-1"}}"#
    );
}
