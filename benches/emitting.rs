//! Measures emitting, over the loopback interface: queue, batches, escaping, requests and receipts.
//!
//! The server reads each request and ignores its content, so the result is mostly the cost of the emitter.
#![allow(missing_docs, reason = "criterion's macros make public functions")]
#![expect(clippy::unwrap_used, reason = "both ends are the benchmark's own")]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use datahub_emitter::emitter::Emitter;
use datahub_emitter::metadata::{Proposal, Urn};

/// Proposals that are emitted before their receipts are awaited.
const PROPOSALS: usize = 2_000;

/// Answers "success" to everything. Its threads end with the process.
fn server() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer(&stream).ok());
        }
    });
    address
}

fn answer(mut stream: &TcpStream) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(256 * 1024, stream);
    let mut line = String::new();
    loop {
        let mut length = 0;
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            match line.trim_end().split_once(':') {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.trim().parse().map_err(io::Error::other)?;
                }
                _ if line.trim_end().is_empty() => break,
                _ => {}
            }
        }
        io::copy(&mut reader.by_ref().take(length), &mut io::sink())?;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}")?;
    }
}

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
    let address = server();
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
            let emitter = runtime
                .block_on(async { Emitter::builder(format!("http://{address}")).token("none").build() })
                .unwrap();
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
