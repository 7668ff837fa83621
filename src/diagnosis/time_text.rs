//! Points and spans of time in texts for people.

use jiff::{SignedDuration, Timestamp};

/// RFC 3339 without fractions of a second.
pub(crate) fn whole_seconds(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).map_or_else(|_| time.to_string(), |time| time.to_string())
}

/// A span of time in one unit, without its sign: `3 days`.
pub(crate) fn rough_span(span: SignedDuration) -> String {
    let seconds = span.as_secs().unsigned_abs();
    let (count, unit) = match seconds {
        0..=119 => (seconds, "second"),
        120..=7_199 => (seconds / 60, "minute"),
        7_200..=172_799 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_given_in_its_largest_unit() {
        for (seconds, expected) in [
            (1, "1 second"),
            (-90, "90 seconds"),
            (600, "10 minutes"),
            (10_800, "3 hours"),
            (259_200, "3 days"),
        ] {
            assert_eq!(rough_span(SignedDuration::from_secs(seconds)), expected);
        }
    }
}
