//! Applies the changes of a request to the store, with the faults that act on them.

use crate::actor::{self, Actor};
use crate::change::Change;
use crate::failure::Failure;
use crate::faults::{ChangeFault, FaultInjection};
use crate::state::ServerState;
use crate::store::row::AuditStamp;
use crate::store::write::{self, Applied, Effect};
use crate::tokens;
use crate::trace::{AspectId, TraceId, TraceOutcome};
use std::sync::Arc;
use std::time::SystemTime;

/// The parameters of a request that writes.
#[derive(Clone, Debug)]
pub(super) struct WriteRequest {
    pub(super) actor: Actor,
    pub(super) asynchronous: bool,
    pub(super) injection: Option<FaultInjection>,
    /// Set for requests that can be traced.
    pub(super) trace: Option<TraceId>,
}

/// An accepted change and its result.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) change: Change,
    pub(super) applied: Applied,
}

impl ServerState {
    /// Applies a batch atomically. Returns the accepted changes, in order. Asynchronous and synchronous
    /// writes are stored alike: the response is sent when the aspects are stored.
    ///
    /// # Errors
    /// As [`write::apply`].
    pub(super) async fn ingest(
        self: &Arc<Self>,
        changes: Vec<Change>,
        write: WriteRequest,
    ) -> Result<Vec<Accepted>, Failure> {
        let stamp = AuditStamp {
            actor: actor::user_urn(&write.actor.0),
            time: tokens::milliseconds(SystemTime::now()),
        };
        let mut outcomes: Vec<(AspectId, TraceOutcome)> = Vec::new();
        let mut lost = Vec::new();
        let mut kept = Vec::new();
        let mut pending = Vec::new();
        for (index, change) in changes.into_iter().enumerate() {
            match write.change_fault(&change) {
                Some(ChangeFault::Drop) => {}
                Some(ChangeFault::Reject(reason)) => {
                    outcomes.push((place(&change), TraceOutcome::Rejected(reason.to_owned())));
                    lost.push((index, never_applied(change, &stamp)));
                }
                change_fault => {
                    pending.push(match change_fault {
                        Some(ChangeFault::Pending(polls)) => Some(polls),
                        _ => None,
                    });
                    kept.push((index, change));
                }
            }
        }
        let half_way = write.injection.as_ref().and_then(FaultInjection::half_way);
        if half_way.is_some() {
            kept.truncate(kept.len() / 2);
        }
        let touches_access = kept.iter().any(|(_, change)| {
            matches!(
                change.urn.entity_type(),
                "corpuser" | "corpGroup" | "dataHubPolicy" | tokens::ENTITY_TYPE
            )
        });
        let check_fields = self.check_fields;
        let result = self
            .store
            .write(move |connection| {
                let changes: Vec<_> = kept.iter().map(|(_, change)| change).collect();
                let applied = write::apply(connection, &changes, check_fields, &stamp)?;
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
            outcomes.extend(accepted.iter().zip(pending).map(|((_, accepted), pending)| {
                let effect = accepted.applied.effect;
                let outcome = pending
                    .map_or(TraceOutcome::Stored(effect), |polls| TraceOutcome::Pending(polls, effect));
                (place(&accepted.change), outcome)
            }));
            self.traces.remember(id, outcomes);
        }
        accepted.append(&mut lost);
        accepted.sort_by_key(|(index, _)| *index);
        Ok(accepted.into_iter().map(|(_, accepted)| accepted).collect())
    }
}

impl WriteRequest {
    fn change_fault(&self, change: &Change) -> Option<ChangeFault<'_>> {
        self.injection.as_ref()?.change_fault(change.urn.as_str(), &change.aspect, self.asynchronous)
    }
}

fn place(change: &Change) -> AspectId {
    (change.urn.to_string(), change.aspect.clone())
}

/// The result of a change that is accepted and rejected later.
fn never_applied(change: Change, stamp: &AuditStamp) -> Accepted {
    let system_metadata = change.system_metadata(stamp.time);
    let applied = Applied {
        effect: Effect::Unchanged,
        text: change.content.text().map(str::to_owned),
        system_metadata,
    };
    Accepted { change, applied }
}
