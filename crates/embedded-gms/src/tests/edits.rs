//! GraphQL's mutations of entities.

use super::*;

const TAG: &str = "urn:li:tag:pii";
const TERM: &str = "urn:li:glossaryTerm:revenue";
const DOMAIN: &str = "urn:li:domain:sales";

async fn filled() -> Gms {
    let gms = Gms::builder().check_fields(true).start().await.unwrap();
    let schema = json!({
        "schemaName": "s", "platform": "urn:li:dataPlatform:hive", "version": 0, "hash": "",
        "platformSchema": {"com.linkedin.schema.OtherSchema": {"rawSchema": ""}},
        "fields": [{"fieldPath": "id", "nativeDataType": "int", "type": {"type": {"com.linkedin.schema.NumberType": {}}}}],
    });
    let changes = [
        upsert(DATASET, "schemaMetadata", &schema.to_string()),
        upsert(TAG, "tagProperties", r#"{"name":"PII"}"#),
        upsert(TERM, "glossaryTermInfo", r#"{"definition":"Money.","termSource":"INTERNAL"}"#),
        upsert(DOMAIN, "domainProperties", r#"{"name":"Sales"}"#),
    ];
    assert_eq!(text(ingest(&gms, &changes).await, 200).await, r#"{"value":"success"}"#);
    gms
}

/// Runs a mutation, which must succeed, and returns its result.
async fn edit(gms: &Gms, mutation: &str) -> Value {
    let response = ask(gms, gms.token(), &format!("mutation {{ result: {mutation} }}")).await;
    assert!(response.get("errors").is_none(), "{mutation}: {response}");
    response["data"]["result"].clone()
}

async fn stored(gms: &Gms, urn: &str, aspect: &str) -> Value {
    serde_json::from_str(&gms.aspect(urn, aspect).await.unwrap()).unwrap()
}

#[tokio::test]
async fn labels_are_added_once_and_removed() {
    let gms = filled().await;
    for mutation in [
        format!(r#"addTag(input: {{tagUrn: "{TAG}", resourceUrn: "{DATASET}"}})"#),
        format!(r#"addTags(input: {{tagUrns: ["{TAG}"], resourceUrn: "{DATASET}"}})"#),
        format!(
            r#"batchAddTags(input: {{tagUrns: ["{TAG}"], resources: [{{resourceUrn: "{DATASET}"}}, {{resourceUrn: "{DATASET}", subResource: "id", subResourceType: DATASET_FIELD}}]}})"#
        ),
        format!(
            r#"addTerm(input: {{termUrn: "{TERM}", resourceUrn: "{DATASET}", subResource: "id", subResourceType: DATASET_FIELD}})"#
        ),
        format!(
            r#"batchAddTerms(input: {{termUrns: ["{TERM}"], resources: [{{resourceUrn: "{DATASET}"}}]}})"#
        ),
    ] {
        assert_eq!(edit(&gms, &mutation).await, true, "{mutation}");
    }
    assert_eq!(stored(&gms, DATASET, "globalTags").await, json!({"tags": [{"tag": TAG}]}));
    assert_eq!(
        stored(&gms, DATASET, "glossaryTerms").await["terms"],
        json!([{"urn": TERM, "actor": "urn:li:corpuser:datahub"}])
    );
    let column = stored(&gms, DATASET, "editableSchemaMetadata").await["editableSchemaFieldInfo"][0].clone();
    assert_eq!(
        (&column["fieldPath"], &column["globalTags"]),
        (&json!("id"), &json!({"tags": [{"tag": TAG}]}))
    );
    assert_eq!(column["glossaryTerms"]["terms"][0]["urn"], TERM);
    for mutation in [
        format!(r#"removeTag(input: {{tagUrn: "{TAG}", resourceUrn: "{DATASET}"}})"#),
        format!(
            r#"batchRemoveTags(input: {{tagUrns: ["{TAG}"], resources: [{{resourceUrn: "{DATASET}", subResource: "id"}}]}})"#
        ),
        format!(r#"removeTerm(input: {{termUrn: "{TERM}", resourceUrn: "{DATASET}"}})"#),
    ] {
        assert_eq!(edit(&gms, &mutation).await, true, "{mutation}");
    }
    assert_eq!(stored(&gms, DATASET, "globalTags").await, json!({"tags": []}));
    assert_eq!(stored(&gms, DATASET, "glossaryTerms").await["terms"], json!([]));
    assert_eq!(
        stored(&gms, DATASET, "editableSchemaMetadata").await["editableSchemaFieldInfo"][0]["globalTags"],
        json!({"tags": []})
    );
    for (mutation, part) in [
        (
            format!(r#"addTag(input: {{tagUrn: "urn:li:tag:none", resourceUrn: "{DATASET}"}})"#),
            "urn:li:tag:none does not exist",
        ),
        (format!(r#"addTag(input: {{tagUrn: "{TERM}", resourceUrn: "{DATASET}"}})"#), "is not a tag"),
        (
            format!(r#"addTag(input: {{tagUrn: "{TAG}", resourceUrn: "urn:li:chart:(a,b)"}})"#),
            "does not exist",
        ),
        (
            format!(r#"addTag(input: {{tagUrn: "{TAG}", resourceUrn: "{DATASET}", subResource: "no"}})"#),
            "Field no does not exist",
        ),
    ] {
        let response = ask(&gms, gms.token(), &format!("mutation {{ {mutation} }}")).await;
        let error = &response["errors"][0];
        assert!(error["message"].as_str().unwrap().contains(part), "{response}");
        assert_eq!((&error["extensions"]["code"], &error["path"]), (&json!(400), &json!(["addTag"])));
    }
}

#[tokio::test]
async fn owners_domains_and_descriptions_are_set() {
    let gms = filled().await;
    let owner = r#"ownerUrn: "urn:li:corpuser:jdoe", ownerEntityType: CORP_USER"#;
    let steward = "urn:li:ownershipType:__system__data_steward";
    edit(&gms, &format!(r#"addOwner(input: {{{owner}, type: TECHNICAL_OWNER, resourceUrn: "{DATASET}"}})"#))
        .await;
    edit(&gms, &format!(r#"batchAddOwners(input: {{owners: [{{{owner}, ownershipTypeUrn: "{steward}"}}], resources: [{{resourceUrn: "{DATASET}"}}]}})"#)).await;
    let owners = stored(&gms, DATASET, "ownership").await;
    assert_eq!(
        owners["owners"],
        json!([
            {"owner": "urn:li:corpuser:jdoe", "type": "TECHNICAL_OWNER", "typeUrn": "urn:li:ownershipType:__system__technical_owner"},
            {"owner": "urn:li:corpuser:jdoe", "type": "DATA_STEWARD", "typeUrn": steward},
        ])
    );
    assert_eq!(owners["lastModified"]["actor"], "urn:li:corpuser:datahub");
    edit(&gms, &format!(r#"removeOwner(input: {{ownerUrn: "urn:li:corpuser:jdoe", ownershipTypeUrn: "{steward}", resourceUrn: "{DATASET}"}})"#)).await;
    assert_eq!(stored(&gms, DATASET, "ownership").await["owners"].as_array().unwrap().len(), 1);
    edit(&gms, &format!(r#"batchRemoveOwners(input: {{ownerUrns: ["urn:li:corpuser:jdoe"], resources: [{{resourceUrn: "{DATASET}"}}]}})"#)).await;
    assert_eq!(stored(&gms, DATASET, "ownership").await["owners"], json!([]));
    edit(&gms, &format!(r#"setDomain(entityUrn: "{DATASET}", domainUrn: "{DOMAIN}")"#)).await;
    assert_eq!(stored(&gms, DATASET, "domains").await, json!({"domains": [DOMAIN]}));
    edit(&gms, &format!(r#"unsetDomain(entityUrn: "{DATASET}")"#)).await;
    assert_eq!(stored(&gms, DATASET, "domains").await, json!({"domains": []}));
    edit(
        &gms,
        &format!(
            r#"batchSetDomain(input: {{domainUrn: "{DOMAIN}", resources: [{{resourceUrn: "{DATASET}"}}]}})"#
        ),
    )
    .await;
    assert_eq!(stored(&gms, DATASET, "domains").await, json!({"domains": [DOMAIN]}));
    edit(&gms, &format!(r#"updateDescription(input: {{description: "Visits", resourceUrn: "{DATASET}"}})"#))
        .await;
    assert_eq!(stored(&gms, DATASET, "editableDatasetProperties").await["description"], "Visits");
    edit(&gms, &format!(r#"updateDescription(input: {{description: "Key", resourceUrn: "{DATASET}", subResource: "id", subResourceType: DATASET_FIELD}})"#)).await;
    let column = stored(&gms, DATASET, "editableSchemaMetadata").await["editableSchemaFieldInfo"][0].clone();
    assert_eq!(column, json!({"fieldPath": "id", "description": "Key"}));
    edit(&gms, &format!(r#"updateDescription(input: {{description: "All money.", resourceUrn: "{TERM}"}})"#))
        .await;
    assert_eq!(stored(&gms, TERM, "glossaryTermInfo").await["definition"], "All money.");
}

#[tokio::test]
async fn tags_connections_and_results_are_created() {
    let gms = filled().await;
    let tag = edit(&gms, r#"createTag(input: {id: "new", name: "New", description: "d"})"#).await;
    assert_eq!(tag, "urn:li:tag:new");
    assert_eq!(
        stored(&gms, "urn:li:tag:new", "tagProperties").await,
        json!({"name": "New", "description": "d"})
    );
    assert_eq!(
        stored(&gms, "urn:li:tag:new", "ownership").await["owners"][0]["owner"],
        "urn:li:corpuser:datahub"
    );
    let again = ask(&gms, gms.token(), r#"mutation { createTag(input: {id: "new", name: "New"}) }"#).await;
    assert!(again["errors"][0]["message"].as_str().unwrap().ends_with("This Tag already exists!"), "{again}");
    let connection = edit(&gms, r#"upsertConnection(input: {id: "c", type: JSON, name: "C", platformUrn: "urn:li:dataPlatform:slack", json: {blob: "secret"}}) { urn details { type name } platform { name } }"#).await;
    assert_eq!(
        connection,
        json!({"urn": "urn:li:dataHubConnection:c", "details": {"type": "JSON", "name": "C"}, "platform": {"name": "slack"}})
    );
    let info = json!({"type": "CUSTOM", "customAssertion": {"type": "x", "entity": DATASET}});
    assert_eq!(
        ingest(&gms, &[upsert("urn:li:assertion:a", "assertionInfo", &info.to_string())]).await.status(),
        200
    );
    let report = |result: &str| {
        format!(
            r#"reportAssertionResult(urn: "urn:li:assertion:a", result: {{timestampMillis: 9, type: {result}, externalUrl: "u", properties: [{{key: "k", value: "v"}}]}})"#
        )
    };
    assert_eq!(edit(&gms, &report("FAILURE")).await, true);
    let query = format!(
        r#"{{ dataset(urn: "{DATASET}") {{ health {{ type status message causes }} assertions {{ total assertions {{ urn info {{ entityUrn }} runEvents(limit: 1) {{ failed runEvents {{ timestampMillis status result {{ type nativeResults {{ key value }} }} }} }} }} }} }} }}"#
    );
    let data = ask(&gms, gms.token(), &query).await["data"]["dataset"].clone();
    assert_eq!(data["health"][0]["status"], "FAIL", "{data}");
    let assertion = &data["assertions"]["assertions"][0];
    assert_eq!(
        (&assertion["info"]["entityUrn"], &assertion["runEvents"]["failed"]),
        (&json!(DATASET), &json!(1))
    );
    let event = json!({"timestampMillis": 9, "status": "COMPLETE", "result": {"type": "FAILURE", "nativeResults": [{"key": "k", "value": "v"}]}});
    assert_eq!(assertion["runEvents"]["runEvents"][0], event);
    let unknown = ask(
        &gms,
        gms.token(),
        &format!("mutation {{ {} }}", report("SUCCESS").replace("assertion:a", "assertion:b")),
    )
    .await;
    assert_eq!(unknown["errors"][0]["extensions"]["code"], 400);
}

#[tokio::test]
async fn every_edit_needs_its_privilege() {
    for (mutation, privileges) in [
        (
            format!(r#"addTag(input: {{tagUrn: "{TAG}", resourceUrn: "{DATASET}"}})"#),
            &["EDIT_ENTITY_TAGS", "EDIT_ENTITY"][..],
        ),
        (
            format!(r#"addTag(input: {{tagUrn: "{TAG}", resourceUrn: "{DATASET}", subResource: "id"}})"#),
            &["EDIT_DATASET_COL_TAGS"],
        ),
        (
            format!(r#"addTerm(input: {{termUrn: "{TERM}", resourceUrn: "{DATASET}"}})"#),
            &["EDIT_ENTITY_GLOSSARY_TERMS"],
        ),
        (format!(r#"addOwners(input: {{owners: [], resourceUrn: "{DATASET}"}})"#), &["EDIT_ENTITY_OWNERS"]),
        (format!(r#"unsetDomain(entityUrn: "{DATASET}")"#), &["EDIT_DOMAINS_PRIVILEGE"]),
        (
            format!(r#"updateDescription(input: {{description: "x", resourceUrn: "{DATASET}"}})"#),
            &["EDIT_ENTITY_DOCS"],
        ),
        (r#"createTag(input: {name: "x"})"#.to_owned(), &["CREATE_TAGS", "MANAGE_TAGS"]),
    ] {
        let gms = filled().await;
        let field = mutation.split('(').next().unwrap();
        let query = format!("mutation {{ {mutation} }}");
        for privilege in std::iter::once(&"EDIT_ENTITY_EMBED").chain(privileges) {
            gms.set_user(User::new("jdoe").privilege(*privilege)).await.unwrap();
            let token = gms.create_token("jdoe").await.unwrap();
            let response = ask(&gms, &token, &query).await;
            if *privilege == "EDIT_ENTITY_EMBED" {
                assert_unauthorized(&response, field);
                assert_eq!(response["data"], json!({(field): null}));
            } else {
                assert!(response.get("errors").is_none(), "{mutation} with {privilege}: {response}");
            }
        }
        // The owner of an entity may edit it by a policy for owners.
        if privileges.contains(&"EDIT_ENTITY_TAGS") {
            let gms = filled().await;
            gms.set_user(User::new("jdoe")).await.unwrap();
            gms.set_policy(Policy::new("own").resource_owners().privilege("EDIT_ENTITY")).await.unwrap();
            let token = gms.create_token("jdoe").await.unwrap();
            assert_unauthorized(&ask(&gms, &token, &query).await, field);
            edit(&gms, &format!(r#"addOwner(input: {{ownerUrn: "urn:li:corpuser:jdoe", ownerEntityType: CORP_USER, resourceUrn: "{DATASET}"}})"#)).await;
            assert!(ask(&gms, &token, &query).await.get("errors").is_none());
        }
    }
}
