//! Transformers: plugins that change proposals between the source and the sink.
//!
//! A transformer implements [`Transformer`]. The [`TransformerRegistry`] finds it by the `type` of an item of
//! the recipe's `transformers`, and reads its keys. Most transformers compute one aspect of an entity; they
//! implement the smaller trait [`AspectTransformer`] and are wrapped in a [`PerAspect`]. A program that
//! embeds a pipeline can register its own:
//!
//! ```
//! use datahub_emitter::metadata::{Aspect, Urn};
//! use datahub_emitter::transform::{
//!     AspectChange, AspectTransformer, EntityTypes, Found, PerAspect, TransformError, TransformerRegistry,
//! };
//!
//! /// Deprecates every dataset.
//! struct Deprecate {
//!     note: String,
//! }
//!
//! impl AspectTransformer for Deprecate {
//!     fn aspect_name(&self) -> &'static str {
//!         "deprecation"
//!     }
//!
//!     fn entity_types(&self) -> EntityTypes {
//!         EntityTypes::of(["dataset"])
//!     }
//!
//!     fn change(
//!         &mut self,
//!         _entity: &Urn,
//!         _current: Option<&Aspect>,
//!         _found: &Found,
//!     ) -> Result<AspectChange, TransformError> {
//!         let deprecation = serde_json::json!({"deprecated": true, "note": self.note});
//!         Ok(AspectChange::Write(Aspect::from(deprecation)))
//!     }
//! }
//!
//! let mut transformers = TransformerRegistry::default();
//! transformers.register("deprecate", |fields| {
//!     let note = fields.string("note");
//!     fields.missing("note", "why the datasets are deprecated");
//!     let note = note.ok_or_else(|| fields.reported())?;
//!     Ok(PerAspect::boxed(Deprecate { note }))
//! });
//! assert!(transformers.types().any(|name| name == "deprecate"));
//! ```

mod attribution;
mod browse_path;
mod browse_path_v1;
mod chain;
mod cleanup_ownership;
mod containers;
mod data_products;
mod dataset_name;
mod deferred;
mod domain_mapping;
mod domains;
mod entity_log;
mod entity_types;
mod error;
mod external_url;
mod extract_tags;
mod found;
mod graph;
mod json_pointer;
mod list;
mod list_item;
mod object;
mod ownership;
mod ownership_from_tags;
mod pattern;
mod per_aspect;
mod properties;
mod registry;
mod remove_ownership;
mod rules;
mod schema_fields;
mod semantics;
mod status;
mod tags;
mod tags_to_properties;
mod tags_to_term;
mod terms;
mod usage_users;

pub use chain::{Chain, Failed, Transformed, TransformerCounts};
pub use entity_log::{EntityLog, LoggedEntity};
pub use entity_types::EntityTypes;
pub use error::TransformError;
pub use found::Found;
pub use graph::{Graph, Lookup};
pub use per_aspect::{AspectChange, AspectTransformer, PerAspect};
pub use registry::{TransformerRegistry, callback_types, is_python};

use crate::Error;
use crate::box_future::BoxFuture;
use crate::metadata::{Aspect, ChangeType, Proposal, SystemMetadata, Urn, model};

/// Changes proposals one after another.
///
/// A transformer is a pure function of the proposals and of what it has looked up, so it can be tested
/// without a server. The calls come in this order: [`start`](Self::start), then for each proposal
/// [`lookups`](Self::lookups) and [`transform`](Self::transform), then, until
/// [`next_additions`](Self::next_additions) returns none, [`addition_lookups`](Self::addition_lookups) and
/// [`add`](Self::add) for each addition.
pub trait Transformer: Send {
    /// Why the transformer cannot work without a server; `None`, the default, if it can.
    fn needs_graph(&self) -> Option<&'static str> {
        None
    }

    /// Asks the server what must be known before the first proposal, for example the URNs of names. By
    /// default nothing.
    ///
    /// # Errors
    /// When the run cannot start.
    fn start<'a>(&'a mut self, graph: Option<&'a dyn Graph>) -> BoxFuture<'a, Result<(), Error>> {
        let _ = graph;
        Box::pin(std::future::ready(Ok(())))
    }

    /// The aspects that must be looked up before `proposal` is transformed. By default none.
    fn lookups(&self, proposal: &Proposal) -> Vec<Lookup> {
        let _ = proposal;
        Vec::new()
    }

    /// Transforms `proposal`, and pushes what takes its place to `output`: nothing to omit it, or the
    /// proposal as it is.
    ///
    /// # Errors
    /// When it cannot be transformed. The original proposal is then rejected, and what was pushed is ignored.
    fn transform(
        &mut self,
        proposal: Proposal,
        found: &Found,
        output: &mut Vec<Proposal>,
    ) -> Result<(), TransformError>;

    /// Takes notice of a proposal that an earlier run has delivered, without changing it: after a resume, the
    /// additions cover its entity too. By default it is ignored.
    fn observe(&mut self, proposal: &Proposal) {
        let _ = proposal;
    }

    /// The next additions after the last record, at most `limit` of them; none when there are no more. By
    /// default there are none.
    ///
    /// # Errors
    /// When the list of entities cannot be read back from the disk.
    fn next_additions(&mut self, limit: usize) -> Result<Vec<Addition>, Error> {
        let _ = limit;
        Ok(Vec::new())
    }

    /// The aspects that must be looked up before `addition` is made. By default none.
    fn addition_lookups(&self, addition: &Addition) -> Vec<Lookup> {
        let _ = addition;
        Vec::new()
    }

    /// Makes an addition: pushes its proposals to `output`.
    ///
    /// # Errors
    /// When it cannot be made. The run then reports it, and continues with the next one.
    fn add(
        &mut self,
        addition: &Addition,
        found: &Found,
        output: &mut Vec<Proposal>,
    ) -> Result<(), TransformError> {
        let _ = (addition, found, output);
        Ok(())
    }
}

/// A step of the work that a transformer does after the last record, for one entity.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Addition {
    /// The entity.
    pub entity: Urn,
    /// Distinguishes the steps of a transformer that has several.
    pub step: u8,
    /// The system metadata of the entity's records.
    pub system_metadata: Option<Box<SystemMetadata>>,
}

impl Addition {
    /// An addition without system metadata.
    pub fn new(entity: Urn, step: u8) -> Self {
        Self { entity, step, system_metadata: None }
    }

    /// An upsert of an aspect of the entity, with its system metadata.
    pub fn proposal(&self, aspect_name: &str, aspect: Aspect) -> Proposal {
        self.change(ChangeType::Upsert, aspect_name, aspect)
    }

    /// A patch of an aspect of the entity, with its system metadata.
    pub fn patch(&self, aspect_name: &str, patch: Aspect) -> Proposal {
        self.change(ChangeType::Patch, aspect_name, patch)
    }

    fn change(&self, change_type: ChangeType, aspect_name: &str, aspect: Aspect) -> Proposal {
        let name = model::intern(aspect_name);
        let proposal = Proposal::new(change_type, self.entity.clone(), name, Some(aspect));
        match &self.system_metadata {
            Some(metadata) => proposal.with_system_metadata((**metadata).clone()),
            None => proposal,
        }
    }
}
