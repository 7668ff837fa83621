//! The entity registry: the aspects of each entity type, from DataHub's standard model and from custom
//! models.
//!
//! Both have the form of DataHub's `entity-registry.yml`, of which only the names are used. Unregistered
//! aspects are refused, as in GMS, so that a misspelled name is found in a test.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::LazyLock;

use crate::change::Change;
use crate::error::{Error, ErrorKind};
use crate::failure::Failure;
use crate::{keys, small_file};
use serde::Deserialize;

static STANDARD: LazyLock<Result<Registry, String>> = LazyLock::new(|| {
    let mut registry = Registry::default();
    registry.add(include_str!("entity-registry.yml"))?;
    Ok(registry)
});

/// The entity types and their aspects.
#[derive(Clone, Debug, Default)]
pub(super) struct Registry {
    /// By lower-case name: GMS ignores the case.
    types: BTreeMap<String, RegisteredType>,
}

/// An entity type.
#[derive(Clone, Debug)]
pub(super) struct RegisteredType {
    name: String,
    /// Including the key aspect.
    aspects: BTreeSet<String>,
    /// The same, by lower-case name.
    lower_case: BTreeMap<String, String>,
}

/// The file, as far as it is used.
#[derive(Deserialize)]
struct RegistryFile {
    #[serde(default)]
    entities: Vec<RegistryEntity>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RegistryEntity {
    name: String,
    key_aspect: Option<String>,
    #[serde(default)]
    aspects: Vec<String>,
}

/// A name that is not in the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unregistered {
    EntityType(String),
    Aspect { name: String, entity_type: String },
}

impl Registry {
    /// The standard model.
    ///
    /// # Errors
    /// If the file in this crate cannot be read.
    pub(super) fn standard() -> Result<Self, Error> {
        STANDARD.clone().map_err(|message| {
            Error::new(ErrorKind::Internal, format!("the embedded GMS's own entity registry: {message}"))
        })
    }

    /// Adds the model of a file: new types, and more aspects of existing ones.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] if the file cannot be read or is not an entity registry.
    pub(super) fn add_file(&mut self, path: &Path) -> Result<(), Error> {
        let wrong = |message: String| Error::new(ErrorKind::Input, format!("{}: {message}", path.display()));
        let text = small_file::read(path).map_err(|error| wrong(error.to_string()).with_source(error))?;
        self.add(&text).map_err(wrong)
    }

    fn add(&mut self, text: &str) -> Result<(), String> {
        let file: RegistryFile = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
        for (index, RegistryEntity { name, key_aspect, aspects }) in file.entities.into_iter().enumerate() {
            let known = self.types.entry(name.to_lowercase()).or_insert_with(|| RegisteredType {
                name,
                aspects: BTreeSet::new(),
                lower_case: BTreeMap::new(),
            });
            let expected = keys::aspect_name(&known.name);
            if let Some(found) = key_aspect.as_deref().filter(|found| *found != expected) {
                // Keys are written and read under this name.
                return Err(format!(
                    "entities[{index}]: the keyAspect of entity type {} has to be {expected}, and not {found}",
                    known.name
                ));
            }
            for aspect in key_aspect.into_iter().chain(aspects) {
                known.lower_case.insert(aspect.to_lowercase(), aspect.clone());
                known.aspects.insert(aspect);
            }
        }
        Ok(())
    }

    /// Checks that an aspect is registered for the type.
    ///
    /// # Errors
    /// If the aspect or the type is not registered.
    pub(super) fn check(&self, entity_type: &str, aspect: &str) -> Result<(), Unregistered> {
        let known = self.of_type(entity_type)?;
        if known.aspects.contains(aspect) { Ok(()) } else { Err(known.has_no(aspect)) }
    }

    /// The model's spelling of an aspect. OpenAPI accepts lower case too
    /// (`RequestInputUtil.lookupAspectSpec`).
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub(super) fn look_up(&self, entity_type: &str, aspect: &str) -> Result<&str, Unregistered> {
        let known = self.of_type(entity_type)?;
        let exact = known.aspects.get(aspect);
        let found = exact.or_else(|| known.lower_case.get(aspect));
        found.map(String::as_str).ok_or_else(|| known.has_no(aspect))
    }

    /// Refuses all changes if one of their aspects is not registered.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub(super) fn check_all(&self, changes: &[Change]) -> Result<(), Failure> {
        for change in changes {
            self.check(change.urn.entity_type(), &change.aspect)?;
        }
        Ok(())
    }

    /// The entity types, ordered by name without regard to case.
    pub(super) fn types(&self) -> impl Iterator<Item = &RegisteredType> {
        self.types.values()
    }

    /// The aspects of all types.
    pub(super) fn aspects(&self) -> BTreeSet<&str> {
        self.types().flat_map(RegisteredType::aspects).collect()
    }

    /// An entity type.
    ///
    /// # Errors
    /// If it is not registered.
    pub(super) fn of_type(&self, entity_type: &str) -> Result<&RegisteredType, Unregistered> {
        self.types
            .get(&entity_type.to_lowercase())
            .ok_or_else(|| Unregistered::EntityType(entity_type.to_owned()))
    }
}

impl RegisteredType {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The aspects, including the key aspect, ordered by name.
    pub(super) fn aspects(&self) -> impl Iterator<Item = &str> {
        self.aspects.iter().map(String::as_str)
    }

    fn has_no(&self, aspect: &str) -> Unregistered {
        Unregistered::Aspect { name: aspect.to_owned(), entity_type: self.name.clone() }
    }
}

/// GMS's wording (`ValidationApiUtils`).
impl fmt::Display for Unregistered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EntityType(name) => write!(f, "Unknown entity: {name}"),
            Self::Aspect { name, entity_type } => write!(f, "Unknown aspect {name} for entity {entity_type}"),
        }
    }
}

impl From<Unregistered> for Failure {
    fn from(unregistered: Unregistered) -> Self {
        Self::unprocessable(unregistered.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model;

    #[test]
    fn the_standard_model_is_complete() {
        let standard = Registry::standard().unwrap();
        assert_eq!(standard.types.len(), 72);
        assert_eq!(standard.types.values().map(|known| known.aspects.len() - 1).sum::<usize>(), 636);
        for known in standard.types.values() {
            let key = keys::aspect_name(&known.name);
            assert!(known.aspects.contains(key.as_ref()), "{}", known.name);
        }
        for aspect in model::TIMESERIES {
            assert!(standard.types.values().any(|known| known.aspects.contains(*aspect)), "{aspect}");
        }
    }

    #[test]
    fn an_unregistered_name_is_reported() {
        let registry = Registry::standard().unwrap();
        let said =
            |entity_type, aspect| registry.check(entity_type, aspect).map_err(|error| error.to_string());
        assert_eq!(said("dataset", "datasetProperties"), Ok(()));
        assert_eq!(said("DATASET", "datasetKey"), Ok(()));
        assert_eq!(said("dataset", "chartInfo").unwrap_err(), "Unknown aspect chartInfo for entity dataset");
        assert_eq!(said("corpUser", "x").unwrap_err(), "Unknown aspect x for entity corpuser");
        assert_eq!(
            said("dataset", "datasetproperties").unwrap_err().split(' ').nth(2),
            Some("datasetproperties")
        );
        assert_eq!(said("datasets", "status").unwrap_err(), "Unknown entity: datasets");
        assert_eq!(registry.look_up("dataset", "datasetproperties"), Ok("datasetProperties"));
        assert!(registry.look_up("dataset", "DatasetProperties").is_err());
    }

    #[test]
    fn a_custom_model_is_added() {
        let mut registry = Registry::standard().unwrap();
        registry
            .add(
                "id: mycompany-dq-model
entities:
  - name: dataset
    aspects: [customDataQualityRules]
  - {name: sensor, doc: Things that measure., category: core, keyAspect: sensorKey, aspects: [status]}
plugins: {aspectPayloadValidators: []}",
            )
            .unwrap();
        for (entity_type, aspect) in
            [("dataset", "customDataQualityRules"), ("dataset", "status"), ("sensor", "sensorKey")]
        {
            assert_eq!(registry.check(entity_type, aspect), Ok(()), "{aspect}");
        }
        assert!(registry.check("chart", "customDataQualityRules").is_err());
        assert_eq!(registry.add("entities: [{name: CorpUser, keyAspect: corpUserKey}]"), Ok(()));
        for (entity_type, key) in [("gauge", "gaugeId"), ("sensor", "SensorKey"), ("dataset", "dataSetKey")] {
            let text = format!("entities: [{{name: x}}, {{name: {entity_type}, keyAspect: {key}}}]");
            let message = registry.add(&text).unwrap_err();
            let expected = format!("{entity_type}Key");
            assert!(message.starts_with("entities[1]: ") && message.contains(&expected), "{message}");
            assert!(message.ends_with(key), "{message}");
        }
        assert!(registry.add("entities: [{aspects: [x]}]").unwrap_err().contains("name"));
        assert!(registry.add("entities: x").is_err());
    }
}
