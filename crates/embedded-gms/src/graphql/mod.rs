//! GraphQL: reads, searches, lineage, edits and tokens. Names, types and errors are those of DataHub's
//! schema, of which `operations.graphql` and `entities.graphql` have a part.

mod app;
mod call;
mod calls;
mod context;
mod convert;
mod edit;
mod entity_fields;
mod entity_name;
mod error;
mod filter;
mod hierarchy;
mod lineage;
mod listing;
mod node;
mod platform;
mod quality;
mod relationships;
mod schema;
mod search;
mod token;

use std::sync::{Arc, LazyLock};

use async_graphql::dynamic::{DynamicRequestExt as _, FieldValue, Schema};
use async_graphql::parser::parse_query;
use async_graphql::parser::types::{ExecutableDocument, Field, Selection, SelectionSet};
use async_graphql::{Request, Response, ServerError, Variables};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::authorization::Permissions;
use crate::state::ServerState;
use context::Caller;
use node::Node;

/// The longest query, in bytes. GMS has no such limit; the longest query of a known client has a few thousand
/// bytes.
const MAX_QUERY_BYTES: usize = 256 * 1024;

/// The greatest depth and the greatest number of fields of a query.
const MAX_DEPTH: usize = 32;
const MAX_FIELDS: usize = 10_000;

/// The greatest number of searches in the text of a query.
const MAX_SEARCHES: usize = 20;

static SCHEMA: LazyLock<Result<Schema, String>> = LazyLock::new(|| {
    schema::build(|builder| {
        builder
            .limit_depth(MAX_DEPTH)
            .limit_complexity(MAX_FIELDS)
            .limit_recursive_depth(MAX_DEPTH)
            .disable_suggestions()
    })
});

/// The body of a request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GraphqlRequest {
    query: String,
    operation_name: Option<String>,
    variables: Option<Map<String, Value>>,
}

/// The status and body of a response; `None` is an empty body.
pub(super) type GraphqlResponse = (u16, Option<Value>);

/// Executes a request.
pub(super) async fn execute(
    server: Arc<ServerState>,
    permissions: Permissions,
    body: &[u8],
) -> GraphqlResponse {
    // Jackson ignores what follows the object, and one of the documented commands has an extra brace.
    let request_body = serde_json::Deserializer::from_slice(body).into_iter::<GraphqlRequest>().next();
    let Some(Ok(request_body)) = request_body else { return (400, None) };
    if request_body.query.len() > MAX_QUERY_BYTES {
        return (400, Some(json!({"error": "Invalid GraphQL syntax", "message": "the query is too long"})));
    }
    let document = match parse_query(&request_body.query) {
        Ok(document) => document,
        Err(error) => {
            return (400, Some(json!({"error": "Invalid GraphQL syntax", "message": error.to_string()})));
        }
    };
    if searches(&document) > MAX_SEARCHES {
        let message = format!("Validation error : a request may have at most {MAX_SEARCHES} searches");
        let error = json!({"message": message, "extensions": {"classification": "ValidationError"}});
        return (200, Some(json!({"errors": [error], "extensions": {}})));
    }
    let variables = request_body.variables.map(|variables| Variables::from_json(Value::Object(variables)));
    let mut request = Request::new(request_body.query).variables(variables.unwrap_or_default());
    request.operation_name = request_body.operation_name.filter(|name| !name.is_empty());
    request.set_parsed_query(document);
    let request = request.data(Caller::new(server, permissions));
    match &*SCHEMA {
        Ok(schema) => {
            let response = schema.execute(request.root_value(FieldValue::owned_any(Node::Root))).await;
            (200, Some(body_of(response)))
        }
        // A test excludes this.
        Err(message) => (500, Some(json!({"error": message}))),
    }
}

/// The number of searches in the text of a request.
fn searches(document: &ExecutableDocument) -> usize {
    fn count(selections: &SelectionSet) -> usize {
        let of_field =
            |field: &Field| usize::from(is_search(&field.name.node)) + count(&field.selection_set.node);
        let of = |selection: &Selection| match selection {
            Selection::Field(field) => of_field(&field.node),
            Selection::InlineFragment(fragment) => count(&fragment.node.selection_set.node),
            Selection::FragmentSpread(_) => 0,
        };
        selections.items.iter().map(|selection| of(&selection.node)).sum()
    }
    let operations =
        document.operations.iter().map(|(_, operation)| count(&operation.node.selection_set.node));
    let fragments = document.fragments.values().map(|fragment| count(&fragment.node.selection_set.node));
    operations.chain(fragments).sum()
}

fn is_search(name: &str) -> bool {
    name == "search"
        || ["searchAcross", "scrollAcross", "aggregateAcross"].iter().any(|start| name.starts_with(start))
}

/// `errors` only if there are any; `data` only if something was executed; `extensions` always.
fn body_of(response: Response) -> Value {
    let Response { data, mut errors, .. } = response;
    errors.retain(|error| error.message != schema::REPORTED);
    let mut body = Map::new();
    // An error of a resolver has a path; an error without one concerns the query.
    let executed = errors.is_empty() || errors.iter().any(|error| !error.path.is_empty());
    if !errors.is_empty() {
        body.insert("errors".into(), errors.into_iter().map(error_of).collect());
    }
    if executed {
        body.insert("data".into(), serde_json::to_value(data).unwrap_or_default());
    }
    body.insert("extensions".into(), json!({}));
    Value::Object(body)
}

fn error_of(error: ServerError) -> Value {
    let ServerError { message, locations, path, extensions, .. } = error;
    if path.is_empty() {
        return json!({
            "message": format!("Validation error : {message}"),
            "locations": locations,
            "extensions": {"classification": "ValidationError"},
        });
    }
    let extensions = extensions.and_then(|extensions| serde_json::to_value(extensions).ok());
    let extensions = extensions.unwrap_or_else(|| error::extensions_of(500, "SERVER_ERROR"));
    json!({"message": message, "locations": locations, "path": path, "extensions": extensions})
}
