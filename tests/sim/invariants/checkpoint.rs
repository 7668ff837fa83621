//! The checkpoint is neither ahead of what was delivered, nor far behind it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use datahub_emitter::pipeline::Start;
use serde_json::Value;

use super::dead_letter;
use crate::disk::DiskEventKind;
use crate::fault::FaultKind;
use crate::life::{CHECKPOINT, LifeEnd, Task};
use crate::run::WorldResult;
use crate::world::{ASPECTS, InputRecord, World};

/// The pause between two checkpoints, and some time for what happens at its end.
const INTERVAL: Duration = Duration::from_millis(150);

/// The finished records in a checkpoint; `None` if it is damaged.
fn finished_records(content: &[u8]) -> Option<BTreeSet<u32>> {
    let checkpoint: Value = serde_json::from_slice(content).ok()?;
    let number = |value: &Value| u32::try_from(value.as_u64()?).ok();
    let mut finished: BTreeSet<u32> = (0..number(&checkpoint["number"])?).collect();
    for range in checkpoint["finished"].as_array()? {
        finished.extend(number(&range[0])?..number(&range[1])?);
    }
    Some(finished)
}

/// Every record that a checkpoint counts is delivered, or its dead letter would survive a power loss.
pub(super) fn is_not_ahead(world: &World, result: &WorldResult) -> Result<(), String> {
    let delivered = result.history.delivered(|_| true);
    for event in result.disk_events.iter().filter(|event| event.path == Path::new(CHECKPOINT)) {
        let DiskEventKind::Replaced { content, durable } = &event.kind else { continue };
        let finished = finished_records(content).ok_or("it is written in a form that cannot be read")?;
        let (dead_lettered, invalid) =
            (dead_letter::proposals(durable), dead_letter::invalid_records(durable));
        for number in finished {
            let Some(record) = world.input.get(usize::try_from(number).unwrap()) else {
                return Err(format!("it counts record {number}, which does not exist"));
            };
            let is_lost = |what: &str| {
                Err(format!("life {} counts record {number} at {:?}: {what}", event.life, event.at))
            };
            if *record == InputRecord::Invalid && !invalid.contains(&number) && !result.disk_has_lied {
                return is_lost("its dead letter would not survive");
            }
            for aspect in &ASPECTS[..record.proposals()] {
                let key = (number, (*aspect).to_owned());
                let is_delivered = delivered.get(&key).is_some_and(|at| *at <= event.at);
                if !is_delivered && !dead_lettered.contains(&key) && !result.disk_has_lied {
                    return is_lost(&format!("{aspect} is neither delivered nor safely dead-lettered"));
                }
            }
        }
    }
    Ok(())
}

/// A checkpoint counts every record that this run has delivered before it was made, and one is made at least
/// once per interval while the disk is healthy.
pub(super) fn is_not_behind(world: &World, result: &WorldResult) -> Result<(), String> {
    for life in &result.lives {
        let events = || {
            result
                .disk_events
                .iter()
                .filter(|event| event.path == Path::new(CHECKPOINT) && event.life == life.number)
        };
        for event in events() {
            let DiskEventKind::Replaced { content, .. } = &event.kind else { continue };
            check_complete(world, result, life.number, content, event.began).map_err(|number| {
                format!("life {}: the one of {:?} lacks record {number}", life.number, event.at)
            })?;
        }
        let is_healthy = !world
            .faults
            .iter()
            .any(|fault| fault.life == life.number && matches!(fault.kind, FaultKind::Disk { .. }));
        if !is_healthy || !matches!(life.end, LifeEnd::Died(_)) {
            continue;
        }
        let last = events().next_back().map(|event| &event.kind);
        let due = life.ended.saturating_sub(INTERVAL);
        let behind = match last {
            Some(DiskEventKind::Replaced { content, .. }) => {
                check_complete(world, result, life.number, content, due)
            }
            Some(DiskEventKind::Removed) => Ok(()),
            None => check_complete(world, result, life.number, b"{\"number\":0,\"finished\":[]}", due),
        };
        behind.map_err(|number| format!("life {}: the last one lacks record {number}", life.number))?;
    }
    Ok(())
}

/// Checks that a checkpoint counts each record that this life has delivered before `until`, unless an earlier
/// one of its entity is unfinished.
fn check_complete(
    world: &World,
    result: &WorldResult,
    life: u32,
    checkpoint: &[u8],
    until: Duration,
) -> Result<(), u32> {
    let Some(finished) = finished_records(checkpoint) else { return Ok(()) };
    let delivered = result.history.delivered(|number| number == life);
    let mut unfinished = BTreeSet::new();
    for (record, number) in world.input.iter().zip(0_u32..) {
        let Some(entity) = record.entity() else { continue };
        if finished.contains(&number) || unfinished.contains(&entity) {
            continue;
        }
        let mut aspects = ASPECTS[..record.proposals()].iter();
        let was_delivered = aspects
            .all(|aspect| delivered.get(&(number, (*aspect).to_owned())).is_some_and(|at| *at < until));
        if was_delivered {
            return Err(number);
        }
        unfinished.insert(entity);
    }
    Ok(())
}

pub(super) fn finished_records_are_not_sent_again(_: &World, result: &WorldResult) -> Result<(), String> {
    for life in result.lives.iter().filter(|life| matches!(life.task, Task::Run(Start::Resume))) {
        let Some(finished) = life.checkpoint_at_start.as_deref().and_then(finished_records) else { continue };
        let mut sent = result
            .history
            .requests
            .iter()
            .filter(|request| request.life == life.number)
            .flat_map(|request| &request.proposals);
        if let Some(again) = sent.find(|proposal| finished.contains(&proposal.record)) {
            return Err(format!("life {} sends record {} again", life.number, again.record));
        }
    }
    Ok(())
}
