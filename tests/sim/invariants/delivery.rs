//! Every proposal ends as delivered or as a dead letter.

use std::collections::BTreeSet;

use super::dead_letter;
use crate::fault::{FaultKind, ServerTrouble};
use crate::run::WorldResult;
use crate::world::{ASPECTS, InputRecord, World};

pub(super) fn every_proposal_ends_once(world: &World, result: &WorldResult) -> Result<(), String> {
    let delivered = result.history.delivered(|_| true);
    let written: BTreeSet<(u32, String)> = result
        .history
        .commits
        .iter()
        .map(|commit| (commit.proposal.record, commit.proposal.aspect.clone()))
        .collect();
    if let Some(invented) = delivered.keys().find(|key| !written.contains(*key)) {
        return Err(format!("{invented:?} is delivered, and GMS has not written it"));
    }
    let dead_lettered = dead_letter::proposals(&result.files);
    let invalid = dead_letter::invalid_records(&result.files);
    for (record, number) in world.input.iter().zip(0..) {
        if *record == InputRecord::Invalid && !invalid.contains(&number) && !result.disk_has_lied {
            return Err(format!("record {number} is invalid, and has no dead letter"));
        }
        for aspect in &ASPECTS[..record.proposals()] {
            let key = (number, (*aspect).to_owned());
            let (is_written, is_dead_lettered) = (written.contains(&key), dead_lettered.contains(&key));
            let (is_rejected, may_be_rejected) = rejections(world, *record);
            if is_rejected && is_written {
                return Err(format!("{key:?} is written, although GMS rejects it"));
            }
            if is_dead_lettered && !may_be_rejected {
                return Err(format!("{key:?} is dead-lettered, although GMS accepts it"));
            }
            let may_be_lost = may_be_rejected && result.disk_has_lied;
            if !(is_written || is_dead_lettered || may_be_lost) {
                return Err(format!("{key:?} is lost"));
            }
        }
    }
    Ok(())
}

/// Whether GMS always rejects a record, and whether it may do so in some life.
fn rejections(world: &World, record: InputRecord) -> (bool, bool) {
    let is_rejected = matches!(record, InputRecord::Rejected { .. });
    let in_trouble = world.faults.iter().any(|fault| match fault.kind {
        FaultKind::Server { trouble: ServerTrouble::BodyLimit { .. }, .. } => true,
        FaultKind::Server {
            trouble: ServerTrouble::OlderModel { entity } | ServerTrouble::Forbidden { entity },
            ..
        } => record.entity() == Some(entity),
        _ => false,
    });
    (is_rejected, is_rejected || in_trouble || may_use_up_retries(world))
}

/// Whether a write may fail so often that the program takes it for the fault of the record. That is right for
/// a 500 that remains after the retries.
fn may_use_up_retries(world: &World) -> bool {
    let last_life = world.last_faulty_life().unwrap_or_default();
    (0..=last_life).any(|life| {
        let failures: u64 = world
            .faults
            .iter()
            .filter(|fault| fault.life == life)
            .map(|fault| match fault.kind {
                FaultKind::Write { count, .. } => u64::from(count),
                _ => 0,
            })
            .sum();
        // A part of a batch is retried once.
        failures > world.sink.retry_max_times.min(1)
    })
}
