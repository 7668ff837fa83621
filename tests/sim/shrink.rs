//! Shortens a world that violates an invariant.

use crate::world::World;

/// Removes faults, and records from the end, while `fails` still holds.
pub(crate) fn shrink(world: &World, fails: impl Fn(&World) -> bool) -> World {
    let mut shortest = world.clone();
    'again: loop {
        let fewer_faults = (0..shortest.faults.len()).map(|index| shortest.without_fault(index));
        let records = shortest.input.len();
        let fewer_records = [records / 2, records - records / 4, records.saturating_sub(1)];
        let fewer_records = fewer_records.into_iter().filter(|fewer| *fewer < records && *fewer > 0);
        let shorter = fewer_faults.chain(fewer_records.map(|fewer| shortest.with_records(fewer)));
        for candidate in shorter.collect::<Vec<_>>() {
            if fails(&candidate) {
                shortest = candidate;
                continue 'again;
            }
        }
        return shortest;
    }
}
