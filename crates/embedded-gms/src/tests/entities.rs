//! GraphQL: entities with their aspects, searches and lineage.

use super::*;

const TAG: &str = "urn:li:tag:pii";
const TERM: &str = "urn:li:glossaryTerm:Sales.Revenue";
const DOMAIN: &str = "urn:li:domain:sales";
const JOB: &str = "urn:li:dataJob:(urn:li:dataFlow:(airflow,f,PROD),j)";

fn dataset(name: &str) -> String {
    format!("urn:li:dataset:(urn:li:dataPlatform:hive,{name},PROD)")
}

fn column(of: &str, path: &str) -> String {
    format!("urn:li:schemaField:({},{path})", dataset(of))
}

/// raw → (job) → orders → report, with columns, and everything that an entity may have.
async fn filled() -> Gms {
    let gms = start().await;
    let schema = json!({
        "schemaName": "s", "platform": "urn:li:dataPlatform:hive", "version": 0, "hash": "",
        "platformSchema": {"com.linkedin.schema.OtherSchema": {"rawSchema": "CREATE TABLE"}},
        "fields": [{
            "fieldPath": "id", "nativeDataType": "int", "type": {"type": {"com.linkedin.schema.NumberType": {}}},
            "globalTags": {"tags": [{"tag": TAG}]},
        }],
    });
    let orders = dataset("db.orders");
    let lineage = |from: &str, columns: Value| {
        json!({
            "upstreams": [{"dataset": dataset(from), "type": "VIEW"}], "fineGrainedLineages": columns,
        })
    };
    let fine = json!([{
        "upstreamType": "FIELD_SET", "upstreams": [column("db.orders", "id")],
        "downstreamType": "FIELD", "downstreams": [column("db.report", "order_id")],
    }]);
    let parts: &[(&str, &str, Value)] = &[
        (
            &orders,
            "datasetProperties",
            json!({"name": "Orders", "description": "All orders.", "customProperties": {"a": "b"}}),
        ),
        (&orders, "schemaMetadata", schema),
        (&orders, "globalTags", json!({"tags": [{"tag": TAG, "context": "c"}]})),
        (
            &orders,
            "glossaryTerms",
            json!({"terms": [{"urn": TERM}], "auditStamp": {"time": 0, "actor": "urn:li:corpuser:a"}}),
        ),
        (&orders, "domains", json!({"domains": [DOMAIN]})),
        (
            &orders,
            "ownership",
            json!({"owners": [{"owner": "urn:li:corpuser:datahub", "type": "DATAOWNER"}], "lastModified": {"time": 5, "actor": "urn:li:corpuser:a"}}),
        ),
        (&orders, "container", json!({"container": "urn:li:container:schema"})),
        (
            &orders,
            "structuredProperties",
            json!({"properties": [{"propertyUrn": "urn:li:structuredProperty:p", "values": [{"string": "x"}, {"double": 1.5}]}]}),
        ),
        (&orders, "datasetProfile", json!({"timestampMillis": 7, "rowCount": 42})),
        ("urn:li:container:schema", "containerProperties", json!({"name": "Schema"})),
        ("urn:li:container:schema", "container", json!({"container": "urn:li:container:database"})),
        ("urn:li:container:database", "containerProperties", json!({"name": "Database"})),
        (TAG, "tagProperties", json!({"name": "PII"})),
        (
            TERM,
            "glossaryTermInfo",
            json!({"definition": "Money.", "termSource": "INTERNAL", "parentNode": "urn:li:glossaryNode:Sales"}),
        ),
        ("urn:li:glossaryNode:Sales", "glossaryNodeInfo", json!({"definition": "Sales."})),
        (DOMAIN, "domainProperties", json!({"name": "Sales"})),
        (
            JOB,
            "dataJobInputOutput",
            json!({"inputDatasets": [dataset("db.raw")], "outputDatasets": [orders]}),
        ),
        (JOB, "dataJobInfo", json!({"name": "Load", "type": {"string": "SQL"}})),
        (&dataset("db.raw"), "status", json!({"removed": false})),
        (&dataset("db.report"), "upstreamLineage", lineage("db.orders", fine)),
    ];
    let changes: Vec<_> =
        parts.iter().map(|(urn, aspect, value)| upsert(urn, aspect, &value.to_string())).collect();
    assert_eq!(ingest(&gms, &changes).await.status(), 200);
    gms
}

/// The data of a query without errors.
async fn data(gms: &Gms, query: &str) -> Value {
    let response = ask(gms, gms.token(), query).await;
    assert!(response.get("errors").is_none(), "{response}");
    response["data"].clone()
}

#[tokio::test]
async fn an_entity_has_its_aspects_and_related_entities() {
    let gms = filled().await;
    let query = format!(
        r#"{{ entity(urn: "{}") {{ __typename urn type ... on Dataset {{
            name origin platform {{ urn name }} exists
            properties {{ name description customProperties {{ key value associatedUrn }} }}
            tags {{ tags {{ tag {{ urn properties {{ name }} }} context associatedUrn }} }}
            glossaryTerms {{ terms {{ term {{ name hierarchicalName properties {{ name definition }} parentNodes {{ count nodes {{ urn }} }} }} }} }}
            domain {{ domain {{ urn properties {{ name }} }} }}
            ownership {{ owners {{ owner {{ ... on CorpUser {{ username properties {{ displayName }} }} }} type }} lastModified {{ time }} }}
            parentContainers {{ count containers {{ properties {{ name }} }} }}
            structuredProperties {{ properties {{ values {{ ... on StringValue {{ stringValue }} ... on NumberValue {{ numberValue }} }} }} }}
            schemaMetadata(version: 0) {{ platformSchema {{ ... on TableSchema {{ schema }} }}
                fields {{ fieldPath type nullable tags {{ tags {{ tag {{ name }} }} }} schemaFieldEntity {{ urn fieldPath parent {{ urn }} }} }} }}
            statsSummary {{ rowCount sizeInBytes }} datasetProfiles(limit: 1) {{ timestampMillis rowCount }}
        }} }} }}"#,
        dataset("db.orders")
    );
    let entity = data(&gms, &query).await["entity"].clone();
    let orders = dataset("db.orders");
    for (path, expected) in [
        ("/__typename", json!("Dataset")),
        ("/type", json!("DATASET")),
        ("/name", json!("db.orders")),
        ("/origin", json!("PROD")),
        ("/platform/name", json!("hive")),
        ("/exists", json!(true)),
        ("/properties/customProperties", json!([{"key": "a", "value": "b", "associatedUrn": orders}])),
        (
            "/tags/tags/0",
            json!({"tag": {"urn": TAG, "properties": {"name": "PII"}}, "context": "c", "associatedUrn": orders}),
        ),
        ("/glossaryTerms/terms/0/term/name", json!("Revenue")),
        ("/glossaryTerms/terms/0/term/properties", json!({"name": "Sales.Revenue", "definition": "Money."})),
        (
            "/glossaryTerms/terms/0/term/parentNodes",
            json!({"count": 1, "nodes": [{"urn": "urn:li:glossaryNode:Sales"}]}),
        ),
        ("/domain/domain", json!({"urn": DOMAIN, "properties": {"name": "Sales"}})),
        (
            "/ownership/owners/0",
            json!({"owner": {"username": "datahub", "properties": {"displayName": "DataHub"}}, "type": "DATAOWNER"}),
        ),
        ("/ownership/lastModified/time", json!(5)),
        (
            "/parentContainers",
            json!({"count": 2, "containers": [{"properties": {"name": "Schema"}}, {"properties": {"name": "Database"}}]}),
        ),
        ("/structuredProperties/properties/0/values", json!([{"stringValue": "x"}, {"numberValue": 1.5}])),
        ("/schemaMetadata/platformSchema/schema", json!("CREATE TABLE")),
        ("/schemaMetadata/fields/0/type", json!("NUMBER")),
        ("/schemaMetadata/fields/0/nullable", json!(false)),
        ("/schemaMetadata/fields/0/tags/tags/0/tag/name", json!("pii")),
        (
            "/schemaMetadata/fields/0/schemaFieldEntity",
            json!({"urn": column("db.orders", "id"), "fieldPath": "id", "parent": {"urn": orders}}),
        ),
        ("/statsSummary", json!({"rowCount": 42, "sizeInBytes": null})),
        ("/datasetProfiles/0", json!({"timestampMillis": 7, "rowCount": 42})),
    ] {
        assert_eq!(entity.pointer(path), Some(&expected), "{path}: {entity}");
    }
}

#[tokio::test]
async fn entities_are_found_by_their_urns() {
    let gms = filled().await;
    let none = dataset("db.none");
    let query = format!(
        r#"{{ none: entity(urn: "{none}") {{ urn }} exists: entityExists(urn: "{TAG}") not: entityExists(urn: "{none}")
             tag(urn: "{TAG}") {{ properties {{ name }} }} other: dataset(urn: "{TAG}") {{ urn }}
             entities(urns: ["{TAG}", "{JOB}", "urn:li:dataHubPolicy:x"]) {{ __typename urn type ... on DataJob {{ jobId dataFlow {{ flowId }} dataPlatformInstance {{ platform {{ name }} }} }} }} }}"#
    );
    let data = data(&gms, &query).await;
    assert_eq!((&data["none"], &data["other"]), (&Value::Null, &Value::Null));
    assert_eq!((&data["exists"], &data["not"]), (&json!(true), &json!(false)));
    assert_eq!(data["tag"]["properties"]["name"], "PII");
    assert_eq!(data["entities"][0], json!({"__typename": "Tag", "urn": TAG, "type": "TAG"}));
    let job = json!({"__typename": "DataJob", "urn": JOB, "type": "DATA_JOB", "jobId": "j", "dataFlow": {"flowId": "f"}, "dataPlatformInstance": {"platform": {"name": "airflow"}}});
    assert_eq!(data["entities"][1], job);
    assert_eq!(
        data["entities"][2],
        json!({"__typename": "OtherEntity", "urn": "urn:li:dataHubPolicy:x", "type": "DATAHUB_POLICY"})
    );
    let wrong = ask(&gms, gms.token(), r#"{ entity(urn: "x") { urn } }"#).await;
    assert_eq!(
        (&wrong["data"]["entity"], &wrong["errors"][0]["extensions"]["code"]),
        (&Value::Null, &json!(400))
    );
}

#[tokio::test]
async fn a_search_ranks_filters_and_counts() {
    let gms = filled().await;
    let search = async |input: &str| {
        let query = format!(
            "{{ searchAcrossEntities(input: {{{input}}}) {{ start count total searchResults {{ entity {{ urn }} matchedFields {{ name }} }}
                facets {{ field displayName aggregations {{ value count entity {{ urn ... on Tag {{ name }} }} }} }} }} }}"
        );
        data(&gms, &query).await["searchAcrossEntities"].clone()
    };
    let urns = |found: &Value| -> Vec<String> {
        let results = found["searchResults"].as_array().unwrap().iter();
        results.map(|one| one["entity"]["urn"].as_str().unwrap().to_owned()).collect()
    };
    let found = search(r#"query: "orders", types: [DATASET]"#).await;
    assert_eq!(urns(&found), [dataset("db.orders")], "{found}");
    let all = search(r#"query: "*", types: [DATASET], count: 2"#).await;
    assert_eq!((urns(&all).len(), &all["count"], &all["total"]), (2, &json!(2), &json!(3)));
    let facet =
        |field: &str| all["facets"].as_array().unwrap().iter().find(|facet| facet["field"] == field).cloned();
    assert_eq!(
        facet("tags").unwrap(),
        json!({"field": "tags", "displayName": "Tag", "aggregations": [{"value": TAG, "count": 1, "entity": {"urn": TAG, "name": "pii"}}]})
    );
    assert_eq!(facet("_entityType").unwrap()["aggregations"][0]["value"], "DATASET");
    let tagged = format!(
        r#"query: "", orFilters: [{{and: [{{field: "tags", values: ["{TAG}"]}}, {{field: "platform", values: ["urn:li:dataPlatform:hive"], negated: false}}]}}]"#
    );
    assert_eq!(urns(&search(&tagged).await), [dataset("db.orders")]);
    assert_eq!(
        urns(&search(r#"query: "/q report OR raw", types: [DATASET]"#).await),
        [dataset("db.raw"), dataset("db.report")]
    );
    assert_eq!(urns(&search(r#"query: "/q tag:pii AND orders""#).await), [dataset("db.orders")]);
    // An entity is found by a new name as soon as it is written, and not by the old one.
    ingest(&gms, &[upsert(TAG, "tagProperties", r#"{"name":"Confidential"}"#)]).await;
    assert_eq!(urns(&search(r#"query: "confiden", types: [TAG]"#).await), [TAG]);
    ingest(&gms, &[upsert(TAG, "tagProperties", r#"{"name":"Open"}"#)]).await;
    assert_eq!(urns(&search(r#"query: "confiden", types: [TAG]"#).await), [""; 0]);
    let query = format!(
        r#"{{ search(input: {{type: DATASET, query: "*", filters: [{{field: "tags", values: "{TAG}"}}]}}) {{ total }}
        domain(urn: "{DOMAIN}") {{ entities(input: {{start: 0, count: 5}}) {{ total }} }} }}"#
    );
    let counted = data(&gms, &query).await;
    assert_eq!(counted, json!({"search": {"total": 1}, "domain": {"entities": {"total": 1}}}));
}

#[tokio::test]
async fn lineage_is_searched_with_hops_and_filters() {
    let gms = filled().await;
    let search = async |urn: &str, direction: &str, more: &str| {
        let query = format!(
            r#"{{ searchAcrossLineage(input: {{urn: "{urn}", direction: {direction}, query: "*", count: 50{more}}}) {{
                total searchResults {{ degree entity {{ urn }} paths {{ path {{ urn }} }} }} facets {{ field aggregations {{ value count }} }} }} }}"#
        );
        data(&gms, &query).await["searchAcrossLineage"].clone()
    };
    let found = |result: &Value| -> Vec<(String, i64)> {
        let results = result["searchResults"].as_array().unwrap().iter();
        results
            .map(|one| (one["entity"]["urn"].as_str().unwrap().to_owned(), one["degree"].as_i64().unwrap()))
            .collect()
    };
    let report = dataset("db.report");
    let all = search(&report, "UPSTREAM", "").await;
    assert_eq!(found(&all), [(dataset("db.orders"), 1), (JOB.to_owned(), 2), (dataset("db.raw"), 3)]);
    let path: Vec<_> = all["searchResults"][2]["paths"][0]["path"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["urn"].clone())
        .collect();
    assert_eq!(path, [json!(report), json!(dataset("db.orders")), json!(JOB), json!(dataset("db.raw"))]);
    let degrees = all["facets"].as_array().unwrap().iter().find(|facet| facet["field"] == "degree").unwrap();
    assert_eq!(degrees["aggregations"].as_array().unwrap().len(), 3);
    let hops = |values: &str| format!(r#", orFilters: [{{and: [{{field: "degree", values: [{values}]}}]}}]"#);
    assert_eq!(found(&search(&report, "UPSTREAM", &hops(r#""1""#)).await), [(dataset("db.orders"), 1)]);
    assert_eq!(found(&search(&report, "UPSTREAM", &hops(r#""3+""#)).await), [(dataset("db.raw"), 3)]);
    assert_eq!(
        found(&search(&dataset("db.raw"), "DOWNSTREAM", ", types: [DATA_JOB]").await),
        [(JOB.to_owned(), 1)]
    );
    // Columns are grouped by their data sets, unless the caller wants columns.
    let of_column = column("db.report", "order_id");
    assert_eq!(found(&search(&of_column, "UPSTREAM", "").await), [(dataset("db.orders"), 1)]);
    let columns = ", searchFlags: {groupingSpec: {groupingCriteria: {baseEntityType: SCHEMA_FIELD, groupingEntityType: SCHEMA_FIELD}}}";
    assert_eq!(found(&search(&of_column, "UPSTREAM", columns).await), [(column("db.orders", "id"), 1)]);
    // Soft-deleted entities are left out, but lineage leads through them.
    ingest(&gms, &[upsert(&dataset("db.orders"), "status", r#"{"removed":true}"#)]).await;
    assert_eq!(found(&search(&report, "UPSTREAM", "").await), [(JOB.to_owned(), 2), (dataset("db.raw"), 3)]);
    let mut scrolled = Vec::new();
    let mut place = String::new();
    loop {
        let query = format!(
            r#"{{ scrollAcrossLineage(input: {{urn: "{report}", direction: UPSTREAM, query: "*", count: 1{place}}}) {{ nextScrollId searchResults {{ degree entity {{ urn }} }} }} }}"#
        );
        let page = data(&gms, &query).await["scrollAcrossLineage"].clone();
        scrolled.extend(found(&page));
        match page["nextScrollId"].as_str() {
            Some(id) => place = format!(r#", scrollId: "{id}""#),
            None => break,
        }
    }
    assert_eq!(scrolled, [(JOB.to_owned(), 2), (dataset("db.raw"), 3)]);
    let query = format!(
        r#"{{ dataset(urn: "{report}") {{ lineage(input: {{direction: UPSTREAM}}) {{ total relationships {{ type degree entity {{ urn }} }} }}
        relationships(input: {{types: ["DownstreamOf"], direction: OUTGOING}}) {{ total relationships {{ type direction entity {{ urn }} }} }} }} }}"#
    );
    let near = data(&gms, &query).await["dataset"].clone();
    assert_eq!(
        near["lineage"]["relationships"],
        json!([{"type": "DownstreamOf", "degree": 1, "entity": {"urn": dataset("db.orders")}}])
    );
    assert_eq!(
        near["relationships"]["relationships"],
        json!([{"type": "DownstreamOf", "direction": "OUTGOING", "entity": {"urn": dataset("db.orders")}}])
    );
}

#[tokio::test]
async fn aspects_are_shown_only_to_callers_that_may_read_them() {
    let gms = filled().await;
    gms.set_user(User::new("jdoe")).await.unwrap();
    let token = gms.create_token("jdoe").await.unwrap();
    let orders = dataset("db.orders");
    let query = format!(
        r#"{{ searchAcrossEntities(input: {{types: [DATASET], query: "*"}}) {{ searchResults {{ entity {{ urn ... on Dataset {{ properties {{ description }} }} }} }} }}
             entity(urn: "{orders}") {{ urn }} searchAcrossLineage(input: {{urn: "{orders}", direction: UPSTREAM}}) {{ total }}
             me {{ corpUser {{ username properties {{ displayName }} }} }} }}"#
    );
    let open = ask(&gms, &token, &query).await;
    assert!(open.get("errors").is_none(), "{open}");
    assert!(open.to_string().contains("All orders."));
    assert!(gms.remove_policy("view-entity-page-all").await.unwrap());
    let closed = ask(&gms, &token, &query).await;
    assert!(!closed.to_string().contains("All orders."), "{closed}");
    let codes: std::collections::BTreeSet<_> = closed["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["extensions"]["code"].as_i64())
        .collect();
    assert_eq!(codes, [Some(403)].into());
    assert_eq!(
        (&closed["data"]["entity"], &closed["data"]["searchAcrossLineage"]),
        (&Value::Null, &Value::Null)
    );
    // URNs are found by every user, and users see themselves.
    assert_eq!(closed["data"]["searchAcrossEntities"]["searchResults"].as_array().unwrap().len(), 3);
    assert_eq!(
        closed["data"]["me"]["corpUser"],
        json!({"username": "jdoe", "properties": {"displayName": "jdoe"}})
    );
    let mut paths = closed["errors"].as_array().unwrap().iter().map(|error| &error["path"]);
    assert!(
        paths
            .any(|path| *path == json!(["searchAcrossEntities", "searchResults", 0, "entity", "properties"]))
    );
}

#[tokio::test]
async fn settings_and_lists_are_answered() {
    let gms = start().await;
    let query = "urn:li:query:q";
    let properties = json!({
        "name": "Top", "source": "MANUAL", "statement": {"value": "SELECT 1", "language": "SQL"},
        "created": {"time": 1, "actor": "urn:li:corpuser:a"}, "lastModified": {"time": 2, "actor": "urn:li:corpuser:a"},
    });
    let changes = [
        upsert(query, "queryProperties", &properties.to_string()),
        upsert(query, "querySubjects", &json!({"subjects": [{"entity": DATASET}]}).to_string()),
        upsert("urn:li:ownershipType:steward", "ownershipTypeInfo", r#"{"name":"Steward"}"#),
    ];
    assert_eq!(ingest(&gms, &changes).await.status(), 200);
    let data = data(
        &gms,
        r"{ appConfig { appVersion lineageConfig { supportsImpactAnalysis } semanticSearchConfig { enabled } }
             globalViewsSettings { defaultView } me { corpUser { settings { views { defaultView { urn } } } } }
             listQueries(input: {start: 0, count: 10}) { total queries { properties { name source statement { value language } lastModified { actor } } subjects { dataset { urn name } schemaField { urn } } } }
             listOwnershipTypes(input: {}) { total ownershipTypes { urn info { name } } } }",
    )
    .await;
    assert_eq!(data["globalViewsSettings"], json!({"defaultView": null}));
    assert_eq!(data["appConfig"]["appVersion"], "v1.7.0");
    assert_eq!(data["listQueries"]["total"], 1);
    let found = &data["listQueries"]["queries"][0];
    assert_eq!(found["properties"]["statement"], json!({"value": "SELECT 1", "language": "SQL"}));
    assert_eq!(
        found["subjects"],
        json!([{"dataset": {"urn": DATASET, "name": "db.t1"}, "schemaField": null}])
    );
    assert_eq!(
        data["listOwnershipTypes"]["ownershipTypes"],
        json!([{"urn": "urn:li:ownershipType:steward", "info": {"name": "Steward"}}])
    );
}
