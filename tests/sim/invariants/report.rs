//! The report says what happened.

use datahub_emitter::ErrorKind;
use datahub_emitter::pipeline::RunOutcome;

use super::dead_letter;
use crate::fault::FaultKind;
use crate::gms::TOKEN_PREFIX;
use crate::life::{LifeEnd, REPORT};
use crate::run::WorldResult;
use crate::world::World;

pub(super) fn reports_equal_the_history(world: &World, result: &WorldResult) -> Result<(), String> {
    let dead_letters = dead_letter::read(&result.files);
    for life in &result.lives {
        let LifeEnd::Finished { report, failure } = &life.end else { continue };
        let wrong = |what: String| Err(format!("life {}: {what}; {report:#?}", life.number));
        let counts = report.proposals;
        if counts.read != counts.delivered + counts.rejected + counts.undelivered + counts.filtered {
            return wrong("the counts do not add up".into());
        }
        let delivered = result.history.delivered(|number| number == life.number).len();
        if counts.delivered != delivered as u64 {
            return wrong(format!("{delivered} proposals were accepted"));
        }
        let sent = result.history.requests.iter().filter(|request| request.life == life.number).count();
        // A request that gets no token is counted, and not sent.
        if report.requests.sent < sent as u64 {
            return wrong(format!("{sent} requests were sent"));
        }
        let mine = || dead_letters.iter().filter(|line| Some(&line.run_id) == report.run_id.as_ref());
        let rejected = mine().filter(|line| line.aspect.is_some()).count();
        let has_disk_faults = world
            .faults
            .iter()
            .any(|fault| fault.life == life.number && matches!(fault.kind, FaultKind::Disk { .. }));
        let has_all = if has_disk_faults {
            counts.rejected <= rejected as u64 && report.dead_letters.records <= mine().count() as u64
        } else {
            counts.rejected == rejected as u64 && report.dead_letters.records == mine().count() as u64
        };
        if !has_all && !result.disk_has_lied {
            return wrong(format!(
                "there are dead letters of {rejected} proposals, {} in all",
                mine().count()
            ));
        }
        let all_delivered = counts.rejected + counts.undelivered + report.source.invalid == 0;
        if report.outcome == RunOutcome::Delivered && !(all_delivered && report.source.complete) {
            return wrong("the outcome is wrong".into());
        }
        let is_last = life.number + 1 == u32::try_from(result.lives.len()).unwrap();
        let cannot_write = failure.as_ref().is_some_and(|(kind, _)| *kind == ErrorKind::Disk);
        if is_last
            && !cannot_write
            && result.files.get(std::path::Path::new(REPORT)) != Some(&report.to_json().unwrap())
        {
            return wrong("the file is another one".into());
        }
    }
    Ok(())
}

pub(super) fn no_file_contains_a_token(_: &World, result: &WorldResult) -> Result<(), String> {
    let has_token = |content: &Vec<u8>| {
        content.windows(TOKEN_PREFIX.len()).any(|window| window == TOKEN_PREFIX.as_bytes())
    };
    match result.files.iter().find(|(_, content)| has_token(content)) {
        Some((path, _)) => Err(format!("{} does", path.display())),
        None => Ok(()),
    }
}
