//! Is the report complete and correct?

use crate::support::CLOSED_PORT_URL;
use crate::support::report::adds_up;
use crate::support::sandbox::{Sandbox, tags};
use crate::support::server::Server;

fn with_tags(sink: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &tags(["a", "b", "c", "d"]));
    sandbox.recipe("tags.jsonl", sink);
    sandbox
}

#[test]
fn a_run_against_a_gms_is_reported() {
    let server = Server::start();
    let sandbox = with_tags("{}");
    server.recipe(&sandbox, "tags.jsonl");
    let output = sandbox
        .command()
        .env("TOKEN", server.token())
        .args(["ingest", "run", "-c", "recipe.yml", "--json", "--report-to", "report.json", "-vvv"])
        .output()
        .unwrap();
    let ran = crate::support::sandbox::Ran::from(output).ends_with(0);
    let report = ran.json();
    assert_eq!(report, sandbox.json("report.json"));
    adds_up(&report);
    assert_eq!(report["outcome"], "delivered");
    assert!(report["run_id"].as_str().unwrap().starts_with("file-20"), "{report:#}");
    assert_eq!(report["source"]["records"], 4);
    assert_eq!(report["source"]["complete"], true);
    assert_eq!(report["sink"]["server"], server.url());
    assert_eq!(report["sink"]["delivered_means"], "queued");
    // One request, unless the machine is so slow that the first record is sent before the second is read.
    let sent = report["requests"]["sent"].as_u64().unwrap();
    assert!((1..=4).contains(&sent), "{report:#}");
    assert_eq!(report["token"]["actor"], "urn:li:corpuser:datahub");
    let stored = server.aspect("urn:li:tag:d", "tagProperties").unwrap();
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&stored).unwrap(),
        serde_json::json!({"name": "d", "description": "für Tests"})
    );
    for said in [&ran.stdout, &ran.stderr] {
        assert!(!said.contains(server.token()), "{said}");
    }
}

#[test]
fn a_refused_token_stops_the_run_and_is_explained() {
    let server = Server::start();
    let sandbox = with_tags("{}");
    server.recipe(&sandbox, "tags.jsonl");
    let output = sandbox
        .command()
        .env("TOKEN", "no-token-of-this-server")
        .args(["ingest", "-c", "recipe.yml", "--json"])
        .output()
        .unwrap();
    let ran = crate::support::sandbox::Ran::from(output).ends_with(3);
    let report = ran.json();
    adds_up(&report);
    assert_eq!(report["outcome"], "refused");
    assert_eq!(report["diagnosis"]["code"], "auth.token-opaque-refused");
    assert_eq!(report["proposals"]["read"], 0, "the refusal is found before anything is read");
    assert!(ran.stderr.contains("error[auth.token-opaque-refused]"), "{ran:#?}");
}

#[test]
fn a_server_that_is_down_is_reported_before_anything_is_read() {
    let sandbox = with_tags(&format!("{{type: datahub-rest, config: {{server: '{CLOSED_PORT_URL}'}}}}"));
    let ran = sandbox.ingest(&["--json"]).ends_with(4);
    let report = ran.json();
    adds_up(&report);
    assert_eq!(report["outcome"], "unreachable");
    assert_eq!(report["diagnosis"]["code"], "endpoint.unreachable");
}

#[test]
fn a_dry_run_is_offline_and_leaves_no_files() {
    let server = Server::start();
    let sandbox = with_tags("{}");
    server.recipe(&sandbox, "tags.jsonl");
    sandbox.write("tags.jsonl", &(tags(["a", "b"]) + "no json\n"));
    let output = sandbox
        .command()
        .env("TOKEN", server.token())
        .args(["ingest", "-c", "recipe.yml", "--json", "--dry-run"])
        .output()
        .unwrap();
    let report = crate::support::sandbox::Ran::from(output).ends_with(1).json();
    adds_up(&report);
    assert_eq!(report["outcome"], "dry-run");
    assert_eq!(report["proposals"]["filtered"], 2);
    assert_eq!(report["source"]["invalid"], 1);
    assert_eq!(server.requests(), 0);
    assert!(!sandbox.path("state").exists());
}

#[test]
fn a_preview_prints_records_and_sends_nothing() {
    let sandbox = with_tags("{type: file, config: {filename: out.json}}");
    let ran = sandbox.ingest(&["--preview=2", "--report-to", "report.json"]).ends_with(0);
    let lines: Vec<serde_json::Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1]["entityUrn"], "urn:li:tag:b");
    assert_eq!(lines[1]["aspect"]["json"]["description"], "für Tests");
    let report = sandbox.json("report.json");
    adds_up(&report);
    assert_eq!(report["outcome"], "dry-run");
    assert_eq!(report["proposals"]["filtered"], 2);
    assert!(!sandbox.path("out.json").exists());
}

#[test]
fn the_recipe_can_request_reports_too() {
    let sandbox = with_tags(
        "{type: blackhole}\nreporting: [{type: file, config: {filename: mine.json}}]\npipeline_name: nightly",
    );
    sandbox.ingest(&[]).ends_with(0);
    let report = sandbox.json("mine.json");
    assert_eq!(report["pipeline_name"], "nightly");
    assert!(sandbox.path("state/datahub-emit/nightly").is_dir());
}

#[test]
fn run_id_and_pipeline_name_are_sent_with_every_proposal() {
    let sandbox = with_tags("{type: console}\nrun_id: mine\npipeline_name: nightly");
    let ran = sandbox.ingest(&[]).ends_with(0);
    for line in ran.stdout.lines() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(record["systemMetadata"]["runId"], "mine");
        assert_eq!(record["systemMetadata"]["pipelineName"], "nightly");
    }
    assert_eq!(ran.stdout.lines().count(), 4);
}

#[cfg(target_os = "linux")]
#[test]
fn a_report_that_cannot_be_written_is_exit_code_6() {
    let sandbox = with_tags("{type: blackhole}");
    sandbox.ingest(&["--report-to", "/dev/full"]).ends_with(6);
    let ran = sandbox.ingest(&["--report-to", "no/such/directory/report.json", "--json"]).ends_with(6);
    assert_eq!(ran.json()["proposals"]["read"], 0, "found out before anything was read");
}
