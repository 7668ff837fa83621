//! The rules as a table, and properties that hold for every combination of facts.

use super::*;

const GROUP: GroupFacts = GroupFacts {
    route: Route::Batch,
    proposals: 8,
    has_several_urns: true,
    is_part: false,
    creates: false,
    outcome_unknown: false,
    batch_size: 8,
};

const SINGLE: GroupFacts = GroupFacts { proposals: 1, has_several_urns: false, ..GROUP };

const NOTHING_YET: Progress = Progress {
    has_accepted: false,
    has_accepted_since: false,
    is_stopped: false,
    keeps_trying: false,
    failing: 0,
    refused_alone: 0,
    failed_alone: 0,
    max_in_flight_requests: 4,
};

const ACCEPTING: Progress = Progress { has_accepted: true, has_accepted_since: true, ..NOTHING_YET };

const STALLED: Progress = Progress { has_accepted: true, has_accepted_since: false, ..NOTHING_YET };

const FAILED: Verdict = Verdict::Retry(RetryReason::Failed { after: None });

fn response(verdict: Verdict, status: u16, named: usize) -> ResponseFacts {
    ResponseFacts { verdict, status: Some(status), named, says_exists: false }
}

#[test]
fn each_rule_has_its_decision() {
    use Action::{
        Accept, AcceptEarlierAttempt, Hold, LeaveUndelivered, Postpone, Reject, RejectNamed, SendSingly, Stop,
    };
    use StopBecause::{NoOpenapi, Response};

    let halves = Action::Split(Split::InHalves);
    let named = Action::Split(Split::ByNamedUrns);
    let halves_after_500 = Action::Split(Split::InHalvesAfterServerError);
    let openapi = GroupFacts { route: Route::Upsert, ..GROUP };
    let part = GroupFacts { is_part: true, ..SINGLE };
    let one_urn = GroupFacts { has_several_urns: false, ..GROUP };
    let create = GroupFacts { creates: true, outcome_unknown: true, ..SINGLE };
    let alone = GroupFacts { batch_size: 1, ..SINGLE };
    let exists = ResponseFacts { says_exists: true, ..response(Verdict::Rejected, 422, 0) };
    let no_response = ResponseFacts {
        verdict: Verdict::Retry(RetryReason::OutcomeUnknown),
        status: None,
        ..response(Verdict::Rejected, 0, 0)
    };
    let stopped = |progress| Progress { is_stopped: true, ..progress };

    for (name, group, response, progress, expected) in [
        ("accepted", GROUP, response(Verdict::Delivered, 200, 0), NOTHING_YET, Accept),
        ("no batches", GROUP, response(Verdict::UnknownBatch, 400, 0), NOTHING_YET, SendSingly),
        (
            "no batches, but it was none",
            SINGLE_ROUTE,
            response(Verdict::UnknownBatch, 400, 0),
            ACCEPTING,
            Reject,
        ),
        ("bad batch", GROUP, response(Verdict::Rejected, 422, 0), NOTHING_YET, halves),
        ("bad batch, some named", GROUP, response(Verdict::Rejected, 422, 2), NOTHING_YET, named),
        ("bad batch, all named", GROUP, response(Verdict::Rejected, 422, 8), ACCEPTING, halves),
        ("bad record", SINGLE, response(Verdict::Rejected, 422, 0), ACCEPTING, Reject),
        (
            "bad record first",
            SINGLE,
            response(Verdict::Rejected, 422, 0),
            NOTHING_YET,
            Hold(StopAt::Suspects(4)),
        ),
        ("bad part first", part, response(Verdict::Rejected, 422, 0), NOTHING_YET, Hold(StopAt::Never)),
        (
            "third bad part",
            part,
            response(Verdict::Rejected, 422, 0),
            Progress { refused_alone: 2, ..NOTHING_YET },
            Hold(StopAt::This),
        ),
        ("too large record first", SINGLE, response(Verdict::Rejected, 413, 0), NOTHING_YET, Reject),
        ("exists, first response lost", create, exists.clone(), NOTHING_YET, AcceptEarlierAttempt),
        ("exists", GroupFacts { outcome_unknown: false, ..create }, exists.clone(), ACCEPTING, Reject),
        ("exists, no CREATE", GroupFacts { creates: false, ..create }, exists, ACCEPTING, Reject),
        ("no OpenAPI", openapi, response(Verdict::Rejected, 404, 0), NOTHING_YET, Stop(NoOpenapi)),
        ("404 in the middle", openapi, response(Verdict::Rejected, 404, 0), ACCEPTING, halves),
        ("forbidden", GROUP, response(Verdict::Forbidden, 403, 0), ACCEPTING, Stop(Response)),
        ("forbidden, some named", GROUP, response(Verdict::Forbidden, 403, 3), NOTHING_YET, RejectNamed),
        ("forbidden, all named", GROUP, response(Verdict::Forbidden, 403, 8), ACCEPTING, Stop(Response)),
        ("forbidden, its one URN", one_urn, response(Verdict::Forbidden, 403, 8), ACCEPTING, RejectNamed),
        ("forbidden first", SINGLE, response(Verdict::Forbidden, 403, 1), NOTHING_YET, Stop(Response)),
        ("forbidden later", SINGLE, response(Verdict::Forbidden, 403, 1), ACCEPTING, RejectNamed),
        ("500", GROUP, response(FAILED, 500, 0), ACCEPTING, halves_after_500),
        ("500 first", GROUP, response(FAILED, 500, 0), NOTHING_YET, halves_after_500),
        ("500 for one", SINGLE, response(FAILED, 500, 0), NOTHING_YET, Postpone),
        ("500 for the only one", alone, response(FAILED, 500, 0), NOTHING_YET, Stop(Response)),
        (
            "500 for the third",
            SINGLE,
            response(FAILED, 500, 0),
            Progress { failed_alone: 2, ..NOTHING_YET },
            Stop(Response),
        ),
        (
            "500 too often",
            GROUP,
            response(FAILED, 500, 0),
            Progress { failing: 5, ..STALLED },
            Stop(Response),
        ),
        (
            "500 often, others pass",
            GROUP,
            response(FAILED, 500, 0),
            Progress { failing: 5, ..ACCEPTING },
            halves_after_500,
        ),
        ("500 and stopped", GROUP, response(FAILED, 500, 0), stopped(ACCEPTING), LeaveUndelivered),
        ("retried 422", SINGLE, response(FAILED, 422, 0), ACCEPTING, Reject),
        ("retried 422, stopped", SINGLE, response(FAILED, 422, 0), stopped(ACCEPTING), Stop(Response)),
        ("401", GROUP, response(Verdict::Unauthorized, 401, 0), ACCEPTING, Stop(Response)),
        ("not a GMS", GROUP, response(Verdict::NotGms, 302, 0), ACCEPTING, Stop(Response)),
        ("no response", GROUP, no_response, ACCEPTING, Stop(Response)),
    ] {
        assert_eq!(decide(&group, &response, &progress).action, expected, "{name}");
    }

    assert_eq!(decide_postponed(&ACCEPTING), Reject);
    assert_eq!(decide_postponed(&STALLED), Hold(StopAt::Suspects(4)));
    assert_eq!(decide_postponed(&NOTHING_YET), Hold(StopAt::This));
    assert_eq!(decide_postponed(&stopped(ACCEPTING)), Hold(StopAt::Suspects(4)));
}

const SINGLE_ROUTE: GroupFacts = GroupFacts { route: Route::Single, ..SINGLE };

fn all_groups() -> Vec<GroupFacts> {
    let mut groups = Vec::new();
    for route in [Route::Batch, Route::Single, Route::Upsert, Route::Delete] {
        for (proposals, has_several_urns, creates) in
            [(1, false, false), (1, false, true), (2, false, false), (2, true, false), (100, true, false)]
        {
            for batch_size in [1, 2, 100] {
                for bits in 0..4 {
                    let (is_part, outcome_unknown) = (bits & 1 != 0, bits & 2 != 0);
                    let group = GroupFacts {
                        route,
                        proposals,
                        has_several_urns,
                        is_part,
                        creates,
                        outcome_unknown,
                        batch_size,
                    };
                    // A part comes from a larger batch, and a route for one holds one.
                    let is_possible = proposals <= batch_size
                        && (!is_part || proposals < batch_size)
                        && (proposals == 1 || route.takes_many());
                    if is_possible {
                        groups.push(group);
                    }
                }
            }
        }
    }
    groups
}

fn all_responses(proposals: usize) -> Vec<ResponseFacts> {
    let mut verdicts = vec![
        (Verdict::Delivered, Some(200)),
        (Verdict::Unauthorized, Some(401)),
        (Verdict::Forbidden, Some(403)),
        (Verdict::UnknownBatch, Some(400)),
        (Verdict::NotGms, Some(302)),
        (Verdict::Fatal, Some(407)),
        (Verdict::Fatal, None),
        (Verdict::Retry(RetryReason::NoConnection), None),
        (Verdict::Retry(RetryReason::OutcomeUnknown), None),
        (Verdict::Retry(RetryReason::OutcomeUnknown), Some(500)),
        (Verdict::Retry(RetryReason::Throttled { after: None }), Some(429)),
        (Verdict::Retry(RetryReason::Server { after: None }), Some(503)),
        (FAILED, Some(500)),
        (FAILED, Some(422)),
    ];
    verdicts.extend([400, 404, 413, 422].map(|status| (Verdict::Rejected, Some(status))));
    let mut responses = Vec::new();
    for (verdict, status) in verdicts {
        for named in [0, 1, proposals] {
            for says_exists in [false, true] {
                responses.push(ResponseFacts { verdict: verdict.clone(), status, named, says_exists });
            }
        }
    }
    responses
}

fn all_progress() -> Vec<Progress> {
    let mut all = Vec::new();
    for (has_accepted, has_accepted_since) in [(false, false), (true, false), (true, true)] {
        // An emitter that keeps trying stops only when it does not keep trying any more.
        for (is_stopped, keeps_trying) in [(false, false), (true, false), (false, true)] {
            for failing in [0, 1, 3, 9] {
                for (refused_alone, failed_alone) in [(0, 0), (2, 0), (0, 2), (5, 5)] {
                    for max_in_flight_requests in [1, 15] {
                        all.push(Progress {
                            has_accepted,
                            has_accepted_since,
                            is_stopped,
                            keeps_trying,
                            failing,
                            refused_alone,
                            failed_alone,
                            max_in_flight_requests,
                        });
                    }
                }
            }
        }
    }
    all
}

#[test]
fn every_combination_of_facts_keeps_the_invariants() {
    let progress = all_progress();
    let mut count = 0;
    for group in all_groups() {
        for response in all_responses(group.proposals) {
            for progress in &progress {
                count += 1;
                check(&group, &response, progress);
            }
        }
    }
    assert!(count > 500_000, "{count} combinations");
}

fn check(group: &GroupFacts, response: &ResponseFacts, progress: &Progress) {
    let Decision { action, shrink_batches } = decide(group, response, progress);
    let case = || format!("{group:?}\n{response:?}\n{progress:?}\n{action:?}");
    let status = response.status.unwrap_or_default();
    assert!(!shrink_batches || status == 413, "{}", case());
    match action {
        Action::Accept => assert!(response.verdict == Verdict::Delivered, "{}", case()),
        Action::AcceptEarlierAttempt => {
            assert!(group.creates && group.outcome_unknown && response.says_exists, "{}", case());
        }
        Action::SendSingly => assert!(group.route == Route::Batch && status == 400, "{}", case()),
        // Both parts of a split are smaller than the whole.
        Action::Split(Split::ByNamedUrns) => {
            assert!(0 < response.named && response.named < group.proposals, "{}", case());
        }
        Action::Split(Split::InHalves) => assert!(group.proposals > 1, "{}", case()),
        Action::Split(Split::InHalvesAfterServerError) => {
            assert!(group.proposals > 1 && status == 500 && !progress.is_stopped, "{}", case());
        }
        Action::RejectNamed => {
            assert!(status == 403 && response.named > 0, "{}", case());
            let blames_records = progress.has_accepted || progress.keeps_trying;
            assert!(blames_records || response.named < group.proposals, "{}", case());
        }
        // Before anything was accepted, only a size is a record's own fault.
        Action::Reject => {
            let blames_records = progress.has_accepted || progress.keeps_trying;
            assert!(group.proposals == 1 && (blames_records || status == 413), "{}", case());
            let fails_alone = status == 500 && progress.keeps_trying && progress.has_accepted_since;
            assert!((400..500).contains(&status) || fails_alone, "{}", case());
        }
        Action::Hold(stop_at) => {
            assert!(group.proposals == 1 && !progress.has_accepted && !progress.keeps_trying, "{}", case());
            assert!(stop_at != StopAt::Never || group.is_part, "{}", case());
        }
        Action::Postpone => {
            assert!(group.proposals == 1 && !progress.keeps_trying, "{}", case());
            assert!(group.batch_size > 1 || progress.has_accepted, "{}", case());
        }
        Action::LeaveUndelivered => assert!(progress.is_stopped && status == 500, "{}", case()),
        Action::Stop(StopBecause::NoOpenapi) => {
            assert!(status == 404 && !progress.has_accepted, "{}", case());
        }
        // A message about some records is not a reason to stop a run in which GMS accepts others.
        Action::Stop(StopBecause::Response) => {
            let blames_records = response.verdict == Verdict::Rejected
                || (response.verdict == Verdict::Forbidden && response.named == 1 && group.proposals > 1);
            assert!(!blames_records, "{}", case());
        }
    }
    // Whatever is in flight together fails together: that alone never stops the run.
    if let Action::Hold(StopAt::Suspects(suspects)) = action {
        assert!(suspects >= progress.max_in_flight_requests, "{}", case());
    }
}
