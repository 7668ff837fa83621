//! Does a larger file need more memory?

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use crate::support::raw_server::RawServer;
use crate::support::report::adds_up;
use crate::support::sandbox::Sandbox;
use crate::support::scripted_gms::{CONFIG, Response};

const MIB: u64 = 1 << 20;

/// Writes datasets with properties, about 2 KB each, until the file has `bytes`, and returns their number.
fn generate(path: &Path, bytes: u64) -> u64 {
    let mut file = BufWriter::new(File::create(path).unwrap());
    let description = "Orders, one row for each line of an order, as the shop wrote them. ".repeat(25);
    let (mut written, mut records) = (0, 0);
    while written < bytes {
        let line = format!(
            r#"{{"entityType":"dataset","entityUrn":"urn:li:dataset:(urn:li:dataPlatform:hive,shop.orders_{records},PROD)","changeType":"UPSERT","aspectName":"datasetProperties","aspect":{{"json":{{"customProperties":{{"größe":"{records}"}},"description":"{description}","tags":[]}}}}}}"#
        );
        writeln!(file, "{line}").unwrap();
        written += line.len() as u64 + 1;
        records += 1;
    }
    file.flush().unwrap();
    records
}

/// The peak memory of a process so far, in bytes; `None` if it has ended.
fn peak(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// Delivers a file of `bytes`, and returns the peak memory of that run.
fn peak_of_run(bytes: u64) -> u64 {
    let sandbox = Sandbox::new();
    // The mark is the highest so far: with each request it covers the run up to there, and after the last
    // request comes only a report of a few hundred bytes.
    let process = Arc::new(AtomicU32::new(0));
    let most = Arc::new(AtomicU64::new(0));
    let gms = RawServer::start({
        let (process, most) = (Arc::clone(&process), Arc::clone(&most));
        move |request| {
            let seen = peak(process.load(Relaxed)).unwrap_or(0);
            most.fetch_max(seen, Relaxed);
            if request.path() == "/config" { Response::Status(200, CONFIG.into()) } else { Response::ok() }
        }
    })
    .unwrap();
    let records = generate(&sandbox.path("datasets.jsonl"), bytes);
    sandbox.recipe("datasets.jsonl", &format!("{{type: datahub-rest, config: {{server: '{}'}}}}", gms.url()));
    let mut child = sandbox
        .command()
        .args(["ingest", "-c", "recipe.yml", "--report-to", "report.json"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    process.store(child.id(), Relaxed);
    assert!(child.wait().unwrap().success());
    let report = sandbox.json("report.json");
    adds_up(&report);
    assert_eq!(report["proposals"]["delivered"], records);
    let most = most.load(Relaxed);
    assert!(most > 0, "its memory could not be read");
    most
}

#[test]
fn a_file_five_times_as_large_takes_the_same_memory() {
    let [small, large] = [20 * MIB, 100 * MIB].map(peak_of_run);
    assert!(small.max(large) < 64 * MIB, "{small} and {large} bytes");
    // How much of the 16 MiB for pending proposals is used depends on the machine, and so does what the
    // allocator keeps. 80 MiB more in the file must not show.
    assert!(large.saturating_sub(small) < 40 * MIB, "{small} and {large} bytes");
}
