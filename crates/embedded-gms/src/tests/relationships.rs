//! Relationships and entities in lists, over Rest.li and OpenAPI.

use super::*;

fn dataset(name: &str) -> String {
    format!("urn:li:dataset:(urn:li:dataPlatform:hive,{name},PROD)")
}

fn encoded(urn: &str) -> String {
    percent_encoding::utf8_percent_encode(urn, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// b comes from a, and job j makes c from b. All have a tag; b is soft-deleted.
async fn filled() -> Gms {
    let gms = start().await;
    let upstream =
        json!({"upstreams": [{"dataset": dataset("a"), "type": "VIEW", "query": "urn:li:query:q"}]});
    let job = json!({"inputDatasets": [dataset("b")], "outputDatasets": [dataset("c")]});
    let tags = r#"{"tags":[{"tag":"urn:li:tag:t"}]}"#;
    let mut changes: Vec<_> = ["a", "b", "c"].map(|name| upsert(&dataset(name), "globalTags", tags)).into();
    changes.push(upsert(&dataset("b"), "upstreamLineage", &upstream.to_string()));
    changes.push(upsert(&dataset("b"), "status", r#"{"removed":true}"#));
    changes.push(upsert(
        "urn:li:dataJob:(urn:li:dataFlow:(airflow,f,PROD),j)",
        "dataJobInputOutput",
        &job.to_string(),
    ));
    assert_eq!(ingest(&gms, &changes).await.status(), 200);
    gms
}

#[tokio::test]
async fn related_entities_are_found_in_both_directions() {
    let gms = filled().await;
    let related = async |urn: &str, rest: &str| {
        let path = format!("/openapi/relationships/v1/?urn={}&{rest}", encoded(urn));
        let response = value(get(&gms, &path).await, 200).await;
        let entities: Vec<_> = response["entities"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| {
                (
                    one["relationshipType"].as_str().unwrap().to_owned(),
                    one["urn"].as_str().unwrap().to_owned(),
                )
            })
            .collect();
        assert_eq!(response["count"], entities.len());
        (entities, response)
    };
    let of = |relationship: &str, urn: String| (relationship.to_owned(), urn);
    let (upstream, response) =
        related(&dataset("b"), "direction=OUTGOING&relationshipTypes=DownstreamOf").await;
    assert_eq!(upstream, [of("DownstreamOf", dataset("a"))]);
    assert_eq!(response["entities"][0]["via"], "urn:li:query:q");
    let (all, _) = related(&dataset("b"), "direction=OUTGOING").await;
    assert_eq!(all, [of("DownstreamOf", dataset("a")), of("TaggedWith", "urn:li:tag:t".into())]);
    let incoming = "direction=INCOMING&relationshipTypes=DownstreamOf&relationshipTypes=TaggedWith";
    assert_eq!(related(&dataset("a"), incoming).await.0, [of("DownstreamOf", dataset("b"))]);
    let (page, response) = related("urn:li:tag:t", "direction=INCOMING&start=1&count=1").await;
    assert_eq!(page, [of("TaggedWith", dataset("b"))]);
    assert_eq!((&response["start"], &response["total"]), (&json!(1), &json!(3)));
    // An edge is gone with the aspect that it is in.
    ingest(&gms, &[upsert(&dataset("b"), "upstreamLineage", r#"{"upstreams":[]}"#)]).await;
    assert_eq!(related(&dataset("a"), incoming).await.0, []);
    let restli = format!(
        "/relationships?urn={}&direction=OUTGOING&types=List(TaggedWith,IsPartOf)",
        encoded(&dataset("b"))
    );
    assert_eq!(
        value(get(&gms, &restli).await, 200).await,
        json!({"start": 0, "count": 1, "total": 1, "relationships": [{"type": "TaggedWith", "entity": "urn:li:tag:t"}]})
    );
    for wrong in [
        "urn=urn:li:tag:t",
        "urn=t&direction=INCOMING",
        "urn=urn:li:tag:t&direction=UP",
        "direction=INCOMING",
        "urn=urn:li:tag:t&direction=INCOMING&start=x",
    ] {
        assert_eq!(get(&gms, &format!("/openapi/relationships/v1/?{wrong}")).await.status(), 400, "{wrong}");
        refusal(get(&gms, &format!("/relationships?{wrong}")).await, 400).await;
    }
}

#[tokio::test]
async fn relationships_are_scrolled_with_filters() {
    let gms = filled().await;
    let scroll = async |query: &str, body: Value| {
        let mut found = Vec::new();
        let mut scroll_id = String::new();
        loop {
            let path = format!("/openapi/v3/relationship/scroll?count=1&{query}{scroll_id}");
            let response = value(send(&gms, Method::POST, &path, &body).await, 200).await;
            for one in response["results"].as_array().unwrap() {
                found.push(
                    format!(
                        "{} {} {}",
                        one["source"]["urn"], one["relationshipType"], one["destination"]["urn"]
                    )
                    .replace('"', ""),
                );
            }
            match response["scrollId"].as_str() {
                Some(id) => scroll_id = format!("&scrollId={id}"),
                None => return found,
            }
        }
    };
    let tagged = |name: &str| format!("{} TaggedWith urn:li:tag:t", dataset(name));
    // Relationships of soft-deleted entities are left out.
    assert_eq!(scroll("relationshipTypes=TaggedWith", json!({})).await, [tagged("a"), tagged("c")]);
    let all = scroll("relationshipTypes=TaggedWith&includeSoftDelete=true", json!({})).await;
    assert_eq!(all, ["a", "b", "c"].map(tagged));
    let of_c = json!({"sourceFilter": {"and": [{"criteria": [{"field": "urn", "values": [dataset("c")]}]}]}});
    assert_eq!(scroll("destinationTypes=tag", of_c.clone()).await, [tagged("c")]);
    let to_c = json!({"destinationFilter": of_c["sourceFilter"]});
    assert_eq!(scroll("direction=INCOMING&sourceTypes=tag", to_c).await, [tagged("c")]);
    assert_eq!(scroll("sourceTypes=dataJob&relationshipTypes=Produces", json!({})).await.len(), 1);
    let lineage = json!({"urns": [dataset("b")]});
    let response = send(
        &gms,
        Method::POST,
        "/openapi/v3/lineage/scroll?includeSoftDelete=true&direction=UPSTREAM",
        &lineage,
    )
    .await;
    let response = value(response, 200).await;
    assert_eq!(response["results"].as_array().unwrap().len(), 1, "{response}");
    assert_eq!(
        (&response["results"][0]["upstream"], &response["results"][0]["downstream"]),
        (&json!(dataset("a")), &json!(dataset("b")))
    );
    let wrong = send(&gms, Method::POST, "/openapi/v3/relationship/scroll?scrollId=x", &json!({})).await;
    assert_eq!(wrong.status(), 400);
}

#[tokio::test]
async fn relationships_need_the_permission_to_read() {
    let gms = Gms::builder().user(User::new("jdoe")).start().await.unwrap();
    let token = gms.create_token("jdoe").await.unwrap();
    let paths = [
        "/relationships?urn=urn:li:tag:t&direction=INCOMING",
        "/openapi/relationships/v1/?urn=urn:li:tag:t&direction=INCOMING",
        "/entitiesV2?ids=List(urn:li:tag:t)",
    ];
    let ask = async |path: &str, token: &str| {
        client()
            .get(format!("{}{path}", gms.url()))
            .bearer_auth(token)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    for path in paths {
        assert_eq!((ask(path, &token).await, ask(path, "no token").await), (200, 401), "{path}");
    }
    assert!(gms.remove_policy("view-entity-page-all").await.unwrap());
    for path in paths {
        assert_eq!(ask(path, &token).await, 403, "{path}");
    }
}

#[tokio::test]
async fn several_entities_are_read_at_once() {
    let gms = filled().await;
    let (one, other) = (dataset("a"), "urn:li:tag:never".to_owned());
    let path =
        format!("/entitiesV2?ids=List({},{})&aspects=List(globalTags)", encoded(&one), encoded(&other));
    let response = value(get(&gms, &path).await, 200).await;
    let names = |urn: &str| {
        response["results"][urn]["aspects"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(names(&one), ["datasetKey", "globalTags"]);
    assert_eq!(names(&other), ["tagKey"]);
    assert_eq!((&response["statuses"][&one], &response["errors"]), (&json!(200), &json!({})));
    refusal(get(&gms, "/entitiesV2").await, 400).await;
    refusal(get(&gms, "/entitiesV2?ids=List(x)").await, 400).await;
}
