//! Which types of entities a transformer applies to.

/// Types of entities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityTypes(Option<Vec<String>>);

impl EntityTypes {
    /// The types of ownership and domains of DataHub's transformers without `entity_types`.
    pub(super) const WITH_CONTAINERS: [&'static str; 6] =
        ["dataset", "container", "dataJob", "dataFlow", "chart", "dashboard"];

    /// The same without containers.
    pub(super) const WITHOUT_CONTAINERS: [&'static str; 5] =
        ["dataset", "dataJob", "dataFlow", "chart", "dashboard"];

    /// These types.
    pub fn of(types: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(Some(types.into_iter().map(Into::into).collect()))
    }

    /// Every type.
    pub fn all() -> Self {
        Self(None)
    }

    /// The recipe's `entity_types`: `*` stands for every type, and an empty list for the default.
    pub(super) fn configured(given: Option<Vec<String>>, default: &[&str]) -> Self {
        match given {
            Some(types) if types.iter().any(|kind| kind == "*") => Self::all(),
            Some(types) if !types.is_empty() => Self(Some(types)),
            _ => Self::of(default.iter().copied()),
        }
    }

    /// Whether `entity_type` is one of them. Letter case counts.
    pub fn contains(&self, entity_type: &str) -> bool {
        self.0.as_ref().is_none_or(|types| types.iter().any(|kind| kind == entity_type))
    }
}
