//! Finding and removing references to an entity.

use super::*;

const TAG: &str = "urn:li:tag:closed";
const PATH: &str = "/entities?action=deleteReferences";

async fn references(gms: &Gms, urn: &str, dry_run: bool) -> Value {
    let body = json!({"urn": urn, "dryRun": dry_run}).to_string();
    value(post(gms, PATH, body).await, 200).await["value"].take()
}

#[tokio::test]
async fn a_tag_is_removed_from_all_entities() {
    let gms = start().await;
    let schema = format!(
        r#"{{"fields":[{{"fieldPath":"a","globalTags":{{"tags":[{{"tag":"{TAG}"}}]}}}}],"version":1.0}}"#
    );
    let changes = [
        upsert(DATASET, "globalTags", &format!(r#"{{"tags":[{{"tag":"{TAG}"}},{{"tag":"urn:li:tag:x"}}]}}"#)),
        upsert(DATASET, "schemaMetadata", &schema),
        upsert("urn:li:chart:(x,y)", "globalTags", &format!(r#"{{"tags":[{{"tag":"{TAG}"}}]}}"#)),
        // A text is not a reference.
        upsert("urn:li:chart:(x,z)", "chartInfo", &format!(r#"{{"title":"{TAG}"}}"#)),
    ];
    assert_eq!(ingest(&gms, &changes).await.status(), 200);
    let one = |entity: &str, aspect: &str| json!({"entity": entity, "aspect": aspect, "relationship": "TaggedWith"});
    let expected = json!({
        // The dataset has one relationship to the tag, in two aspects.
        "total": 2,
        "relatedAspects": [
            one("urn:li:chart:(x,y)", "globalTags"),
            one(DATASET, "globalTags"),
            one(DATASET, "schemaMetadata"),
        ],
    });
    assert_eq!(references(&gms, TAG, true).await, expected);
    assert_eq!(references(&gms, TAG, false).await, expected);
    assert_eq!(references(&gms, TAG, false).await, json!({"total": 0, "relatedAspects": []}));
    let stored = async |urn: &str, aspect: &str| gms.aspect(urn, aspect).await.unwrap();
    assert_eq!(stored(DATASET, "globalTags").await, r#"{"tags":[{"tag":"urn:li:tag:x"}]}"#);
    assert_eq!(stored(DATASET, "schemaMetadata").await, schema.replace(&format!(r#"{{"tag":"{TAG}"}}"#), ""));
    assert_eq!(stored("urn:li:chart:(x,y)", "globalTags").await, r#"{"tags":[]}"#);
}

#[tokio::test]
async fn an_aspect_that_requires_the_reference_is_deleted() {
    let gms = start().await;
    let (box_urn, flow) = ("urn:li:container:größe", "urn:li:dataFlow:(airflow,f,PROD)");
    let job = format!("urn:li:dataJob:({flow},j)");
    let changes = [
        // As Python writes it: non-ASCII characters as escapes.
        upsert(DATASET, "container", r#"{"container":"urn:li:container:gr\u00f6\u00dfe"}"#),
        upsert(&job, "status", "{}"),
    ];
    assert_eq!(ingest(&gms, &changes).await.status(), 200);
    assert_eq!(references(&gms, box_urn, false).await["total"], 1);
    assert_eq!(gms.aspect(DATASET, "container").await, None);
    assert!(gms.aspect(DATASET, "datasetKey").await.is_some());
    // A job refers to its flow.
    let of_flow = references(&gms, flow, false).await;
    assert_eq!(of_flow["relatedAspects"][0]["relationship"], "IsPartOf");
    assert_eq!(gms.aspect(&job, "status").await, None);
}

#[tokio::test]
async fn removing_references_needs_the_permission_to_delete() {
    let gms = Gms::builder().user(User::new("loader").privilege("EDIT_ENTITY")).start().await.unwrap();
    let token = gms.create_token("loader").await.unwrap();
    for (token, status) in [(token.as_str(), 403), ("no token", 401)] {
        let body = json!({"urn": TAG, "dryRun": true}).to_string();
        let sent = client().post(format!("{}{PATH}", gms.url())).bearer_auth(token).body(body);
        assert_eq!(sent.send().await.unwrap().status(), status);
    }
}
