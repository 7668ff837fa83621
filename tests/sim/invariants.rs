//! The invariants: they hold after every world, whatever went wrong in it.

mod bounds;
mod checkpoint;
mod dead_letter;
mod delivery;
mod order;
mod report;

use crate::run::WorldResult;
use crate::world::World;

/// An invariant: says what is wrong, if anything is.
type Invariant = fn(&World, &WorldResult) -> Result<(), String>;

/// All of them, with the names that a failure prints.
const INVARIANTS: [(&str, Invariant); 13] = [
    ("a run ends once its faults are over", bounds::runs_end),
    ("resumed runs get through", bounds::resumed_runs_get_through),
    ("what is in flight stays within its bounds", bounds::in_flight_is_bounded),
    ("a refused token costs at most one more request", bounds::refused_tokens_are_bounded),
    ("a second run of the pipeline sends nothing", bounds::second_runs_send_nothing),
    ("no proposal overtakes an earlier one of its URN", order::nothing_is_overtaken),
    ("GMS ends with the newest aspect of each entity", order::the_newest_remains),
    ("every proposal is delivered or dead-lettered, and none is both", delivery::every_proposal_ends_once),
    ("the report equals the history", report::reports_equal_the_history),
    ("the checkpoint is not ahead of delivery", checkpoint::is_not_ahead),
    ("the checkpoint is not behind by more than its interval", checkpoint::is_not_behind),
    ("a resumed run skips what is finished", checkpoint::finished_records_are_not_sent_again),
    ("no file contains a token", report::no_file_contains_a_token),
];

/// The first invariant that does not hold, and why.
pub(crate) fn violation(world: &World, result: &WorldResult) -> Option<String> {
    INVARIANTS
        .iter()
        .find_map(|(name, invariant)| invariant(world, result).err().map(|why| format!("{name}: {why}")))
}
