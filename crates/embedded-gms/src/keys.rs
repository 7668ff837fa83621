//! Key aspects: the parts of a URN as a record, and back.
//!
//! GMS stores a key aspect for each entity that was written (`EntityKeyUtils`); an entity exists if its key
//! aspect does.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// The fields of the keys, for entity types whose key is not just `id`.
const FIELDS: &[(&str, &[&str])] = &[
    ("assertion", &["assertionId"]),
    ("chart", &["dashboardTool", "chartId"]),
    ("container", &["guid"]),
    ("corpGroup", &["name"]),
    ("corpuser", &["username"]),
    ("dashboard", &["dashboardTool", "dashboardId"]),
    ("dataFlow", &["orchestrator", "flowId", "cluster"]),
    ("dataHubRetention", &["entityName", "aspectName"]),
    ("dataJob", &["flow", "jobId"]),
    ("dataPlatform", &["platformName"]),
    ("dataPlatformInstance", &["platform", "instance"]),
    ("dataProcess", &["name", "orchestrator", "origin"]),
    ("dataset", &["platform", "name", "origin"]),
    ("glossaryNode", &["name"]),
    ("glossaryTerm", &["name"]),
    ("metric", &["platform", "path", "id"]),
    ("mlFeature", &["featureNamespace", "name"]),
    ("mlFeatureTable", &["platform", "name"]),
    ("mlModel", &["platform", "name", "origin"]),
    ("mlModelDeployment", &["platform", "name", "origin"]),
    ("mlModelGroup", &["platform", "name", "origin"]),
    ("mlPrimaryKey", &["featureNamespace", "name"]),
    ("notebook", &["notebookTool", "notebookId"]),
    ("schemaField", &["parent", "fieldPath"]),
    ("semanticModel", &["platform", "path", "id"]),
    ("tag", &["name"]),
    ("telemetry", &["name"]),
    ("versionSet", &["id", "entityType"]),
];

/// The name of an entity type's key aspect.
pub(super) fn aspect_name(entity_type: &str) -> Cow<'static, str> {
    match entity_type {
        "corpuser" => "corpUserKey".into(),
        _ => format!("{entity_type}Key").into(),
    }
}

/// The key aspect of an entity as JSON text, from the key part of its URN.
///
/// # Errors
/// The reason, if the parts of the key are not the fields of the entity type.
pub(super) fn from_urn_key(entity_type: &str, key: &str) -> Result<String, String> {
    let fields = fields(entity_type);
    let found = parts(key).ok_or_else(|| "its parentheses do not match".to_owned())?;
    let record: Map<String, Value> = match fields {
        // The type is unknown, so the whole key is its id.
        None if found.len() != 1 => [("id".to_owned(), Value::from(key))].into_iter().collect(),
        None => pairs(&["id"], &found),
        Some(fields) if fields.len() == found.len() => pairs(fields, &found),
        Some(fields) => {
            return Err(format!(
                "its key has {} parts, and the key of entity type {entity_type} has {} ({})",
                found.len(),
                fields.len(),
                fields.join(", ")
            ));
        }
    };
    Ok(Value::from(record).to_string())
}

/// The URN of a key aspect, for proposals without a URN.
///
/// # Errors
/// The reason, if `text` is not a record with all fields of the key.
pub(super) fn to_urn(entity_type: &str, text: &str) -> Result<String, String> {
    let record: Map<String, Value> = serde_json::from_str(text)
        .map_err(|error| format!("the key aspect is not a JSON object: {error}"))?;
    let values = fields(entity_type)
        .unwrap_or(&["id"])
        .iter()
        .map(|field| match record.get(*field) {
            Some(Value::String(value)) if !value.is_empty() => Ok(value.as_str()),
            _ => Err(format!("the key aspect of a {entity_type} has no text in field {field}")),
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(match values.as_slice() {
        [single] => format!("urn:li:{entity_type}:{single}"),
        several => format!("urn:li:{entity_type}:({})", several.join(",")),
    })
}

fn fields(entity_type: &str) -> Option<&'static [&'static str]> {
    FIELDS.iter().find(|(name, _)| *name == entity_type).map(|(_, fields)| *fields)
}

fn pairs(fields: &[&str], values: &[&str]) -> Map<String, Value> {
    fields.iter().zip(values).map(|(field, value)| ((*field).to_owned(), Value::from(*value))).collect()
}

/// The parts of a key: separated by commas within the outer parentheses, or the key itself.
pub(super) fn parts(key: &str) -> Option<Vec<&str>> {
    let Some(inner) = key.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) else {
        return Some(vec![key]);
    };
    let mut depth = 0_u32;
    let balanced = inner.chars().try_for_each(|c| {
        depth = match c {
            '(' => depth + 1,
            ')' => depth.checked_sub(1)?,
            _ => depth,
        };
        Some(())
    });
    balanced.filter(|()| depth == 0)?;
    Some(
        inner
            .split(|c| {
                depth = match c {
                    '(' => depth + 1,
                    ')' => depth.saturating_sub(1),
                    _ => depth,
                };
                c == ',' && depth == 0
            })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_its_parts() {
        let key = from_urn_key("dataset", "(urn:li:dataPlatform:s3,a/(b,c)/d,PROD)").unwrap();
        let key: Value = serde_json::from_str(&key).unwrap();
        assert_eq!(
            key,
            serde_json::json!({"platform": "urn:li:dataPlatform:s3", "name": "a/(b,c)/d", "origin": "PROD"})
        );
        assert_eq!(from_urn_key("tag", "pii").unwrap(), r#"{"name":"pii"}"#);
        assert_eq!(from_urn_key("myThing", "(a,b)").unwrap(), r#"{"id":"(a,b)"}"#);
    }

    #[test]
    fn a_key_that_does_not_fit_is_refused() {
        assert!(from_urn_key("dataset", "x").unwrap_err().contains("has 1 parts"));
        assert!(from_urn_key("dataset", "(a,b)c,d)").unwrap_err().contains("parentheses"));
        assert!(to_urn("dataset", r#"{"platform":"p","name":"n"}"#).unwrap_err().contains("origin"));
    }

    #[test]
    fn a_urn_is_made_of_its_key() {
        for urn in ["urn:li:tag:x", "urn:li:dataset:(urn:li:dataPlatform:hive,db.k,PROD)", "urn:li:query:q1"]
        {
            let urn = crate::urn::Urn::parse(urn).unwrap();
            let key = from_urn_key(urn.entity_type(), urn.key()).unwrap();
            assert_eq!(to_urn(urn.entity_type(), &key).unwrap(), urn.as_str());
        }
    }
}
