//! Measures reading: from a file's bytes to proposals.
//!
//! `record` measures a record's text alone: checked, compacted and rewritten by the model. `file` adds
//! reading and splitting, so the difference between the two is the cost of splitting.
#![allow(missing_docs, reason = "criterion's macros make public functions")]
#![expect(clippy::unwrap_used, reason = "a benchmark reads only what it has written")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Cursor;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use datahub_emitter::metadata::Origin;
use datahub_emitter::metadata::record::{RecordLimits, RecordReader};
use datahub_emitter::source::Source as _;
use datahub_emitter::source::file::{FileSource, FileSourceConfig};
use serde_json::{Value, json};

/// Fields of a schema, as warehouses have them.
const FIELDS: usize = 35;

/// Records of a file.
const RECORDS: usize = 500;

fn schema(class: impl Fn(&str) -> String) -> Value {
    let field = |place: usize| {
        json!({
            "fieldPath": format!("[version=2.0].[type=struct].customer_name_{place}"),
            "nullable": place > 0,
            "description": "As the customer typed it: \"quotes\", tabs\t, Łódź and 札幌.",
            "type": {"type": {class("schema.StringType"): {}}},
            "nativeDataType": "VARCHAR(16777216)",
            "recursive": false,
            "isPartOfKey": place == 0,
        })
    };
    json!({
        "schemaName": "bench.customers", "platform": "urn:li:dataPlatform:snowflake", "version": 0, "hash": "",
        "platformSchema": {class("schema.MySqlDDL"): {"tableSchema": ""}},
        "fields": (0..FIELDS).map(field).collect::<Vec<_>>(),
    })
}

fn proposal(aspect_name: &str, aspect: &Value) -> Value {
    json!({
        "entityType": "dataset",
        "entityUrn": "urn:li:dataset:(urn:li:dataPlatform:snowflake,bench.customers,PROD)",
        "changeType": "UPSERT",
        "aspectName": aspect_name,
        "aspect": {"json": aspect},
        "systemMetadata": {"lastObserved": 1_795_060_812_000_i64, "runId": "no-run-id-provided"},
    })
}

/// Laid out as DataHub's file sink does, with an indent of four.
fn indented(record: &Value) -> String {
    let mut text = Vec::new();
    let format = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    serde::Serialize::serialize(record, &mut serde_json::Serializer::with_formatter(&mut text, format))
        .unwrap();
    String::from_utf8(text).unwrap()
}

fn record(criterion: &mut Criterion) {
    let server_class = |name: &str| format!("com.linkedin.{name}");
    let python_class = |name: &str| format!("com.linkedin.pegasus2avro.{name}");
    let known = proposal("schemaMetadata", &schema(server_class));
    // The namespace of Python's classes, which is translated.
    let python = proposal("schemaMetadata", &schema(python_class));
    // An aspect that the model does not know is only compacted.
    let unknown = proposal("customSchema", &schema(server_class));
    let small = proposal("status", &json!({"removed": false}));

    let mut group = criterion.benchmark_group("record");
    group.measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(500));
    for (name, text) in [
        ("schema, indented", indented(&known)),
        ("schema, compact", known.to_string()),
        ("schema with Python's namespaces", indented(&python)),
        ("schema of an unknown aspect", indented(&unknown)),
        ("status", small.to_string()),
    ] {
        let mut reader = RecordReader::new(RecordLimits::default());
        let origin = Origin::new("bench", 0, 0);
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| reader.read(black_box(text.as_bytes()), origin.clone()).unwrap());
        });
    }
    group.finish();
}

fn file(criterion: &mut Criterion) {
    let known = proposal("schemaMetadata", &schema(|name| format!("com.linkedin.{name}")));
    let array = format!("[\n{}\n]\n", vec![indented(&known); RECORDS].join(",\n"));
    let mut lines = String::new();
    for _ in 0..RECORDS {
        writeln!(lines, "{known}").unwrap();
    }

    let mut group = criterion.benchmark_group("file");
    group.sample_size(20).measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_millis(500));
    for (name, text) in [("array, indented", array), ("JSON Lines", lines)] {
        let text: &'static [u8] = text.leak().as_bytes();
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let config = FileSourceConfig::new("bench");
                let mut source = FileSource::from_reader(config, "bench", Cursor::new(text)).unwrap();
                let mut records = 0;
                while let Some(item) = source.next().unwrap() {
                    black_box(item);
                    records += 1;
                }
                assert_eq!(records, RECORDS);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, record, file);
criterion_main!(benches);
