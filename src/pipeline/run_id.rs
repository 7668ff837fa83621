//! The id of a run.

use jiff::Timestamp;

use crate::clock::Clock;

/// Characters at the end of a run id that are random.
const RANDOM_CHARACTERS: usize = 6;

/// Generates the id of a run that starts now: `<source>-YYYY_MM_DD-HH_MM_SS-<6 characters>`.
///
/// The form is DataHub's own (`run/pipeline.py`). The time is UTC, so that runs of different machines sort by
/// time.
pub(super) fn generate(source_type: &str, started_at: Timestamp, clock: &dyn Clock) -> String {
    let random = std::iter::repeat_with(|| char::from_digit((clock.random() % 36) as u32, 36).unwrap_or('0'));
    let random: String = random.take(RANDOM_CHARACTERS).collect();
    format!("{source_type}-{}-{random}", started_at.strftime("%Y_%m_%d-%H_%M_%S"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn has_datahubs_form() {
        let now = "2026-11-03T08:05:09.7Z".parse().unwrap();
        let run_id = generate("file", now, &SystemClock);
        let random = run_id.strip_prefix("file-2026_11_03-08_05_09-").unwrap();
        assert_eq!(random.len(), 6);
        assert!(random.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
    }

    #[test]
    fn differs_from_run_to_run() {
        assert_ne!(
            generate("file", Timestamp::UNIX_EPOCH, &SystemClock),
            generate("file", Timestamp::UNIX_EPOCH, &SystemClock)
        );
    }
}
