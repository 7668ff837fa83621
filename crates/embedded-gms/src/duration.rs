//! How long a token is to be good.

use std::time::{Duration, SystemTime};

use serde::de::{Deserialize, Deserializer, Error as _};

const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;

/// The names that GraphQL has (`AccessTokenDuration`), with seconds (`AccessTokenUtil`).
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

/// How long a token is to be good; `None` for ever.
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
    /// When a token ends that is made then.
    pub fn from(self, start: SystemTime) -> Option<SystemTime> {
        self.0.and_then(|duration| start.checked_add(duration))
    }
}

/// `ONE_MONTH`, what DataHub's page offers first.
impl Default for TokenDuration {
    fn default() -> Self {
        Self(Some(Duration::from_secs(30 * DAY)))
    }
}

/// One of the names that GraphQL has, or days, hours, minutes and seconds as ISO 8601 writes them: `P30D`, `PT1H30M`.
impl std::str::FromStr for TokenDuration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((_, seconds)) = NAMES.iter().find(|(name, _)| *name == text) {
            return Ok(Self(seconds.map(Duration::from_secs)));
        }
        iso_seconds(text).map(|seconds| Self(Some(Duration::from_secs(seconds)))).ok_or_else(|| {
            let names: Vec<_> = NAMES.iter().map(|(name, _)| *name).collect();
            format!("{text:?} is no duration: expected {}, or one like P30D or PT1H", names.join(", "))
        })
    }
}

fn iso_seconds(text: &str) -> Option<u64> {
    let rest = text.strip_prefix('P')?;
    let (days, times) = match rest.split_once('T') {
        Some((_, "")) => return None,
        Some((days, times)) => (days, times),
        None => (rest, ""),
    };
    let mut total: u64 = 0;
    let mut found = false;
    for (part, units) in
        [(days, &[('W', 7 * DAY), ('D', DAY)][..]), (times, &[('H', HOUR), ('M', 60), ('S', 1)][..])]
    {
        let mut rest = part;
        for (unit, seconds) in units {
            let Some((number, after)) = rest.split_once(*unit) else { continue };
            if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(*seconds)?)?;
            (rest, found) = (after, true);
        }
        if !rest.is_empty() {
            return None;
        }
    }
    // A hundred years; what is longer is a mistake, and may be more than a time can be.
    (found && total > 0 && total <= 36_525 * DAY).then_some(total)
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
