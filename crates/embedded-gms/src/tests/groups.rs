//! Policies for groups, roles and owners.

use super::*;

const GROUP: &str = "urn:li:corpGroup:admins";

/// The status of a write by the user `jdoe`.
async fn write(gms: &Gms, token: &str, urn: &str) -> u16 {
    let body = json!({"proposal": upsert(urn, "status", "{}")}).to_string();
    let sent = client().post(format!("{}/aspects?action=ingestProposal", gms.url())).bearer_auth(token);
    sent.body(body).send().await.unwrap().status().as_u16()
}

/// A server with a user without groups, and the user's token.
async fn with_policy(policy: Policy) -> (Gms, String) {
    let gms = Gms::builder().user(User::new("jdoe")).policy(policy).start().await.unwrap();
    let token = gms.create_token("jdoe").await.unwrap();
    (gms, token)
}

fn edit() -> Policy {
    Policy::new("editors").privilege("EDIT_ENTITY").entity_type("tag")
}

/// Both aspects that list a user's groups, with these groups in turn.
fn memberships(groups: &[&str]) -> [Value; 2] {
    [("groupMembership", "groups"), ("nativeGroupMembership", "nativeGroups")]
        .map(|(aspect, field)| upsert("urn:li:corpuser:jdoe", aspect, &json!({field: groups}).to_string()))
}

#[tokio::test]
async fn a_policy_for_a_group_applies_to_a_new_member_at_once() {
    let (gms, token) = with_policy(edit().group("admins")).await;
    let tag = "urn:li:tag:x";
    for (inside, outside) in memberships(&[GROUP]).iter().zip(memberships(&[])) {
        assert_eq!(write(&gms, &token, tag).await, 403);
        assert_eq!(ingest(&gms, std::slice::from_ref(inside)).await.status(), 200);
        assert_eq!(write(&gms, &token, tag).await, 200, "{inside}");
        assert_eq!(write(&gms, &token, DATASET).await, 403);
        assert_eq!(ingest(&gms, &[outside]).await.status(), 200);
    }
    let elsewhere = memberships(&["urn:li:corpGroup:other"]);
    assert_eq!(ingest(&gms, &elsewhere).await.status(), 200);
    assert_eq!(write(&gms, &token, tag).await, 403);
}

#[tokio::test]
async fn a_policy_for_all_groups_applies_to_members_of_any_group() {
    let (gms, token) = with_policy(edit().all_groups()).await;
    let tag = "urn:li:tag:x";
    assert_eq!(write(&gms, &token, tag).await, 403);
    let [member, _] = memberships(&["urn:li:corpGroup:any"]);
    ingest(&gms, &[member]).await;
    assert_eq!(write(&gms, &token, tag).await, 200);
}

#[tokio::test]
async fn a_role_belongs_to_a_user_or_a_group() {
    let gms = start().await;
    let token = gms.create_token("jdoe").await.unwrap();
    let info = json!({
        "displayName": "by role", "type": "METADATA", "state": "ACTIVE", "privileges": ["EDIT_ENTITY"],
        "actors": {"roles": ["urn:li:dataHubRole:Editor"], "allUsers": false},
    });
    let roles = |roles: &[&str]| json!({"roles": roles}).to_string();
    let [member, _] = memberships(&[GROUP]);
    ingest(&gms, &[member, upsert("urn:li:dataHubPolicy:x", "dataHubPolicyInfo", &info.to_string())]).await;
    for holder in ["urn:li:corpuser:jdoe", GROUP] {
        assert_eq!(write(&gms, &token, DATASET).await, 403);
        ingest(&gms, &[upsert(holder, "roleMembership", &roles(&["urn:li:dataHubRole:Editor"]))]).await;
        assert_eq!(write(&gms, &token, DATASET).await, 200, "{holder}");
        ingest(&gms, &[upsert(holder, "roleMembership", &roles(&[]))]).await;
    }
    assert_eq!(write(&gms, &token, DATASET).await, 403);
}

#[tokio::test]
async fn a_policy_for_owners_applies_to_owned_entities() {
    let owners = |owners: &[&str]| {
        let owners: Vec<_> =
            owners.iter().map(|owner| json!({"owner": owner, "type": "DATAOWNER"})).collect();
        json!({"owners": owners}).to_string()
    };
    let (gms, token) = with_policy(edit().resource_owners()).await;
    let [member, _] = memberships(&[GROUP]);
    let tag = |name: &str, of: &[&str]| upsert(&format!("urn:li:tag:{name}"), "ownership", &owners(of));
    let other = "urn:li:corpuser:other";
    let owned = [
        tag("mine", &[other, "urn:li:corpuser:jdoe"]),
        tag("ours", &[GROUP]),
        tag("theirs", &[other]),
        // The policy is for tags.
        upsert(DATASET, "ownership", &owners(&["urn:li:corpuser:jdoe"])),
        member,
    ];
    assert_eq!(ingest(&gms, &owned).await.status(), 200);
    for (urn, expected) in [
        ("urn:li:tag:mine", 200),
        ("urn:li:tag:ours", 200),
        ("urn:li:tag:theirs", 403),
        ("urn:li:tag:nobodys", 403),
        (DATASET, 403),
    ] {
        assert_eq!(write(&gms, &token, urn).await, expected, "{urn}");
    }
    // The refusal of a batch names only the entities that the caller does not own.
    let batch = ["mine", "theirs", "ours"].map(|name| upsert(&format!("urn:li:tag:{name}"), "status", "{}"));
    let sent = client().post(format!("{}/aspects?action=ingestProposalBatch", gms.url())).bearer_auth(&token);
    let response = sent.body(json!({"proposals": batch}).to_string()).send().await.unwrap();
    let message = refusal(response, 403).await;
    assert!(message.ends_with("modify entity: HttpStatus: 403 Urn: urn:li:tag:theirs"), "{message}");
    // A type has no owner.
    let sent = client().post(format!("{}/openapi/v3/entity/tag", gms.url())).bearer_auth(&token);
    assert_eq!(sent.body("[]").send().await.unwrap().status(), 403);
    let sent = client().delete(format!("{}/openapi/v3/entity/tag/urn:li:tag:mine/status", gms.url()));
    assert_eq!(
        sent.bearer_auth(&token).send().await.unwrap().status(),
        403,
        "EDIT_ENTITY is not DELETE_ENTITY"
    );
}

#[tokio::test]
async fn only_some_types_of_ownership_may_count() {
    let gms = start().await;
    let token = gms.create_token("jdoe").await.unwrap();
    let info = json!({
        "displayName": "technical", "type": "METADATA", "state": "ACTIVE", "privileges": ["EDIT_ENTITY"],
        "actors": {"resourceOwners": true, "resourceOwnersTypes": ["urn:li:ownershipType:technical"]},
    });
    let owned = |name: &str, kind: &str| {
        let owner = json!({"owner": "urn:li:corpuser:jdoe", "type": "CUSTOM", "typeUrn": kind});
        upsert(&format!("urn:li:tag:{name}"), "ownership", &json!({"owners": [owner]}).to_string())
    };
    let policy = upsert("urn:li:dataHubPolicy:x", "dataHubPolicyInfo", &info.to_string());
    let batch =
        [policy, owned("a", "urn:li:ownershipType:technical"), owned("b", "urn:li:ownershipType:business")];
    assert_eq!(ingest(&gms, &batch).await.status(), 200);
    assert_eq!(write(&gms, &token, "urn:li:tag:a").await, 200);
    assert_eq!(write(&gms, &token, "urn:li:tag:b").await, 403);
}

#[tokio::test]
async fn graphql_knows_groups_too() {
    let policy = Policy::new("token admins").group("admins").privilege("MANAGE_ACCESS_TOKENS");
    let (gms, token) = with_policy(policy).await;
    let other = create("other", "x");
    assert_unauthorized(&ask(&gms, &token, &other).await, "createAccessToken");
    let [_, member] = memberships(&[GROUP]);
    ingest(&gms, &[member]).await;
    assert_eq!(ask(&gms, &token, &other).await.get("errors"), None);
}

#[tokio::test]
async fn a_seed_sets_groups_only_where_it_names_them() {
    let directory = tempfile::tempdir().unwrap();
    let (seed, data) = (directory.path().join("seed.yml"), directory.path().join("gms.sqlite"));
    let seeded = async |users: &str| {
        let policies = "policies: [{name: p, actors: {groups: [admins, 'urn:li:corpGroup:x'], resourceOwners: true}, privileges: [EDIT_ENTITY]}]";
        std::fs::write(&seed, format!("{users}\n{policies}\n")).unwrap();
        Gms::builder().data(&data).seed(&seed).start().await.unwrap()
    };
    let gms = seeded("users: [{name: jdoe, groups: [admins]}]").await;
    assert_eq!(gms.aspect(GROUP, "corpGroupKey").await.unwrap(), r#"{"name":"admins"}"#);
    assert!(gms.aspect(GROUP, "corpGroupInfo").await.unwrap().contains("admins"));
    let policy = gms.policies().await.unwrap().into_iter().find(|policy| policy.name() == "p").unwrap();
    assert_eq!(policy.groups(), ["admins", "x"]);
    assert!(policy.is_for_resource_owners() && !policy.is_for_all_groups() && !policy.is_for_all_users());
    let token = gms.create_token("jdoe").await.unwrap();
    assert_eq!(write(&gms, &token, DATASET).await, 200);
    gms.stop().await;
    for (users, expected) in [
        ("users: [{name: jdoe}]", 200),
        ("users: [{name: jdoe, groups: []}]", 403),
        ("users: [{name: jdoe, groups: [x]}]", 200),
    ] {
        let gms = seeded(users).await;
        assert_eq!(write(&gms, &token, DATASET).await, expected, "{users}");
        gms.stop().await;
    }
}
