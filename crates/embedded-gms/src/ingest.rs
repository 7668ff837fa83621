//! Takes the changes of a request into the store, with the faults that act on them.

use std::sync::Arc;
use std::time::SystemTime;

use super::authentication::Actor;
use super::change::Change;
use super::failure::Failure;
use super::faults::{Interference, Meddling};
use super::store::write::{self, Applied, Effect, Stamp};
use super::trace::{Fate, Place, TraceId};
use super::{Server, tokens, user};

/// A request that writes: whose it is, how it wants to be answered, and what goes wrong with it.
#[derive(Clone, Debug)]
pub(super) struct Write {
    pub(super) actor: Actor,
    pub(super) asynchronous: bool,
    pub(super) interference: Option<Interference>,
    /// For the requests that can be traced.
    pub(super) trace: Option<TraceId>,
}

/// A change that was accepted, and what became of it.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) change: Change,
    pub(super) applied: Applied,
}

impl Server {
    /// Applies a batch: all of it or nothing. Returns what was accepted, in order. Whether the caller waits makes no
    /// difference to the store: it is answered when the aspects are stored.
    ///
    /// # Errors
    /// As [`write::apply`].
    pub(super) async fn ingest(
        self: &Arc<Self>,
        changes: Vec<Change>,
        write: Write,
    ) -> Result<Vec<Accepted>, Failure> {
        let stamp = Stamp { actor: user::urn(&write.actor.0), time: tokens::milliseconds(SystemTime::now()) };
        let mut fates: Vec<(Place, Fate)> = Vec::new();
        let mut lost = Vec::new();
        let mut kept = Vec::new();
        let mut pending = Vec::new();
        for (index, change) in changes.into_iter().enumerate() {
            match write.meddling(&change) {
                Some(Meddling::Drop) => {}
                Some(Meddling::Reject(reason)) => {
                    fates.push((place(&change), Fate::Rejected(reason.to_owned())));
                    lost.push((index, never_applied(change, &stamp)));
                }
                meddling => {
                    pending.push(match meddling {
                        Some(Meddling::Pending(polls)) => Some(polls),
                        _ => None,
                    });
                    kept.push((index, change));
                }
            }
        }
        let half_way = write.interference.as_ref().and_then(Interference::half_way);
        if half_way.is_some() {
            kept.truncate(kept.len() / 2);
        }
        let touches_access = kept.iter().any(|(_, change)| {
            matches!(
                change.urn.entity_type(),
                "corpuser" | "corpGroup" | "dataHubPolicy" | tokens::ENTITY_TYPE
            )
        });
        let result = self
            .store
            .write(move |connection| {
                let changes: Vec<_> = kept.iter().map(|(_, change)| change).collect();
                let applied = write::apply(connection, &changes, &stamp)?;
                let accepted = kept.into_iter().zip(applied);
                Ok(accepted.map(|((index, change), applied)| (index, Accepted { change, applied })).collect())
            })
            .await;
        if touches_access {
            self.access_may_have_changed();
        }
        let mut accepted: Vec<_> = result?;
        if let Some(failure) = half_way {
            return Err(failure);
        }
        if let Some(id) = write.trace {
            fates.extend(accepted.iter().zip(pending).map(|((_, accepted), pending)| {
                let effect = accepted.applied.effect;
                let fate = pending.map_or(Fate::Stored(effect), |polls| Fate::Pending(polls, effect));
                (place(&accepted.change), fate)
            }));
            self.traces.remember(id, fates);
        }
        accepted.append(&mut lost);
        accepted.sort_by_key(|(index, _)| *index);
        Ok(accepted.into_iter().map(|(_, accepted)| accepted).collect())
    }
}

impl Write {
    fn meddling(&self, change: &Change) -> Option<Meddling<'_>> {
        self.interference.as_ref()?.meddling(change.urn.as_str(), &change.aspect, self.asynchronous)
    }
}

fn place(change: &Change) -> Place {
    (change.urn.to_string(), change.aspect.clone())
}

/// A change that is answered like the others and then rejected.
fn never_applied(change: Change, stamp: &Stamp) -> Accepted {
    let system_metadata = change.system_metadata(stamp.time);
    let applied = Applied {
        effect: Effect::Unchanged,
        text: change.content.text().map(str::to_owned),
        system_metadata,
    };
    Accepted { change, applied }
}
