//! Runs the transformers of a recipe one behind the other.
//!
//! Records are transformed window by window: all proposals of a window pass the first transformer, then all
//! pass the second one, and so on. The lookups of a transformer are therefore known for the whole window
//! before it starts, and are made at the same time.

mod lookups;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use lookups::LookupCache;

use super::{Addition, Found, Graph, TransformError, Transformer};
use crate::Error;
use crate::metadata::{ChangeType, Proposal};

/// Additions that are made at the same time.
const ADDITIONS: usize = 256;

/// The transformers of a recipe, in order.
pub struct Chain {
    stages: Vec<Stage>,
    graph: Option<Arc<dyn Graph>>,
    cache: LookupCache,
    /// The stage that makes its additions after the last record.
    adding: usize,
}

struct Stage {
    transformer: Box<dyn Transformer>,
    counts: TransformerCounts,
}

/// The counts of one transformer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransformerCounts {
    /// The recipe's `type`.
    pub kind: String,
    /// Proposals that it changed or omitted.
    pub changed: u64,
    /// Proposals that it added.
    pub added: u64,
}

/// The outcome of transforming one record.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Transformed {
    /// The proposals to deliver.
    pub proposals: Vec<Proposal>,
    /// Proposals of the record that were omitted.
    pub omitted: u64,
    /// Proposals of the record that could not be transformed, as they were read.
    pub failed: Vec<Failed>,
}

impl Transformed {
    /// A record that no transformer touches.
    pub fn unchanged(proposals: Vec<Proposal>) -> Self {
        Self { proposals, ..Self::default() }
    }
}

/// A proposal that could not be transformed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Failed {
    /// The proposal before any transformer. For an addition that could not be made, a proposal without an
    /// aspect that names the entity.
    pub original: Proposal,
    /// The `type` of the transformer.
    pub transformer: String,
    /// Why.
    pub error: TransformError,
}

/// A proposal on its way through the chain.
struct Work {
    /// The index of the proposal that it was made from.
    origin: usize,
    proposal: Proposal,
}

/// A proposal as it entered a window.
struct Original {
    /// The index of its record.
    record: usize,
    proposal: Proposal,
    outputs: u64,
    failure: Option<(String, TransformError)>,
}

impl Chain {
    /// A chain of transformers, each with the `type` that the recipe gives.
    pub fn new(transformers: Vec<(String, Box<dyn Transformer>)>) -> Self {
        let stages = transformers.into_iter().map(|(kind, transformer)| Stage {
            transformer,
            counts: TransformerCounts { kind, ..TransformerCounts::default() },
        });
        Self { stages: stages.collect(), graph: None, cache: LookupCache::default(), adding: 0 }
    }

    /// Whether there are no transformers.
    pub fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }

    /// The first transformer that cannot work without a server: its index, its type, and why.
    pub fn needs_graph(&self) -> Option<(usize, &str, &'static str)> {
        self.stages.iter().enumerate().find_map(|(index, stage)| {
            stage.transformer.needs_graph().map(|why| (index, stage.counts.kind.as_str(), why))
        })
    }

    /// Starts all transformers.
    ///
    /// # Errors
    /// When a transformer cannot start, for example because the server does not know a name.
    pub async fn start(&mut self, graph: Option<Arc<dyn Graph>>) -> Result<(), Error> {
        for stage in &mut self.stages {
            stage.transformer.start(graph.as_deref()).await?;
        }
        self.graph = graph;
        Ok(())
    }

    /// The counts of each transformer.
    pub fn counts(&self) -> impl Iterator<Item = &TransformerCounts> {
        self.stages.iter().map(|stage| &stage.counts)
    }

    /// Transforms the proposals of some records at this time; the result has an item for each record.
    pub async fn transform(&mut self, records: Vec<Vec<Proposal>>, now: Timestamp) -> Vec<Transformed> {
        self.cache.set_now(now);
        let mut results: Vec<Transformed> = Vec::new();
        results.resize_with(records.len(), Transformed::default);
        let mut originals = Vec::new();
        for (record, proposals) in records.into_iter().enumerate() {
            originals.extend(proposals.into_iter().map(|proposal| Original {
                record,
                proposal,
                outputs: 0,
                failure: None,
            }));
        }
        let work = self.pass_from(0, &mut originals).await;
        for Work { origin, proposal } in work {
            let Some(original) = originals.get_mut(origin) else { continue };
            original.outputs += 1;
            if let Some(record) = results.get_mut(original.record) {
                record.proposals.push(proposal);
            }
        }
        for original in originals {
            let Some(record) = results.get_mut(original.record) else { continue };
            match original.failure {
                Some((transformer, error)) => {
                    record.failed.push(Failed { original: original.proposal, transformer, error });
                }
                None => record.omitted += u64::from(original.outputs == 0),
            }
        }
        results
    }

    /// Takes notice of the proposals of a record that an earlier run has delivered.
    pub fn observe(&mut self, proposals: &[Proposal]) {
        for stage in &mut self.stages {
            for proposal in proposals {
                stage.transformer.observe(proposal);
            }
        }
    }

    /// The next additions behind the last record, `None` when there are no more.
    ///
    /// # Errors
    /// When the list of entities cannot be read back from the disk.
    pub async fn next_additions(&mut self, now: Timestamp) -> Result<Option<Transformed>, Error> {
        self.cache.set_now(now);
        while let Some(stage) = self.stages.get_mut(self.adding) {
            let additions = stage.transformer.next_additions(ADDITIONS)?;
            if additions.is_empty() {
                self.adding += 1;
                continue;
            }
            let lookups =
                additions.iter().flat_map(|addition| stage.transformer.addition_lookups(addition)).collect();
            self.cache.look_up(lookups, self.graph.as_ref()).await;
            let (added, mut failed) = stage.add(&additions, self.cache.found());
            let mut originals: Vec<Original> = added
                .into_iter()
                .map(|proposal| Original { record: 0, proposal, outputs: 0, failure: None })
                .collect();
            let work = self.pass_from(self.adding + 1, &mut originals).await;
            let proposals: Vec<Proposal> = work.into_iter().map(|work| work.proposal).collect();
            failed.extend(originals.into_iter().filter_map(|original| {
                let (transformer, error) = original.failure?;
                Some(Failed { original: original.proposal, transformer, error })
            }));
            return Ok(Some(Transformed { proposals, omitted: 0, failed }));
        }
        Ok(None)
    }

    /// Passes proposals through the transformers from `first` on.
    async fn pass_from(&mut self, first: usize, originals: &mut [Original]) -> Vec<Work> {
        let mut work: Vec<Work> = originals
            .iter()
            .enumerate()
            .map(|(origin, original)| Work { origin, proposal: original.proposal.clone() })
            .collect();
        for stage in self.stages.iter_mut().skip(first) {
            let lookups = work.iter().flat_map(|work| stage.transformer.lookups(&work.proposal)).collect();
            self.cache.look_up(lookups, self.graph.as_ref()).await;
            work = stage.pass(work, self.cache.found(), originals);
        }
        // Proposals made from one that failed later are not delivered: the original is dead-lettered.
        work.retain(|work| originals.get(work.origin).is_some_and(|original| original.failure.is_none()));
        work
    }
}

/// The parts of a proposal that the count of changed proposals compares.
#[derive(PartialEq)]
struct Content {
    change_type: ChangeType,
    aspect: Option<Bytes>,
}

impl Content {
    fn of(proposal: &Proposal) -> Self {
        // A clone of the bytes shares them.
        let aspect = proposal.aspect().map(|aspect| aspect.value().clone());
        Self { change_type: proposal.change_type(), aspect }
    }
}

impl Stage {
    fn pass(&mut self, work: Vec<Work>, found: &Found, originals: &mut [Original]) -> Vec<Work> {
        let mut passed = Vec::with_capacity(work.len());
        let mut output = Vec::new();
        for Work { origin, proposal } in work {
            let Some(original) = originals.get_mut(origin) else { continue };
            if original.failure.is_some() {
                continue;
            }
            let before = Content::of(&proposal);
            match self.transformer.transform(proposal, found, &mut output) {
                Ok(()) => {
                    let is_unchanged = output.first().is_some_and(|first| Content::of(first) == before);
                    self.counts.changed += u64::from(!is_unchanged);
                    self.counts.added += u64::try_from(output.len().saturating_sub(1)).unwrap_or(u64::MAX);
                    passed.extend(output.drain(..).map(|proposal| Work { origin, proposal }));
                }
                Err(error) => {
                    output.clear();
                    original.failure = Some((self.counts.kind.clone(), error));
                }
            }
        }
        passed
    }

    fn add(&mut self, additions: &[Addition], found: &Found) -> (Vec<Proposal>, Vec<Failed>) {
        let (mut added, mut failed) = (Vec::new(), Vec::new());
        for addition in additions {
            let before = added.len();
            if let Err(error) = self.transformer.add(addition, found, &mut added) {
                added.truncate(before);
                let kind = self.counts.kind.clone();
                let original = Proposal::new(ChangeType::Upsert, addition.entity.clone(), kind, None);
                failed.push(Failed { original, transformer: self.counts.kind.clone(), error });
            }
        }
        self.counts.added += u64::try_from(added.len()).unwrap_or(u64::MAX);
        (added, failed)
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.counts()).finish()
    }
}
