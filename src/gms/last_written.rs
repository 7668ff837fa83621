//! When aspects were last written, as GMS tells (`EntityV2Resource.java`, `EnvelopedAspect.pdl`).

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde::Deserialize;

use super::client::MAX_ENTITY_BYTES;
use super::{Client, Reply, RetryPolicy, TransportFault};
use crate::Error;
use crate::metadata::Urn;

/// The property of the system metadata that says of which dead letter a write is. It holds the letter's time, and comes with
/// that time as `lastObserved`.
pub(crate) const LETTER_PROPERTY: &str = "deadLetterAt";

/// Clocks that differ by less are taken for equal: a `Date` header has whole seconds only.
const SAME_CLOCK: SignedDuration = SignedDuration::from_secs(2);

/// When the aspects of an entity were last written, by the clocks of whoever noted it.
#[derive(Clone, Debug, Default)]
pub(crate) struct LastWritten {
    aspects: HashMap<String, Written>,
    /// How far GMS's clock is ahead of ours.
    ahead: SignedDuration,
}

/// When an aspect was last written, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
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

impl LastWritten {
    /// What is known of one aspect; `None` if it is not there.
    pub(crate) fn aspect(&self, name: &str) -> Option<Written> {
        self.aspects.get(name).map(|written| written.by_our_clock(self.ahead))
    }

    /// What is known of the newest aspect of the entity, its key left out: GMS makes that one up, as written just now, where
    /// there is none.
    pub(crate) fn newest(&self, key_aspect: &str) -> Option<Written> {
        let others = self.aspects.iter().filter(|(name, _)| *name != key_aspect);
        others.map(|(_, written)| written.by_our_clock(self.ahead)).reduce(|one, other| Written {
            changed: one.changed.max(other.changed),
            observed: one.observed.max(other.observed),
            letter: None,
        })
    }

    fn read(reply: &Reply, now: Timestamp) -> Option<Self> {
        let answer: Answer = serde_json::from_slice(&reply.body).ok()?;
        let ahead = reply.date().map(|server| server.duration_since(now)).unwrap_or_default();
        let ahead = if ahead.abs() < SAME_CLOCK { SignedDuration::ZERO } else { ahead };
        let aspects = answer.aspects.into_iter();
        let aspects = aspects.map(|(name, aspect)| (name, Written::of(&aspect, now))).collect();
        Some(Self { aspects, ahead })
    }
}

impl Written {
    fn of(aspect: &Enveloped, now: Timestamp) -> Self {
        let time = |stamp: Option<Stamp>| stamp.and_then(|stamp| stamp.time).unwrap_or_default();
        let metadata = aspect.system_metadata.as_ref();
        let modified = time(metadata.and_then(|metadata| metadata.aspect_modified));
        let observed = metadata.and_then(|metadata| metadata.last_observed).unwrap_or_default();
        let letter = metadata.and_then(|metadata| metadata.properties.as_ref()?.get(LETTER_PROPERTY));
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

    /// Whether a dead letter of `time` would undo something newer, or itself. What another letter wrote, and no one has
    /// observed since, is as old as that letter, and not as its sending.
    pub(crate) fn supersedes(self, time: Timestamp) -> bool {
        match self.letter {
            Some(letter) if self.observed <= letter.as_millisecond() => letter >= time,
            _ => self.changed.max(self.observed) > time.as_millisecond(),
        }
    }
}

impl Client {
    /// Asks when aspects of `urn` were last written; all of them where `aspects` is empty. What GMS has not, or finds no
    /// entity, is not in the answer.
    ///
    /// # Errors
    /// When GMS refuses to tell, or cannot be reached.
    pub(crate) async fn last_written(&self, urn: &Urn, aspects: &[&str]) -> Result<LastWritten, Error> {
        let target = self.target(Method::GET, &entity_path(urn, aspects.iter().copied()));
        let mut renewed = false;
        loop {
            let wait = |last: &Result<Reply, TransportFault>, delay: std::time::Duration| {
                tracing::warn!(
                    "{}; trying again in {:.1} s",
                    self.trouble(&target, last),
                    delay.as_secs_f64()
                );
                async move {
                    tokio::time::sleep(delay).await;
                    true
                }
            };
            let send = |_| self.send(&target, None, MAX_ENTITY_BYTES);
            let attempts = RetryPolicy::default().run(send, wait).await;
            if let Ok(reply) = &attempts.last {
                match reply.status.as_u16() {
                    200 => {
                        if let Some(found) = LastWritten::read(reply, Timestamp::now()) {
                            return Ok(found);
                        }
                    }
                    // GMS does not have it, or does not take it for a URN: then no write of it can be undone.
                    400 | 404 | 414 | 422 | 431 if reply.is_json_or_empty() => {
                        return Ok(LastWritten::default());
                    }
                    401 if !renewed => {
                        renewed = true;
                        if self.credentials().renew(reply.generation).await.unwrap_or(false) {
                            continue;
                        }
                    }
                    _ => {}
                }
            }
            return Err(self.diagnose_attempts(&target, &attempts).into());
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

    fn written(aspect: &str) -> Written {
        Written::of(&serde_json::from_str(aspect).unwrap(), at(NOW))
    }

    #[test]
    fn the_last_of_all_times_counts() {
        for aspect in [
            r#"{"created":{"time":500}}"#,
            r#"{"created":{"time":5},"systemMetadata":{"lastObserved":500}}"#,
            r#"{"systemMetadata":{"aspectModified":{"time":500}}}"#,
        ] {
            assert!(written(aspect).supersedes(at(499)), "{aspect}");
            assert!(!written(aspect).supersedes(at(500)), "{aspect}");
        }
        assert!(!written("{}").supersedes(at(0)));
        let nonsense = r#"{"systemMetadata":{"lastObserved":9000000}}"#;
        assert!(!written(nonsense).supersedes(at(0)), "no one has observed the future");
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
        assert!(by_letter(0).supersedes(letter(400)), "itself");
        assert!(by_letter(0).supersedes(letter(399)));
        assert!(!by_letter(0).supersedes(letter(401)), "a later letter, whenever the first was sent");
        assert!(by_letter(800).supersedes(letter(401)), "someone has seen the same value since");
    }

    #[test]
    fn a_clock_that_is_ahead_is_set_right() {
        let aspects =
            HashMap::from([("status".to_owned(), Written { changed: 70_000, ..Written::default() })]);
        let found = LastWritten { aspects, ahead: SignedDuration::from_secs(60) };
        assert!(!found.aspect("status").unwrap().supersedes(at(10_000)));
        assert!(found.aspect("status").unwrap().supersedes(at(9_999)));
        assert_eq!(found.aspect("ownership"), None);
        assert_eq!(found.newest("status"), None, "a key may be made up");
        assert!(found.newest("tagKey").is_some());
    }
}
