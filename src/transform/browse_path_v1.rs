//! `set_dataset_browse_path`: browse paths of data sets (`browsePaths`).

use super::dataset_name::DatasetName;
use super::list::{List, no_members, text_key};
use super::list_item::ListItem;
use super::object::json;
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
        if self.semantics.is_patch { vec![PATHS.aspect_name] } else { Vec::new() }
    }

    fn change(
        &mut self,
        entity: &Urn,
        current: Option<&Aspect>,
        found: &Found,
    ) -> Result<AspectChange, TransformError> {
        let name = DatasetName::of(entity)?;
        let paths = self.templates.iter().map(|template| {
            let path = expand(template, &name);
            ListItem { json: json(&path), key: path }
        });
        let server = found.aspect(entity, PATHS.aspect_name)?;
        PATHS.change(self.semantics, current, paths.collect(), server, found)
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
