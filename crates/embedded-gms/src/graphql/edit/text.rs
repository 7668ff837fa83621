//! Descriptions (`UpdateDescriptionResolver`).

use async_graphql::Result;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{EDIT_ENTITY, Resources, column, run, targets};
use crate::failure::Failure;
use crate::graphql::call::Call;
use crate::graphql::context::urn;
use crate::graphql::error::bad_request;

/// The aspect and the member with the description that people write.
fn place(entity_type: &str) -> Option<(&'static str, &'static str)> {
    Some(match entity_type {
        "dataset" => ("editableDatasetProperties", "description"),
        "container" => ("editableContainerProperties", "description"),
        "chart" => ("editableChartProperties", "description"),
        "dashboard" => ("editableDashboardProperties", "description"),
        "dataFlow" => ("editableDataFlowProperties", "description"),
        "dataJob" => ("editableDataJobProperties", "description"),
        "notebook" => ("editableNotebookProperties", "description"),
        "mlModel" => ("editableMlModelProperties", "description"),
        "mlModelGroup" => ("editableMlModelGroupProperties", "description"),
        "mlFeature" => ("editableMlFeatureProperties", "description"),
        "mlFeatureTable" => ("editableMlFeatureTableProperties", "description"),
        "mlPrimaryKey" => ("editableMlPrimaryKeyProperties", "description"),
        "corpGroup" => ("corpGroupEditableInfo", "description"),
        "tag" => ("tagProperties", "description"),
        "domain" => ("domainProperties", "description"),
        "dataProduct" => ("dataProductProperties", "description"),
        "glossaryTerm" => ("glossaryTermInfo", "definition"),
        "glossaryNode" => ("glossaryNodeInfo", "definition"),
        _ => return None,
    })
}

/// `updateDescription`
pub(in crate::graphql) async fn describe(call: &Call<'_>) -> Result<Value> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Input {
        description: String,
        resource_urn: String,
    }
    let Input { description, resource_urn } = call.input()?;
    let resources: Resources = call.input()?;
    let entity_type = urn(&resource_urn)?.entity_type().to_owned();
    let Some((aspect, member)) = place(&entity_type) else {
        return Err(bad_request(format!(
            "Failed to update description. The embedded GMS does not edit descriptions of {entity_type}."
        )));
    };
    let whole = ["EDIT_ENTITY_DOCS", EDIT_ENTITY];
    let targets =
        targets(call.caller, resources.all(), &whole, &["EDIT_DATASET_COL_DESCRIPTION", EDIT_ENTITY]).await?;
    run(call.caller, move |edit| {
        for target in &targets {
            edit.check_exists(&target.urn)?;
            if let Some(path) = &target.column {
                edit.check_column(&target.urn, path)?;
                let default = json!({"editableSchemaFieldInfo": []});
                edit.aspect(&target.urn, "editableSchemaMetadata", default, |record| {
                    set(column(record, path)?, "description", &description)
                })?;
            } else {
                edit.aspect(&target.urn, aspect, json!({}), |record| set(record, member, &description))?;
            }
        }
        Ok(())
    })
    .await?;
    Ok(true.into())
}

fn set(record: &mut Value, member: &str, text: &str) -> Result<(), Failure> {
    let members = record
        .as_object_mut()
        .ok_or_else(|| Failure::internal("java.lang.RuntimeException: the stored aspect is not a record"))?;
    members.insert(member.to_owned(), text.into());
    Ok(())
}
