//! Proposals that GMS drops silently, and the order of its checks.

use super::*;

/// A URN of more than 512 URL-encoded bytes, and other content that GMS drops.
fn dropped() -> Vec<Value> {
    let typed = |kind: &str| {
        let generic = json!({"aspect": {"value": "{}", "contentType": kind}});
        with("urn:li:tag:typed", "status", "{}", &generic)
    };
    vec![
        upsert(&format!("urn:li:tag:{}", "x".repeat(510)), "status", "{}"),
        upsert("urn:li:tag:space ", "status", "{}"),
        upsert("urn:li:tag:a␟b", "status", "{}"),
        upsert("urn:li:dataset:no-key", "status", "{}"),
        typed("text/plain"),
    ]
}

#[tokio::test]
async fn the_switch_decides_whether_a_drop_is_silent() {
    for silent in [false, true] {
        let gms = Gms::builder().silent_drops(silent).start().await.unwrap();
        for (number, bad) in dropped().into_iter().enumerate() {
            let good = format!("urn:li:tag:good{number}");
            let response = ingest(&gms, &[bad.clone(), upsert(&good, "status", "{}")]).await;
            if silent {
                assert_eq!(value(response, 200).await, json!({"value": "success"}), "{bad}");
            } else {
                refusal(response, 422).await;
            }
            assert_eq!(gms.aspect(&good, "status").await.is_some(), silent, "{bad}");
            assert_eq!(gms.aspect(bad["entityUrn"].as_str().unwrap(), "status").await, None);
            let single = json!({"proposal": bad}).to_string();
            let response = post(&gms, "/aspects?action=ingestProposal", single).await;
            assert_eq!(response.status(), if silent { 200 } else { 422 }, "{bad}");
        }
        // Refusals of GMS are refusals in both modes.
        let foreign = with("urn:li:tag:x", "status", "{}", &json!({"entityType": "dataset"}));
        refusal(ingest(&gms, &[foreign]).await, 422).await;
        let broken = upsert("urn:li:tag:x", "status", "{");
        refusal(ingest(&gms, &[broken]).await, 500).await;
        let long = format!("urn:li:tag:{}", "x".repeat(510));
        let body = json!([{"urn": long, "status": {"value": {}}}]);
        assert_eq!(send(&gms, Method::POST, "/openapi/v3/entity/tag", &body).await.status(), 400);
    }
}

#[tokio::test]
async fn permissions_are_checked_before_the_content() {
    let policy = Policy::new("tags").user("jdoe").privilege("EDIT_ENTITY").urn("urn:li:tag:*");
    for silent in [false, true] {
        let gms = Gms::builder().silent_drops(silent).policy(policy.clone()).start().await.unwrap();
        let token = gms.create_token("jdoe").await.unwrap();
        let send = async |proposal: Value| {
            let sent = client().post(format!("{}/aspects?action=ingestProposalBatch", gms.url()));
            let body = json!({"proposals": [proposal]}).to_string();
            sent.bearer_auth(&token).body(body).send().await.unwrap()
        };
        // Not allowed and also invalid: 403, and not 500, 422 or a success.
        let message = refusal(send(upsert(DATASET, "status", "{")).await, 403).await;
        assert!(message.contains(&format!("HttpStatus: 403 Urn: {DATASET}")), "{message}");
        let unnamed = with(DATASET, "", "{}", &json!({"entityType": "tag"}));
        refusal(send(unnamed).await, 403).await;
        refusal(send(upsert("urn:li:dataset:no-key", "status", "{}")).await, 403).await;
        // Allowed, but invalid.
        refusal(send(upsert("urn:li:tag:x", "status", "{")).await, 500).await;
        assert_eq!(send(upsert("urn:li:tag:x", "status", "{}")).await.status(), 200);
    }
}
