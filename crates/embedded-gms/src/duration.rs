//! The lifetime of a token.

use std::time::{Duration, SystemTime};

use jiff::{Span, SpanRelativeTo};
use serde::de::{Deserialize, Deserializer, Error as _};

const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;

/// GraphQL's names (`AccessTokenDuration`) with their seconds (`AccessTokenUtil`).
const NAMES: &[(&str, Option<u64>)] = &[
    ("ONE_HOUR", Some(HOUR)),
    ("ONE_DAY", Some(DAY)),
    ("ONE_WEEK", Some(7 * DAY)),
    ("ONE_MONTH", Some(30 * DAY)),
    ("THREE_MONTHS", Some(90 * DAY)),
    ("SIX_MONTHS", Some(180 * DAY)),
    ("ONE_YEAR", Some(365 * DAY)),
    ("NO_EXPIRY", None),
];

/// The lifetime of a token; `None` means that it does not expire.
///
/// ```
/// use std::time::Duration;
///
/// use datahub_embedded_gms::TokenDuration;
///
/// let month: TokenDuration = "ONE_MONTH".parse().unwrap();
/// assert_eq!(month, "P30D".parse().unwrap());
/// assert_eq!(month.0, Some(Duration::from_secs(30 * 24 * 60 * 60)));
/// assert!("a month".parse::<TokenDuration>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenDuration(pub Option<Duration>);

impl TokenDuration {
    /// The expiry time of a token that is issued at `start`.
    pub fn expires_at(self, start: SystemTime) -> Option<SystemTime> {
        self.0.and_then(|duration| start.checked_add(duration))
    }
}

/// `ONE_MONTH`, the default of DataHub's page.
impl Default for TokenDuration {
    fn default() -> Self {
        Self(Some(Duration::from_secs(30 * DAY)))
    }
}

/// One of GraphQL's names, or weeks, days, hours, minutes and seconds in ISO 8601: `P30D`, `PT1H30M`.
impl std::str::FromStr for TokenDuration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((_, seconds)) = NAMES.iter().find(|(name, _)| *name == text) {
            return Ok(Self(seconds.map(Duration::from_secs)));
        }
        iso_seconds(text).map(|seconds| Self(Some(Duration::from_secs(seconds)))).ok_or_else(|| {
            let names: Vec<_> = NAMES.iter().map(|(name, _)| *name).collect();
            format!("{text:?} is not a duration: expected {}, or one like P30D or PT1H", names.join(", "))
        })
    }
}

/// The seconds of an ISO 8601 duration. Years and months have no fixed length and are refused.
fn iso_seconds(text: &str) -> Option<u64> {
    // jiff also accepts signs, fractions and its own format.
    let is_plain =
        text.starts_with('P') && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    let span: Span = is_plain.then(|| text.parse().ok()).flatten()?;
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    let seconds = u64::try_from(length.as_secs()).ok()?;
    // At most a hundred years: a longer duration is a mistake and might exceed the range of time.
    (seconds > 0 && seconds <= 36_525 * DAY).then_some(seconds)
}

impl<'de> Deserialize<'de> for TokenDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        let seconds =
            |text: &str| text.parse::<TokenDuration>().ok().map(|duration| duration.0.map(|d| d.as_secs()));
        assert_eq!(seconds("ONE_WEEK"), Some(Some(604_800)));
        assert_eq!(seconds("NO_EXPIRY"), Some(None));
        assert_eq!(seconds("P30D"), Some(Some(2_592_000)));
        assert_eq!(seconds("P1W"), Some(Some(604_800)));
        assert_eq!(seconds("PT1H30M5S"), Some(Some(5405)));
        assert_eq!(seconds("P1DT1S"), Some(Some(86_401)));
        for wrong in [
            "",
            "P",
            "PT",
            "P1",
            "1D",
            "P1DT",
            "P-1D",
            "P1M",
            "PT1D",
            "P0D",
            "P999999999999999999999D",
            "P9999999D",
            "month",
        ] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }
}
