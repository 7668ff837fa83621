//! DataHub's patch templates (`SnapshotEntityRegistry.populateTemplateEngine`): the arrays that a patch
//! addresses by key, and the default of an aspect that does not exist.

use super::error::PatchError;
use super::{keyed, lineage};
use crate::tree::{Node, Object};

/// The actor in the audit stamps of defaults.
const ACTOR: &str = "urn:li:corpuser:__datahub_system";

/// How the arrays of an aspect are addressed.
#[derive(Debug)]
pub(super) struct Template {
    aspect: &'static str,
    arrays: &'static [Array],
    /// Records that contain arrays, by field.
    records: &'static [(&'static str, &'static [Array])],
    special: Special,
}

/// An array, the keys of its elements (none for an array of strings), and the records in its elements that
/// contain arrays.
#[derive(Debug)]
struct Array {
    field: &'static str,
    keys: &'static [&'static str],
    elements: &'static [(&'static str, &'static [Self])],
    /// Whether the enclosing record requires an `auditStamp`, which is added.
    stamped: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Special {
    None,
    /// `fineGrainedLineages`, which has no keys in its elements.
    Lineage,
    /// `allowedPlatforms` and `allowedValues`, which are not created if absent; the key of the latter depends
    /// on its type.
    AllowedValues,
}

const fn by(field: &'static str, keys: &'static [&'static str]) -> Array {
    Array { field, keys, elements: &[], stamped: false }
}

const fn strings(field: &'static str) -> Array {
    by(field, &[])
}

const fn aspect(aspect: &'static str, arrays: &'static [Array]) -> Template {
    Template { aspect, arrays, records: &[], special: Special::None }
}

const TAGS: &[Array] = &[by("tags", &["tag"])];
const TERMS: &[Array] = &[Array { stamped: true, ..by("terms", &["urn"]) }];

const TEMPLATES: &[Template] = &[
    aspect("chartInfo", &[by("inputEdges", &["destinationUrn"]), strings("inputs")]),
    aspect(
        "dashboardInfo",
        &[
            by("chartEdges", &["destinationUrn"]),
            by("datasetEdges", &["destinationUrn"]),
            by("dashboards", &["destinationUrn"]),
            strings("datasets"),
            strings("charts"),
        ],
    ),
    aspect("dataFlowInfo", &[]),
    aspect("dataJobInfo", &[]),
    Template {
        special: Special::Lineage,
        ..aspect(
            "dataJobInputOutput",
            &[
                by("inputDatajobEdges", &["destinationUrn"]),
                by("inputDatasetEdges", &["destinationUrn"]),
                by("outputDatasetEdges", &["destinationUrn"]),
                strings("inputDatasetFields"),
                strings("outputDatasetFields"),
            ],
        )
    },
    aspect("dataProductProperties", &[by("assets", &["destinationUrn"])]),
    aspect("datasetProperties", &[strings("tags")]),
    aspect("documentation", &[by("documentations", &["attribution␟source"])]),
    aspect("domains", &[strings("domains")]),
    aspect("editableContainerProperties", &[]),
    aspect("editableDatasetProperties", &[]),
    aspect("editableMlModelGroupProperties", &[]),
    aspect(
        "editableSchemaMetadata",
        &[Array {
            elements: &[("globalTags", TAGS), ("glossaryTerms", TERMS)],
            ..by("editableSchemaFieldInfo", &["fieldPath"])
        }],
    ),
    Template {
        records: &[("actors", &[strings("users"), strings("groups")])],
        ..aspect("formInfo", &[by("prompts", &["id"])])
    },
    aspect("globalTags", TAGS),
    aspect("glossaryTerms", TERMS),
    aspect("ownership", &[by("owners", &["owner", "type"])]),
    Template { special: Special::AllowedValues, ..aspect("propertyDefinition", &[strings("entityTypes")]) },
    aspect("siblings", &[strings("siblings")]),
    aspect("status", &[]),
    aspect("structuredProperties", &[by("properties", &["propertyUrn"])]),
    Template { special: Special::Lineage, ..aspect("upstreamLineage", &[by("upstreams", &["dataset"])]) },
    aspect("versionProperties", &[]),
];

/// The template of an aspect, if it has one.
pub(super) fn of(aspect: &str) -> Option<&'static Template> {
    TEMPLATES.iter().find(|template| template.aspect == aspect)
}

/// The default of an aspect that does not exist, as JSON text; `None` if DataHub has no useful one.
pub(super) fn default_of(aspect: &str, time: i64) -> Option<String> {
    let stamp = stamp(time);
    let modified = format!(r#""lastModified":{{"created":{stamp},"lastModified":{stamp}}}"#);
    Some(match aspect {
        "chartInfo" => {
            format!(r#"{{"title":"","description":"",{modified},"inputs":[],"inputEdges":[]}}"#)
        }
        "dashboardInfo" => format!(
            r#"{{"title":"","description":"","charts":[],"chartEdges":[],"datasets":[],"datasetEdges":[],{modified}}}"#
        ),
        "dataFlowInfo" | "dataJobInfo" => r#"{"customProperties":{}}"#.to_owned(),
        "dataJobInputOutput" => r#"{"inputDatasets":[],"inputDatasetEdges":[],"outputDatasets":[],"outputDatasetEdges":[],"inputDatajobs":[],"inputDatajobEdges":[],"inputDatasetFields":[],"outputDatasetFields":[],"fineGrainedLineages":[]}"#.to_owned(),
        "dataProductProperties" => r#"{"assets":[]}"#.to_owned(),
        "datasetProperties" => r#"{"customProperties":{},"tags":[]}"#.to_owned(),
        "documentation" => r#"{"documentations":[]}"#.to_owned(),
        "domains" => r#"{"domains":[]}"#.to_owned(),
        "editableContainerProperties" | "editableDatasetProperties" | "editableMlModelGroupProperties" => {
            "{}".to_owned()
        }
        "editableSchemaMetadata" => format!(
            r#"{{"created":{stamp},"lastModified":{stamp},"editableSchemaFieldInfo":[]}}"#
        ),
        "formInfo" => r#"{"name":""}"#.to_owned(),
        "globalTags" => r#"{"tags":[]}"#.to_owned(),
        "glossaryTerms" => format!(r#"{{"terms":[],"auditStamp":{stamp}}}"#),
        "ownership" => format!(r#"{{"owners":[],"lastModified":{stamp}}}"#),
        "propertyDefinition" => {
            r#"{"qualifiedName":"","valueType":"urn:li:dataType:datahub.string","entityTypes":[]}"#.to_owned()
        }
        "siblings" => r#"{"siblings":[],"primary":false}"#.to_owned(),
        "status" => r#"{"removed":false}"#.to_owned(),
        "structuredProperties" => r#"{"properties":[]}"#.to_owned(),
        "upstreamLineage" => r#"{"upstreams":[],"fineGrainedLineages":[]}"#.to_owned(),
        _ => return None,
    })
}

fn stamp(time: i64) -> String {
    format!(r#"{{"actor":"{ACTOR}","time":{time}}}"#)
}

impl Template {
    /// Converts the arrays to maps.
    pub(super) fn transform(&self, object: &mut Object, time: i64) -> Result<(), PatchError> {
        to_maps(object, self.arrays, time)?;
        for (field, arrays) in self.records {
            to_maps(object.entry(field).members()?.ok_or(PatchError::NoObject)?, arrays, time)?;
        }
        match self.special {
            Special::None => Ok(()),
            Special::Lineage => lineage::to_map(object),
            Special::AllowedValues => allowed_values_to_map(object),
        }
    }

    /// Converts the maps back to arrays.
    pub(super) fn rebase(&self, object: &mut Object, time: i64) -> Result<(), PatchError> {
        to_arrays(object, self.arrays, time)?;
        for (field, arrays) in self.records {
            to_arrays(object.entry(field).members()?.ok_or(PatchError::NoObject)?, arrays, time)?;
        }
        match self.special {
            Special::None => Ok(()),
            Special::Lineage => lineage::to_array(object),
            Special::AllowedValues => {
                for (field, keys) in [("allowedPlatforms", &[][..]), ("allowedValues", &["value"])] {
                    if object.get(field).is_some() {
                        keyed::to_array(object, field, keys)?;
                    }
                }
                Ok(())
            }
        }
    }
}

impl Array {
    fn ensure_stamp(&self, object: &mut Object, time: i64) {
        if self.stamped && object.get("auditStamp").is_none() {
            object.set("auditStamp", Node::new(stamp(time)));
        }
    }
}

fn to_maps(object: &mut Object, arrays: &[Array], time: i64) -> Result<(), PatchError> {
    for array in arrays {
        array.ensure_stamp(object, time);
        keyed::to_map(object, array.field, array.keys)?;
        let Some(map) = object.get_mut(array.field).map(Node::members).transpose()?.flatten() else {
            continue;
        };
        for element in map.values_mut() {
            inside(element, array, to_maps, time)?;
        }
    }
    Ok(())
}

fn to_arrays(object: &mut Object, arrays: &[Array], time: i64) -> Result<(), PatchError> {
    for array in arrays {
        array.ensure_stamp(object, time);
        keyed::to_array(object, array.field, array.keys)?;
        let Some(elements) = object.get_mut(array.field).map(Node::elements).transpose()?.flatten() else {
            continue;
        };
        for element in elements {
            inside(element, array, to_arrays, time)?;
        }
    }
    Ok(())
}

fn inside(
    element: &mut Node,
    array: &Array,
    turn: fn(&mut Object, &[Array], i64) -> Result<(), PatchError>,
    time: i64,
) -> Result<(), PatchError> {
    if array.elements.is_empty() {
        return Ok(());
    }
    for (field, arrays) in array.elements {
        let record = element.members()?.and_then(|element| element.get_mut(field));
        if let Some(record) = record {
            turn(record.members()?.ok_or(PatchError::NoObject)?, arrays, time)?;
        }
    }
    Ok(())
}

fn allowed_values_to_map(object: &mut Object) -> Result<(), PatchError> {
    if object.get("allowedPlatforms").is_some() {
        keyed::to_map::<&str>(object, "allowedPlatforms", &[])?;
    }
    let Some(values) = object.get_mut("allowedValues") else { return Ok(()) };
    let mut key = "value".to_owned();
    if let Some(first) = values.elements()?.and_then(|values| values.first_mut())
        && let Some(first) = first.members()?.and_then(|first| first.get_mut("value"))
        && let Some((kind, _)) = first.members()?.and_then(|union| union.iter().next())
    {
        key = format!("value␟{kind}");
    }
    keyed::to_map(object, "allowedValues", &[key])
}
