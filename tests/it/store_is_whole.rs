//! A server that is killed with SIGKILL leaves a whole database, with everything in it that it has acknowledged.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::sandbox::Sandbox;
use crate::support::serving::{Serving, try_exchange};

/// How many connections write at a time.
const WRITERS: usize = 4;

/// How many tags a batch has, which are written together or not at all.
const BATCH: usize = 3;

/// How many batches are acknowledged before the next kill.
const BATCHES: usize = 20;

/// Kills a server so many times in the middle of writes.
fn kill(times: usize) {
    let sandbox = Sandbox::new();
    sandbox.write("seed.yml", "tokens: [{name: a, actor: datahub, out: token}]\n");
    let arguments = ["--data", "gms.sqlite", "--seed", "seed.yml"];
    let acknowledged = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    for round in 0..times {
        let mut serving = Serving::start(&sandbox, &arguments);
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
            let start = Instant::now();
            while acknowledged.lock().unwrap().len() < wanted {
                assert!(start.elapsed() < Duration::from_secs(60), "nothing is written");
                std::thread::sleep(Duration::from_millis(1));
            }
            // SIGKILL: the process gets no chance to tidy up.
            serving.process.kill().unwrap();
            serving.process.wait().unwrap();
        });
        let serving = Serving::start(&sandbox, &arguments);
        check(&sandbox.path("gms.sqlite"), &acknowledged.lock().unwrap(), next.load(Ordering::Relaxed));
        assert_eq!(write(serving.gms(), token.trim(), next.fetch_add(1, Ordering::Relaxed)), Some(200));
    }
}

/// Status of the answer; `None` where the server went away instead.
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
    // Half an answer acknowledges nothing.
    (answer.body() == "{\"value\":\"success\"}").then(|| answer.status()).or_else(|| {
        assert!(answer.reset || answer.text.is_empty() || answer.status() == 200, "{answer:?}");
        None
    })
}

/// Looks into the file itself: it is sound, what was acknowledged is there, and no batch is there in part.
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
fn twenty_kills_cost_nothing_that_was_acknowledged() {
    kill(20);
}
