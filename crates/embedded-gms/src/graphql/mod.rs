//! GraphQL, as far as it concerns tokens, the caller and the list of entities. Names and types are those of
//! DataHub's schema (`auth.graphql`, `app.graphql`, `search.graphql`).

mod context;
mod entity_type;
mod error;
mod mutation;
mod query;
mod search;
mod token;
mod user;

use std::sync::{Arc, LazyLock};

use async_graphql::parser::parse_query;
use async_graphql::{EmptySubscription, Request, Response, Schema, ServerError, Variables};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::authorization::Permissions;
use crate::state::ServerState;
use context::Caller;
use mutation::Mutation;
use query::Query;

/// The longest query, in bytes. GMS has no such limit; the longest query of a known client has a few thousand
/// bytes.
const MAX_QUERY_BYTES: usize = 256 * 1024;

/// The greatest depth and the greatest number of fields of a query.
const MAX_DEPTH: usize = 32;
const MAX_FIELDS: usize = 10_000;

static SCHEMA: LazyLock<Schema<Query, Mutation, EmptySubscription>> = LazyLock::new(|| {
    Schema::build(Query, Mutation, EmptySubscription)
        .limit_depth(MAX_DEPTH)
        .limit_complexity(MAX_FIELDS)
        .limit_recursive_depth(MAX_DEPTH)
        .disable_suggestions()
        .finish()
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
    let variables = request_body.variables.map(|variables| Variables::from_json(Value::Object(variables)));
    let mut request = Request::new(request_body.query).variables(variables.unwrap_or_default());
    request.operation_name = request_body.operation_name.filter(|name| !name.is_empty());
    request.set_parsed_query(document);
    let response = SCHEMA.execute(request.data(Caller { server, permissions })).await;
    (200, Some(body_of(response)))
}

/// `errors` only if there are any; `data` only if something was executed; `extensions` always.
fn body_of(response: Response) -> Value {
    let Response { data, errors, .. } = response;
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
