//! The fields of the keys of entities.
//!
//! Taken from the models of acryl-datahub 1.7.0.17.

use crate::metadata::model;

/// A part of a key: one field of the key aspect, by its name.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    /// Any text.
    Text(&'static str),
    /// A URN that starts with the second text.
    Urn(&'static str, &'static str),
}

use Part::Text;

const PLATFORM: Part = Part::Urn("platform", "urn:li:dataPlatform:");
const NAME: Part = Text("name");
const ID: Part = Text("id");
/// The environment. GMS's list of them (`FabricType.pdl`) grows, so any text is accepted.
const ORIGIN: Part = Text("origin");

/// The entity types whose key is not just an [`ID`], in byte order, with the fields of their key aspects
/// (`com.linkedin.metadata.key`) in the order that they have in a key.
const KEYS: [(&str, &[Part]); 28] = [
    ("assertion", &[Text("assertionId")]),
    ("chart", &[Text("dashboardTool"), Text("chartId")]),
    ("container", &[Text("guid")]),
    ("corpGroup", &[NAME]),
    ("corpuser", &[Text("username")]),
    ("dashboard", &[Text("dashboardTool"), Text("dashboardId")]),
    ("dataFlow", &[Text("orchestrator"), Text("flowId"), Text("cluster")]),
    ("dataHubRetention", &[Text("entityName"), Text("aspectName")]),
    ("dataJob", &[Part::Urn("flow", "urn:li:dataFlow:"), Text("jobId")]),
    ("dataPlatform", &[Text("platformName")]),
    ("dataPlatformInstance", &[PLATFORM, Text("instance")]),
    ("dataProcess", &[NAME, Text("orchestrator"), ORIGIN]),
    ("dataset", &[PLATFORM, NAME, ORIGIN]),
    ("glossaryNode", &[NAME]),
    ("glossaryTerm", &[NAME]),
    ("metric", &[PLATFORM, Text("path"), ID]),
    ("mlFeature", &[Text("featureNamespace"), NAME]),
    ("mlFeatureTable", &[PLATFORM, NAME]),
    ("mlModel", &[PLATFORM, NAME, ORIGIN]),
    ("mlModelDeployment", &[PLATFORM, NAME, ORIGIN]),
    ("mlModelGroup", &[PLATFORM, NAME, ORIGIN]),
    ("mlPrimaryKey", &[Text("featureNamespace"), NAME]),
    ("notebook", &[Text("notebookTool"), Text("notebookId")]),
    ("schemaField", &[Part::Urn("parent", "urn:li:"), Text("fieldPath")]),
    ("semanticModel", &[PLATFORM, Text("path"), ID]),
    ("tag", &[NAME]),
    ("telemetry", &[NAME]),
    ("versionSet", &[ID, Text("entityType")]),
];

impl Part {
    /// The field's name.
    pub(super) fn field(self) -> &'static str {
        match self {
            Self::Text(field) | Self::Urn(field, _) => field,
        }
    }

    /// Whether `text` can be this part of a key.
    pub(super) fn accepts(self, text: &str) -> bool {
        match self {
            Self::Text(_) => !text.is_empty(),
            Self::Urn(_, start) => text.strip_prefix(start).is_some_and(|rest| !rest.is_empty()),
        }
    }

    /// The part as messages show it inside a key.
    fn form(self) -> String {
        match self {
            Self::Text(field) => field.to_owned(),
            Self::Urn(_, start) => format!("{start}…"),
        }
    }

    /// The accepted texts, for messages.
    pub(super) fn expected(self) -> String {
        match self {
            Self::Text(_) => "a non-empty text".to_owned(),
            Self::Urn(_, start) => format!("a URN that starts with {start}"),
        }
    }
}

/// The parts of the key of an entity of this type; `None` where the type is not known.
pub(super) fn key(entity_type: &str) -> Option<&'static [Part]> {
    let found = KEYS.binary_search_by(|(known, _)| (*known).cmp(entity_type));
    match found.ok().and_then(|index| KEYS.get(index)) {
        Some((_, parts)) => Some(parts),
        None => model::key_aspect(entity_type).map(|_| &[ID][..]),
    }
}

/// The problem with this key of an entity of this type; `None` if there is none, or if such keys are not
/// checked.
pub(super) fn problem(entity_type: &str, text: &str) -> Option<String> {
    let expected = key_of_several_parts(entity_type)?;
    let form = || {
        let forms: Vec<_> = expected.iter().map(|part| part.form()).collect();
        format!("({})", forms.join(","))
    };
    let parts = match parts(text) {
        Ok(parts) => parts,
        Err(problem) => return Some(format!("its key {problem}: expected {}", form())),
    };
    if parts.len() != expected.len() {
        return Some(format!(
            "its key has {} where a {entity_type} has {}: expected {}",
            count(parts.len()),
            expected.len(),
            form()
        ));
    }
    let (wrong, expected) = parts.iter().zip(expected).find(|(part, expected)| !expected.accepts(part))?;
    let shown: String = wrong.chars().take(80).collect();
    Some(format!("its key contains {shown:?} instead of {}", expected.expected()))
}

/// The parts of a key that has several; a key of one part may be any text, so it is not checked.
fn key_of_several_parts(entity_type: &str) -> Option<&'static [Part]> {
    key(entity_type).filter(|parts| parts.len() > 1)
}

fn count(parts: usize) -> String {
    if parts == 1 { "1 part".to_owned() } else { format!("{parts} parts") }
}

/// Splits a key in parentheses as GMS does (`TupleKey.java`); a key without parentheses is one part.
fn parts(key: &str) -> Result<Vec<&str>, &'static str> {
    const UNBALANCED: &str = "has parentheses that do not match";
    let Some(inside) = key.strip_prefix('(') else {
        return Ok(vec![key]);
    };
    let inside = inside.strip_suffix(')').ok_or(UNBALANCED)?;
    let mut depth = 0_u32;
    let mut unbalanced = false;
    let parts: Vec<_> = inside
        .split(|character| {
            match character {
                '(' => depth += 1,
                ')' => match depth.checked_sub(1) {
                    Some(less) => depth = less,
                    None => unbalanced = true,
                },
                _ => {}
            }
            character == ',' && depth == 0
        })
        .collect();
    if unbalanced || depth > 0 {
        return Err(UNBALANCED);
    }
    if parts.iter().any(|part| part.is_empty()) {
        return Err("has an empty part");
    }
    Ok(parts)
}
