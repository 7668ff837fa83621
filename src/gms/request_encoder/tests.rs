use std::sync::Arc;

use super::*;
use crate::gms::request_body::CHUNK_BYTES;
use crate::metadata::{Origin, Urn, record};
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

const DATASET: &str = "urn:li:dataset:(urn:li:dataPlatform:s3,a?b#c/d%2C é,PROD)";

fn wire(endpoint: Endpoint, emit_mode: EmitMode) -> RequestEncoder {
    RequestEncoder { endpoint, emit_mode, batches: true, respect_sync_marker: false }
}

fn proposal(change_type: ChangeType, aspect_name: &'static str, value: &str) -> Proposal {
    let aspect = (change_type != ChangeType::Delete).then(|| value.parse().unwrap());
    Proposal::new(change_type, Urn::parse(DATASET).unwrap(), aspect_name, aspect)
}

fn outgoing(wire: &RequestEncoder, proposals: &[&Proposal]) -> Vec<OutgoingProposal> {
    let outgoing = |proposal: &&Proposal| OutgoingProposal {
        proposal: Arc::new((*proposal).clone()),
        now: 7,
        encoded_len: wire.encoded_len(proposal, 7, &mut Vec::new()),
    };
    proposals.iter().map(outgoing).collect()
}

/// All of `body`, which must be as long as it says.
fn whole(body: RequestBody) -> Vec<u8> {
    let len = body.len();
    let text = body.collect::<Vec<_>>().concat();
    assert_eq!(text.len(), len);
    text
}

fn request(wire: &RequestEncoder, batches: bool, proposals: &[&Proposal]) -> (String, Value) {
    let route = wire.route(proposals[0], batches);
    let write = wire.write(route, proposals.iter().copied()).unwrap();
    let body = wire.body(&write, outgoing(wire, proposals).into_iter());
    let body = body.map_or(Value::Null, |body| {
        let text = whole(body);
        assert!(text.is_ascii());
        serde_json::from_slice(&text).unwrap()
    });
    (format!("{} {}", write.method, write.path), body)
}

#[test]
fn openapi_says_by_method_and_path_what_is_to_be_done() {
    let sync = wire(Endpoint::Openapi, EmitMode::SyncPrimary);
    let urn = "urn%3Ali%3Adataset%3A%28urn%3Ali%3AdataPlatform%3As3%2Ca%3Fb%23c%2Fd%252C%20%C3%A9%2CPROD%29";
    for (change_type, aspect, expected) in [
        (ChangeType::Upsert, "status", "POST /openapi/v3/entity/dataset?async=false".to_owned()),
        (ChangeType::Restate, "status", "POST /openapi/v3/entity/dataset?async=false".to_owned()),
        (ChangeType::Update, "status", "POST /openapi/v3/entity/dataset?async=false".to_owned()),
        (ChangeType::Patch, "globalTags", "PATCH /openapi/v3/entity/dataset?async=false".to_owned()),
        (
            ChangeType::Create,
            "status",
            format!(
                "POST /openapi/v3/entity/dataset/{urn}/status?async=false&createIfNotExists=true&createIfEntityNotExists=false"
            ),
        ),
        (
            ChangeType::CreateEntity,
            "status",
            format!(
                "POST /openapi/v3/entity/dataset/{urn}/status?async=false&createIfNotExists=false&createIfEntityNotExists=true"
            ),
        ),
        (ChangeType::Delete, "status", format!("DELETE /openapi/v3/entity/dataset/{urn}/status")),
        (ChangeType::Delete, "datasetKey", format!("DELETE /openapi/v3/entity/dataset/{urn}")),
    ] {
        let (request, _) = request(&sync, true, &[&proposal(change_type, aspect, "{}")]);
        assert_eq!(request, expected);
    }
}

#[test]
fn openapi_lists_carry_one_item_a_proposal() {
    let upsert = proposal(ChangeType::Upsert, "status", r#"{"removed":false}"#);
    let tags = proposal(ChangeType::Upsert, "globalTags", r#"{"tags":[]}"#);
    let asynchronous = wire(Endpoint::Openapi, EmitMode::Async);
    let (request, body) = request(&asynchronous, true, &[&upsert, &tags]);
    assert_eq!(request, "POST /openapi/v3/entity/dataset?async=true");
    let metadata = json!({
        "lastObserved": 7, "runId": "no-run-id-provided", "lastRunId": "no-run-id-provided",
        "properties": {"clientId": "datahub-emitter", "clientVersion": env!("CARGO_PKG_VERSION")},
    });
    assert_eq!(
        body,
        json!([
            {"urn": DATASET, "status": {"value": {"removed": false}, "systemMetadata": metadata, "headers": {}}},
            {"urn": DATASET, "globalTags": {"value": {"tags": []}, "systemMetadata": metadata, "headers": {}}},
        ])
    );
}

#[test]
fn a_patch_is_wrapped_where_it_is_a_list() {
    let openapi = wire(Endpoint::Openapi, EmitMode::SyncPrimary);
    let list = proposal(ChangeType::Patch, "globalTags", r#"[{"op":"remove","path":"/tags/x"}]"#);
    let (_, body) = request(&openapi, true, &[&list]);
    assert_eq!(body[0]["globalTags"]["value"], json!({"patch": [{"op": "remove", "path": "/tags/x"}]}));
    let generic = proposal(ChangeType::Patch, "globalTags", r#"{"patch":[],"forceGenericPatch":true}"#);
    let (_, body) = request(&openapi, true, &[&generic]);
    assert_eq!(body[0]["globalTags"]["value"], json!({"patch": [], "forceGenericPatch": true}));
}

#[test]
fn waiting_for_the_index_is_asked_for_in_the_aspect_s_headers() {
    let upsert = proposal(ChangeType::Upsert, "status", "{}").with_header("If-Version-Match", "3");
    let (_, body) = request(&wire(Endpoint::Openapi, EmitMode::SyncWait), true, &[&upsert]);
    assert_eq!(
        body[0]["status"]["headers"],
        json!({"If-Version-Match": "3", "X-DataHub-Sync-Index-Update": "true"})
    );
    let (_, body) = request(&wire(Endpoint::Restli, EmitMode::SyncWait), true, &[&upsert]);
    assert_eq!(body["proposals"][0]["headers"], json!({"If-Version-Match": "3"}));
}

#[test]
fn restli_deletes_entities_by_an_action_unless_it_sends_batches() {
    let restli = wire(Endpoint::Restli, EmitMode::SyncPrimary);
    let entity = proposal(ChangeType::Delete, "datasetKey", "{}");
    assert_eq!(
        request(&restli, false, &[&entity]),
        ("POST /entities?action=delete".to_owned(), json!({"urn": DATASET}))
    );
    let aspect = proposal(ChangeType::Delete, "status", "{}");
    let (request_line, body) = request(&restli, false, &[&aspect]);
    assert_eq!(request_line, "POST /aspects?action=ingestProposal");
    assert_eq!((&body["proposal"]["changeType"], &body["async"]), (&json!("DELETE"), &json!("false")));
    let (request_line, body) = request(&restli, true, &[&entity]);
    assert_eq!(request_line, "POST /aspects?action=ingestProposalBatch");
    assert_eq!(body["proposals"][0].get("aspect"), None);
}

#[test]
fn a_key_stands_for_the_urn_that_was_made_of_it() {
    let record = r#"{"entityType":"tag","entityKeyAspect":{"json":{"name":"é"}},"changeType":"UPSERT","aspectName":"status","aspect":{"json":{}}}"#;
    let read =
        record::read(record.as_bytes(), &record::RecordLimits::default(), Origin::new("-", 0, 0)).unwrap();
    let record::ParsedRecord::Proposals(proposals) = read else { panic!("{read:?}") };
    let status = &proposals[0];
    let (_, body) = request(&wire(Endpoint::Restli, EmitMode::Async), true, &[status]);
    let sent = &body["proposals"][0];
    assert_eq!(sent.get("entityUrn"), None);
    assert_eq!(
        sent["entityKeyAspect"],
        json!({"value": "{\"name\":\"\\u00e9\"}", "contentType": "application/json"})
    );
    let (_, body) = request(&wire(Endpoint::Openapi, EmitMode::Async), true, &[status]);
    assert_eq!(body[0]["urn"], json!("urn:li:tag:é"));
}

#[test]
fn one_marked_proposal_makes_its_request_synchronous() {
    let plain = proposal(ChangeType::Upsert, "status", "{}");
    let mut marked = plain.clone();
    marked.system_metadata_mut().properties = vec![("emitModeMarker".into(), " Sync ".into())];
    for endpoint in [Endpoint::Restli, Endpoint::Openapi] {
        let mut wire = wire(endpoint, EmitMode::AsyncWait);
        let asynchronous = |wire: &RequestEncoder, proposals: &[&Proposal]| {
            let route = wire.route(proposals[0], true);
            let write = wire.write(route, proposals.iter().copied()).unwrap();
            let body = wire.body(&write, outgoing(wire, proposals).into_iter()).unwrap();
            let body = String::from_utf8(whole(body)).unwrap();
            let said = body.contains(r#""async":"true""#) || write.path.contains("async=true");
            assert_eq!(write.asynchronous, said);
            said
        };
        assert!(asynchronous(&wire, &[&plain, &marked]));
        wire.respect_sync_marker = true;
        assert!(!asynchronous(&wire, &[&plain, &marked]));
        assert!(asynchronous(&wire, &[&plain]));
    }
}

proptest! {
    #[test]
    fn the_length_is_known_before(
        text in "[\\x00-\\x7fé日😀]*",
        name in any::<String>(),
        openapi in any::<bool>(),
        emit_mode in prop_oneof![Just(EmitMode::SyncWait), Just(EmitMode::Async)],
    ) {
        let endpoint = if openapi { Endpoint::Openapi } else { Endpoint::Restli };
        let wire = wire(endpoint, emit_mode);
        let value = serde_json::to_string(&json!({"a": text})).unwrap();
        let one = proposal(ChangeType::Upsert, "status", &value).with_header(name, "x");
        let len = wire.encoded_len(&one, 7, &mut Vec::new());
        for count in 1..4 {
            let route = wire.route(&one, true);
            let write = wire.write(route, std::iter::repeat_n(&one, count)).unwrap();
            let body = wire.body(&write, outgoing(&wire, &vec![&one; count]).into_iter()).unwrap();
            let body = whole(body);
            prop_assert!(body.is_ascii());
            // Whether it is `true` or `false` makes a byte.
            let most = wire.envelope_bytes() + count * len + count - 1;
            prop_assert!((most - 1..=most).contains(&body.len()));
            serde_json::from_slice::<serde::de::IgnoredAny>(&body).unwrap();
        }
    }

    #[test]
    fn a_long_list_comes_in_chunks(
        lengths in proptest::collection::vec(0..9_000_usize, 1..16),
        openapi in any::<bool>(),
    ) {
        let endpoint = if openapi { Endpoint::Openapi } else { Endpoint::Restli };
        let wire = wire(endpoint, EmitMode::SyncPrimary);
        let quotes = |length: usize| json!({"description": "\"x".repeat(length)}).to_string();
        let proposals: Vec<_> =
            lengths.iter().map(|length| proposal(ChangeType::Upsert, "status", &quotes(*length))).collect();
        let proposals: Vec<_> = proposals.iter().collect();
        let write = wire.write(wire.route(proposals[0], true), proposals.iter().copied()).unwrap();
        let outgoing = outgoing(&wire, &proposals);
        let longest = outgoing.iter().map(|one| one.encoded_len).max().unwrap();
        let body = wire.body(&write, outgoing.into_iter()).unwrap();
        let len = body.len();
        let chunks: Vec<_> = body.collect();
        prop_assert!(chunks.iter().all(|chunk| !chunk.is_empty()));
        prop_assert!(chunks.iter().all(|chunk| chunk.len() < CHUNK_BYTES + longest + 32));
        prop_assert_eq!(chunks.iter().map(Bytes::len).sum::<usize>(), len);
        let value: Value = serde_json::from_slice(&chunks.concat()).unwrap();
        let items = if openapi { &value } else { &value["proposals"] };
        prop_assert_eq!(items.as_array().unwrap().len(), lengths.len());
    }
}
