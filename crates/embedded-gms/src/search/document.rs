//! The searchable fields of an entity.
//!
//! GMS's index has the fields with `@Searchable` in the model. Here a field is a member of that name in any
//! aspect of the entity, which gives nearly all of GMS's names; [`NESTED`] has the fields from deeper levels.

use serde_json::Value;

use super::filter::ENTITY_TYPE;
use super::query;
use super::type_name::normalized;
use crate::store::row::AspectRow;
use crate::urn::Urn;

/// Fields that are a member of the records in a list: field, aspect, list, member.
const NESTED: &[(&str, &str, &str, &str)] = &[
    ("tags", "globalTags", "tags", "tag"),
    ("owners", "ownership", "owners", "owner"),
    ("glossaryTerms", "glossaryTerms", "terms", "urn"),
    ("browsePathV2", "browsePathsV2", "path", "urn"),
    ("fieldPaths", "schemaMetadata", "fields", "fieldPath"),
    ("upstreams", "upstreamLineage", "upstreams", "dataset"),
];

/// Fields that are deeper: field, aspect, and the path to the values, in which `*` stands for every element.
const PATHS: &[(&str, &str, &str)] = &[
    ("fieldTags", "schemaMetadata", "fields.*.globalTags.tags.*.tag"),
    ("fieldGlossaryTerms", "schemaMetadata", "fields.*.glossaryTerms.terms.*.urn"),
    ("fieldDescriptions", "schemaMetadata", "fields.*.description"),
    ("editedFieldTags", "editableSchemaMetadata", "editableSchemaFieldInfo.*.globalTags.tags.*.tag"),
    (
        "editedFieldGlossaryTerms",
        "editableSchemaMetadata",
        "editableSchemaFieldInfo.*.glossaryTerms.terms.*.urn",
    ),
    ("editedFieldDescriptions", "editableSchemaMetadata", "editableSchemaFieldInfo.*.description"),
    ("createdAt", "datasetProperties", "created.time"),
    ("lastModifiedAt", "datasetProperties", "lastModified.time"),
    ("createdAt", "containerProperties", "created.time"),
    ("lastModifiedAt", "containerProperties", "lastModified.time"),
    ("createdAt", "chartInfo", "lastModified.created.time"),
    ("lastModifiedAt", "chartInfo", "lastModified.lastModified.time"),
    ("createdAt", "dashboardInfo", "lastModified.created.time"),
    ("lastModifiedAt", "dashboardInfo", "lastModified.lastModified.time"),
    ("createdAt", "dataJobInfo", "created.time"),
    ("lastModifiedAt", "dataJobInfo", "lastModified.time"),
    ("createdAt", "dataFlowInfo", "created.time"),
    ("lastModifiedAt", "dataFlowInfo", "lastModified.time"),
];

/// Fields in which words are looked up beside the names.
const DESCRIPTIONS: &[&str] = &["description", "definition", "fieldPaths"];

/// The greatest length of the text of a document, in bytes.
const MAX_TEXT: usize = 64 * 1024;

/// Fields with names.
const NAMES: &[&str] = &["name", "qualifiedName", "displayName", "fullName", "title"];

/// The members of key aspects that contain the bare name of a platform.
const TOOLS: &[&str] = &["orchestrator", "dashboardTool"];

/// Aspects with passwords, keys or recipes, and their members that a search may use. Searching requires fewer
/// privileges than reading, and a caller that can filter by a value can find it out character by character.
const GUARDED: &[(&str, &[&str])] = &[
    ("corpUserCredentials", &[]),
    ("dataHubConnectionDetails", &["name", "type"]),
    ("dataHubExecutionRequestInput", &["task"]),
    ("dataHubExecutionRequestResult", &["status"]),
    ("dataHubIngestionSourceInfo", &["name", "type"]),
    ("dataHubSecretValue", &["name"]),
    ("globalSettingsInfo", &[]),
];

/// An entity as a search sees it.
#[derive(Debug)]
pub(super) struct Document {
    urn: String,
    entity_type: String,
    aspects: Vec<(String, Value)>,
}

impl Document {
    pub(super) fn new(urn: &Urn, stored: Vec<AspectRow>) -> Self {
        let aspects = stored
            .into_iter()
            .filter_map(|stored| Some((stored.aspect, serde_json::from_str(&stored.metadata).ok()?)))
            .map(|(aspect, value)| searchable(aspect, value));
        Self { urn: urn.to_string(), entity_type: urn.entity_type().to_owned(), aspects: aspects.collect() }
    }

    pub(super) fn urn(&self) -> &str {
        &self.urn
    }

    /// The values of a field, as text.
    pub(super) fn values(&self, field: &str) -> Vec<String> {
        match field {
            "urn" => return vec![self.urn.clone()],
            "lowercasedUrn" => return vec![self.urn.to_lowercase()],
            ENTITY_TYPE => return vec![normalized(&self.entity_type)],
            "platform" => return self.platforms(),
            "platformInstance" => return self.members("instance"),
            _ => {}
        }
        if PATHS.iter().any(|(name, ..)| *name == field) {
            let mut values = Vec::new();
            for (_, aspect, path) in PATHS.iter().filter(|(name, ..)| *name == field) {
                for (_, value) in self.aspects.iter().filter(|(name, _)| name == aspect) {
                    collect(value, path, &mut values);
                }
            }
            return values;
        }
        if let Some((_, aspect, list, member)) = NESTED.iter().find(|(name, ..)| *name == field) {
            let records = self.aspects.iter().filter(|(name, _)| name == aspect);
            return records
                .filter_map(|(_, value)| value.get(list)?.as_array())
                .flatten()
                .filter_map(|record| text(record.get(member)?))
                .collect();
        }
        self.members(field)
    }

    /// The lower-case text that the words of a search must be in: URN, names, descriptions and columns.
    pub(super) fn text(&self) -> String {
        let names = NAMES.iter().flat_map(|name| self.members(name));
        let descriptions = DESCRIPTIONS.iter().flat_map(|name| self.values(name));
        let all: Vec<_> = std::iter::once(self.urn.clone()).chain(names).chain(descriptions).collect();
        let mut text = all.join("\n").to_lowercase();
        let end = (0..=MAX_TEXT).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text
    }

    /// Whether a value of a field contains the pieces of a word, ignoring case. The names of a structured
    /// query are those of fields, or the singular of a list (`tag`).
    pub(super) fn has(&self, name: &str, pieces: &[String]) -> bool {
        let field = match name {
            "tag" | "owner" | "glossaryTerm" | "domain" => format!("{name}s"),
            "type" | "entityType" => ENTITY_TYPE.to_owned(),
            name => name.to_owned(),
        };
        self.values(&field).iter().any(|value| query::contains(&value.to_lowercase(), pieces))
    }

    /// The name that a person sees; without one, the last part of the key.
    pub(super) fn name(&self) -> String {
        let named = NAMES.iter().find_map(|name| self.members(name).into_iter().next());
        named.unwrap_or_else(|| {
            let key = self.urn.splitn(4, ':').nth(3).unwrap_or(&self.urn);
            key.trim_matches(['(', ')']).rsplit([',', ':']).next().unwrap_or(key).to_owned()
        })
    }

    /// GMS adds `dataPlatformInstance` to every chart, flow and job, with the platform of its URN.
    fn platforms(&self) -> Vec<String> {
        let mut platforms = self.members("platform");
        let tools = TOOLS.iter().flat_map(|tool| self.members(tool));
        platforms.extend(tools.map(|name| format!("urn:li:dataPlatform:{name}")));
        // A job's key has the flow, whose key has the platform.
        let flows = self.members("flow");
        let names = flows.iter().filter_map(|flow| flow.strip_prefix("urn:li:dataFlow:(")?.split(',').next());
        platforms.extend(names.map(|name| format!("urn:li:dataPlatform:{name}")));
        platforms
    }

    /// The values of all members of that name. A map gives `key=value`, as the index stores
    /// `customProperties`.
    fn members(&self, name: &str) -> Vec<String> {
        let mut values = Vec::new();
        for member in self.aspects.iter().filter_map(|(_, value)| value.get(name)) {
            match member {
                Value::Array(items) => values.extend(items.iter().filter_map(text)),
                Value::Object(map) => {
                    values.extend(
                        map.iter().filter_map(|(key, value)| Some(format!("{key}={}", text(value)?))),
                    );
                }
                scalar => values.extend(text(scalar)),
            }
        }
        values
    }
}

/// Adds the scalars at the end of a path.
fn collect(value: &Value, path: &str, values: &mut Vec<String>) {
    let (step, rest) = path.split_once('.').map_or((path, None), |(step, rest)| (step, Some(rest)));
    let found: Vec<&Value> = if step == "*" {
        value.as_array().into_iter().flatten().collect()
    } else {
        value.get(step).into_iter().collect()
    };
    for one in found {
        match rest {
            Some(rest) => collect(one, rest, values),
            None => values.extend(text(one)),
        }
    }
}

fn searchable(aspect: String, mut value: Value) -> (String, Value) {
    let guarded = GUARDED.iter().find(|(name, _)| *name == aspect);
    if let (Some((_, open)), Some(members)) = (guarded, value.as_object_mut()) {
        members.retain(|name, _| open.contains(&name.as_str()));
    }
    (aspect, value)
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(urn: &str, aspects: &[(&str, Value)]) -> Document {
        let aspects = aspects.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let entity_type = Urn::parse(urn).unwrap().entity_type().to_owned();
        Document { urn: urn.to_owned(), entity_type, aspects }
    }

    #[test]
    fn a_field_is_a_member_or_from_a_list() {
        let document = document(
            "urn:li:dataset:(urn:li:dataPlatform:hive,T,PROD)",
            &[
                ("datasetKey", json!({"platform": "urn:li:dataPlatform:hive", "origin": "PROD"})),
                ("datasetProperties", json!({"customProperties": {"env": "x"}})),
                ("globalTags", json!({"tags": [{"tag": "urn:li:tag:a"}]})),
                ("status", json!({"removed": false})),
                ("subTypes", json!({"typeNames": ["Table", "View"]})),
                ("operation", json!({"number": 7})),
            ],
        );
        for (field, expected) in [
            ("urn", vec!["urn:li:dataset:(urn:li:dataPlatform:hive,T,PROD)"]),
            ("lowercasedUrn", vec!["urn:li:dataset:(urn:li:dataplatform:hive,t,prod)"]),
            ("_entityType", vec!["dataset"]),
            ("platform", vec!["urn:li:dataPlatform:hive"]),
            ("origin", vec!["PROD"]),
            ("customProperties", vec!["env=x"]),
            ("tags", vec!["urn:li:tag:a"]),
            ("removed", vec!["false"]),
            ("typeNames", vec!["Table", "View"]),
            ("number", vec!["7"]),
            ("nothing", vec![]),
        ] {
            assert_eq!(document.values(field), expected, "{field}");
        }
    }

    #[test]
    fn the_platform_of_entities_without_a_platform_field() {
        let airflow = ["urn:li:dataPlatform:airflow"];
        let flow = document(
            "urn:li:dataFlow:(airflow,f,PROD)",
            &[("dataFlowKey", json!({"orchestrator": "airflow"}))],
        );
        assert_eq!(flow.values("platform"), airflow);
        let key = json!({"flow": "urn:li:dataFlow:(airflow,f,PROD)", "jobId": "j"});
        let job = document("urn:li:dataJob:(urn:li:dataFlow:(airflow,f,PROD),j)", &[("dataJobKey", key)]);
        assert_eq!(job.values("platform"), airflow);
        let chart =
            document("urn:li:chart:(airflow,c)", &[("chartKey", json!({"dashboardTool": "airflow"}))]);
        assert_eq!(chart.values("platform"), airflow);
    }
}
