//! Entities over OpenAPI page by page.

use super::*;

const SCROLL: &str = "/openapi/v3/entity/scroll";

/// A server with five tags, one of them soft-deleted, and a dataset.
async fn with_tags() -> Gms {
    let gms = start().await;
    let mut proposals = vec![upsert(DATASET, "datasetProperties", r#"{"name":"pools"}"#)];
    for (tag, name, color) in [("a", "Zebra", "9"), ("b", "Ape", "10"), ("c", "Bear", "1"), ("d", "Cat", "1")]
    {
        let aspect = json!({"name": name, "colorHex": color}).to_string();
        proposals.push(upsert(&format!("urn:li:tag:{tag}"), "tagProperties", &aspect));
    }
    proposals.push(upsert("urn:li:tag:e", "status", r#"{"removed":true}"#));
    assert_eq!(ingest(&gms, &proposals).await.status(), 200);
    gms
}

async fn scroll(gms: &Gms, query: &str, body: Value) -> Value {
    value(send(gms, Method::POST, &format!("{SCROLL}?{query}"), &body).await, 200).await
}

/// The last characters of the URNs.
fn tags(page: &Value) -> String {
    let urns = page["entities"].as_array().unwrap().iter().map(|entity| entity["urn"].as_str().unwrap());
    urns.map(|urn| urn.rsplit(':').next().unwrap()).collect::<Vec<_>>().join("")
}

#[tokio::test]
async fn a_type_is_read_page_by_page() {
    let gms = with_tags().await;
    for sort in ["", "&sort=name", "&sort=colorHex&sortOrder=DESCENDING", "&sortCriteria=colorHex,name"] {
        let (mut id, mut all, mut pages) = (String::new(), String::new(), 0);
        loop {
            let page =
                value(get(&gms, &format!("/openapi/v3/entity/tag?count=3{sort}{id}")).await, 200).await;
            assert_eq!(page["totalCount"], 4);
            all += &tags(&page);
            pages += 1;
            let Some(next) = page["scrollId"].as_str() else { break };
            id = format!("&scrollId={next}");
            // Additions and deletions between two pages do not shift the results.
            ingest(&gms, &[upsert("urn:li:tag:0", "status", r#"{"removed":true}"#)]).await;
        }
        let expected = match sort {
            "" => "abcd",
            "&sort=name" => "bcda",
            "&sortCriteria=colorHex,name" => "cdab",
            _ => "bacd",
        };
        assert_eq!((all.as_str(), pages), (expected, 2), "{sort}");
    }
    let page = value(get(&gms, "/openapi/v3/entity/TAG?aspects=tagProperties&count=1").await, 200).await;
    assert_eq!(
        page["entities"],
        json!([{"urn": "urn:li:tag:a", "tagProperties": {"value": {"name": "Zebra", "colorHex": "9"}}}])
    );
    let page = value(get(&gms, "/openapi/v3/entity/tag?systemMetadata=true&count=1").await, 200).await;
    assert_eq!(page["entities"][0]["tagKey"]["value"], json!({"name": "a"}));
    assert!(page["entities"][0]["tagKey"]["systemMetadata"].is_object());
    let page = value(get(&gms, "/openapi/v3/entity/tag?query=be*r").await, 200).await;
    assert_eq!((tags(&page), &page["totalCount"], &page["scrollId"]), ("c".into(), &json!(1), &Value::Null));
    let page = value(get(&gms, "/openapi/v3/entity/tag?includeSoftDelete=true").await, 200).await;
    assert_eq!(tags(&page), "abcde".replace("abcde", "0abcde"));
}

#[tokio::test]
async fn names_that_are_numbers_sort_before_others() {
    let gms = start().await;
    let sorted: Vec<_> = (0..15).map(|n| n.to_string()).chain((0..15).map(|n| format!("{n}a"))).collect();
    let mut by_text = sorted.clone();
    by_text.sort_by(|one, other| one.chars().rev().cmp(other.chars().rev()));
    let proposals: Vec<_> = by_text
        .iter()
        .enumerate()
        .map(|(n, name)| {
            upsert(&format!("urn:li:tag:t{n}"), "tagProperties", &json!({"name": name}).to_string())
        })
        .collect();
    assert_eq!(ingest(&gms, &proposals).await.status(), 200);
    let page = value(get(&gms, "/openapi/v3/entity/tag?sort=name&count=99&aspects=tagProperties").await, 200);
    let page = page.await;
    let names = page["entities"].as_array().unwrap().iter();
    let names: Vec<_> = names.map(|tag| tag["tagProperties"]["value"]["name"].as_str().unwrap()).collect();
    assert_eq!(names[..15], sorted[..15]);
    let mut texts = sorted[15..].to_vec();
    texts.sort();
    assert_eq!(names[15..], texts);
}

#[tokio::test]
async fn several_types_are_searched_with_a_filter() {
    let gms = with_tags().await;
    let page = scroll(&gms, "", json!({"entities": ["tag", "dataset"]})).await;
    // Without aspects in the request, the response has none.
    assert_eq!(page["entities"][0], json!({"urn": DATASET}));
    assert_eq!(page["totalCount"], 5);
    let page = scroll(&gms, "count=1", json!({"entities": ["dataset"], "aspects": []})).await;
    assert_eq!(page["entities"][0]["datasetProperties"]["value"], json!({"name": "pools"}));
    assert!(page["entities"][0]["datasetKey"].is_object());
    let page =
        scroll(&gms, "", json!({"entities": ["tag", "dataset"], "aspects": ["datasetProperties"]})).await;
    assert_eq!(
        page["entities"],
        json!([{"urn": DATASET, "datasetProperties": {"value": {"name": "pools"}}}])
    );
    let named = |criteria: Value| json!({"entities": ["tag"], "filter": {"and": criteria}});
    for (criteria, expected) in [
        (json!([{"criteria": [{"field": "name", "values": ["Ape", "Cat"], "condition": "EQUAL"}]}]), "bd"),
        (json!([{"criteria": [{"field": "name", "values": ["Be"], "condition": "STARTS_WITH"}]}]), "c"),
        (json!([{"criteria": [{"field": "name", "values": ["at"], "condition": "ENDS_WITH"}]}]), "d"),
        (json!([{"criteria": [{"field": "colorHex", "values": ["8"], "condition": "GREATER_THAN"}]}]), "ab"),
        (json!([{"criteria": [{"field": "colorHex", "values": ["1"], "negated": true}]}]), "ab"),
        (
            json!([
                {"criteria": [{"field": "colorHex", "values": ["1"]}, {"field": "name", "values": ["Cat"]}]},
                {"criteria": [{"field": "urn", "values": ["urn:li:tag:a"]}]},
            ]),
            "ad",
        ),
    ] {
        assert_eq!(tags(&scroll(&gms, "", named(criteria.clone())).await), expected, "{criteria}");
    }
    let sorted = json!({"sortCriteria": [{"field": "colorHex", "order": "DESCENDING"}, {"field": "name"}]});
    let path = "/openapi/v3/entity/tag/scroll?count=3";
    assert_eq!(tags(&value(send(&gms, Method::POST, path, &sorted).await, 200).await), "bac");
    let slices = async |number: u32| {
        let query = format!("sliceId={number}&sliceMax=2");
        tags(&scroll(&gms, &query, json!({"entities": ["tag"]})).await)
    };
    let mut both: Vec<_> = (slices(0).await + &slices(1).await).chars().collect();
    both.sort_unstable();
    assert_eq!(both, ['a', 'b', 'c', 'd']);
    // Without types, everything that can be found: including the administrator, but no tokens.
    let all = scroll(&gms, "count=100", json!({})).await;
    let text = all.to_string();
    assert!(text.contains("urn:li:corpuser:datahub") && text.contains("urn:li:dataHubPolicy:"), "{text}");
}

#[tokio::test]
async fn an_invalid_scroll_is_refused_with_a_message() {
    let gms = with_tags().await;
    for (query, body, said) in [
        ("", json!({"entities": ["thing"]}), "Unknown entity: thing"),
        ("count=x", json!({}), "count: expected a number"),
        ("count=-1", json!({}), "count: expected a number"),
        ("sortOrder=UP", json!({}), "No enum constant com.linkedin.metadata.query.filter.SortOrder.UP"),
        ("scrollId=x", json!({}), "Invalid scrollId: x"),
        ("sliceId=2&sliceMax=2", json!({}), "sliceId 2 is not below sliceMax 2"),
        (
            "",
            json!({"filter": {"and": [{"criteria": [{"field": "x", "condition": "NEAR"}]}]}}),
            "Malformed request body",
        ),
        ("", json!([]), "Malformed request body"),
    ] {
        let response = value(send(&gms, Method::POST, &format!("{SCROLL}?{query}"), &body).await, 400).await;
        assert!(response["error"].as_str().unwrap().starts_with(said), "{query} {body}: {response}");
    }
    let unknown = value(get(&gms, "/openapi/v3/entity/thing").await, 400).await;
    assert_eq!(unknown["error"], "Unknown entity: thing");
    // A scroll id of another order.
    let page = value(get(&gms, "/openapi/v3/entity/tag?count=1").await, 200).await;
    let id = page["scrollId"].as_str().unwrap();
    let path = format!("/openapi/v3/entity/tag?sortCriteria=name,urn&scrollId={id}");
    assert_eq!(get(&gms, &path).await.status(), 400);
}

#[tokio::test]
async fn scrolling_a_type_needs_the_permission_to_read_it() {
    let policy = Policy::new("tags").user("jdoe").privilege("GET_ENTITY").entity_type("tag");
    let gms = Gms::builder().policy(policy).start().await.unwrap();
    gms.remove_policy("view-entity-page-all").await.unwrap();
    let token = gms.create_token("jdoe").await.unwrap();
    let status = async |method: Method, path: &str, body: Value| {
        let sent = client().request(method, format!("{}{path}", gms.url())).bearer_auth(&token);
        sent.body(body.to_string()).send().await.unwrap().status().as_u16()
    };
    assert_eq!(status(Method::GET, "/openapi/v3/entity/tag", json!(null)).await, 200);
    assert_eq!(status(Method::GET, "/openapi/v3/entity/dataset", json!(null)).await, 403);
    assert_eq!(status(Method::POST, SCROLL, json!({"entities": ["tag"]})).await, 200);
    assert_eq!(status(Method::POST, SCROLL, json!({"entities": ["tag", "dataset"]})).await, 403);
    assert_eq!(status(Method::POST, SCROLL, json!({})).await, 403);
}

#[tokio::test]
async fn the_older_form_of_a_list_has_an_object_of_aspects() {
    let gms = start().await;
    let changes = ["a", "b"].map(|name| upsert(&format!("urn:li:tag:{name}"), "status", "{}"));
    assert_eq!(ingest(&gms, &changes).await.status(), 200);
    let first =
        value(get(&gms, "/openapi/v2/entity/tag?aspectNames=tagKey&aspectNames=status&count=1").await, 200)
            .await;
    let entity = json!({"urn": "urn:li:tag:a", "aspects": {"tagKey": {"value": {"name": "a"}}, "status": {"value": {}}}});
    assert_eq!(first["results"], json!([entity]));
    let next = format!(
        "/openapi/v2/entity/tag?aspectNames=status&count=1&scrollId={}",
        first["scrollId"].as_str().unwrap()
    );
    let last = value(get(&gms, &next).await, 200).await;
    assert_eq!(last, json!({"results": [{"urn": "urn:li:tag:b", "aspects": {"status": {"value": {}}}}]}));
    assert_eq!(
        client().get(format!("{}/openapi/v2/entity/tag", gms.url())).send().await.unwrap().status(),
        401
    );
}
