//! The id of a run.

use jiff::Timestamp;

/// Characters at the end of a run id that are random.
const RANDOM_CHARACTERS: usize = 6;

/// Generates the id of a run that starts at `now`: `<source>-YYYY_MM_DD-HH_MM_SS-<6 characters>`.
///
/// The form is DataHub's own (`run/pipeline.py`). The time is UTC, so that runs of different machines sort by time.
pub(super) fn generate(source_type: &str, now: Timestamp) -> String {
    let random = std::iter::repeat_with(|| fastrand::alphanumeric().to_ascii_lowercase());
    let random: String = random.take(RANDOM_CHARACTERS).collect();
    format!("{source_type}-{}-{random}", now.strftime("%Y_%m_%d-%H_%M_%S"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_datahubs_form() {
        let now = "2026-11-03T08:05:09.7Z".parse().unwrap();
        let run_id = generate("file", now);
        let random = run_id.strip_prefix("file-2026_11_03-08_05_09-").unwrap();
        assert_eq!(random.len(), 6);
        assert!(random.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
    }

    #[test]
    fn differs_from_run_to_run() {
        assert_ne!(generate("file", Timestamp::UNIX_EPOCH), generate("file", Timestamp::UNIX_EPOCH));
    }
}
