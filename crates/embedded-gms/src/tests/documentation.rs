//! DataHub's documentation page on personal access tokens, step by step and without a browser.

use super::*;

#[tokio::test]
async fn the_page_on_personal_access_tokens_step_by_step() {
    // Metadata service authentication is on, for GMS and for the frontend, and a user has the privilege.
    let gms = Gms::builder()
        .frontend(([127, 0, 0, 1], 0).into())
        .user(User::new("jdoe").password("jdoe's").privilege("GENERATE_PERSONAL_ACCESS_TOKENS"))
        .user(User::new("guest").password("guest's"))
        .user(User::new("admin").password("admin's").privilege("MANAGE_ACCESS_TOKENS"))
        .policy(Policy::new("jdoe's tags").user("jdoe").privilege("EDIT_ENTITY").entity_type("tag"))
        .start()
        .await
        .unwrap();
    let frontend = gms.frontend_url().unwrap();
    let jdoe = Browser::log_in(frontend, "jdoe", "jdoe's").await;
    // The page may offer tokens: authentication is on, and the user has the privilege.
    let app = jdoe.ask("{ appConfig { authConfig { tokenAuthEnabled } } me { platformPrivileges { generatePersonalAccessTokens manageTokens } } }").await;
    assert_eq!(app["data"]["appConfig"]["authConfig"]["tokenAuthEnabled"], true);
    assert_eq!(
        app["data"]["me"]["platformPrivileges"],
        json!({"generatePersonalAccessTokens": true, "manageTokens": false})
    );
    // "Generate new token": the text is shown once.
    let made = jdoe.ask(&create("jdoe", "from the page")).await;
    let made = &made["data"]["createAccessToken"];
    let (token, id) = (made["accessToken"].as_str().unwrap(), made["metadata"]["id"].as_str().unwrap());
    // Both commands of the page, with raw colons in their paths.
    for (base, prefix) in [(frontend, "/api/gms"), (gms.url(), "")] {
        let target = format!("GET {prefix}/entities/urn:li:corpuser:datahub HTTP/1.0\r\n");
        let address = base.strip_prefix("http://").unwrap().parse().unwrap();
        let response =
            raw(address, format!("{target}Host: x\r\nAuthorization: Bearer {token}\r\n\r\n")).await;
        assert!(
            response.starts_with("HTTP/1.0 200") && response.contains(r#""username":"datahub""#),
            "{response}"
        );
        let response = raw(address, format!("{target}Host: x\r\n\r\n")).await;
        assert!(response.starts_with("HTTP/1.0 401"), "{response}");
    }
    // Ingestion with the token of the sink's configuration: what the user may write, and no more.
    let ingest = async |token: Option<&str>, urn: &str| {
        let body = json!({"proposals": [upsert(urn, "status", "{}")]}).to_string();
        let mut sent =
            client().post(format!("{frontend}/api/gms/aspects?action=ingestProposalBatch")).body(body);
        if let Some(token) = token {
            sent = sent.bearer_auth(token);
        }
        sent.send().await.unwrap()
    };
    assert_eq!(ingest(Some(token), "urn:li:tag:x").await.status(), 200);
    assert!(gms.aspect("urn:li:tag:x", "status").await.is_some());
    let words = refusal(ingest(Some(token), DATASET).await, 403).await;
    assert!(words.starts_with("User urn:li:corpuser:jdoe is unauthorized to modify entity"), "{words}");
    assert_eq!(ingest(None, "urn:li:tag:x").await.status(), 401);
    // The page's list, and the bin.
    let list = r#"{ listAccessTokens(input: {start: 0, count: 10, filters: [{field: "ownerUrn", values: ["urn:li:corpuser:jdoe"]}]}) { total tokens { id name } } }"#;
    let listed = jdoe.ask(list).await;
    assert_eq!(listed["data"]["listAccessTokens"]["tokens"], json!([{"id": id, "name": "from the page"}]));
    let revoked = jdoe.ask(&format!(r#"mutation {{ revokeAccessToken(tokenId: "{id}") }}"#)).await;
    assert_eq!(revoked["data"]["revokeAccessToken"], true);
    assert_eq!(ingest(Some(token), "urn:li:tag:x").await.status(), 401);
    assert_eq!(jdoe.ask(list).await["data"]["listAccessTokens"]["total"], 0);
    // Without a privilege the button is disabled, and the API refuses the request too.
    let guest = Browser::log_in(frontend, "guest", "guest's").await;
    assert_unauthorized(&guest.ask(&create("guest", "t")).await, "createAccessToken");
    assert_unauthorized(&jdoe.ask(&create("guest", "t")).await, "createAccessToken");
    // A token for another user requires Manage All Access Tokens, and has that user's permissions.
    let admin = Browser::log_in(frontend, "admin", "admin's").await;
    let lent = admin.ask(&create("jdoe", "for jdoe")).await;
    let lent = lent["data"]["createAccessToken"]["accessToken"].as_str().unwrap();
    assert_eq!(ingest(Some(lent), "urn:li:tag:y").await.status(), 200);
    assert_eq!(ingest(Some(lent), DATASET).await.status(), 403);
    let own = admin.ask(&create("admin", "own")).await;
    let own = own["data"]["createAccessToken"]["accessToken"].as_str().unwrap();
    assert_eq!(ingest(Some(own), "urn:li:tag:y").await.status(), 403);
}

/// A user that is logged in.
struct Browser {
    frontend: String,
    cookies: String,
}

impl Browser {
    async fn log_in(frontend: &str, username: &str, password: &str) -> Self {
        let body = json!({"username": username, "password": password}).to_string();
        let sent =
            client().post(format!("{frontend}/logIn")).header("Content-Type", "application/json").body(body);
        let response = sent.send().await.unwrap();
        assert_eq!(response.status(), 200);
        let cookies = response.headers().get_all("set-cookie").into_iter();
        let pairs: Vec<_> =
            cookies.map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap().to_owned()).collect();
        Self { frontend: frontend.to_owned(), cookies: pairs.join("; ") }
    }

    async fn ask(&self, query: &str) -> Value {
        let sent = client()
            .post(format!("{}/api/v2/graphql", self.frontend))
            .header("Cookie", &self.cookies)
            .header("Content-Type", "application/json")
            .header("Origin", &self.frontend)
            .body(json!({"query": query}).to_string());
        value(sent.send().await.unwrap(), 200).await
    }
}
