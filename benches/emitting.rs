//! Measures emitting, over the loopback interface: queue, batches, escaping, requests and receipts.
//!
//! The server reads each request and ignores its content, so the result is mostly the cost of the emitter.
#![allow(missing_docs, reason = "criterion's macros make public functions")]
#![expect(clippy::unwrap_used, reason = "both ends are the benchmark's own")]

use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use datahub_emitter::emitter::Emitter;
use datahub_emitter::metadata::{Proposal, Urn};

use raw_server::{RawServer, Response};

#[path = "../tests/it/support/raw_server.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod raw_server;

/// Proposals that are emitted before their receipts are awaited.
const PROPOSALS: usize = 2_000;

/// Proposals for `entities` entities in turn, each with `text` in its description.
fn proposals(entities: usize, text: &str) -> Vec<Proposal> {
    let aspect = format!(r#"{{"customProperties":{{"owner":"nordlys"}},"description":"{text}","tags":[]}}"#);
    (0..PROPOSALS)
        .map(|number| {
            let name = number % entities;
            let urn = format!("urn:li:dataset:(urn:li:dataPlatform:snowflake,bench.table_{name},PROD)");
            Proposal::upsert(Urn::parse(&urn).unwrap(), "datasetProperties", &aspect).unwrap()
        })
        .collect()
}

fn emit(criterion: &mut Criterion) {
    let server = RawServer::start(|_| Response::Status(200, "{}".into())).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let short = "Given by the source system.";
    let long = r#"As the customer typed it: \"quotes\", tabs\\t, and 札幌. "#.repeat(80);

    let mut group = criterion.benchmark_group("emit");
    group.sample_size(20).measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_millis(500));
    for (name, proposals) in [
        ("short aspects", proposals(PROPOSALS, short)),
        ("short aspects, one entity", proposals(1, short)),
        ("aspects of 5 kB", proposals(PROPOSALS, &long)),
    ] {
        group.throughput(Throughput::Elements(PROPOSALS as u64));
        group.bench_function(name, |bencher| {
            let emitter =
                runtime.block_on(async { Emitter::builder(server.url()).token("none").build() }).unwrap();
            bencher.iter_batched(
                || proposals.clone(),
                |proposals| {
                    runtime.block_on(async {
                        for proposal in proposals {
                            drop(emitter.emit(proposal).await);
                        }
                        emitter.flush().await;
                    });
                },
                BatchSize::LargeInput,
            );
            assert!(emitter.stop_reason().is_none());
        });
    }
    group.finish();
}

criterion_group!(benches, emit);
criterion_main!(benches);
