//! Does a larger file need more memory?

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::support::report::adds_up;
use crate::support::sandbox::Sandbox;
use crate::support::scripted_gms::{Apart, ScriptedGms};

const MIB: u64 = 1 << 20;

/// Writes datasets with properties, some 2 KB each, until the file has `bytes`, and returns their number.
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

/// The most memory that a process has had, in bytes; `None` when it has ended.
fn peak(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// Runs a file of `bytes` into `gms`, and returns the most memory that this took.
fn peak_of_run(gms: &Apart, bytes: u64) -> u64 {
    let sandbox = Sandbox::new();
    let records = generate(&sandbox.path("datasets.jsonl"), bytes);
    sandbox.recipe("datasets.jsonl", &format!("{{type: datahub-rest, config: {{server: '{}'}}}}", gms.url()));
    let mut child = sandbox
        .command()
        .args(["ingest", "-c", "recipe.yml", "--report-to", "report.json"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut most = 0;
    // The mark is the highest so far, so the last look before the end is as good as one at the end: what comes after
    // the last request is a report of a few hundred bytes.
    while child.try_wait().unwrap().is_none() {
        most = peak(child.id()).unwrap_or(0).max(most);
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(child.wait().unwrap().success());
    let report = sandbox.json("report.json");
    adds_up(&report);
    assert_eq!(report["proposals"]["delivered"], records);
    assert!(most > 0, "it ended before its memory could be read");
    most
}

#[test]
fn a_file_five_times_as_long_takes_the_same_memory() {
    let gms = ScriptedGms::forgetful();
    let [small, large] = [20 * MIB, 100 * MIB].map(|bytes| peak_of_run(&gms, bytes));
    assert!(small.max(large) < 64 * MIB, "{small} and {large} bytes");
    // How full the emitter's 16 MiB of room get is up to the machine; 80 MiB more in the file must not show.
    assert!(large.abs_diff(small) < 16 * MIB, "{small} and {large} bytes");
}
