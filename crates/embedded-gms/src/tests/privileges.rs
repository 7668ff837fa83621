//! Authorization over REST: policies, and GMS's messages for refusals.

use super::*;

const OTHER: &str = "urn:li:dataset:(urn:li:dataPlatform:hive,db.t2,PROD)";

/// A server with these users, and a token for the user `loader`.
async fn with_policy(policy: Policy) -> (Gms, String) {
    let gms = Gms::builder().user(User::new("loader")).policy(policy).start().await.unwrap();
    let token = gms.create_token("loader").await.unwrap();
    (gms, token)
}

fn as_user(gms: &Gms, token: &str, method: Method, path: &str) -> RequestBuilder {
    client().request(method, format!("{}{path}", gms.url())).bearer_auth(token)
}

async fn ingest_as(gms: &Gms, token: &str, proposals: &[Value]) -> Response {
    let body = json!({"proposals": proposals}).to_string();
    as_user(gms, token, Method::POST, "/aspects?action=ingestProposalBatch").body(body).send().await.unwrap()
}

fn edit() -> Policy {
    Policy::new("loaders").user("loader").privilege("EDIT_ENTITY")
}

#[tokio::test]
async fn without_a_policy_a_user_can_only_read() {
    let (gms, token) = with_policy(Policy::new("nothing")).await;
    let batch = [upsert(DATASET, "status", "{}"), upsert(OTHER, "status", "{}")];
    let message = refusal(ingest_as(&gms, &token, &batch).await, 403).await;
    assert_eq!(
        message,
        format!(
            "User urn:li:corpuser:loader is unauthorized to modify entity: \
             HttpStatus: 403 Urn: {DATASET}, HttpStatus: 403 Urn: {OTHER}"
        )
    );
    let single = json!({"proposal": batch[0]}).to_string();
    let single = as_user(&gms, &token, Method::POST, "/aspects?action=ingestProposal").body(single);
    assert!(
        refusal(single.send().await.unwrap(), 403)
            .await
            .ends_with(&format!("HttpStatus: 403 Urn: {DATASET}"))
    );
    let read = as_user(&gms, &token, Method::GET, "/entities/urn:li:corpuser:datahub").send().await.unwrap();
    assert_eq!(read.status(), 200);
    let body = json!({"urn": DATASET}).to_string();
    let delete =
        as_user(&gms, &token, Method::POST, "/entities?action=delete").body(body).send().await.unwrap();
    assert_eq!(refusal(delete, 403).await, format!("User is unauthorized to delete entity: {DATASET}"));
    let body = json!({"runId": "run-1"}).to_string();
    let rollback =
        as_user(&gms, &token, Method::POST, "/runs?action=rollback").body(body).send().await.unwrap();
    assert_eq!(refusal(rollback, 403).await, "User is unauthorized to update entity");
    assert_eq!(gms.aspect(DATASET, "status").await, None);
}

#[tokio::test]
async fn one_forbidden_proposal_refuses_the_batch() {
    let (gms, token) = with_policy(edit().urn(DATASET)).await;
    let message = refusal(
        ingest_as(&gms, &token, &[upsert(DATASET, "status", "{}"), upsert(OTHER, "status", "{}")]).await,
        403,
    )
    .await;
    assert!(message.ends_with(&format!("modify entity: HttpStatus: 403 Urn: {OTHER}")), "{message}");
    assert_eq!(gms.aspect(DATASET, "status").await, None);
    assert_eq!(ingest_as(&gms, &token, &[upsert(DATASET, "status", "{}")]).await.status(), 200);
    assert!(gms.aspect(DATASET, "status").await.is_some());
}

#[tokio::test]
async fn a_policy_applies_to_its_types_and_urns() {
    for (policy, dataset, tag) in [
        (edit(), 200, 200),
        (edit().entity_type("dataset"), 200, 403),
        (edit().entity_type("tag").entity_type("chart"), 403, 200),
        (edit().urn("urn:li:dataset:(urn:li:dataPlatform:hive,*"), 200, 403),
        (edit().urn("urn:li:dataset:(urn:li:dataPlatform:mysql,*").urn("urn:li:tag:t*"), 403, 200),
        (edit().entity_type("tag").urn("urn:li:dataset:*"), 403, 403),
        (Policy::new("x").all_users().privilege("EDIT_ENTITY"), 200, 200),
        (Policy::new("x").user("other").privilege("EDIT_ENTITY"), 403, 403),
        (Policy::new("x").user("loader").privilege("CREATE_ENTITY").privilege("EDIT_ENTITY_TAGS"), 403, 403),
    ] {
        let (gms, token) = with_policy(policy.clone()).await;
        let status = ingest_as(&gms, &token, &[upsert(DATASET, "status", "{}")]).await.status();
        assert_eq!(status, dataset, "{policy:?}");
        let status = ingest_as(&gms, &token, &[upsert("urn:li:tag:t1", "status", "{}")]).await.status();
        assert_eq!(status, tag, "{policy:?}");
    }
}

#[tokio::test]
async fn users_and_policies_need_their_own_privileges() {
    let (gms, token) = with_policy(edit()).await;
    let user = ingest_as(&gms, &token, &[upsert("urn:li:corpuser:x", "status", "{}")]).await;
    assert_eq!(user.status(), 403);
    let info = json!({
        "displayName": "mine", "type": "METADATA", "state": "ACTIVE", "privileges": ["DELETE_ENTITY"],
        "actors": {"users": ["urn:li:corpuser:loader"]},
    });
    let policy = upsert("urn:li:dataHubPolicy:mine", "dataHubPolicyInfo", &info.to_string());
    assert_eq!(ingest_as(&gms, &token, std::slice::from_ref(&policy)).await.status(), 403);
    // An ingested policy takes effect at once; an inactive one has no effect.
    let delete = async || {
        let body = json!({"urn": OTHER}).to_string();
        let sent =
            as_user(&gms, &token, Method::POST, "/entities?action=delete").body(body).send().await.unwrap();
        sent.status().as_u16()
    };
    assert_eq!(delete().await, 403);
    assert_eq!(ingest(&gms, &[policy]).await.status(), 200);
    assert_eq!(delete().await, 200);
    let mut inactive = info;
    inactive["state"] = "INACTIVE".into();
    let inactive = upsert("urn:li:dataHubPolicy:mine", "dataHubPolicyInfo", &inactive.to_string());
    assert_eq!(ingest(&gms, &[inactive]).await.status(), 200);
    assert_eq!(delete().await, 403);
}

#[tokio::test]
async fn an_unsupported_policy_allows_nothing() {
    let gms = Gms::builder().user(User::new("loader")).start().await.unwrap();
    let token = gms.create_token("loader").await.unwrap();
    let filter = |criterion: Value| json!({"filter": {"criteria": [criterion]}});
    for (state, resources) in [
        ("INACTIVE", Value::Null),
        ("ACTIVE", filter(json!({"field": "DOMAIN", "values": ["urn:li:domain:x"], "condition": "EQUALS"}))),
        ("ACTIVE", filter(json!({"field": "TYPE", "values": ["dataset"], "condition": "NOT_EQUALS"}))),
        ("ACTIVE", filter(json!({"field": "TYPE", "values": []}))),
        ("ACTIVE", json!({"type": "chart"})),
        ("ACTIVE", json!({"type": "dataset", "resources": [OTHER]})),
    ] {
        let mut info = json!({
            "state": state, "privileges": ["EDIT_ENTITY"], "actors": {"users": ["urn:li:corpuser:loader"]},
        });
        if !resources.is_null() {
            info["resources"] = resources;
        }
        let policy = upsert("urn:li:dataHubPolicy:odd", "dataHubPolicyInfo", &info.to_string());
        assert_eq!(ingest(&gms, &[policy]).await.status(), 200);
        let status = ingest_as(&gms, &token, &[upsert(DATASET, "status", "{}")]).await.status();
        assert_eq!(status, 403, "{info}");
    }
}

#[tokio::test]
async fn openapi_requires_other_privileges_than_rest_li() {
    let body = json!([{"urn": DATASET, "status": {"value": {"removed": false}}}]);
    let path = "/openapi/v3/entity/dataset?async=false";
    let post = async |gms: &Gms, token: &str| {
        let sent = as_user(gms, token, Method::POST, path).body(body.to_string()).send().await.unwrap();
        let status = sent.status().as_u16();
        (status, sent.text().await.unwrap())
    };
    // Create Entity is enough for a POST on the type, and for nothing on Rest.li.
    let create = Policy::new("x").user("loader").privilege("CREATE_ENTITY").entity_type("dataset");
    let (gms, token) = with_policy(create).await;
    assert_eq!(post(&gms, &token).await.0, 200);
    assert_eq!(ingest_as(&gms, &token, &[upsert(DATASET, "status", "{}")]).await.status(), 403);
    let patched = as_user(&gms, &token, Method::PATCH, path).body("[]").send().await.unwrap();
    let refused = value(patched, 403).await;
    assert_eq!(refused, json!({"error": "urn:li:corpuser:loader is unauthorized to UPDATE entities."}));
    // A policy for some URNs is enough on Rest.li, but not for a whole type.
    let (gms, token) = with_policy(edit().urn("urn:li:dataset:*")).await;
    assert_eq!(ingest_as(&gms, &token, &[upsert(DATASET, "status", "{}")]).await.status(), 200);
    let (status, text) = post(&gms, &token).await;
    assert_eq!(status, 403);
    assert_eq!(text, r#"{"error":"urn:li:corpuser:loader is unauthorized to CREATE entities."}"#);
    let encoded = DATASET.replace(':', "%3A").replace(',', "%2C");
    for (method, suffix, expected) in [
        (Method::GET, "", 200),
        (Method::HEAD, "", 204),
        (Method::DELETE, "", 403),
        (Method::POST, "/status?createIfNotExists=false", 200),
        (Method::DELETE, "/status", 403),
    ] {
        let path = format!("/openapi/v3/entity/dataset/{encoded}{suffix}");
        let sent = as_user(&gms, &token, method.clone(), &path).body(r#"{"value": {"removed": false}}"#);
        assert_eq!(sent.send().await.unwrap().status(), expected, "{method} {suffix}");
    }
}

#[tokio::test]
async fn reading_is_refused_where_no_policy_allows_it() {
    let (gms, token) = with_policy(edit().entity_type("tag")).await;
    assert!(gms.remove_policy("view-entity-page-all").await.unwrap());
    let series =
        json!({"urn": DATASET, "entity": "dataset", "aspect": "datasetProfile", "latestValue": true});
    let exists = json!({"urn": DATASET});
    let trace = json!({DATASET: ["status"]});
    let user = "urn:li:corpuser:loader is unauthorized to";
    for (method, path, body, words) in [
        (
            Method::GET,
            format!("/entities/{DATASET}"),
            Value::Null,
            format!("User is unauthorized to get entity {DATASET}"),
        ),
        (
            Method::GET,
            format!("/entitiesV2/{DATASET}"),
            Value::Null,
            format!("User is unauthorized to get entity {DATASET}"),
        ),
        (
            Method::GET,
            format!("/aspects/{DATASET}?aspect=status&version=0"),
            Value::Null,
            format!("User is unauthorized to get aspect for {DATASET}"),
        ),
        (
            Method::POST,
            "/aspects?action=getTimeseriesAspectValues".into(),
            series,
            format!("User is unauthorized to get timeseries aspect for {DATASET}"),
        ),
        (
            Method::POST,
            "/entities?action=exists".into(),
            exists,
            format!("User is unauthorized check entity existence: {DATASET}"),
        ),
        (
            Method::GET,
            format!("/openapi/v3/entity/dataset/{DATASET}"),
            Value::Null,
            format!("{user} READ entities."),
        ),
        (
            Method::POST,
            format!("/openapi/v1/trace/write/{}", "0".repeat(32)),
            trace,
            format!("{user} READ as least one of the requested URNs."),
        ),
    ] {
        let sent = as_user(&gms, &token, method, &path).body(body.to_string()).send().await.unwrap();
        let refused = value(sent, 403).await;
        let said = refused["message"].as_str().or_else(|| refused["error"].as_str());
        assert_eq!(said, Some(words.as_str()), "{path}");
    }
    let tag = as_user(&gms, &token, Method::GET, "/entities/urn:li:tag:x").send().await.unwrap();
    assert_eq!(tag.status(), 200);
}

#[tokio::test]
async fn with_the_switch_off_every_token_may_write() {
    let gms = Gms::builder().rest_authorization(false).start().await.unwrap();
    let token = gms.create_token("nobody").await.unwrap();
    assert_eq!(ingest_as(&gms, &token, &[upsert(DATASET, "status", "{}")]).await.status(), 200);
    assert_eq!(ingest_as(&gms, "x", &[upsert(DATASET, "status", "{}")]).await.status(), 401);
}

#[tokio::test]
async fn an_unknown_privilege_is_an_error_with_a_suggestion() {
    let wrong = Gms::builder().user(User::new("x").privilege("EDIT_ENTITIES")).start().await.unwrap_err();
    assert_eq!(wrong.kind(), crate::ErrorKind::Input);
    assert!(wrong.to_string().contains("did you mean EDIT_ENTITY"), "{wrong}");
    let gms = start().await;
    let wrong = gms.set_policy(Policy::new(" ").privilege("EDIT_ENTITY")).await.unwrap_err();
    assert_eq!(wrong.kind(), crate::ErrorKind::Input);
    let wrong = gms.set_user(User::new("a b␟")).await.unwrap_err();
    assert_eq!(wrong.kind(), crate::ErrorKind::Input);
}

#[tokio::test]
async fn users_and_policies_are_stored_in_the_data_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gms.sqlite");
    let builder = Gms::builder().data(&path).user(User::new("loader").password("secret"));
    let gms = builder.policy(edit().urn("urn:li:tag:*")).start().await.unwrap();
    assert_eq!(gms.generate_password("loader").await.unwrap(), None);
    let made = gms.generate_password("datahub").await.unwrap().unwrap();
    assert!(gms.remove_policy("view-entity-page-all").await.unwrap());
    gms.stop().await;
    let bytes = std::fs::read(&path).unwrap();
    for secret in ["secret", &made] {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
    }
    let gms = Gms::builder().data(&path).start().await.unwrap();
    assert_eq!(gms.users().await.unwrap(), ["datahub", "loader"]);
    assert_eq!(gms.generate_password("datahub").await.unwrap(), None);
    // The removed policy does not come back.
    assert_eq!(gms.policies().await.unwrap(), [edit().urn("urn:li:tag:*")]);
    assert!(gms.remove_user("loader").await.unwrap());
    assert!(!gms.remove_user("loader").await.unwrap());
    // A new user of the same name does not get the password.
    gms.set_user(User::new("loader")).await.unwrap();
    assert!(gms.generate_password("loader").await.unwrap().is_some());
}
