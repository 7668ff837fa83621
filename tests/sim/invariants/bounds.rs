//! Runs end, get through, and stay within their limits.

use std::collections::{BTreeMap, BTreeSet};

use datahub_emitter::ErrorKind;

use crate::life::{LifeEnd, SECOND_RUN};
use crate::run::WorldResult;
use crate::world::World;

/// The memory of a proposal beside its aspect, as the emitter counts it.
const OVERHEAD_BYTES: usize = 512;

pub(super) fn runs_end(_: &World, result: &WorldResult) -> Result<(), String> {
    match result.lives.iter().find(|life| matches!(life.end, LifeEnd::Hangs)) {
        Some(life) => Err(format!(
            "life {} has not ended after {:?}",
            life.number,
            life.ended.saturating_sub(life.began)
        )),
        None => Ok(()),
    }
}

pub(super) fn resumed_runs_get_through(_: &World, result: &WorldResult) -> Result<(), String> {
    for life in &result.lives {
        if life.end.asks_for_restart() && !result.lost_power_before(life.number) {
            return Err(format!("life {}: the checkpoint is damaged without a power loss", life.number));
        }
    }
    let last = result.lives.last().unwrap();
    if last.end.is_done() {
        Ok(())
    } else {
        Err(format!("life {} has ended with {:#?}", last.number, last.end))
    }
}

pub(super) fn in_flight_is_bounded(world: &World, result: &WorldResult) -> Result<(), String> {
    let sink = &world.sink;
    let max_requests = if sink.mode == "SYNC" { 1 } else { usize::try_from(sink.max_threads).unwrap() };
    let (max_proposals, max_bytes) = (
        usize::try_from(sink.max_pending_requests).unwrap(),
        usize::try_from(sink.max_pending_bytes).unwrap(),
    );
    for together in &result.history.together {
        let requests = || together.iter().map(|number| &result.history.requests[*number]);
        let proposals = || requests().flat_map(|request| &request.proposals);
        let count = proposals().count();
        let bytes: usize = proposals().map(|proposal| proposal.bytes + OVERHEAD_BYTES).sum();
        let lives: BTreeSet<u32> = requests().map(|request| request.life).collect();
        if lives.len() > 1 {
            return Err(format!("the lives {lives:?} send at once"));
        }
        if together.len() > max_requests {
            return Err(format!("{} requests are in flight, at most {max_requests}", together.len()));
        }
        if count > max_proposals || (count > 1 && bytes > max_bytes) {
            return Err(format!("{count} proposals with {bytes} bytes are in flight"));
        }
    }
    Ok(())
}

/// After a token was refused, nothing is sent with it but one request that finds out whether it is good after
/// all.
pub(super) fn refused_tokens_are_bounded(_: &World, result: &WorldResult) -> Result<(), String> {
    let mut events = Vec::new();
    for (number, request) in result.history.requests.iter().enumerate() {
        // An event that allows more comes before others of the same time.
        events.push((request.sent_at, 1, number));
        if let Some(seen) = &request.result {
            events.push((seen.at, if seen.status == Some(401) { 2 } else { 0 }, number));
        }
    }
    events.sort_unstable();
    let mut refused: BTreeMap<(u32, &str), u32> = BTreeMap::new();
    for (_, event, number) in events {
        let request = &result.history.requests[number];
        let key = (request.life, &*request.token);
        match event {
            1 => {
                let Some(sent) = refused.get_mut(&key) else { continue };
                *sent += 1;
                if *sent > 1 {
                    return Err(format!(
                        "life {}: request {number} is sent with a refused token",
                        request.life
                    ));
                }
            }
            2 => {
                refused.entry(key).or_default();
            }
            _ => {
                refused.remove(&key);
            }
        }
    }
    Ok(())
}

pub(super) fn second_runs_send_nothing(_: &World, result: &WorldResult) -> Result<(), String> {
    if let Some(request) = result.history.requests.iter().find(|request| request.life >= SECOND_RUN) {
        return Err(format!("it has sent {request:?}"));
    }
    for second in result.lives.iter().filter_map(|life| life.second.as_ref()) {
        let is_locked = second.failure.as_ref().is_some_and(|error| error.kind() == ErrorKind::Locked);
        if !is_locked && !second.skipped {
            return Err(format!("it has ended with {second:#?}"));
        }
    }
    Ok(())
}
