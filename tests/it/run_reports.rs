//! Does a run report itself to DataHub, as `datahub ingest` does, and can it be rolled back?

use serde_json::{Value, json};

use crate::support::sandbox::{Ran, Sandbox, tags};
use crate::support::scripted_gms::{Response, ScriptedGms};
use crate::support::server::Server;

/// The source of a recipe of type `file` without a name.
const SOURCE: &str = "urn:li:dataHubIngestionSource:cli-570c4a2c68e44d1f6e63e5731be9853b";

fn ingest(sandbox: &Sandbox, token: &str, arguments: &[&str]) -> Ran {
    let mut command = sandbox.command();
    command.env("TOKEN", token).args(["ingest", "-c", "recipe.yml"]).args(arguments);
    Ran::of(&mut command)
}

fn started() -> (Server, Sandbox) {
    let (server, sandbox) = (Server::start(), Sandbox::new());
    sandbox.write("tags.jsonl", &tags(["a", "b"]));
    server.recipe(&sandbox, "tags.jsonl");
    (server, sandbox)
}

fn aspect(server: &Server, urn: &str, name: &str) -> Value {
    let text = server.aspect(urn, name).unwrap_or_else(|| panic!("{urn} has no {name}"));
    serde_json::from_str(&text).unwrap()
}

fn result(server: &Server, run_id: &str) -> Value {
    aspect(server, &format!("urn:li:dataHubExecutionRequest:{run_id}"), "dataHubExecutionRequestResult")
}

#[test]
fn a_run_reports_its_source_its_recipe_and_its_result() {
    let (server, sandbox) = started();
    let report = ingest(&sandbox, server.token(), &["--json"]).ends_with(0).json();
    let run_id = report["run_id"].as_str().unwrap();
    let info = aspect(&server, SOURCE, "dataHubIngestionSourceInfo");
    assert_eq!((&info["name"], &info["type"]), (&json!("[CLI] file"), &json!("file")));
    let request = format!("urn:li:dataHubExecutionRequest:{run_id}");
    let input = aspect(&server, &request, "dataHubExecutionRequestInput");
    assert_eq!(input["source"], json!({"type": "CLI_INGESTION_SOURCE", "ingestionSource": SOURCE}));
    let recipe: Value = serde_json::from_str(input["args"]["recipe"].as_str().unwrap()).unwrap();
    assert_eq!(recipe["sink"]["config"]["token"], "${TOKEN}");
    assert!(!input.to_string().contains(server.token()));
    let result = result(&server, run_id);
    assert_eq!(result["status"], "SUCCESS");
    let structured: Value =
        serde_json::from_str(result["structuredReport"]["serializedValue"].as_str().unwrap()).unwrap();
    assert_eq!(structured["proposals"]["delivered"], 2);
    assert_eq!(structured["source"]["report"]["events_produced"], 2);
    // The report is no part of the run's own counts.
    assert_eq!(report["proposals"]["read"], 2);
    assert_eq!(report["requests"]["sent"], 1);
}

#[test]
fn a_rejected_record_makes_the_result_a_failure() {
    let (server, sandbox) = started();
    // The embedded GMS rejects a tag without its name.
    sandbox.write(
        "tags.jsonl",
        &(tags(["a"]) + &tags(["b"]).replace("\"changeType\":\"UPSERT\"", "\"changeType\":\"CREATE\"")),
    );
    ingest(&sandbox, server.token(), &[]).ends_with(0);
    let report = ingest(&sandbox, server.token(), &["--json"]).ends_with(1).json();
    let result = result(&server, report["run_id"].as_str().unwrap());
    assert_eq!(result["status"], "FAILURE");
    assert!(result["report"].as_str().unwrap().contains("urn:li:tag:b"), "{result:#}");
}

#[test]
fn the_report_can_be_left_out() {
    for arguments in [&["--no-default-report"][..], &["--report-to", "report.json"], &["--dry-run"]] {
        let (server, sandbox) = started();
        ingest(&sandbox, server.token(), arguments).ends_with(0);
        assert_eq!(server.aspect(SOURCE, "dataHubIngestionSourceInfo"), None, "{arguments:?}");
    }
    let (server, sandbox) = started();
    ingest(&sandbox, server.token(), &["--report-to", "datahub"]).ends_with(0);
    assert!(server.aspect(SOURCE, "dataHubIngestionSourceInfo").is_some());
    assert!(!sandbox.path("datahub").exists());
}

#[test]
fn the_recipe_can_ask_for_the_report_and_leave_itself_out() {
    let (server, sandbox) = started();
    let recipe = std::fs::read_to_string(sandbox.path("recipe.yml")).unwrap();
    sandbox.write(
        "recipe.yml",
        &format!("{recipe}reporting: [{{type: datahub, config: {{report_recipe: false}}}}]\n"),
    );
    ingest(&sandbox, server.token(), &["--no-default-report", "--report-to", "report.json"]).ends_with(0);
    let info = aspect(&server, SOURCE, "dataHubIngestionSourceInfo");
    assert_eq!(info["config"]["recipe"], "");
}

#[test]
fn a_run_for_a_request_of_datahub_writes_its_result_alone() {
    let (server, sandbox) = started();
    let recipe = std::fs::read_to_string(sandbox.path("recipe.yml")).unwrap();
    let request = "urn:li:dataHubExecutionRequest:42";
    sandbox.write("recipe.yml", &format!("{recipe}run_id: '{request}'\n"));
    ingest(&sandbox, server.token(), &[]).ends_with(0);
    assert_eq!(server.aspect(SOURCE, "dataHubIngestionSourceInfo"), None);
    assert_eq!(server.aspect(request, "dataHubExecutionRequestInput"), None);
    assert_eq!(aspect(&server, request, "dataHubExecutionRequestResult")["status"], "SUCCESS");
}

#[test]
fn a_token_without_the_privilege_costs_one_warning() {
    let gms = ScriptedGms::start(|request| {
        let is_report = request.proposals().iter().any(|(urn, _)| urn.contains("dataHub"));
        if is_report {
            return Response::Status(
                403,
                r#"{"message":"User is unauthorized to modify entity"}"#.to_owned(),
            );
        }
        Response::ok()
    });
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &tags(["a", "b"]));
    sandbox.recipe("tags.jsonl", &format!("{{type: datahub-rest, config: {{server: '{}'}}}}", gms.url()));
    let ran = ingest(&sandbox, "", &["--json"]).ends_with(0);
    let report = ran.json();
    let warnings = report["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 1, "{report:#}");
    assert!(warnings[0].as_str().unwrap().contains("the run is not reported to DataHub"), "{report:#}");
    assert_eq!(report["proposals"]["delivered"], 2);
}

#[test]
fn a_run_is_listed_shown_and_rolled_back() {
    let (server, sandbox) = started();
    sandbox.write("token", server.token());
    let report = ingest(&sandbox, server.token(), &["--json"]).ends_with(0).json();
    let run_id = report["run_id"].as_str().unwrap();
    let run = |arguments: &[&str]| {
        let connection = ["--server", server.url(), "--token-file", "token"];
        sandbox.run(&[&["ingest"], arguments, &connection].concat())
    };
    let runs = run(&["list-runs"]).ends_with(0).json();
    let found = runs.as_array().unwrap().iter().find(|run| run["runId"] == run_id).unwrap();
    assert!(found["rows"].as_u64() >= Some(2), "{runs:#}");
    let shown = run(&["show", "--run-id", run_id]).ends_with(0).json();
    assert!(shown.as_array().unwrap().iter().any(|aspect| aspect["urn"] == "urn:li:tag:a"), "{shown:#}");
    run(&["show", "--run-id", "no-such-run"]).ends_with(1);

    let ran = run(&["rollback", "--run-id", run_id]).ends_with(2);
    assert!(ran.stderr.contains("--force"), "{ran:#?}");
    run(&["rollback", "--run-id", run_id, "--dry-run"]).ends_with(0);
    assert!(server.aspect("urn:li:tag:a", "tagProperties").is_some());
    let done = run(&["rollback", "--run-id", run_id, "--nuke", "--force"]).ends_with(0).json();
    assert_eq!(done["entitiesDeleted"], 2, "{done:#}");
    assert_eq!(server.aspect("urn:li:tag:a", "tagProperties"), None);
}
