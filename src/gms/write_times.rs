//! When aspects were last written, as GMS reports it (`EntityV2Resource.java`, `EnvelopedAspect.pdl`).

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde::Deserialize;

use super::client::MAX_ENTITY_BYTES;
use super::entity::entity_path;
use super::{Client, GmsResponse, RetryPolicy};
use crate::Error;
use crate::auth::RequestKind;
use crate::metadata::Urn;

/// The property of the system metadata that marks the replay of a dead letter. Its value is the time of the
/// dead letter, which is also the `lastObserved` of the write.
pub(crate) const DEAD_LETTER_TIME_PROPERTY: &str = "deadLetterAt";

/// A smaller difference between two clocks is ignored, because a `Date` header has whole seconds.
const SAME_CLOCK: SignedDuration = SignedDuration::from_secs(2);

/// The longest time between the observation of a proposal and its write, through all queues, in milliseconds:
/// an hour.
const MAX_DELAY_MS: i64 = 3_600_000;

/// The times at which the aspects of an entity were last written.
#[derive(Clone, Debug, Default)]
pub(crate) struct WriteTimes {
    aspects: HashMap<String, WriteTime>,
    /// How far GMS's clock is ahead of the local clock.
    ahead: SignedDuration,
}

/// When an aspect was last written, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct WriteTime {
    /// When the value changed, by GMS's clock.
    changed: i64,
    /// When the value was last observed, by the clock of the client that sent it. Sending the same value
    /// again changes it.
    observed: i64,
    /// The time of the dead letter whose replay wrote the aspect, if one did.
    dead_letter: Option<Timestamp>,
}

#[derive(Deserialize)]
struct EntityBody {
    #[serde(default)]
    aspects: HashMap<String, Enveloped>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Enveloped {
    created: Option<Stamp>,
    system_metadata: Option<SystemMetadata>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SystemMetadata {
    last_observed: Option<i64>,
    aspect_modified: Option<Stamp>,
    properties: Option<HashMap<String, String>>,
}

#[derive(Clone, Copy, Deserialize)]
struct Stamp {
    time: Option<i64>,
}

impl WriteTimes {
    /// The times of one aspect; `None` if the entity does not have it.
    pub(crate) fn aspect(&self, name: &str) -> Option<WriteTime> {
        self.aspects.get(name).map(|written| written.by_our_clock(self.ahead))
    }

    /// The latest times of all aspects except the key: GMS invents a missing key aspect, with the current
    /// time.
    pub(crate) fn newest(&self, key_aspect: &str) -> Option<WriteTime> {
        let others = self.aspects.iter().filter(|(name, _)| *name != key_aspect);
        others.map(|(_, written)| written.by_our_clock(self.ahead)).reduce(|one, other| WriteTime {
            changed: one.changed.max(other.changed),
            observed: one.observed.max(other.observed),
            dead_letter: None,
        })
    }

    fn read(response: &GmsResponse) -> Option<Self> {
        let now = response.received_at;
        let entity: EntityBody = serde_json::from_slice(&response.body).ok()?;
        let ahead = response.date().map(|server| server.duration_since(now)).unwrap_or_default();
        let ahead = if ahead.abs() < SAME_CLOCK { SignedDuration::ZERO } else { ahead };
        let aspects = entity.aspects.into_iter();
        let aspects = aspects.map(|(name, aspect)| (name, WriteTime::of(&aspect, now))).collect();
        Some(Self { aspects, ahead })
    }
}

impl WriteTime {
    fn of(aspect: &Enveloped, now: Timestamp) -> Self {
        let time = |stamp: Option<Stamp>| stamp.and_then(|stamp| stamp.time).unwrap_or_default();
        let metadata = aspect.system_metadata.as_ref();
        let modified = time(metadata.and_then(|metadata| metadata.aspect_modified));
        let observed = metadata.and_then(|metadata| metadata.last_observed).unwrap_or_default();
        let dead_letter =
            metadata.and_then(|metadata| metadata.properties.as_ref()?.get(DEAD_LETTER_TIME_PROPERTY));
        Self {
            changed: time(aspect.created).max(modified),
            // A time in the future is not a time of observation.
            observed: if observed <= now.as_millisecond() { observed } else { 0 },
            dead_letter: dead_letter.and_then(|time| time.parse().ok()),
        }
    }

    fn by_our_clock(self, ahead: SignedDuration) -> Self {
        let ahead = i64::try_from(ahead.as_millis()).unwrap_or_default();
        Self { changed: self.changed.saturating_sub(ahead), ..self }
    }

    /// Whether this write is newer than a dead letter of `time`, so that a replay would overwrite newer data,
    /// or repeat itself. `observed` is the `lastObserved` of the dead letter's proposal.
    ///
    /// A value that the replay of another dead letter wrote, and that was not observed since, is as old as
    /// that dead letter. Otherwise the order of observation decides if both times are times of sending: GMS
    /// may write a queued proposal long after a later one was refused, and a refusal may be known long after
    /// a later proposal was written. Else the times of writing decide.
    pub(crate) fn supersedes(self, time: Timestamp, observed: Option<i64>) -> bool {
        let time_ms = time.as_millisecond();
        if let Some(dead_letter) =
            self.dead_letter.filter(|dead_letter| self.observed <= dead_letter.as_millisecond())
        {
            return dead_letter >= time;
        }
        match observed {
            Some(observed)
                if is_soon_after(observed, time_ms)
                    && (self.observed > self.changed || is_soon_after(self.observed, self.changed))
                    && self.observed != observed =>
            {
                self.observed > observed
            }
            _ => self.changed.max(self.observed) > time_ms,
        }
    }
}

/// Whether `observed` is shortly before `time`, so that it is a time of sending and not one that came from a
/// file.
fn is_soon_after(observed: i64, time: i64) -> bool {
    (time.saturating_sub(MAX_DELAY_MS)..=time).contains(&observed)
}

impl Client {
    /// Asks when aspects of `urn` were last written; all aspects if `aspects` is empty. The result leaves out
    /// aspects that do not exist.
    ///
    /// # Errors
    /// If GMS refuses the request, or cannot be reached; the error has a diagnosis.
    pub(crate) async fn write_times(&self, urn: &Urn, aspects: &[&str]) -> Result<WriteTimes, Error> {
        let line = self.request_line(Method::GET, &entity_path(urn, aspects.iter().copied()));
        let line = line.with_kind(RequestKind::Read);
        let mut renewed = false;
        loop {
            let attempts = self.get_with_retries(&line, MAX_ENTITY_BYTES, &RetryPolicy::default()).await;
            if let Ok(response) = &attempts.last {
                match response.status.as_u16() {
                    200 => {
                        if let Some(found) = WriteTimes::read(response) {
                            return Ok(found);
                        }
                    }
                    // GMS does not have the entity, or does not accept the URN, so nothing was written.
                    400 | 404 | 414 | 422 | 431 if response.is_json_or_empty() => {
                        return Ok(WriteTimes::default());
                    }
                    401 if !renewed => {
                        renewed = true;
                        if self.credentials().renew(response.token_generation).await.unwrap_or(false) {
                            continue;
                        }
                    }
                    _ => {}
                }
            }
            return Err(self.diagnose_attempts(&line, &attempts).into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000_000;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(milliseconds).unwrap()
    }

    fn written(aspect: &str) -> WriteTime {
        WriteTime::of(&serde_json::from_str(aspect).unwrap(), at(NOW))
    }

    #[test]
    fn the_latest_of_all_times_decides() {
        for aspect in [
            r#"{"created":{"time":500}}"#,
            r#"{"created":{"time":5},"systemMetadata":{"lastObserved":500}}"#,
            r#"{"systemMetadata":{"aspectModified":{"time":500}}}"#,
        ] {
            assert!(written(aspect).supersedes(at(499), None), "{aspect}");
            assert!(!written(aspect).supersedes(at(500), None), "{aspect}");
        }
        assert!(!written("{}").supersedes(at(0), None));
        let nonsense = r#"{"systemMetadata":{"lastObserved":9000000}}"#;
        assert!(!written(nonsense).supersedes(at(0), None), "a time in the future is ignored");
    }

    #[test]
    fn a_replayed_value_is_as_old_as_its_dead_letter() {
        let replayed = |observed: i64| {
            written(&format!(
                r#"{{"created":{{"time":900}},"systemMetadata":{{"lastObserved":{observed},
                    "properties":{{"deadLetterAt":"1970-01-01T00:00:00.000400Z"}}}}}}"#
            ))
        };
        let dead_letter = |microseconds| Timestamp::from_microsecond(microseconds).unwrap();
        assert!(replayed(0).supersedes(dead_letter(400), None), "itself");
        assert!(replayed(0).supersedes(dead_letter(399), None));
        assert!(
            !replayed(0).supersedes(dead_letter(401), None),
            "a later dead letter, whenever the first was replayed"
        );
        assert!(replayed(800).supersedes(dead_letter(401), None), "the same value was observed since");
    }

    #[test]
    fn the_order_of_observation_decides_if_it_is_known() {
        let aspect = |observed: i64, changed: i64| WriteTime { changed, observed, dead_letter: None };
        let (sent, refused) = (5_000, at(9_000));
        // Sent before the rejected proposal, and written after the rejection.
        assert!(!aspect(4_999, 20_000).supersedes(refused, Some(sent)));
        // Sent after it, and written before the rejection was known.
        assert!(aspect(5_001, 8_000).supersedes(refused, Some(sent)));
        // Within the same millisecond the time of writing decides.
        assert!(aspect(5_000, 20_000).supersedes(refused, Some(sent)));
        assert!(!aspect(5_000, 8_000).supersedes(refused, Some(sent)));
        // A time from a file does not show the order.
        assert!(aspect(100, 9_001 + MAX_DELAY_MS).supersedes(refused, Some(sent)));
        let refused = at(9_000 + 2 * MAX_DELAY_MS);
        assert!(!aspect(6_000, 8_000).supersedes(refused, Some(sent)));
    }

    #[test]
    fn the_times_of_a_clock_that_is_ahead_are_corrected() {
        let aspects =
            HashMap::from([("status".to_owned(), WriteTime { changed: 70_000, ..WriteTime::default() })]);
        let found = WriteTimes { aspects, ahead: SignedDuration::from_secs(60) };
        assert!(!found.aspect("status").unwrap().supersedes(at(10_000), None));
        assert!(found.aspect("status").unwrap().supersedes(at(9_999), None));
        assert_eq!(found.aspect("ownership"), None);
        assert_eq!(found.newest("status"), None, "GMS may invent a key");
        assert!(found.newest("tagKey").is_some());
    }
}
