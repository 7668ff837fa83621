//! Transformers that compute one aspect of an entity.

use super::{Addition, EntityLog, EntityTypes, Found, Graph, Lookup, TransformError, Transformer};
use crate::Error;
use crate::box_future::BoxFuture;
use crate::metadata::{Aspect, ChangeType, Proposal, Urn, model};

/// The addition of an aspect that no record had.
const MISSING_ASPECT: u8 = 0;

/// The change of an aspect.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum AspectChange {
    /// It stays as it is; if there is none, none is added.
    Keep,
    /// This is written in its place.
    Write(Aspect),
    /// This patch is written in place of nothing: only for an aspect that no record had.
    Patch(Aspect),
    /// Its record is omitted.
    Omit,
}

/// Computes one aspect of an entity, from the aspect that a record has, or without one.
///
/// Upserts of the aspect are changed where they are. Each entity that was seen without the aspect gets the
/// aspect that is computed without one, after the last record, in the order in which the entities were first
/// seen. Patches, deletions and creations pass unchanged, as do aspects that DataHub's model does not know:
/// they do not make their entity known either.
pub trait AspectTransformer: Send {
    /// The name of the aspect.
    fn aspect_name(&self) -> &'static str;

    /// The types of the entities that get the aspect.
    fn entity_types(&self) -> EntityTypes;

    /// The aspect of `entity`. `current` is the aspect of a record, `None` if no record has had one.
    ///
    /// # Errors
    /// When it cannot be computed.
    fn change(
        &mut self,
        entity: &Urn,
        current: Option<&Aspect>,
        found: &Found,
    ) -> Result<AspectChange, TransformError>;

    /// Whether entities without the aspect get one. By default they do.
    fn adds(&self) -> bool {
        true
    }

    /// The aspects of `entity` that [`change`](Self::change) looks up. `current` is as there. By default
    /// none.
    fn lookups(&self, entity: &Urn, current: Option<&Aspect>) -> Vec<&'static str> {
        let _ = (entity, current);
        Vec::new()
    }

    /// As [`Transformer::needs_graph`].
    fn needs_graph(&self) -> Option<&'static str> {
        None
    }

    /// As [`Transformer::start`].
    ///
    /// # Errors
    /// When the run cannot start.
    fn start<'a>(&'a mut self, graph: Option<&'a dyn Graph>) -> BoxFuture<'a, Result<(), Error>> {
        let _ = graph;
        Box::pin(std::future::ready(Ok(())))
    }

    /// Sees each proposal before it is changed. By default it does nothing.
    fn see(&mut self, proposal: &Proposal) {
        let _ = proposal;
    }

    /// Takes notice of a record with the aspect that an earlier run has delivered: further additions cover
    /// its entity too. By default it does nothing.
    fn observe(&mut self, delivered: &Proposal) {
        let _ = delivered;
    }

    /// Further additions behind the missing aspects, with a step from 1 on. By default none.
    ///
    /// # Errors
    /// As [`Transformer::next_additions`].
    fn next_extra(&mut self, limit: usize) -> Result<Vec<Addition>, Error> {
        let _ = limit;
        Ok(Vec::new())
    }

    /// The lookups of a further addition. By default none.
    fn extra_lookups(&self, addition: &Addition) -> Vec<Lookup> {
        let _ = addition;
        Vec::new()
    }

    /// Makes a further addition.
    ///
    /// # Errors
    /// As [`Transformer::add`].
    fn add_extra(
        &mut self,
        addition: &Addition,
        found: &Found,
        output: &mut Vec<Proposal>,
    ) -> Result<(), TransformError> {
        let _ = (addition, found, output);
        Ok(())
    }
}

/// A [`Transformer`] made of an [`AspectTransformer`].
#[derive(Debug)]
pub struct PerAspect<T> {
    inner: T,
    aspect_name: &'static str,
    types: EntityTypes,
    adds: bool,
    log: EntityLog,
}

impl<T: AspectTransformer> PerAspect<T> {
    /// Wraps `inner`.
    pub fn new(inner: T) -> Self {
        let (aspect_name, types, adds) = (inner.aspect_name(), inner.entity_types(), inner.adds());
        Self { inner, aspect_name, types, adds, log: EntityLog::default() }
    }

    /// Wraps `inner` for a [`TransformerRegistry`](super::TransformerRegistry).
    pub fn boxed(inner: T) -> Box<dyn Transformer>
    where
        T: 'static,
    {
        Box::new(Self::new(inner))
    }

    /// Whether `proposal` makes its entity known.
    fn applies_to(&self, proposal: &Proposal) -> bool {
        proposal.change_type() == ChangeType::Upsert
            && self.types.contains(proposal.entity_type())
            && (model::aspect(proposal.aspect_name()).is_some() || self.is_own(proposal))
    }

    fn is_own(&self, proposal: &Proposal) -> bool {
        proposal.aspect_name() == self.aspect_name
    }
}

impl<T: AspectTransformer> Transformer for PerAspect<T> {
    fn needs_graph(&self) -> Option<&'static str> {
        self.inner.needs_graph()
    }

    fn start<'a>(&'a mut self, graph: Option<&'a dyn Graph>) -> BoxFuture<'a, Result<(), Error>> {
        self.inner.start(graph)
    }

    fn lookups(&self, proposal: &Proposal) -> Vec<Lookup> {
        if !self.applies_to(proposal) || !self.is_own(proposal) {
            return Vec::new();
        }
        let names = self.inner.lookups(proposal.urn(), proposal.aspect());
        names.into_iter().map(|name| Lookup::new(proposal.urn(), name)).collect()
    }

    fn transform(
        &mut self,
        proposal: Proposal,
        found: &Found,
        output: &mut Vec<Proposal>,
    ) -> Result<(), TransformError> {
        if !self.applies_to(&proposal) {
            output.push(proposal);
            return Ok(());
        }
        self.inner.see(&proposal);
        let is_own = self.is_own(&proposal);
        if self.adds {
            self.log.note(proposal.urn(), proposal.system_metadata(), is_own);
        }
        if !is_own {
            output.push(proposal);
            return Ok(());
        }
        match self.inner.change(proposal.urn(), proposal.aspect(), found)? {
            AspectChange::Omit => {}
            AspectChange::Keep | AspectChange::Patch(_) => output.push(proposal),
            AspectChange::Write(aspect) => output.push(proposal.with_aspect(Some(aspect))),
        }
        Ok(())
    }

    fn observe(&mut self, proposal: &Proposal) {
        if self.applies_to(proposal) {
            self.inner.see(proposal);
            if self.is_own(proposal) {
                self.inner.observe(proposal);
            }
            if self.adds {
                self.log.note(proposal.urn(), proposal.system_metadata(), self.is_own(proposal));
            }
        }
    }

    fn next_additions(&mut self, limit: usize) -> Result<Vec<Addition>, Error> {
        if self.adds {
            let pending = self.log.next_pending(limit)?;
            if !pending.is_empty() {
                let additions = pending.into_iter().map(|entity| Addition {
                    entity: entity.urn,
                    step: MISSING_ASPECT,
                    system_metadata: entity.system_metadata,
                });
                return Ok(additions.collect());
            }
        }
        self.inner.next_extra(limit)
    }

    fn addition_lookups(&self, addition: &Addition) -> Vec<Lookup> {
        if addition.step == MISSING_ASPECT {
            let names = self.inner.lookups(&addition.entity, None);
            names.into_iter().map(|name| Lookup::new(&addition.entity, name)).collect()
        } else {
            self.inner.extra_lookups(addition)
        }
    }

    fn add(
        &mut self,
        addition: &Addition,
        found: &Found,
        output: &mut Vec<Proposal>,
    ) -> Result<(), TransformError> {
        if addition.step != MISSING_ASPECT {
            return self.inner.add_extra(addition, found, output);
        }
        match self.inner.change(&addition.entity, None, found)? {
            AspectChange::Keep | AspectChange::Omit => {}
            AspectChange::Write(aspect) => output.push(addition.proposal(self.aspect_name, aspect)),
            AspectChange::Patch(patch) => output.push(addition.patch(self.aspect_name, patch)),
        }
        Ok(())
    }
}
