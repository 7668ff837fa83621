//! GraphQL: the only interface of GMS for callers and access tokens.

mod access_token;
mod me;
mod token_duration;
mod token_error;

use bytes::Bytes;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Client, GmsResponse};
use crate::diagnosis::Diagnosis;
use crate::display_text::display_text;
use crate::{Error, ErrorKind};

pub use access_token::{AccessTokenInfo, AccessTokens, NewAccessToken};
pub use me::Me;
pub use token_duration::AccessTokenDuration;

/// The path of GraphQL (`GraphQLController`), also below the frontend's `/api/gms`.
const PATH: &str = "/api/graphql";

/// The read limit of a response, 4 MiB. A page of a hundred tokens has about 50 KB.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// The characters of an error message that are kept.
const MAX_MESSAGE_CHARS: usize = 2_000;

/// The result of a GraphQL request.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum GraphqlAnswer {
    /// The requested data, by field. A field may be `null`.
    Data(Value),
    /// GMS accepted the caller, but did not do all that was requested. There is at least one error.
    Errors(Vec<GraphqlError>),
    /// This GMS has no GraphQL, or it failed. The diagnosis says what was observed.
    NotKnown(Box<Diagnosis>),
}

/// One error of a response (`DataHubGraphQLError`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GraphqlError {
    /// GMS's message without the caller's secrets, at most 2,000 characters. It differs by version.
    pub message: String,
    /// `extensions.code`, in the manner of HTTP: 400, 403, 404, 409, 500. GMS gives none for a question that
    /// does not fit its schema.
    pub code: Option<u16>,
}

impl GraphqlError {
    /// Whether this version of GMS does not know a field or an argument of the request.
    pub fn is_of_schema(&self) -> bool {
        self.code.is_none() && self.message.starts_with("Validation error")
    }
}

#[derive(Deserialize)]
struct Answer {
    data: Option<Value>,
    #[serde(default)]
    errors: Vec<Wrong>,
}

#[derive(Deserialize)]
struct Wrong {
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    extensions: Option<Value>,
}

impl Client {
    /// Sends a request once: a mutation must not be repeated without knowing what it does.
    ///
    /// `document` is a query or a mutation, `variables` an object with the values of its variables.
    ///
    /// # Errors
    /// When there is no answer, or none that says anything about the question: a transport fault, 401, 403, a
    /// redirect, a login page. The error carries the diagnosis.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the request. GMS may have executed it all the same, so the effect of a
    /// mutation is unknown then.
    pub async fn graphql(&self, document: &str, variables: &Value) -> Result<GraphqlAnswer, Error> {
        let line = self.request_line(Method::POST, PATH);
        let body =
            serde_json::to_vec(&json!({"query": document, "variables": variables})).map_err(|error| {
                Error::new(ErrorKind::Internal, "a GraphQL question has no JSON form").with_source(error)
            })?;
        let sent = self.send(&line, Some(Bytes::from(body).into()), MAX_ANSWER_BYTES).await;
        let response = sent.map_err(|fault| self.diagnose_send_error(&line, &fault, 1))?;
        if let Some(answer) = self.read_answer(&response) {
            return Ok(answer);
        }
        let diagnosis = self.diagnose(&line, &response);
        let status = response.status;
        let refused = matches!(status.as_u16(), 401 | 403 | 407) || status.is_redirection();
        // A page in place of an API comes from something in front of GMS; its own 404 is JSON or empty.
        if refused || (status.is_success() && !response.is_json_or_empty()) {
            return Err(diagnosis.into());
        }
        Ok(GraphqlAnswer::NotKnown(Box::new(diagnosis)))
    }

    fn read_answer(&self, response: &GmsResponse) -> Option<GraphqlAnswer> {
        if !response.status.is_success() || response.truncated {
            return None;
        }
        let answer: Answer = serde_json::from_slice(&response.body).ok()?;
        if answer.errors.is_empty() {
            return answer.data.filter(Value::is_object).map(GraphqlAnswer::Data);
        }
        let errors = answer.errors.into_iter().map(|wrong| GraphqlError {
            message: self.shown_message(wrong.message.as_deref().unwrap_or_default()),
            code: wrong.extensions.and_then(|extensions| extensions.get("code")?.as_u64()?.try_into().ok()),
        });
        Some(GraphqlAnswer::Errors(errors.collect()))
    }

    /// A message of GMS without control characters and secrets. Secrets are replaced first: the limit could
    /// split one.
    fn shown_message(&self, text: &str) -> String {
        display_text(&self.redact(text), MAX_MESSAGE_CHARS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gms::{ClientConfig, ServerAddress};

    fn read(status: u16, body: &'static str) -> Option<GraphqlAnswer> {
        let server = ServerAddress::parse("http://localhost:1").unwrap();
        let client = Client::new(&ClientConfig {
            extra_headers: vec![("Authorization".into(), "Bearer s3cr3t-0123456789".into())],
            ..ClientConfig::new(server)
        });
        client.unwrap().read_answer(&GmsResponse::with_body(status, body))
    }

    #[test]
    fn data_and_errors_are_told_apart() {
        let data = read(200, r#"{"data":{"me":null},"extensions":{}}"#);
        assert_eq!(data, Some(GraphqlAnswer::Data(json!({"me": null}))));
        let Some(GraphqlAnswer::Errors(errors)) = read(
            200,
            r#"{"errors":[{"message":"Unauthorized:s3cr3t-0123456789\u001b[31m","path":["x"],"extensions":{"code":403}},
                {"message":"Validation error (FieldUndefined@[x]) : no","extensions":{"classification":"ValidationError"}},
                {"message":null,"extensions":{"code":"many"}}],"data":{"x":null}}"#,
        ) else {
            panic!("these are errors");
        };
        assert_eq!((errors[0].message.as_str(), errors[0].code), ("Unauthorized:******** [31m", Some(403)));
        assert!(errors[1].is_of_schema() && !errors[0].is_of_schema() && !errors[2].is_of_schema());
        assert_eq!((errors[2].message.as_str(), errors[2].code), ("", None));
    }

    #[test]
    fn what_is_no_answer_to_a_question_is_none() {
        for (status, body) in [
            (200, ""),
            (200, "{}"),
            (200, r#"{"data":null}"#),
            (200, r#"{"data":[1]}"#),
            (200, "[1]"),
            (200, "<html>"),
            (400, r#"{"error":"Invalid GraphQL syntax","message":"x"}"#),
            (404, r#"{"data":{"me":null}}"#),
            (503, ""),
        ] {
            assert_eq!(read(status, body), None, "{status} {body}");
        }
    }
}
