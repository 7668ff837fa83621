//! Does a server that is killed with SIGKILL leave an intact database with everything that it acknowledged?

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::support::gms_process::GmsProcess;
use crate::support::raw_client::try_exchange;
use crate::support::sandbox::Sandbox;
use crate::support::wait;

/// The number of connections that write at the same time.
const WRITERS: usize = 4;

/// The number of tags per batch, which are written together or not at all.
const BATCH: usize = 3;

/// The number of batches that are acknowledged between two kills.
const BATCHES: usize = 20;

/// Kills a server `times` times during writes.
fn kill(times: usize) {
    let sandbox = Sandbox::new();
    sandbox.write("seed.yml", "tokens: [{name: a, actor: datahub, out: token}]\n");
    let arguments = ["--data", "gms.sqlite", "--seed", "seed.yml"];
    let acknowledged = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    for round in 0..times {
        let mut serving = GmsProcess::start(&sandbox, &arguments);
        let token = std::fs::read_to_string(sandbox.path("token")).unwrap();
        let gms = serving.gms().to_owned();
        let wanted = (round + 1) * BATCHES;
        std::thread::scope(|scope| {
            for _ in 0..WRITERS {
                scope.spawn(|| {
                    loop {
                        let batch = next.fetch_add(1, Ordering::Relaxed);
                        match write(&gms, token.trim(), batch) {
                            Some(200) => acknowledged.lock().unwrap().push(batch),
                            None => break,
                            Some(status) => panic!("status {status}"),
                        }
                    }
                });
            }
            wait::until("acknowledged writes", || acknowledged.lock().unwrap().len() >= wanted);
            // SIGKILL: the process cannot clean up.
            serving.process.kill().unwrap();
            serving.process.wait().unwrap();
        });
        let serving = GmsProcess::start(&sandbox, &arguments);
        check(&sandbox.path("gms.sqlite"), &acknowledged.lock().unwrap(), next.load(Ordering::Relaxed));
        assert_eq!(write(serving.gms(), token.trim(), next.fetch_add(1, Ordering::Relaxed)), Some(200));
    }
}

/// The status of the response; `None` if the server was killed before it responded.
fn write(gms: &str, token: &str, batch: usize) -> Option<u16> {
    let proposals: Vec<_> = (0..BATCH)
        .map(|tag| {
            json!({
                "entityType": "tag", "entityUrn": format!("urn:li:tag:{batch}.{tag}"), "changeType": "UPSERT",
                "aspectName": "status", "aspect": {"value": "{\"removed\":false}", "contentType": "application/json"},
            })
        })
        .collect();
    let headers = format!("Authorization: Bearer {token}\r\n");
    let body = json!({"proposals": proposals}).to_string();
    let answer = try_exchange(gms, "POST /aspects?action=ingestProposalBatch", &headers, &body).ok()?;
    // A truncated response acknowledges nothing.
    (answer.body() == "{\"value\":\"success\"}").then(|| answer.status()).or_else(|| {
        assert!(answer.reset || answer.text.is_empty() || answer.status() == 200, "{answer:?}");
        None
    })
}

/// Checks the file itself: it is intact, has all acknowledged batches, and has no batch in part.
fn check(data: &Path, acknowledged: &[usize], batches: usize) {
    let database = rusqlite::Connection::open(data).unwrap();
    let verdict: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
    let mut count = database
        .prepare("SELECT count(*) FROM aspect WHERE urn >= ?1 AND urn < ?2 AND aspect = ?3 AND version = 0")
        .unwrap();
    let mut stored = |batch: usize, aspect: &str| -> usize {
        let range = (format!("urn:li:tag:{batch}."), format!("urn:li:tag:{batch}/"), aspect);
        let found: u32 = count.query_row(range, |row| row.get(0)).unwrap();
        found as usize
    };
    for batch in acknowledged {
        assert_eq!(stored(*batch, "status"), BATCH, "batch {batch} was acknowledged");
    }
    for batch in 0..batches {
        let found = stored(batch, "status");
        assert!([0, BATCH].contains(&found), "{found} of batch {batch}");
        assert_eq!(stored(batch, "tagKey"), found, "of batch {batch}");
    }
}

#[test]
fn twenty_kills_lose_nothing_that_was_acknowledged() {
    kill(20);
}
