//! The seed file.

use super::*;
use crate::ErrorKind;

async fn seeded(directory: &std::path::Path, seed: &str) -> Result<Gms, crate::Error> {
    let path = directory.join("seed.yml");
    std::fs::write(&path, seed).unwrap();
    let free = ([127, 0, 0, 1], 0).into();
    Gms::builder().data(directory.join("gms.sqlite")).frontend(free).seed(path).start().await
}

#[tokio::test]
async fn a_seed_sets_up_users_policies_and_tokens() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out/loader.token");
    let seed = format!(
        "users:
  - {{name: loader, password: secret, privileges: [EDIT_ENTITY, GET_ENTITY]}}
  - {{name: jdoe}}
policies:
  - name: jdoe's tags
    actors: {{users: ['urn:li:corpuser:jdoe']}}
    privileges: [EDIT_ENTITY]
    resources: {{types: [tag], urns: ['urn:li:tag:j*']}}
tokens:
  - {{name: nightly, actor: loader, duration: P1D, out: '{}'}}
",
        out.display()
    );
    let gms = seeded(directory.path(), &seed).await.unwrap();
    assert_eq!(
        gms.aspect("urn:li:corpuser:loader", "corpUserKey").await.unwrap(),
        r#"{"username":"loader"}"#
    );
    assert!(gms.aspect("urn:li:corpuser:jdoe", "corpUserInfo").await.is_some());
    let token = std::fs::read_to_string(&out).unwrap().trim().to_owned();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let write = async |gms: &Gms, token: &str, urn: &str| {
        let body = json!({"proposal": upsert(urn, "status", "{}")}).to_string();
        let sent = client().post(format!("{}/aspects?action=ingestProposal", gms.url())).bearer_auth(token);
        sent.body(body).send().await.unwrap().status().as_u16()
    };
    assert_eq!(write(&gms, &token, DATASET).await, 200);
    let jdoe = gms.create_token("jdoe").await.unwrap();
    assert_eq!(write(&gms, &jdoe, "urn:li:tag:j1").await, 200);
    assert_eq!(write(&gms, &jdoe, "urn:li:tag:k1").await, 403);
    let info = gms.tokens().await.unwrap().into_iter().find(|token| token.name() == "nightly").unwrap();
    assert_eq!((info.actor(), info.owner()), ("urn:li:corpuser:loader", "urn:li:corpuser:loader"));
    let lifetime = info.expires_at().unwrap().duration_since(info.created_at()).unwrap();
    assert!((86_395..=86_405).contains(&lifetime.as_secs()), "{lifetime:?}");
    gms.stop().await;
    // A valid token stays; a revoked one is replaced.
    let gms = seeded(directory.path(), &seed).await.unwrap();
    assert_eq!(std::fs::read_to_string(&out).unwrap().trim(), token);
    assert!(gms.revoke(&token).await.unwrap());
    gms.stop().await;
    let gms = seeded(directory.path(), &seed).await.unwrap();
    let another = std::fs::read_to_string(&out).unwrap().trim().to_owned();
    assert_ne!(another, token);
    assert_eq!(write(&gms, &another, DATASET).await, 200);
    // Privileges that are no longer in the seed are removed.
    gms.stop().await;
    let gms = seeded(directory.path(), "users: [{name: loader}]").await.unwrap();
    assert_eq!(write(&gms, &another, DATASET).await, 403);
}

#[tokio::test]
async fn a_mistake_in_a_seed_is_reported_with_its_position() {
    for (seed, parts) in [
        ("users: [{name: x, privilges: []}]", vec!["privilges", "line 1"]),
        ("users:\n- name: x\n  privileges: [EDIT_ENTITIES]", vec!["did you mean EDIT_ENTITY", "line 3"]),
        ("users: []\nuser: []", vec!["unknown field `user`", "line 2"]),
        ("users: [{password: x}]", vec!["name"]),
        ("users: [{name: ''}]", vec!["no user can be called"]),
        ("policies: [{name: p, actors: {roles: [x]}, privileges: []}]", vec!["roles"]),
        ("policies: [{name: p, actors: {groups: ['']}, privileges: []}]", vec!["no group can be called"]),
        ("users: [{name: x, groups: ['a␟b']}]", vec!["no group can be called"]),
        ("policies: [{name: p, privileges: []}]", vec!["actors"]),
        ("policies: [{name: p, actors: {}, privileges: [], resources: {tags: [x]}}]", vec!["tags"]),
        ("tokens: [{name: t, actor: datahub, duration: month, out: /x/y}]", vec!["month", "P30D"]),
        ("tokens: [{name: t, actor: datahub}]", vec!["out"]),
        ("tokens: [{name: t, actor: nobody, out: /x/y}]", vec!["no user nobody"]),
        ("users: [", vec!["line"]),
        ("[1]", vec!["seed.yml"]),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let error = seeded(directory.path(), seed).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input, "{seed}: {error}");
        let words = error.to_string();
        assert!(parts.iter().all(|part| words.contains(part)), "{seed}: {words}");
    }
    let directory = tempfile::tempdir().unwrap();
    let empty = seeded(directory.path(), "# nothing yet\n").await.unwrap();
    assert_eq!(empty.users().await.unwrap(), ["datahub"]);
    let absent = Gms::builder().seed(directory.path().join("absent.yml")).start().await.unwrap_err();
    assert_eq!(absent.kind(), ErrorKind::Input);
    let endless = Gms::builder().seed("/dev/zero").start().await.unwrap_err();
    assert_eq!(endless.kind(), ErrorKind::Input);
}
