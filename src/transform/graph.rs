//! The questions of transformers to the server.

use crate::Error;
use crate::box_future::BoxFuture;
use crate::metadata::{Aspect, Name, Urn};

/// A server that transformers ask for the aspects of entities.
pub trait Graph: Send + Sync {
    /// The aspects of `entity` with these names, in their order; `None` for one that it does not have.
    ///
    /// # Errors
    /// When the server does not answer, or refuses the question.
    fn aspects<'a>(
        &'a self,
        entity: &'a Urn,
        names: &'a [Name],
    ) -> BoxFuture<'a, Result<Vec<Option<Aspect>>, Error>>;

    /// The domain with this name; `None` if there is none.
    ///
    /// # Errors
    /// As [`aspects`](Self::aspects).
    fn domain_named<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Urn>, Error>>;
}

/// One aspect of one entity that is to be looked up.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lookup {
    /// The entity.
    pub entity: Urn,
    /// The name of the aspect.
    pub aspect_name: &'static str,
}

impl Lookup {
    /// The aspect `aspect_name` of `entity`.
    pub fn new(entity: &Urn, aspect_name: &'static str) -> Self {
        Self { entity: entity.clone(), aspect_name }
    }
}
