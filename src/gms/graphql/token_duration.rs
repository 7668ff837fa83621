//! The lifetimes of access tokens.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::duration::parse_duration;

const DAY: u64 = 24 * 60 * 60;

/// The lifetime of a token. GMS accepts no other lifetimes (`AccessTokenDuration`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccessTokenDuration {
    /// An hour.
    OneHour,
    /// 24 hours.
    OneDay,
    /// 7 days.
    OneWeek,
    /// 30 days.
    OneMonth,
    /// 90 days.
    ThreeMonths,
    /// 180 days.
    SixMonths,
    /// 365 days.
    OneYear,
    /// Without expiry. Newer servers refuse that unless `ACCESS_TOKEN_ALLOW_NO_EXPIRY` is set.
    NoExpiry,
}

impl AccessTokenDuration {
    /// Each with its name, its seconds, and what ISO 8601 calls it.
    const ALL: [(Self, &str, Option<u64>, &str); 8] = [
        (Self::OneHour, "ONE_HOUR", Some(60 * 60), "PT1H"),
        (Self::OneDay, "ONE_DAY", Some(DAY), "P1D"),
        (Self::OneWeek, "ONE_WEEK", Some(7 * DAY), "P7D"),
        (Self::OneMonth, "ONE_MONTH", Some(30 * DAY), "P30D"),
        (Self::ThreeMonths, "THREE_MONTHS", Some(90 * DAY), "P90D"),
        (Self::SixMonths, "SIX_MONTHS", Some(180 * DAY), "P180D"),
        (Self::OneYear, "ONE_YEAR", Some(365 * DAY), "P365D"),
        (Self::NoExpiry, "NO_EXPIRY", None, ""),
    ];

    /// The name that GMS has for it.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(duration, ..)| *duration == self).map_or("", |(_, name, ..)| name)
    }
}

impl fmt::Display for AccessTokenDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// GMS's name for it, or the same time as ISO 8601 writes it: `P30D`, `PT24H`.
impl FromStr for AccessTokenDuration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let time = text.starts_with('P').then(|| parse_duration(text)).flatten();
        let found = Self::ALL.iter().find(|(_, name, seconds, _)| {
            name.eq_ignore_ascii_case(text) || (time.is_some() && time == seconds.map(Duration::from_secs))
        });
        found.map(|(duration, ..)| *duration).ok_or_else(|| {
            let names = Self::ALL.map(|(_, name, _, iso)| match iso {
                "" => name.to_owned(),
                iso => format!("{name} ({iso})"),
            });
            format!("GMS makes tokens for these durations only: {}", names.join(", "))
        })
    }
}
