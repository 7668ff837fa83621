//! `set_dataset_browse_path`: browse paths of data sets (`browsePaths`).

use super::dataset_name::DatasetName;
use super::list::{List, no_members, text_key};
use super::list_item::ListItem;
use super::object::{Object, json};
use super::semantics::Semantics;
use super::{AspectChange, AspectTransformer, EntityTypes, Found, PerAspect, TransformError, Transformer};
use crate::metadata::{Aspect, Urn};
use crate::recipe::{Fields, Reported};

const PATHS: List = List { aspect_name: "browsePaths", member: "paths", key: text_key, new: no_members };

/// Adds browse paths from templates.
struct SetBrowsePath {
    semantics: Semantics,
    templates: Vec<String>,
}

pub(super) fn read(fields: &mut Fields<'_>) -> Result<Box<dyn Transformer>, Reported> {
    let semantics = Semantics::read(fields);
    fields.missing("path_templates", "a list of paths, for example /ENV/PLATFORM/DATASET_PARTS");
    let templates = fields.strings("path_templates").ok_or_else(|| fields.reported())?;
    Ok(PerAspect::boxed(SetBrowsePath { semantics, templates }))
}

impl AspectTransformer for SetBrowsePath {
    fn aspect_name(&self) -> &'static str {
        PATHS.aspect_name
    }

    fn entity_types(&self) -> EntityTypes {
        EntityTypes::of(["dataset"])
    }

    fn needs_graph(&self) -> Option<&'static str> {
        self.semantics.needs_graph()
    }

    fn lookups(&self, _entity: &Urn, _current: Option<&Aspect>) -> Vec<&'static str> {
        self.semantics.lookups(PATHS.aspect_name)
    }

    fn change(
        &mut self,
        entity: &Urn,
        current: Option<&Aspect>,
        found: &Found,
    ) -> Result<AspectChange, TransformError> {
        let name = DatasetName::of(entity)?;
        let record = current.map(Object::of).transpose()?;
        let before = record.as_ref().map(|record| PATHS.items(record)).transpose()?.unwrap_or_default();
        let mut paths = if self.semantics.replaces { Vec::new() } else { before };
        paths.extend(self.templates.iter().map(|template| {
            let path = expand(template, &name);
            ListItem { json: json(&path), key: path }
        }));
        if self.semantics.is_patch {
            if paths.is_empty() {
                return Ok(AspectChange::Omit);
            }
            let server = found.aspect(entity, PATHS.aspect_name)?.map(Object::of).transpose()?;
            let server = server.as_ref().map(|server| PATHS.items(server)).transpose()?.unwrap_or_default();
            paths.retain(|path| !server.iter().any(|known| known.key == path.key));
            paths.splice(0..0, server);
        }
        if record.is_none() && paths.is_empty() && !self.semantics.is_strict {
            return Ok(AspectChange::Keep);
        }
        // Browse paths are not de-duplicated: Python writes a path as often as it occurs.
        Ok(PATHS.write(record, &paths, found))
    }
}

/// Replaces the words of a template one after the other, as Python does: a name that contains `ENV` is
/// replaced in turn.
fn expand(template: &str, name: &DatasetName<'_>) -> String {
    template
        .replace("PLATFORM", name.platform)
        .replace("DATASET_PARTS", &name.name.replace('.', "/"))
        .replace("ENV", &name.environment.to_lowercase())
}
