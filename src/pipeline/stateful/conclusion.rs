//! The end of a stateful run: what has vanished is removed, and the state checkpoint is replaced.

use std::io::{self, Write};
use std::sync::Arc;

use super::config::StateConfig;
use super::entities::{SortedEntities, Vanished, next_value};
use super::payload::PayloadWriter;
use super::store::{LoadError, StateKey, StateStore};
use super::unfinished::UnfinishedEntities;
use super::{Stateful, sorting_failed};
use crate::clock::Clock;
use crate::emitter::{Delivery, Observer};
use crate::metadata::{Aspect, ChangeType, Proposal, Urn};
use crate::pipeline::control::RunControl;
use crate::pipeline::outcome_counter::OutcomeCounter;
use crate::pipeline::report::{StateCheckpoint, StateReport};
use crate::pipeline::run_metadata::RunMetadata;
use crate::sink::Sink;
use crate::{Error, ErrorKind};

/// Removals that a dry run lists.
const MAX_LISTED: usize = 1000;

/// Why nothing is removed when something was not delivered.
const NOT_DELIVERED: &str =
    "not everything was delivered, so nothing was removed, and the earlier entities stay in the state";

/// The run whose state is concluded.
pub(in crate::pipeline) struct ConclusionContext<'a> {
    pub(in crate::pipeline) key: &'a StateKey,
    pub(in crate::pipeline) store: &'a StateStore,
    /// `None` for a dry run, which lists what it would remove.
    pub(in crate::pipeline) sink: Option<&'a dyn Sink>,
    pub(in crate::pipeline) metadata: Option<&'a RunMetadata>,
    pub(in crate::pipeline) counter: &'a Arc<OutcomeCounter>,
    pub(in crate::pipeline) control: &'a RunControl,
    pub(in crate::pipeline) clock: &'a dyn Clock,
    pub(in crate::pipeline) run_id: &'a str,
    /// The source has failed, or earlier parts of a resumed run could not deliver everything.
    pub(in crate::pipeline) has_failed: bool,
    /// The source has emitted all that it could.
    pub(in crate::pipeline) is_complete: bool,
}

/// The outcome of stateful ingestion.
#[derive(Debug, Default)]
pub(in crate::pipeline) struct Conclusion {
    pub(in crate::pipeline) report: StateReport,
    /// Why the state is not as the recipe asks for.
    pub(in crate::pipeline) failure: Option<Error>,
    pub(in crate::pipeline) notes: Vec<String>,
    /// The new state, which is not committed yet.
    payload: Option<String>,
}

/// The entities to remove, and the state for the case that everything was removed, or not.
struct Plan {
    vanished: Option<Vanished>,
    /// `None` if it is too large.
    after_removal: Option<String>,
    /// With the entities that have vanished; `None` if it is too large.
    without_removal: Option<String>,
    /// Why nothing is removed.
    kept: Option<Error>,
}

impl Conclusion {
    fn skipped(reason: impl Into<String>) -> Self {
        let report = StateReport {
            state_checkpoint: StateCheckpoint::Skipped,
            reason: Some(reason.into()),
            ..StateReport::default()
        };
        Self { report, ..Self::default() }
    }

    fn failed(error: Error) -> Self {
        let reason = error.to_string();
        Self { failure: Some(error), ..Self::skipped(reason) }
    }

    /// Removes what has vanished, once every record has its outcome. The state is committed by
    /// [`commit`](Self::commit).
    pub(in crate::pipeline) async fn remove_vanished(
        stateful: &mut Stateful,
        context: &ConclusionContext<'_>,
    ) -> Self {
        let Some(config) = stateful.config.state.clone() else { return Self::default() };
        if !context.is_complete {
            return Self::skipped("the source was not read to its end: the earlier state stays");
        }
        if !settle(context).await {
            return Self::skipped("the run was stopped: the earlier state stays");
        }
        let counts = context.counter.counts();
        if counts.undelivered > 0 {
            return Self::skipped(
                "not everything was delivered: the earlier state stays, and --resume continues",
            );
        }
        let has_failed = context.has_failed || counts.rejected + context.counter.invalid_records() > 0;
        match plan(stateful, &config, has_failed, context).await {
            Ok((entities, plan)) => Self::carry_out(plan, entities, &config, context).await,
            Err(error) => Self::failed(error),
        }
    }

    async fn carry_out(
        plan: Plan,
        entities: u64,
        config: &StateConfig,
        context: &ConclusionContext<'_>,
    ) -> Self {
        let mut conclusion = Self::default();
        conclusion.report.entities = entities;
        conclusion.report.state_checkpoint = StateCheckpoint::Skipped;
        if plan.after_removal.is_none() {
            let message = format!(
                "the state of {entities} entities is larger than max_checkpoint_state_size ({} bytes): nothing was removed, \
                 and the earlier state stays",
                config.max_state_bytes
            );
            conclusion.report.reason = Some(message.clone());
            conclusion.failure = Some(Error::new(ErrorKind::State, message));
            return conclusion;
        }
        let mut payload = plan.after_removal;
        if let Some(kept) = plan.kept {
            conclusion.report.reason = Some(kept.to_string());
            // Another failure explains the run better.
            conclusion.failure = (kept.kind() == ErrorKind::State).then_some(kept);
            payload = plan.without_removal;
        } else if let Some(vanished) = plan.vanished {
            let unmarked = vanished.gone_count.saturating_sub(vanished.removable_count);
            if unmarked > 0 {
                conclusion.notes.push(format!(
                    "{unmarked} entities of the earlier state are of types that cannot be marked as removed"
                ));
            }
            match remove(vanished, context, &mut conclusion).await {
                Ok(true) => {}
                Ok(false) => {
                    conclusion.report.reason =
                        Some("not every removal was delivered: these entities stay in the state".to_owned());
                    payload = plan.without_removal;
                }
                Err(error) => {
                    conclusion.failure = Some(error);
                    return conclusion;
                }
            }
        }
        if context.sink.is_none() {
            conclusion.report.reason.get_or_insert_with(|| "a dry run changes nothing".to_owned());
        } else if config.ignore_new_state {
            conclusion.report.reason.get_or_insert_with(|| "ignore_new_state is set".to_owned());
        } else if context.counter.counts().undelivered > 0 {
            conclusion.report.reason = Some(
                "not everything was delivered: the earlier state stays, and --resume continues".to_owned(),
            );
        } else {
            conclusion.payload = payload;
        }
        conclusion
    }

    /// Commits the state, if there is one to commit.
    pub(in crate::pipeline) async fn commit(
        &mut self,
        stateful: &mut Stateful,
        context: &ConclusionContext<'_>,
    ) {
        let Some(payload) = self.payload.take() else { return };
        let now = context.clock.now().as_millisecond();
        match context.store.commit(context.key, &payload, context.run_id, now).await {
            Ok(()) => {
                self.report.state_checkpoint = StateCheckpoint::Committed;
                let removed = stateful.unfinished.as_mut().map_or(Ok(()), UnfinishedEntities::remove);
                if let Err(error) = removed {
                    self.failure.get_or_insert(error);
                }
            }
            Err(error) => {
                let error = match error.kind() {
                    ErrorKind::Rejected => {
                        Error::new(ErrorKind::State, "the state checkpoint was not written")
                            .with_source(error)
                    }
                    _ => error,
                };
                self.report.reason = Some(error.full_message());
                self.failure.get_or_insert(error);
            }
        }
    }

    /// The run ended in a way that forbids to commit.
    pub(in crate::pipeline) fn discard(&mut self, reason: &str) {
        if self.payload.take().is_some() {
            self.report.reason.get_or_insert_with(|| reason.to_owned());
        }
    }
}

/// Sends what waits in the sink, and waits until every proposal has its outcome. False if the run was
/// stopped.
async fn settle(context: &ConclusionContext<'_>) -> bool {
    let Some(sink) = context.sink else { return true };
    let settled = async {
        sink.flush().await;
        context.counter.all_settled().await;
    };
    context.control.or_cancelled(settled).await.is_some()
}

/// Compares the entities of the run with the earlier state. Returns the number of entities as well.
async fn plan(
    stateful: &mut Stateful,
    config: &StateConfig,
    has_failed: bool,
    context: &ConclusionContext<'_>,
) -> Result<(u64, Plan), Error> {
    let SortedEntities { count, mut by_first_record, by_urn, .. } = stateful.take_sorted()?;
    let mut old = if config.ignore_old_state { None } else { load(context).await? };
    if let Some(unfinished) = stateful.unfinished.as_mut().filter(|_| !config.ignore_old_state) {
        unfinished.read(|urn| old.get_or_insert_default().push_unfinished(urn))?;
    }
    let mut vanished = old.map(|old| old.vanished(by_urn)).transpose().map_err(sorting_failed)?;
    let kept = vanished.as_ref().and_then(|vanished| reason_to_keep(vanished, count, has_failed, config));
    let (after_removal, without_removal) =
        encode(&mut by_first_record, vanished.as_mut(), config.max_state_bytes).map_err(sorting_failed)?;
    Ok((count, Plan { vanished, after_removal, without_removal, kept }))
}

async fn load(context: &ConclusionContext<'_>) -> Result<Option<super::entities::OldState>, Error> {
    context.store.load(context.key).await.map_err(|error| match error {
        LoadError::Failed(error) => error,
        LoadError::Unreadable(error) => Error::new(
            ErrorKind::State,
            "the state checkpoint of the earlier run cannot be read: nothing was removed, and it stays as it is; \
             `state reset` replaces it",
        )
        .with_source(error),
    })
}

/// Why nothing is removed.
fn reason_to_keep(vanished: &Vanished, count: u64, has_failed: bool, config: &StateConfig) -> Option<Error> {
    if has_failed {
        // The run fails because of what was not delivered.
        return Some(Error::new(ErrorKind::Rejected, NOT_DELIVERED));
    }
    if count == 0 && vanished.old_count > 0 {
        return Some(Error::new(
            ErrorKind::State,
            "the source has no entities, and the earlier run had some: nothing was removed, and the earlier state stays",
        ));
    }
    let percent = vanished.percent();
    (percent > config.fail_safe_threshold).then(|| {
        Error::new(
            ErrorKind::State,
            format!(
                "{} of {} entities of the earlier run have vanished ({percent:.1} %), which is more than \
                 fail_safe_threshold ({} %): nothing was removed, and they stay in the state",
                vanished.gone_count, vanished.old_count, config.fail_safe_threshold
            ),
        )
    })
}

/// The payload of the current entities, and that of these with the vanished ones behind them. Without
/// vanished entities both are the same.
fn encode(
    current: &mut crate::external_sort::Sorted,
    vanished: Option<&mut Vanished>,
    max_bytes: u64,
) -> io::Result<(Option<String>, Option<String>)> {
    let mut after = PayloadWriter::new(Limited::new(max_bytes))?;
    let vanished = vanished.filter(|vanished| vanished.gone_count + vanished.removable_count > 0);
    let mut without = vanished.is_some().then(|| PayloadWriter::new(Limited::new(max_bytes))).transpose()?;
    while let Some(urn) = next_value(current)? {
        after.push(&urn)?;
        if let Some(without) = &mut without {
            without.push(&urn)?;
        }
    }
    let after = after.finish()?.into_text();
    let (Some(mut without), Some(vanished)) = (without, vanished) else { return Ok((after.clone(), after)) };
    while let Some(urn) = next_value(&mut vanished.all)? {
        without.push(&urn)?;
    }
    Ok((after, without.finish()?.into_text()))
}

/// Keeps what is written, up to a limit.
struct Limited {
    bytes: Vec<u8>,
    max: u64,
    is_over: bool,
}

impl Limited {
    fn new(max: u64) -> Self {
        Self { bytes: Vec::new(), max, is_over: false }
    }

    /// `None` if it is longer than the limit.
    fn into_text(self) -> Option<String> {
        String::from_utf8(self.bytes).ok().filter(|_| !self.is_over)
    }
}

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.is_over |= (self.bytes.len() + bytes.len()) as u64 > self.max;
        if !self.is_over {
            self.bytes.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Marks entities as removed. Returns whether all removals were delivered; in a dry run they are listed.
async fn remove(
    mut vanished: Vanished,
    context: &ConclusionContext<'_>,
    conclusion: &mut Conclusion,
) -> Result<bool, Error> {
    let before = context.counter.counts().delivered;
    let mut removals = 0;
    let status = Aspect::from(serde_json::json!({"removed": true}));
    while let Some(urn) = next_value(&mut vanished.removable).map_err(sorting_failed)? {
        let Ok(urn) = Urn::parse_lenient(&urn) else { continue };
        removals += 1;
        let Some(sink) = context.sink else {
            if conclusion.notes.len() < MAX_LISTED {
                conclusion.notes.push(format!("would be marked as removed: {urn}"));
            }
            continue;
        };
        tracing::info!(%urn, "marked as removed: the source no longer has it");
        let mut proposal = Proposal::new(ChangeType::Upsert, urn, "status", Some(status.clone()));
        if let Some(metadata) = context.metadata {
            metadata.apply(&mut proposal);
        }
        context.counter.count_read();
        let observer = Arc::clone(context.counter) as Arc<dyn Observer>;
        let writing = sink.write(Delivery::observed(proposal, observer));
        if context.control.or_cancelled(writing).await.is_none() || sink.stopped().is_some() {
            return Ok(false);
        }
    }
    if context.sink.is_none() {
        conclusion.report.removed = removals;
        return Ok(true);
    }
    let is_settled = settle(context).await;
    let delivered = context.counter.counts().delivered.saturating_sub(before);
    conclusion.report.removed = delivered;
    Ok(is_settled && delivered == removals)
}
