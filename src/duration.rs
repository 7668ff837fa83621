//! Durations in text.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo};

/// Parses a duration: `7d`, `12h`, `1h 30m`, `90s`, ISO 8601 such as `P7D`, or a number of seconds. A day has
/// 24 hours. Months and years are not accepted, because their length varies.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let span: Span = text.parse().ok()?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    Duration::try_from(duration).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_notation_is_parsed() {
        for (text, seconds) in [
            ("7d", Some(604_800)),
            (" 12h ", Some(43_200)),
            ("1h 30m", Some(5_400)),
            ("90s", Some(90)),
            ("2 weeks", Some(1_209_600)),
            ("P7D", Some(604_800)),
            ("PT1H", Some(3_600)),
            ("30", Some(30)),
            ("0", Some(0)),
            ("-1h", None),
            ("-1", None),
            ("soon", None),
            ("", None),
            ("1 month", None),
        ] {
            assert_eq!(parse_duration(text), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
