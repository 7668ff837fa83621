//! GraphQL: the documents of clients and of DataHub's documentation, unchanged.

use super::*;

const MANAGER: &str = "MANAGE_ACCESS_TOKENS";
const GENERATE: &str = "GENERATE_PERSONAL_ACCESS_TOKENS";

/// A server with a user for each kind of permission on tokens, and their tokens.
async fn with_users() -> (Gms, [String; 3]) {
    let builder = Gms::builder().user(User::new("manager").privilege(MANAGER));
    let builder = builder.user(User::new("maker").privilege(GENERATE)).user(User::new("none"));
    let gms = builder.start().await.unwrap();
    let mut tokens = Vec::new();
    for user in ["manager", "maker", "none"] {
        tokens.push(gms.create_token(user).await.unwrap());
    }
    let tokens = tokens.try_into().unwrap();
    (gms, tokens)
}

async fn send_body(gms: &Gms, body: &str) -> Response {
    post(gms, "/api/graphql", body).await
}

async fn status_of(gms: &Gms, token: &str) -> u16 {
    let sent = client().get(format!("{}/entities/urn:li:corpuser:datahub", gms.url())).bearer_auth(token);
    sent.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn the_documented_commands_work_unchanged() {
    let gms = Gms::builder().authentication(false).start().await.unwrap();
    let send = async |body: &str| {
        let sent = client()
            .post(format!("{}/api/graphql", gms.url()))
            .header("X-DataHub-Actor", "urn:li:corpuser:datahub")
            .header("Content-Type", "application/json")
            .body(body.to_owned());
        let response = sent.send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "application/json;charset=utf-8");
        assert!(response.headers().contains_key("traceparent"));
        value(response, 200).await
    };
    let made = send(
        r#"{ "query":"mutation { createAccessToken(input: { type: PERSONAL, actorUrn: \"urn:li:corpuser:datahub\", duration: ONE_HOUR, name: \"my personal token\" } ) { accessToken metadata { id name description } } }", "variables":{}}"#,
    )
    .await;
    assert_eq!(made["extensions"], json!({}));
    assert!(made.get("errors").is_none());
    let made = &made["data"]["createAccessToken"];
    assert_eq!(made["metadata"]["name"], "my personal token");
    assert_eq!(made["metadata"]["description"], Value::Null);
    assert_eq!(made["accessToken"].as_str().unwrap().split('.').count(), 3);
    let id = made["metadata"]["id"].as_str().unwrap();
    // A single value stands for a list of one.
    let listed = send(
        r#"{ "query":"{ listAccessTokens(input: {start: 0, count: 100, filters: [{field: \"ownerUrn\", values: \"urn:li:corpuser:datahub\"}]}) { start count total tokens { urn id actorUrn } } }", "variables":{}}"#,
    )
    .await;
    let listed = &listed["data"]["listAccessTokens"];
    assert_eq!((&listed["start"], &listed["count"], &listed["total"]), (&json!(0), &json!(1), &json!(1)));
    assert_eq!(listed["tokens"][0]["id"], id);
    assert_eq!(listed["tokens"][0]["urn"], format!("urn:li:dataHubAccessToken:{id}"));
    let all = send(
        r#"{ "query":"{ listAccessTokens(input: {start: 0, count: 100, filters: []}) { start count total tokens { urn id actorUrn } } }", "variables":{}}"#,
    )
    .await;
    assert_eq!(&all["data"]["listAccessTokens"], listed);
    // The documented command has an extra brace.
    let revoked = send(&format!(
        r#"{{ "query":"mutation {{ revokeAccessToken(tokenId: \"{id}\") }}", "variables":{{}}}}}}"#
    ))
    .await;
    assert_eq!(revoked["data"]["revokeAccessToken"], true);
    let again = send(&format!(r#"{{ "query":"mutation {{ revokeAccessToken(tokenId: \"{id}\") }}"}}"#)).await;
    assert_eq!(again["data"], Value::Null);
    let message = again["errors"][0]["message"].as_str().unwrap();
    assert!(
        message.contains("Failed to revoke access token")
            && message.contains("Access token no longer exists")
    );
    assert_eq!(again["errors"][0]["extensions"]["code"], 500);
}

#[tokio::test]
async fn the_web_pages_and_the_commands_of_python_work_with_variables() {
    let gms = start().await;
    let send = async |query: &str, name: &str, variables: Value| {
        let body = json!({"query": query, "operationName": name, "variables": variables}).to_string();
        let response = value(send_body(&gms, &body).await, 200).await;
        assert!(response.get("errors").is_none(), "{response}");
        response["data"].clone()
    };
    let made = send(
        "mutation createAccessToken($input: CreateAccessTokenInput!) { createAccessToken(input: $input) { accessToken metadata { id actorUrn ownerUrn name description } } }",
        "createAccessToken",
        json!({"input": {"type": "PERSONAL", "actorUrn": "urn:li:corpuser:datahub", "duration": "ONE_MONTH", "name": "cli token 2026", "description": "for the page"}}),
    )
    .await;
    let metadata = &made["createAccessToken"]["metadata"];
    assert_eq!(
        (&metadata["ownerUrn"], &metadata["description"]),
        (&json!("urn:li:corpuser:datahub"), &json!("for the page"))
    );
    let listed = send(
        "query listAccessTokens($input: ListAccessTokenInput!) { listAccessTokens(input: $input) { start count total tokens { urn type id name description actorUrn ownerUrn owner { urn type username properties { displayName firstName lastName fullName email } editableProperties { displayName pictureLink } } createdAt expiresAt } } }",
        "listAccessTokens",
        json!({"input": {"start": 0, "count": 10, "filters": [{"field": "ownerUrn", "values": ["urn:li:corpuser:datahub"]}]}}),
    )
    .await;
    let token = &listed["listAccessTokens"]["tokens"][0];
    assert_eq!((&token["type"], &token["owner"]["username"]), (&json!("ACCESS_TOKEN"), &json!("datahub")));
    assert_eq!(token["owner"]["properties"]["displayName"], "DataHub");
    let lifetime = token["expiresAt"].as_i64().unwrap() - token["createdAt"].as_i64().unwrap();
    assert!((lifetime - 30 * 24 * 60 * 60 * 1000).abs() < 10_000);
    let me = send(
        "query getMe { me { corpUser { type urn username info { active displayName title firstName lastName fullName email } editableProperties { displayName title pictureLink } settings { appearance { showSimplifiedHomepage } } } platformPrivileges { viewAnalytics managePolicies manageIdentities generatePersonalAccessTokens createDomains manageDomains manageIngestion manageSecrets manageTokens } } }",
        "getMe",
        Value::Null,
    )
    .await;
    assert_eq!(me["me"]["corpUser"]["type"], "CORP_USER");
    assert_eq!(me["me"]["corpUser"]["info"]["active"], true);
    assert_eq!(me["me"]["platformPrivileges"]["manageTokens"], true);
    let app =
        send("query appConfig { appConfig { authConfig { tokenAuthEnabled } } }", "appConfig", json!({}))
            .await;
    assert_eq!(app["appConfig"]["authConfig"]["tokenAuthEnabled"], true);
    let types = send(
        "query inputTypeFields($name: String!) { __type(name: $name) { inputFields { name } } }",
        "inputTypeFields",
        json!({"name": "ListAccessTokenInput"}),
    )
    .await;
    assert_eq!(
        types["__type"]["inputFields"],
        json!([{"name": "start"}, {"name": "count"}, {"name": "filters"}])
    );
    let urn = token["urn"].as_str().unwrap();
    assert!(gms.aspect(urn, "dataHubAccessTokenInfo").await.is_some(), "it is an entity");
}

#[tokio::test]
async fn creating_tokens_needs_a_privilege() {
    let (gms, [manager, maker, none]) = with_users().await;
    for (token, user, allowed) in [
        (&manager, "manager", true),
        (&manager, "maker", true),
        (&maker, "maker", true),
        (&maker, "none", false),
        (&maker, "datahub", false),
        (&none, "none", false),
    ] {
        let response = ask(&gms, token, &create(user, "t")).await;
        if allowed {
            let made = response["data"]["createAccessToken"]["accessToken"].as_str().unwrap();
            assert_eq!(status_of(&gms, made).await, 200);
        } else {
            assert_unauthorized(&response, "createAccessToken");
            assert_eq!(response["data"], json!({"createAccessToken": null}));
        }
    }
}

#[tokio::test]
async fn tokens_of_other_users_cannot_be_seen_or_revoked() {
    let (gms, [manager, maker, none]) = with_users().await;
    let id = |response: &Value| {
        response["data"]["createAccessToken"]["metadata"]["id"].as_str().unwrap().to_owned()
    };
    let revoke = |id: &str| format!(r#"mutation {{ revokeAccessToken(tokenId: "{id}") }}"#);
    let of_manager = id(&ask(&gms, &manager, &create("manager", "mine")).await);
    let made = ask(&gms, &maker, &create("maker", "own")).await;
    let (of_maker, text) = (id(&made), made["data"]["createAccessToken"]["accessToken"].as_str().unwrap());
    for (token, target) in [(&maker, &of_manager), (&none, &of_maker), (&none, &"no such id".to_owned())] {
        let response = ask(&gms, token, &revoke(target)).await;
        assert_unauthorized(&response, "revokeAccessToken");
        assert_eq!(response["data"], Value::Null);
    }
    let list = |filters: &str| {
        format!("{{ listAccessTokens(input: {{filters: [{filters}]}}) {{ total tokens {{ ownerUrn }} }} }}")
    };
    let owner = |user: &str| format!(r#"{{field: "ownerUrn", values: ["urn:li:corpuser:{user}"]}}"#);
    for (token, filters) in [
        (&maker, String::new()),
        (&maker, owner("manager")),
        (
            &maker,
            r#"{field: "ownerUrn", values: ["urn:li:corpuser:maker", "urn:li:corpuser:manager"]}"#.to_owned(),
        ),
        (&maker, r#"{field: "actorUrn", values: ["urn:li:corpuser:maker"]}"#.to_owned()),
        (&none, owner("none")),
    ] {
        assert_unauthorized(&ask(&gms, token, &list(&filters)).await, "listAccessTokens");
    }
    // The filter on the caller's own tokens may be combined, and no filter returns the tokens of others.
    let own = format!("{}, {}", owner("maker"), r#"{field: "name", values: ["own", "mine"]}"#);
    let listed = ask(&gms, &maker, &list(&own)).await;
    assert_eq!(listed["data"]["listAccessTokens"]["total"], 1);
    let negated = r#"{field: "ownerUrn", values: ["urn:li:corpuser:maker"], negated: true}"#;
    let listed = ask(&gms, &maker, &list(negated)).await;
    assert_unauthorized(&listed, "listAccessTokens");
    let metadata = format!(r#"{{ getAccessTokenMetadata(token: "{text}") {{ id ownerUrn }} }}"#);
    assert_unauthorized(&ask(&gms, &maker, &metadata).await, "getAccessTokenMetadata");
    let found = ask(&gms, &manager, &metadata).await;
    assert_eq!(found["data"]["getAccessTokenMetadata"]["id"], of_maker.as_str());
    assert_eq!(status_of(&gms, text).await, 200);
    assert_eq!(ask(&gms, &maker, &revoke(&of_maker)).await["data"]["revokeAccessToken"], true);
    assert_eq!(status_of(&gms, text).await, 401);
    // The owner may revoke a token, including one for another user.
    let lent = id(&ask(&gms, &manager, &create("none", "lent")).await);
    assert_unauthorized(&ask(&gms, &none, &revoke(&lent)).await, "revokeAccessToken");
    assert_eq!(ask(&gms, &manager, &revoke(&lent)).await["data"]["revokeAccessToken"], true);
}

#[tokio::test]
async fn a_list_is_filtered_paged_and_sorted() {
    let gms = start().await;
    for (name, duration) in [("b", "ONE_DAY"), ("never", "NO_EXPIRY"), ("a", "ONE_YEAR"), ("c", "ONE_HOUR")] {
        let query = create("datahub", name).replace("ONE_HOUR", duration);
        assert!(ask(&gms, gms.token(), &query).await.get("errors").is_none());
    }
    let names = async |input: &str| {
        let query = format!(
            "{{ listAccessTokens(input: {{{input}}}) {{ start count total tokens {{ name expiresAt }} }} }}"
        );
        let response = ask(&gms, gms.token(), &query).await;
        let list = response["data"]["listAccessTokens"].clone();
        let names: Vec<_> = list["tokens"]
            .as_array()
            .unwrap()
            .iter()
            .map(|t| t["name"].as_str().unwrap().to_owned())
            .collect();
        (names.join(" "), list["total"].as_i64().unwrap(), list["count"].as_i64().unwrap())
    };
    assert_eq!(names("").await, ("a b c never".into(), 4, 4));
    assert_eq!(names("start: 1, count: 2").await, ("b c".into(), 4, 2));
    assert_eq!(names("start: 9").await, (String::new(), 4, 0));
    assert_eq!(names("start: -1, count: -1").await, (String::new(), 4, 0));
    let soon = std::time::SystemTime::now() + std::time::Duration::from_secs(2 * 24 * 60 * 60);
    let soon = super::super::tokens::milliseconds(soon);
    let filtered = async |filter: &str| names(&format!("filters: [{filter}]")).await.0;
    assert_eq!(
        filtered(&format!(r#"{{field: "expiresAt", values: ["{soon}"], condition: LESS_THAN}}"#)).await,
        "b c"
    );
    assert_eq!(
        filtered(&format!(r#"{{field: "expiresAt", values: ["{soon}"], condition: GREATER_THAN}}"#)).await,
        "a"
    );
    assert_eq!(filtered(r#"{field: "name", values: ["ev"], condition: CONTAIN}"#).await, "never");
    assert_eq!(filtered(r#"{field: "name", values: "a"}"#).await, "a");
    assert_eq!(filtered(r#"{field: "name", values: ["a", "b"], negated: true}"#).await, "c never");
    assert_eq!(filtered(r#"{field: "expiresAt", condition: EXISTS, negated: true}"#).await, "never");
    assert_eq!(filtered(r#"{field: "description", values: ["x"]}"#).await, "");
}

#[tokio::test]
async fn a_token_for_an_unknown_user_is_issued_and_refused() {
    let gms = start().await;
    let response = ask(&gms, gms.token(), &create("ghost", "t")).await;
    let token = response["data"]["createAccessToken"]["accessToken"].as_str().unwrap();
    assert_eq!(status_of(&gms, token).await, 401);
    assert_eq!(gms.aspect("urn:li:corpuser:ghost", "corpUserKey").await, None);
    // It is valid as soon as the user exists.
    gms.set_user(User::new("ghost")).await.unwrap();
    assert_eq!(status_of(&gms, token).await, 200);
    let broken = ask(&gms, gms.token(), &create("x", "t").replace("urn:li:corpuser:x", "jdoe")).await;
    assert_eq!(broken["errors"][0]["extensions"]["code"], 500);
    let service = create("datahub", "t").replace("PERSONAL", "SERVICE_ACCOUNT");
    let service = ask(&gms, gms.token(), &service).await;
    assert_eq!(
        service["errors"][0]["message"],
        "The specified URN is not a service account: urn:li:corpuser:datahub"
    );
    assert_eq!(service["errors"][0]["extensions"]["code"], 400);
}

#[tokio::test]
async fn get_access_token_issues_tokens_that_are_not_stored() {
    let gms = start().await;
    let query = r"query getAccessToken($input: GetAccessTokenInput!) { getAccessToken(input: $input) { accessToken } }";
    let input = json!({"type": "PERSONAL", "actorUrn": "urn:li:corpuser:datahub", "duration": "ONE_HOUR"});
    let body = json!({"query": query, "variables": {"input": input}}).to_string();
    let response = value(send_body(&gms, &body).await, 200).await;
    let token = response["data"]["getAccessToken"]["accessToken"].as_str().unwrap();
    assert_eq!(status_of(&gms, token).await, 200);
    assert!(!gms.revoke(token).await.unwrap());
    assert_eq!(status_of(&gms, token).await, 200);
    assert!(gms.tokens().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_unparsable_query_is_400_and_an_invalid_one_200() {
    let gms = start().await;
    for body in [
        "",
        "x",
        "[]",
        "{}",
        r#"{"query": 1}"#,
        r#"{"query": null}"#,
        "null",
        "\"query\"",
        "{\"query\": \"{ me",
    ] {
        let response = send_body(&gms, body).await;
        assert_eq!(
            (response.status().as_u16(), response.text().await.unwrap()),
            (400, String::new()),
            "{body}"
        );
    }
    let response = value(send_body(&gms, r#"{"query": "{ me {"}"#).await, 400).await;
    assert_eq!(response["error"], "Invalid GraphQL syntax");
    for query in [
        "{ nothing }",
        "{ me { corpUser { nothing } } }",
        "mutation { revokeAccessToken }",
        r#"mutation { createAccessToken(input: {type: PERSONAL, actorUrn: "x", name: "y", durationIso: "P1D"}) { accessToken } }"#,
        r#"mutation { createAccessToken(input: {type: PERSONAL, actorUrn: "x", name: "y", duration: FOREVER}) { accessToken } }"#,
    ] {
        let response = ask(&gms, gms.token(), query).await;
        let error = &response["errors"][0];
        assert!(error["message"].as_str().unwrap().starts_with("Validation error"), "{response}");
        assert_eq!(error["extensions"], json!({"classification": "ValidationError"}));
        assert!(response.get("data").is_none() && response["extensions"] == json!({}), "{response}");
    }
    assert!(gms.tokens().await.unwrap().is_empty());
    let read = get(&gms, "/api/graphql?query={me{corpUser{urn}}}").await;
    assert_eq!(read.status(), 400);
    let unauthenticated = client()
        .post(format!("{}/api/graphql", gms.url()))
        .body(r#"{"query": "{ me { corpUser { urn } } }"}"#);
    assert_eq!(unauthenticated.send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn the_size_of_a_query_is_bounded() {
    let gms = start().await;
    let deep = format!("{{ {} x {} }}", "a { ".repeat(20_000), "} ".repeat(20_000));
    let field = |n| format!("m{n}: me {{ corpUser {{ urn username info {{ active }} }} }} ");
    let wide = format!("{{ {} }}", (0..3000).map(field).collect::<Vec<_>>().concat());
    let long = format!("{{ me {{ corpUser {{ urn }} }} }} #{}", "x".repeat(300 * 1024));
    let circle =
        "fragment A on CorpUser { ...B } fragment B on CorpUser { ...A } { me { corpUser { ...A } } }";
    for query in [deep.as_str(), &wide, &long, circle] {
        let response = send_body(&gms, &json!({"query": query}).to_string()).await;
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        assert!(status == 400 || status == 200 && text.contains("Validation error"), "{status} {text}");
    }
    assert_eq!(
        ask(&gms, gms.token(), "{ me { corpUser { urn } } }").await["data"]["me"]["corpUser"]["urn"],
        "urn:li:corpuser:datahub"
    );
}

#[tokio::test]
async fn without_authentication_the_claimed_actor_is_trusted() {
    let gms = Gms::builder().authentication(false).user(User::new("none")).start().await.unwrap();
    let me = async |actor: Option<&str>| {
        let body = r#"{"query": "{ me { corpUser { urn } platformPrivileges { manageTokens } } appConfig { authConfig { tokenAuthEnabled } } }"}"#;
        let mut sent = client().post(format!("{}/api/graphql", gms.url())).body(body);
        if let Some(actor) = actor {
            sent = sent.header("X-DataHub-Actor", actor);
        }
        let data = value(sent.send().await.unwrap(), 200).await["data"].clone();
        assert_eq!(data["appConfig"]["authConfig"]["tokenAuthEnabled"], false);
        (
            data["me"]["corpUser"]["urn"].as_str().unwrap().to_owned(),
            data["me"]["platformPrivileges"]["manageTokens"] == true,
        )
    };
    assert_eq!(me(None).await, ("urn:li:corpuser:__datahub_system".into(), true));
    assert_eq!(me(Some("")).await, ("urn:li:corpuser:__datahub_system".into(), true));
    assert_eq!(me(Some("urn:li:corpuser:datahub")).await, ("urn:li:corpuser:datahub".into(), true));
    assert_eq!(me(Some("urn:li:corpuser:none")).await, ("urn:li:corpuser:none".into(), false));
}
