//! Names of aspects and entity types.

use std::borrow::Cow;

/// The name of an aspect or of an entity type. Names of DataHub's own model are borrowed and cost no memory.
pub type Name = Cow<'static, str>;
