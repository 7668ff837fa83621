//! Delivers one batch: sends its request groups one after another until every proposal has an outcome.

use std::sync::Arc;

use super::lifecycle::Phase;
use super::limit::RequestPermit;
use super::open_traces::TraceSlot;
use super::pending::Pending;
use super::send::send;
use super::settle::BatchSettlement;
use super::shared::Shared;

/// Delivers `batch`. The first request is sent with `permit`, if there is one already. The batch keeps its
/// URNs until the end, so that nothing overtakes it, whatever is retried or split.
pub(super) async fn deliver(shared: Arc<Shared>, batch: Vec<Pending>, mut permit: Option<RequestPermit>) {
    let _age = shared.ages.note(&batch);
    let mut settlement = BatchSettlement::new(&shared, batch);
    let mut turn = None;
    while let Some(group) = settlement.next_group() {
        // The turn ends after the group is settled.
        let _outage_turn = shared.wait_during_outage(&mut permit).await;
        if group.is_part && !shared.blames_records() && turn.is_none() {
            turn = tokio::select! {
                biased;
                turn = shared.suspects.bisecting() => Some(turn),
                () = shared.suspects.first_accepted() => None,
                () = shared.lifecycle.reached(Phase::Stopped) => None,
            };
        }
        if shared.blames_records() {
            turn = None;
        } else if group.is_part && !shared.lifecycle.is_stopped() && !shared.suspects.may_send_part() {
            settlement.give_up(group);
            continue;
        }
        let slot =
            if group.route.may_be_queued() { wait_for_trace_slot(&shared, &mut permit).await } else { None };
        if shared.lifecycle.is_stopped() {
            shared.settle_undelivered(group.proposals);
            continue;
        }
        tokio::select! {
            biased;
            sent = send(&shared, &group, permit.take()) => match sent {
                // The guard is dropped after the run has been stopped.
                Some((exchange, _guard)) => settlement.settle(group, &exchange, slot),
                None => shared.settle_undelivered(group.proposals),
            },
            () = shared.lifecycle.reached(Phase::Abandoned) => shared.settle_undelivered(group.proposals),
        }
    }
    settlement.finish();
}

/// Waits until a trace may be opened, if traces are followed. Others may use the permit while this waits.
async fn wait_for_trace_slot(shared: &Shared, permit: &mut Option<RequestPermit>) -> Option<TraceSlot> {
    if !shared.settings.follows_traces() {
        return None;
    }
    if let Some(slot) = shared.traces.try_slot() {
        return Some(slot);
    }
    drop(permit.take());
    tokio::select! {
        biased;
        slot = shared.traces.slot() => slot,
        () = shared.lifecycle.reached(Phase::Stopped) => None,
    }
}
