//! Searches of the Python client, and administrative operations on the results.

use super::*;

const SCROLL: &str = "query scrollUrnsWithFilters($types: [EntityType!], $query: String!, $orFilters: [AndFilterInput!],
    $batchSize: Int!, $scrollId: String, $sortInput: SearchSortInput, $includeSoftDeleted: Boolean) {
  scrollAcrossEntities(input: {query: $query, count: $batchSize, scrollId: $scrollId, types: $types,
      orFilters: $orFilters, sortInput: $sortInput,
      searchFlags: {skipHighlighting: true, skipAggregates: true, skipCache: true, includeSoftDeleted: $includeSoftDeleted}}) {
    nextScrollId total searchResults { entity { urn type } extraProperties { name value } }
  }
}";

/// Five datasets, one of them soft-deleted, and a tag.
async fn filled() -> Gms {
    let gms = start().await;
    let mut changes: Vec<_> = (1..=5).map(|n| upsert(&dataset(n), "status", "{\"removed\":false}")).collect();
    changes.push(upsert(&dataset(5), "status", "{\"removed\":true}"));
    changes.push(upsert(&dataset(2), "datasetProperties", "{\"name\":\"Swimming Pools\"}"));
    changes.push(upsert("urn:li:tag:t", "status", "{\"removed\":false}"));
    assert_eq!(ingest(&gms, &changes).await.status(), 200);
    gms
}

fn dataset(n: u32) -> String {
    format!("urn:li:dataset:(urn:li:dataPlatform:hive,s.t{n},PROD)")
}

async fn scroll(gms: &Gms, variables: Value) -> Value {
    let body = json!({"query": SCROLL, "variables": variables}).to_string();
    value(post(gms, "/api/graphql", body).await, 200).await
}

fn urns(response: &Value) -> Vec<&str> {
    let results = response["data"]["scrollAcrossEntities"]["searchResults"].as_array();
    let results = results.unwrap_or_else(|| panic!("{response}"));
    results.iter().map(|result| result["entity"]["urn"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_scroll_finds_all_that_is_not_deleted_page_by_page() {
    let gms = filled().await;
    let mut found = Vec::new();
    let mut place = Value::Null;
    loop {
        let page =
            scroll(&gms, json!({"types": ["DATASET"], "query": "*", "batchSize": 3, "scrollId": place}))
                .await;
        assert_eq!(page["data"]["scrollAcrossEntities"]["total"], 4 - i64::from(!found.is_empty()));
        found.extend(urns(&page).into_iter().map(str::to_owned));
        place = page["data"]["scrollAcrossEntities"]["nextScrollId"].clone();
        if place.is_null() {
            break;
        }
        // A deletion between two pages does not shift the results.
        let gone = post(&gms, "/entities?action=delete", json!({"urn": dataset(1)}).to_string()).await;
        assert_eq!(gone.status(), 200);
    }
    assert_eq!(found, [1, 2, 3, 4].map(dataset));
    let all = scroll(&gms, json!({"query": "", "batchSize": 100})).await;
    let of_tag = &all["data"]["scrollAcrossEntities"]["searchResults"];
    assert!(of_tag.as_array().unwrap().contains(&json!(
        {"entity": {"urn": "urn:li:tag:t", "type": "TAG"}, "extraProperties": null}
    )));
    // Internal entities are found only by their type, and tokens never.
    assert!(!urns(&all).iter().any(|urn| urn.starts_with("urn:li:dataHub")), "{all}");
    let tokens = scroll(&gms, json!({"types": ["ACCESS_TOKEN"], "query": "*", "batchSize": 9})).await;
    assert_eq!(urns(&tokens), [""; 0]);
}

#[tokio::test]
async fn filters_words_and_soft_deleted_entities() {
    let gms = filled().await;
    let removed = |negated: bool| json!([{"and": [{"field": "removed", "values": ["true"], "condition": "EQUAL", "negated": negated}]}]);
    for (variables, expected) in [
        (json!({"includeSoftDeleted": true}), vec![1, 2, 3, 4, 5]),
        (json!({"orFilters": removed(false)}), vec![5]),
        (json!({"orFilters": removed(true)}), vec![1, 2, 3, 4]),
        (
            json!({"orFilters": [{"and": [{"field": "platform.keyword", "values": ["urn:li:dataPlatform:x"]}]}]}),
            vec![],
        ),
        (
            json!({"orFilters": [{"and": [{"field": "origin", "values": ["PROD"]}]}], "query": "s.t3"}),
            vec![3],
        ),
        (json!({"query": "pools SWIMMING"}), vec![2]),
    ] {
        let mut asked = json!({"types": ["DATASET"], "query": "*", "batchSize": 9});
        asked.as_object_mut().unwrap().extend(variables.as_object().unwrap().clone());
        let expected: Vec<_> = expected.into_iter().map(dataset).collect();
        assert_eq!(urns(&scroll(&gms, asked).await), expected, "{variables}");
    }
    let relatives = json!({"query": "*", "batchSize": 9, "orFilters": [{"and": [{"field": "urn", "values": ["x"], "condition": "RELATED_INCL"}]}]});
    let sorted = json!({"types": ["DATASET"], "query": "*", "batchSize": 9, "sortInput": {"sortCriteria": [{"field": "name", "sortOrder": "ASCENDING"}]}});
    assert_eq!(urns(&scroll(&gms, sorted).await), [2, 1, 3, 4].map(dataset));
    let lost = json!({"query": "*", "batchSize": 9, "scrollId": "?"});
    for unknown in [relatives, lost] {
        let response = scroll(&gms, unknown.clone()).await;
        assert_eq!(response["errors"][0]["extensions"]["code"], 400, "{unknown}: {response}");
        assert_eq!(response["data"], json!({"scrollAcrossEntities": null}));
    }
}

#[tokio::test]
async fn a_search_over_restli() {
    let gms = filled().await;
    let ask = async |changes: Value, status: u16| {
        let mut body = json!({"input": "*", "entity": "dataset", "start": 1, "count": 2});
        body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        value(post(&gms, "/entities?action=search", body.to_string()).await, status).await
    };
    let entities: Vec<_> =
        [2, 3].iter().map(|n| json!({"entity": dataset(*n), "matchedFields": []})).collect();
    assert_eq!(
        ask(json!({}), 200).await["value"],
        json!({"from": 1, "pageSize": 2, "numEntities": 4, "entities": entities, "metadata": {"aggregations": []}})
    );
    let soft = ask(json!({"searchFlags": {"includeSoftDeleted": true, "fulltext": false}}), 200).await;
    assert_eq!(soft["value"]["numEntities"], 5);
    let named =
        json!({"filter": {"or": [{"and": [{"field": "name", "value": "Swimming Pools"}]}]}, "start": 0});
    assert_eq!(ask(named, 200).await["value"]["entities"][0]["entity"], dataset(2));
    let last = json!({"sort": {"field": "urn", "order": "DESCENDING"}, "start": 0, "count": 1});
    assert_eq!(ask(last, 200).await["value"]["entities"][0]["entity"], dataset(4));
    let by_name = json!({"sortCriteria": [{"field": "name", "order": "ASCENDING"}], "start": 0});
    assert_eq!(ask(by_name, 200).await["value"]["entities"][0]["entity"], dataset(2));
    for unknown in [
        json!({"filter": {"and": []}}),
        json!({"filter": {"or": [{"and": [{"field": "x", "values": [], "condition": "ANCESTORS_INCL"}]}]}}),
        json!({"sort": {"field": "name", "order": "UP"}}),
        json!({"count": -1}),
    ] {
        ask(unknown, 400).await;
    }
}

/// A server, and the token of a user with these privileges beside those of all users.
async fn with_privileges(privileges: &[&str]) -> (Gms, String) {
    let mut loader = User::new("loader");
    for privilege in privileges {
        loader = loader.privilege(*privilege);
    }
    let gms = Gms::builder().user(loader).start().await.unwrap();
    let token = gms.create_token("loader").await.unwrap();
    (gms, token)
}

async fn as_user(gms: &Gms, token: &str, path: &str, body: Value) -> Response {
    let sent = client().post(format!("{}{path}", gms.url())).bearer_auth(token).body(body.to_string());
    sent.send().await.unwrap()
}

#[tokio::test]
async fn searching_needs_the_permission_to_read() {
    let (gms, token) = with_privileges(&[]).await;
    let question = json!({"input": "*", "entity": "dataset", "start": 0, "count": 1});
    let search = "/entities?action=search";
    assert_eq!(as_user(&gms, &token, search, question.clone()).await.status(), 200);
    assert!(gms.remove_policy("view-entity-page-all").await.unwrap());
    let refused = as_user(&gms, &token, search, question.clone()).await;
    assert_eq!(refusal(refused, 403).await, "User is unauthorized to search.");
    assert_eq!(as_user(&gms, "no token", search, question).await.status(), 401);
    // GraphQL returns URNs to every user.
    let scroll = json!({"query": SCROLL, "variables": {"query": "*", "batchSize": 1}});
    assert_eq!(as_user(&gms, "no token", "/api/graphql", scroll.clone()).await.status(), 401);
    assert!(!urns(&value(as_user(&gms, &token, "/api/graphql", scroll).await, 200).await).is_empty());
}

#[tokio::test]
async fn secrets_are_found_only_by_users_that_manage_them() {
    let question = |entity: &str, filter: Value| json!({"input": "*", "entity": entity, "start": 0, "count": 9, "filter": filter});
    let search = "/entities?action=search";
    for (privileges, status) in [(&[][..], 403), (&["MANAGE_SECRETS"][..], 200)] {
        let (gms, token) = with_privileges(privileges).await;
        for spelling in ["dataHubSecret", "datahubsecret"] {
            let response = as_user(&gms, &token, search, question(spelling, json!({}))).await;
            assert_eq!(response.status(), status, "{spelling}");
        }
        for unknown in ["DATAHUB_SECRET", "secret"] {
            let response = as_user(&gms, &token, search, question(unknown, json!({}))).await;
            assert_eq!(refusal(response, 400).await, format!("Unknown entity: {unknown}"));
        }
    }
    let gms = start().await;
    let info = json!({"name": "nightly", "type": "mysql", "config": {"recipe": "password", "version": "1"}});
    for (urn, aspect, content) in [
        ("urn:li:dataHubSecret:s", "dataHubSecretValue", json!({"name": "s", "value": "AES text"})),
        ("urn:li:dataHubIngestionSource:i", "dataHubIngestionSourceInfo", info),
        ("urn:li:corpuser:u", "corpUserCredentials", json!({"salt": "s", "hashedPassword": "h"})),
        (
            "urn:li:dataHubConnection:c",
            "dataHubConnectionDetails",
            json!({"type": "JSON", "name": "c", "json": {"encryptedBlob": "AES"}}),
        ),
    ] {
        assert_eq!(ingest(&gms, &[upsert(urn, aspect, &content.to_string())]).await.status(), 200, "{urn}");
        let found = async |field: &str| {
            let filter = json!({"or": [{"and": [{"field": field, "condition": "EXISTS"}]}]});
            let question = question(urn.split(':').nth(2).unwrap(), filter);
            let response = value(post(&gms, search, question.to_string()).await, 200).await;
            response["value"]["entities"].to_string().contains(urn)
        };
        for secret in ["value", "config", "salt", "hashedPassword", "json"] {
            assert!(!found(secret).await, "{urn} by {secret}");
        }
        assert!(found("urn").await && (aspect == "corpUserCredentials" || found("name").await), "{urn}");
    }
}

#[tokio::test]
async fn roles_of_datahub_and_of_others_are_two_types() {
    let gms = start().await;
    let roles = ["urn:li:role:r", "urn:li:dataHubRole:r"];
    let changes: Vec<_> = ["roleProperties", "dataHubRoleInfo"]
        .iter()
        .zip(roles)
        .map(|(aspect, urn)| upsert(urn, aspect, r#"{"name":"r","description":""}"#))
        .collect();
    assert_eq!(ingest(&gms, &changes).await.status(), 200);
    for (name, urn) in ["ROLE", "DATAHUB_ROLE"].iter().zip(roles) {
        let found = scroll(&gms, json!({"types": [name], "query": "r", "batchSize": 9})).await;
        let results = found["data"]["scrollAcrossEntities"]["searchResults"].as_array().unwrap();
        let of_type = |result: &&Value| result["entity"]["urn"] == urn && result["entity"]["type"] == *name;
        assert!(results.iter().any(|result| of_type(&result)), "{found}");
        assert!(results.iter().all(|result| result["entity"]["type"] == *name), "{found}");
    }
}

#[tokio::test]
async fn a_query_may_have_only_a_few_scrolls() {
    let gms = start().await;
    let many = async |scrolls: u32| {
        let scrolls: Vec<_> = (0..scrolls)
            .map(|n| format!("a{n}: scrollAcrossEntities(input: {{query: \"*\"}}) {{ total }} "))
            .collect();
        ask(&gms, gms.token(), &format!("{{ {} }}", scrolls.concat())).await
    };
    assert!(many(10).await.get("errors").is_none());
    let refused = many(1000).await;
    assert_eq!(refused["errors"][0]["extensions"]["classification"], "ValidationError", "{refused}");
    assert!(refused.get("data").is_none());
}

#[tokio::test]
async fn restoring_indices_needs_a_privilege() {
    let path = "/operations/?action=restoreIndices";
    let (gms, token) = with_privileges(&[]).await;
    let refused = as_user(&gms, &token, path, json!({"urnLike": "urn:li:%"})).await;
    assert_eq!(refusal(refused, 403).await, "User is unauthorized to restore indices.");
    assert_eq!(as_user(&gms, "no token", path, json!({})).await.status(), 401);
    for privilege in ["RESTORE_INDICES_PRIVILEGE", "MANAGE_SYSTEM_OPERATIONS"] {
        let (gms, token) = with_privileges(&[privilege]).await;
        assert_eq!(ingest(&gms, &[upsert(DATASET, "status", "{}")]).await.status(), 200);
        for (question, rows) in [
            (json!({"urnLike": "urn:li:dataset:%", "start": 0, "batchSize": 10}), 2),
            (json!({"urn": DATASET, "aspect": "status"}), 1),
            (json!({"urn": "urn:li:tag:none"}), 0),
        ] {
            let response = value(as_user(&gms, &token, path, question).await, 200).await;
            let words = response["value"].as_str().unwrap();
            assert!(words.contains(&format!("rowsMigrated={rows})")), "{words}");
        }
        assert_eq!(as_user(&gms, &token, path, json!({"urn": "dataset"})).await.status(), 400);
        assert_eq!(as_user(&gms, &token, "/operations?action=truncate", json!({})).await.status(), 400);
    }
}

#[tokio::test]
async fn writes_of_a_registry_are_rolled_back() {
    let (gms, token) = with_privileges(&[]).await;
    let of = |registry: Option<&str>, urn: &str, text: &str| {
        let mut system_metadata = json!({"runId": "r", "lastObserved": 1});
        if let Some((name, version)) = registry.and_then(|registry| registry.split_once(':')) {
            system_metadata["registryName"] = name.into();
            system_metadata["registryVersion"] = version.into();
        }
        with(urn, "status", text, &json!({"systemMetadata": system_metadata}))
    };
    let (ours, other) = ("urn:li:tag:ours", "urn:li:tag:other");
    let batch = [
        of(Some("dq:0.0.1"), ours, "{\"removed\":false,\"x\":1}"),
        of(None, other, "{\"removed\":false,\"x\":1}"),
        of(Some("dq:0.0.1"), other, "{\"removed\":false,\"x\":2}"),
        of(Some("dq:0.0.2"), "urn:li:tag:newer", "{\"removed\":false}"),
    ];
    assert_eq!(ingest(&gms, &batch).await.status(), 200);
    let path = "/entities?action=deleteAll";
    let question = |registry: &str, dry: bool| json!({"registryId": registry, "dryRun": dry, "soft": false});
    // As in GMS, a missing permission is reported only if there is something to delete.
    let nothing = as_user(&gms, &token, path, question("none:1", false)).await;
    assert_eq!(value(nothing, 200).await["value"]["aspectsAffected"], 0);
    let refused = as_user(&gms, &token, path, question("dq:0.0.1", true)).await;
    assert_eq!(refusal(refused, 403).await, "User is unauthorized to delete entities.");
    assert_eq!(as_user(&gms, "no token", path, question("dq:0.0.1", true)).await.status(), 401);
    assert_eq!(
        refusal(post(&gms, path, question("dq", true).to_string()).await, 500).await,
        "Failed to parse registry id: dq"
    );
    for dry in [true, false] {
        let response = value(post(&gms, path, question("dq:0.0.1", dry).to_string()).await, 200).await;
        let response = &response["value"];
        assert_eq!(response["entitiesAffected"], 2, "{response}");
        // The status of both, and the key of the created entity.
        assert_eq!((&response["aspectsAffected"], &response["entitiesDeleted"]), (&json!(3), &json!(1)));
        assert_eq!(response["aspectRowSummaries"].as_array().unwrap().len(), 3);
    }
    assert_eq!(gms.aspect(other, "status").await.unwrap(), "{\"removed\":false,\"x\":1}");
    assert_eq!(gms.aspect(ours, "status").await.unwrap(), "{\"removed\":true}");
    assert_eq!(gms.aspect("urn:li:tag:newer", "status").await.unwrap(), "{\"removed\":false}");
}

#[tokio::test]
async fn time_series_are_truncated_by_callers_with_the_privilege() {
    let (gms, token) = with_privileges(&[]).await;
    let path = "/operations?action=truncateTimeseriesAspect";
    let event = |time: i64| {
        upsert(
            DATASET,
            "operation",
            &json!({"timestampMillis": time, "operationType": "INSERT", "lastUpdatedTimestamp": time})
                .to_string(),
        )
    };
    assert_eq!(ingest(&gms, &[event(1), event(2), event(3)]).await.status(), 200);
    let question = |dry: bool| json!({"entityType": "dataset", "aspect": "OPERATION", "endTimeMillis": 2, "dryRun": dry});
    assert_eq!(as_user(&gms, &token, path, question(false)).await.status(), 403);
    let ask = async |question: Value| {
        let response = value(post(&gms, path, question.to_string()).await, 200).await;
        response["value"].as_str().unwrap().to_owned()
    };
    for _ in 0..2 {
        let said = ask(question(true)).await;
        assert!(said.starts_with("Delete 2 out of 3 rows") && said.contains("This was a dry run"), "{said}");
    }
    assert!(ask(question(false)).await.starts_with("Deleted 2 out of 3 rows"));
    assert!(ask(question(true)).await.starts_with("Delete 0 out of 1 rows"));
    assert_eq!(
        gms.aspect(DATASET, "operation").await.map(|text| text.contains("\"timestampMillis\":3")),
        Some(true)
    );
    let unknown = json!({"entityType": "dataset", "aspect": "status", "endTimeMillis": 2});
    refusal(post(&gms, path, unknown.to_string()).await, 400).await;
}
