//! When aspects were last written, as GMS tells (`EntityV2Resource.java`, `EnvelopedAspect.pdl`).

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde::Deserialize;

use super::client::MAX_ENTITY_BYTES;
use super::{Client, GmsResponse, RetryPolicy};
use crate::Error;
use crate::auth::RequestKind;
use crate::metadata::Urn;

/// The property of the system metadata that says of which dead letter a write is. It holds the letter's time, and comes with
/// that time as `lastObserved`.
pub(crate) const DEAD_LETTER_TIME_PROPERTY: &str = "deadLetterAt";

/// Clocks that differ by less are taken for equal: a `Date` header has whole seconds only.
const SAME_CLOCK: SignedDuration = SignedDuration::from_secs(2);

/// How long a proposal may be under way, in a queue here or there, in milliseconds: an hour.
const SOON_MS: i64 = 3_600_000;

/// When the aspects of an entity were last written, by the clocks of whoever noted it.
#[derive(Clone, Debug, Default)]
pub(crate) struct WriteTimes {
    aspects: HashMap<String, WriteTime>,
    /// How far GMS's clock is ahead of ours.
    ahead: SignedDuration,
}

/// When an aspect was last written, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct WriteTime {
    /// When its value changed, by GMS's clock.
    changed: i64,
    /// When it was last observed, by the clock of the client that sent it. It moves also when the same value comes again.
    observed: i64,
    /// The time of the dead letter that wrote it, if one did.
    letter: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Answer {
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
    /// What is known of one aspect; `None` if it is not there.
    pub(crate) fn aspect(&self, name: &str) -> Option<WriteTime> {
        self.aspects.get(name).map(|written| written.by_our_clock(self.ahead))
    }

    /// What is known of the newest aspect of the entity, its key left out: GMS makes that one up, as written just now, where
    /// there is none.
    pub(crate) fn newest(&self, key_aspect: &str) -> Option<WriteTime> {
        let others = self.aspects.iter().filter(|(name, _)| *name != key_aspect);
        others.map(|(_, written)| written.by_our_clock(self.ahead)).reduce(|one, other| WriteTime {
            changed: one.changed.max(other.changed),
            observed: one.observed.max(other.observed),
            letter: None,
        })
    }

    fn read(reply: &GmsResponse, now: Timestamp) -> Option<Self> {
        let answer: Answer = serde_json::from_slice(&reply.body).ok()?;
        let ahead = reply.date().map(|server| server.duration_since(now)).unwrap_or_default();
        let ahead = if ahead.abs() < SAME_CLOCK { SignedDuration::ZERO } else { ahead };
        let aspects = answer.aspects.into_iter();
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
        let letter =
            metadata.and_then(|metadata| metadata.properties.as_ref()?.get(DEAD_LETTER_TIME_PROPERTY));
        Self {
            changed: time(aspect.created).max(modified),
            // A time to come was not observed by anyone.
            observed: if observed <= now.as_millisecond() { observed } else { 0 },
            letter: letter.and_then(|time| time.parse().ok()),
        }
    }

    fn by_our_clock(self, ahead: SignedDuration) -> Self {
        let ahead = i64::try_from(ahead.as_millis()).unwrap_or_default();
        Self { changed: self.changed.saturating_sub(ahead), ..self }
    }

    /// Whether a dead letter of `time` would undo something newer, or itself. `observed` is its proposal's `lastObserved`.
    ///
    /// What another letter wrote, and no one has observed since, is as old as that letter, and not as its sending. For all
    /// else the order in which things were observed counts, where both sides tell it from the time of their sending: GMS
    /// may write what it has queued long after a later proposal was refused, and a refusal may be known long after a later
    /// proposal was written.
    pub(crate) fn supersedes(self, time: Timestamp, observed: Option<i64>) -> bool {
        let time_ms = time.as_millisecond();
        if let Some(letter) = self.letter.filter(|letter| self.observed <= letter.as_millisecond()) {
            return letter >= time;
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

/// Whether `time` is so shortly after `observed` that this was the time of sending, and not one that a file brought along.
fn is_soon_after(observed: i64, time: i64) -> bool {
    (time.saturating_sub(SOON_MS)..=time).contains(&observed)
}

impl Client {
    /// Asks when aspects of `urn` were last written; all of them where `aspects` is empty. What GMS has not, or finds no
    /// entity, is not in the answer.
    ///
    /// # Errors
    /// When GMS refuses to tell, or cannot be reached.
    pub(crate) async fn write_times(&self, urn: &Urn, aspects: &[&str]) -> Result<WriteTimes, Error> {
        let line = self.request_line(Method::GET, &entity_path(urn, aspects.iter().copied()));
        let line = line.with_kind(RequestKind::Read);
        let mut renewed = false;
        loop {
            let attempts = self.get_with_retries(&line, MAX_ENTITY_BYTES, &RetryPolicy::default()).await;
            if let Ok(reply) = &attempts.last {
                match reply.status.as_u16() {
                    200 => {
                        if let Some(found) = WriteTimes::read(reply, Timestamp::now()) {
                            return Ok(found);
                        }
                    }
                    // GMS does not have it, or does not take it for a URN: then no write of it can be undone.
                    400 | 404 | 414 | 422 | 431 if reply.is_json_or_empty() => {
                        return Ok(WriteTimes::default());
                    }
                    401 if !renewed => {
                        renewed = true;
                        if self.credentials().renew(reply.token_generation).await.unwrap_or(false) {
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

/// Where an entity is read, with these aspects or with all.
pub(super) fn entity_path<'a>(urn: &Urn, aspects: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = aspects
        .map(|name| {
            percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string()
        })
        .collect();
    let path = format!("/entitiesV2/{}", urn.path_segment());
    if names.is_empty() { path } else { format!("{path}?aspects=List({})", names.join(",")) }
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
    fn the_last_of_all_times_counts() {
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
        assert!(!written(nonsense).supersedes(at(0), None), "no one has observed the future");
    }

    #[test]
    fn what_a_letter_wrote_is_as_old_as_the_letter() {
        let by_letter = |observed: i64| {
            written(&format!(
                r#"{{"created":{{"time":900}},"systemMetadata":{{"lastObserved":{observed},
                    "properties":{{"deadLetterAt":"1970-01-01T00:00:00.000400Z"}}}}}}"#
            ))
        };
        let letter = |microseconds| Timestamp::from_microsecond(microseconds).unwrap();
        assert!(by_letter(0).supersedes(letter(400), None), "itself");
        assert!(by_letter(0).supersedes(letter(399), None));
        assert!(!by_letter(0).supersedes(letter(401), None), "a later letter, whenever the first was sent");
        assert!(by_letter(800).supersedes(letter(401), None), "someone has seen the same value since");
    }

    #[test]
    fn the_order_of_observation_counts_where_it_is_told() {
        let aspect = |observed: i64, changed: i64| WriteTime { changed, observed, letter: None };
        let (sent, refused) = (5_000, at(9_000));
        // Sent before the letter's proposal, and written when that was refused already.
        assert!(!aspect(4_999, 20_000).supersedes(refused, Some(sent)));
        // Sent after it, and written before the refusal was known.
        assert!(aspect(5_001, 8_000).supersedes(refused, Some(sent)));
        // In the same millisecond no one can tell, so the time of writing decides.
        assert!(aspect(5_000, 20_000).supersedes(refused, Some(sent)));
        assert!(!aspect(5_000, 8_000).supersedes(refused, Some(sent)));
        // A time that came with a file says nothing of the order.
        assert!(aspect(100, 9_001 + SOON_MS).supersedes(refused, Some(sent)));
        let refused = at(9_000 + 2 * SOON_MS);
        assert!(!aspect(6_000, 8_000).supersedes(refused, Some(sent)));
    }

    #[test]
    fn a_clock_that_is_ahead_is_set_right() {
        let aspects =
            HashMap::from([("status".to_owned(), WriteTime { changed: 70_000, ..WriteTime::default() })]);
        let found = WriteTimes { aspects, ahead: SignedDuration::from_secs(60) };
        assert!(!found.aspect("status").unwrap().supersedes(at(10_000), None));
        assert!(found.aspect("status").unwrap().supersedes(at(9_999), None));
        assert_eq!(found.aspect("ownership"), None);
        assert_eq!(found.newest("status"), None, "a key may be made up");
        assert!(found.newest("tagKey").is_some());
    }
}
