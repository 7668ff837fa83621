//! GraphQL, as far as it is about tokens, who the caller is, and which entities there are; the names and types are those
//! of DataHub's schema (`auth.graphql`, `app.graphql`, `search.graphql`).

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

use super::Server;
use super::authorization::Rights;
use mutation::Mutation;
use query::Query;

/// How long a query may be, in bytes. GMS has no such limit; the longest that a client sends has some thousand.
const LONGEST_QUERY: usize = 256 * 1024;

/// How deep a query may be, and how many fields it may ask for.
const DEEPEST: usize = 32;
const MOST_FIELDS: usize = 10_000;

/// How many things a list in an answer has at most, whatever the question says.
const MOST_LISTED: i32 = 10_000;

static SCHEMA: LazyLock<Schema<Query, Mutation, EmptySubscription>> = LazyLock::new(|| {
    Schema::build(Query, Mutation, EmptySubscription)
        .limit_depth(DEEPEST)
        .limit_complexity(MOST_FIELDS)
        .limit_recursive_depth(DEEPEST)
        .disable_suggestions()
        .finish()
});

/// Who asks, for the resolvers.
struct Caller {
    server: Arc<Server>,
    rights: Rights,
}

/// The body of a request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Question {
    query: String,
    operation_name: Option<String>,
    variables: Option<Map<String, Value>>,
}

/// The status and body of an answer; `None` is an empty body.
pub(super) type Answer = (u16, Option<Value>);

/// Answers a request.
pub(super) async fn answer(server: Arc<Server>, rights: Rights, body: &[u8]) -> Answer {
    // Jackson leaves alone what follows the object, and one of the documented commands has a brace too many.
    let question = serde_json::Deserializer::from_slice(body).into_iter::<Question>().next();
    let Some(Ok(question)) = question else { return (400, None) };
    if question.query.len() > LONGEST_QUERY {
        return (400, Some(json!({"error": "Invalid GraphQL syntax", "message": "the query is too long"})));
    }
    let document = match parse_query(&question.query) {
        Ok(document) => document,
        Err(error) => {
            return (400, Some(json!({"error": "Invalid GraphQL syntax", "message": error.to_string()})));
        }
    };
    let variables = question.variables.map(|variables| Variables::from_json(Value::Object(variables)));
    let mut request = Request::new(question.query).variables(variables.unwrap_or_default());
    request.operation_name = question.operation_name.filter(|name| !name.is_empty());
    request.set_parsed_query(document);
    let response = SCHEMA.execute(request.data(Caller { server, rights })).await;
    (200, Some(body_of(response)))
}

/// `errors` only where there are some; `data` only where something was executed; `extensions` always.
fn body_of(response: Response) -> Value {
    let Response { data, errors, .. } = response;
    let mut body = Map::new();
    // What went wrong while a field was resolved has its path; what has none was wrong with the query.
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
