//! Does a run with transformers lose nothing: at a failed lookup, after a refusal, in a dry run?

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::sandbox::{Sandbox, numbered_tags};
use crate::support::scripted_gms::{Request, Response, ScriptedGms};
use crate::transformer_cases::answer;

/// Adds a tag, and keeps those of the server.
const PATCH: &str =
    "[{type: simple_add_dataset_tags, config: {semantics: PATCH, tag_urns: ['urn:li:tag:gold']}}]";

/// Adds a tag without asking a server.
const OVERWRITE: &str = "[{type: simple_add_dataset_tags, config: {tag_urns: ['urn:li:tag:gold']}}]";

fn urn(number: usize) -> String {
    format!("urn:li:dataset:(urn:li:dataPlatform:hive,farm.t{number},PROD)")
}

/// A record about the dataset of this number.
fn record(number: usize, aspect: &str, value: &Value) -> String {
    json!({
        "entityType": "dataset",
        "entityUrn": urn(number),
        "changeType": "UPSERT",
        "aspectName": aspect,
        "aspect": {"json": value},
        "systemMetadata": {"lastObserved": 1_700_000_000_000_u64 + number as u64},
    })
    .to_string()
        + "\n"
}

fn statuses(count: usize) -> String {
    (0..count).map(|number| record(number, "status", &json!({"removed": false}))).collect()
}

/// The accepted aspects: URN and name of each, in order.
type Accepted = Arc<Mutex<Vec<(String, String)>>>;

/// A GMS that knows no aspects, and treats requests first as `faults` says.
fn gms(faults: impl Fn(&Request) -> Option<Response> + Send + Sync + 'static) -> (ScriptedGms, Accepted) {
    let accepted = Accepted::default();
    let noted = Arc::clone(&accepted);
    let gms = ScriptedGms::start_for_all(move |request| {
        faults(request).unwrap_or_else(|| {
            noted.lock().unwrap().extend(request.proposals());
            answer(&json!({}), request)
        })
    });
    (gms, accepted)
}

/// A recipe that reads `in.jsonl` and sends one record in a request.
fn recipe(sandbox: &Sandbox, gms: &ScriptedGms, transformers: &str) {
    let sink = format!(
        "{{type: datahub-rest, config: {{server: '{}', token: t, retry_max_times: 0, max_threads: 1, max_per_batch: 1, \
         max_pending_requests: 20}}}}\ntransformers: {transformers}",
        gms.url()
    );
    sandbox.recipe("in.jsonl", &sink);
}

#[test]
fn a_failed_lookup_rejects_its_record_and_nothing_else() {
    let fails = "farm.t1%2CPROD";
    let (gms, accepted) = gms(move |request| {
        let is_lookup = request.path().contains("entitiesV2") && request.path().contains(fails);
        is_lookup.then(|| Response::Status(500, json!({"message": "boom"}).to_string()))
    });
    let sandbox = Sandbox::new();
    let tags = json!({"tags": [{"tag": "urn:li:tag:own"}]});
    let records: String = (0..3).map(|number| record(number, "globalTags", &tags)).collect();
    sandbox.write("in.jsonl", &records);
    recipe(&sandbox, &gms, PATCH);
    let (ran, report) = sandbox.ingest_with_report(&["--dead-letters", "dead.jsonl"]);
    ran.ends_with(1);
    assert_eq!(report["outcome"], "partial");
    assert_eq!(
        (&report["proposals"]["rejected"], &report["proposals"]["delivered"]),
        (&json!(1), &json!(3)),
        "{report:#}"
    );
    let message = report["failures"][0]["message"].as_str().unwrap();
    assert!(message.contains("simple_add_dataset_tags") && message.contains("globalTags"), "{message}");

    let dead: Value = sandbox.json("dead.jsonl");
    assert_eq!(dead["entityUrn"], urn(1));
    let original: Value = serde_json::from_str(dead["aspect"]["value"].as_str().unwrap()).unwrap();
    assert_eq!(original, tags, "the dead letter is the record as it was read");

    // A replay sends the dead letter as it is.
    accepted.lock().unwrap().clear();
    let replayed = sandbox.run(&["replay", "dead.jsonl", "-c", "recipe.yml", "--force"]).ends_with(0);
    assert_eq!(*accepted.lock().unwrap(), [(urn(1), "globalTags".to_owned())], "{replayed:#?}");
}

/// Refuses all writes after `until` of them, until it is repaired.
#[derive(Clone)]
struct Refusal {
    until: usize,
    writes: Arc<AtomicUsize>,
    is_repaired: Arc<AtomicBool>,
}

impl Refusal {
    fn after(until: usize) -> Self {
        Self { until, writes: Arc::default(), is_repaired: Arc::default() }
    }

    fn faults(&self) -> impl Fn(&Request) -> Option<Response> + Send + Sync + 'static {
        let this = self.clone();
        move |request| {
            let is_late = request.is_write() && this.writes.fetch_add(1, SeqCst) >= this.until;
            (is_late && !this.is_repaired.load(SeqCst)).then(|| Response::Status(401, String::new()))
        }
    }
}

/// The URNs of the accepted proposals of an aspect.
fn urns_of(accepted: &Accepted, aspect: &str) -> Vec<String> {
    let accepted = accepted.lock().unwrap();
    accepted.iter().filter(|(_, name)| name == aspect).map(|(urn, _)| urn.clone()).collect()
}

fn all_urns(count: usize) -> Vec<String> {
    (0..count).map(urn).collect()
}

#[test]
fn after_a_resume_the_additions_cover_the_records_before_the_refusal() {
    let refusal = Refusal::after(20);
    let (gms, accepted) = gms(refusal.faults());
    let sandbox = Sandbox::new();
    sandbox.write("in.jsonl", &statuses(50));
    recipe(&sandbox, &gms, OVERWRITE);
    let (ran, report) = sandbox.ingest_with_report(&[]);
    ran.ends_with(3);
    assert_eq!(report["resume"]["from_record"], 20);
    refusal.is_repaired.store(true, SeqCst);
    let (ran, report) = sandbox.ingest_with_report(&["--resume"]);
    ran.ends_with(0);
    assert_eq!(urns_of(&accepted, "status"), all_urns(50), "each record is sent once");
    assert_eq!(urns_of(&accepted, "globalTags"), all_urns(50));
    assert_eq!(urns_of(&accepted, "tagKey"), ["urn:li:tag:gold"]);
    assert_eq!(report["proposals"]["delivered"], 30 + 50 + 1);
}

#[test]
fn a_tag_of_a_record_before_the_refusal_gets_its_key_after_the_resume() {
    let refusal = Refusal::after(1);
    let (gms, accepted) = gms(refusal.faults());
    let sandbox = Sandbox::new();
    let tagged = record(0, "globalTags", &json!({"tags": []}));
    sandbox.write("in.jsonl", &(tagged + &numbered_tags(9)));
    recipe(&sandbox, &gms, OVERWRITE);
    sandbox.ingest(&[]).ends_with(3);
    refusal.is_repaired.store(true, SeqCst);
    sandbox.ingest(&["--resume"]).ends_with(0);
    assert_eq!(urns_of(&accepted, "globalTags"), all_urns(1));
    assert_eq!(urns_of(&accepted, "tagKey"), ["urn:li:tag:gold"]);
}

#[test]
fn a_refusal_among_the_additions_can_be_resumed_without_sending_the_records_again() {
    let refusal = Refusal::after(33);
    let (gms, accepted) = gms(refusal.faults());
    let sandbox = Sandbox::new();
    sandbox.write("in.jsonl", &statuses(30));
    recipe(&sandbox, &gms, OVERWRITE);
    let (ran, report) = sandbox.ingest_with_report(&[]);
    ran.ends_with(3);
    assert!(report["proposals"]["undelivered"].as_u64().unwrap() > 0, "{report:#}");
    assert_eq!(report["resume"]["from_record"], 30, "{report:#}");
    refusal.is_repaired.store(true, SeqCst);
    sandbox.ingest(&["--resume"]).ends_with(0);
    assert_eq!(urns_of(&accepted, "status"), all_urns(30), "no record is sent again");
    let mut tagged = urns_of(&accepted, "globalTags");
    tagged.drain(..3);
    assert_eq!(tagged, all_urns(30), "all additions are");
}

#[test]
fn a_refusal_of_all_additions_can_be_resumed_too() {
    let refusal = Refusal::after(2);
    let (gms, accepted) = gms(refusal.faults());
    let sandbox = Sandbox::new();
    sandbox.write("in.jsonl", &statuses(2));
    recipe(&sandbox, &gms, OVERWRITE);
    let (ran, report) = sandbox.ingest_with_report(&[]);
    ran.ends_with(3);
    assert_eq!(
        (&report["resume"]["from_record"], &report["proposals"]["delivered"]),
        (&json!(2), &json!(2)),
        "{report:#}"
    );
    refusal.is_repaired.store(true, SeqCst);
    sandbox.ingest(&["--resume"]).ends_with(0);
    assert_eq!(urns_of(&accepted, "status"), all_urns(2), "no record is sent again");
    assert_eq!(urns_of(&accepted, "globalTags"), all_urns(2));
}

#[test]
fn an_addition_whose_lookup_fails_is_made_by_the_resumed_run() {
    let is_down = Arc::new(AtomicBool::new(true));
    let (gms, accepted) = gms({
        let is_down = Arc::clone(&is_down);
        move |request| {
            let fails = is_down.load(SeqCst) && request.path().contains("farm.t1%2CPROD");
            fails.then(|| Response::Status(500, json!({"message": "boom"}).to_string()))
        }
    });
    let sandbox = Sandbox::new();
    sandbox.write("in.jsonl", &statuses(3));
    recipe(&sandbox, &gms, PATCH);
    let (ran, report) = sandbox.ingest_with_report(&[]);
    ran.ends_with(1);
    assert_eq!(
        (&report["proposals"]["undelivered"], &report["resume"]["from_record"]),
        (&json!(1), &json!(3)),
        "{report:#}"
    );
    assert_eq!(urns_of(&accepted, "globalTags"), [urn(0), urn(2)]);
    is_down.store(false, SeqCst);
    sandbox.ingest(&["--resume"]).ends_with(0);
    assert_eq!(urns_of(&accepted, "status"), all_urns(3), "no record is sent again");
    assert!(urns_of(&accepted, "globalTags").contains(&urn(1)));
}

#[test]
fn a_dry_run_counts_what_the_transformers_would_do_and_writes_nothing() {
    let (gms, _) = gms(|_| None);
    let sandbox = Sandbox::new();
    let tags = json!({"tags": [{"tag": "urn:li:tag:own"}]});
    sandbox.write("in.jsonl", &(record(0, "globalTags", &tags) + &statuses(3)));
    let transformers = "[{type: simple_add_dataset_tags, config: {semantics: PATCH, tag_urns: ['urn:li:tag:gold']}}, \
                        {type: mark_dataset_status, config: {removed: false}}]";
    recipe(&sandbox, &gms, transformers);
    let (ran, report) = sandbox.ingest_with_report(&["--dry-run"]);
    let ran = ran.ends_with(0);
    assert_eq!(
        report["transformers"],
        json!([
            {"type": "simple_add_dataset_tags", "runs_in": "native", "changed": 1, "added": 3},
            {"type": "mark_dataset_status", "runs_in": "native", "changed": 0, "added": 0},
        ])
    );
    assert_eq!((&report["proposals"]["read"], &report["proposals"]["filtered"]), (&json!(7), &json!(7)));
    assert!(ran.stderr.contains("simple_add_dataset_tags"), "{ran:#?}");
    let written: Vec<String> = gms.writes().iter().map(|request| request.target().to_owned()).collect();
    assert_eq!(written, Vec::<String>::new());
}

#[test]
fn each_aspect_of_an_entity_is_looked_up_once() {
    let (gms, _) = gms(|_| None);
    let sandbox = Sandbox::new();
    let tags = |name: &str| json!({"tags": [{"tag": format!("urn:li:tag:{name}")}]});
    let records: String =
        (0..40).map(|number| record(number % 10, "globalTags", &tags(&format!("n{number}")))).collect();
    sandbox.write("in.jsonl", &records);
    recipe(&sandbox, &gms, PATCH);
    let (ran, report) = sandbox.ingest_with_report(&[]);
    ran.ends_with(0);
    assert_eq!(report["transformers"][0]["changed"], 40);
    let lookups = gms.all().iter().filter(|request| request.path().contains("entitiesV2")).count();
    assert_eq!(lookups, 10);
}

#[test]
fn records_that_no_transformer_touches_stay_byte_for_byte() {
    let sandbox = Sandbox::new();
    let odd = r#"{"entityType":"chart","entityUrn":"urn:li:chart:(looker,é)","changeType":"UPSERT","aspectName":"chartInfo","aspect":{"json":{"title":"\u00e9\/","description":"","z":1.0e2,"a":12345678901234567890,"z":null}},"headers":{"k":"v"},"systemMetadata":{"lastObserved":7,"x":{"y":1}}}"#;
    let deletion = r#"{"entityType":"dataset","entityUrn":"urn:li:dataset:(urn:li:dataPlatform:hive,a,PROD)","changeType":"DELETE","aspectName":"status","aspect":null}"#;
    sandbox.write("in.jsonl", &format!("{odd}\n{deletion}\n{}", numbered_tags(3)));
    let written = |transformers: &str| {
        let more = format!(
            "{{type: file, config: {{filename: out.jsonl}}}}\nrun_id: same\ntransformers: {transformers}"
        );
        sandbox.recipe("in.jsonl", &more);
        sandbox.ingest(&[]).ends_with(0);
        std::fs::read_to_string(sandbox.path("out.jsonl")).unwrap()
    };
    let chain = "[{type: simple_add_dataset_tags, config: {tag_urns: ['urn:li:tag:gold']}}, {type: mark_dataset_status, config: {removed: true}}, \
                 {type: set_attribution, config: {attribution_source: 'urn:li:x:y'}}]";
    let plain = written("[]");
    assert_eq!(plain.lines().count(), 5);
    assert_eq!(written(chain), plain);
}

#[test]
fn additions_have_the_system_metadata_of_the_first_record_and_keys_have_none() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "in.jsonl",
        &(statuses(1) + &record(0, "datasetProperties", &json!({"name": "t"})).replace("1700000000000", "9")),
    );
    let sink = format!(
        "{{type: file, config: {{filename: out.json}}}}\nrun_id: now\npipeline_name: p\ntransformers: {OVERWRITE}"
    );
    sandbox.recipe("in.jsonl", &sink);
    sandbox.ingest(&[]).ends_with(0);
    let written = sandbox.json("out.json");
    let added = &written[2]["systemMetadata"];
    assert_eq!(written[2]["aspectName"], "globalTags");
    assert_eq!(
        (&added["lastObserved"], &added["runId"], &added["pipelineName"]),
        (&json!(1_700_000_000_000_u64), &json!("now"), &json!("p"))
    );
    assert_eq!(written[3]["aspectName"], "tagKey");
    assert_eq!(written[3]["systemMetadata"].get("lastObserved"), None, "{}", written[3]);
}

#[test]
fn a_snapshot_keeps_its_other_aspects() {
    let sandbox = Sandbox::new();
    let snapshot = json!({"proposedSnapshot": {"com.linkedin.pegasus2avro.metadata.snapshot.DatasetSnapshot": {"urn": urn(0), "aspects": [
        {"com.linkedin.pegasus2avro.common.GlobalTags": {"tags": [{"tag": "urn:li:tag:own"}]}},
        {"com.linkedin.pegasus2avro.common.Status": {"removed": false}},
    ]}}});
    sandbox.write("in.jsonl", &snapshot.to_string());
    let transformers = "[{type: set_attribution, config: {attribution_source: 'urn:li:x:y'}}]";
    sandbox.recipe(
        "in.jsonl",
        &format!("{{type: file, config: {{filename: out.json}}}}\ntransformers: {transformers}"),
    );
    sandbox.ingest(&[]).ends_with(0);
    let written = sandbox.json("out.json");
    let names: Vec<(&str, &str)> = written
        .as_array()
        .unwrap()
        .iter()
        .map(|record| (record["changeType"].as_str().unwrap(), record["aspectName"].as_str().unwrap()))
        .collect();
    assert_eq!(names, [("PATCH", "globalTags"), ("UPSERT", "status")]);
}

#[test]
fn a_check_finds_mistakes_in_transformers() {
    let sandbox = Sandbox::new();
    sandbox.write("in.jsonl", &statuses(1));
    sandbox.recipe("in.jsonl", "{type: blackhole}\ntransformers: [{type: pattern_add_dataset_tags, config: {tag_pattern: {rules: {'[': []}}}}]");
    for arguments in [&["check", "recipe.yml", "--offline"][..], &["ingest", "-c", "recipe.yml", "--dry-run"]]
    {
        let ran = sandbox.run(arguments).ends_with(2);
        assert!(ran.stderr.contains("transformers[0].config.tag_pattern"), "{ran:#?}");
    }
}
